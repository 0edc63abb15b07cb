"""The command `tfq-llm`: arguments in, exit code out. Each command imports its driver only when it runs."""

from __future__ import annotations

import functools
import inspect
import logging
import math
import os
import shlex
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer

from tfq_llm.cli_options import LabelColumn, Overrides, TextColumn, data_settings, tensorflow
from tfq_llm.cli_serve import export, serve
from tfq_llm.cli_study import report, study_app
from tfq_llm.errors import InputError, ServiceError
from tfq_llm.ionq.credentials import EMULATOR_KEY

app = typer.Typer(
    name="tfq-llm",
    help="Fine-tune language models with quantum circuits.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)
data_app = typer.Typer(no_args_is_help=True, help="Data sets: what there is, and fetching it.")
ionq_app = typer.Typer(no_args_is_help=True, help="Run trained models on IonQ's machines.")
encoders_app = typer.Typer(no_args_is_help=True, help="Sentence encoders: what there is, and building it.")
app.add_typer(data_app, name="data")
app.add_typer(encoders_app, name="encoders")
app.add_typer(ionq_app, name="ionq")
app.add_typer(study_app, name="study")
app.command()(report)
app.command()(export)
app.command()(serve)

Run = Annotated[Path, typer.Argument(metavar="RUN", help="A finished run directory.")]
RunPlace = Annotated[
    Path, typer.Argument(metavar="RUN", help="The run directory; what was sent and what came back is kept in it.")
]
LabelledData = Annotated[str, typer.Option(help="A named set, a file, a directory of .tsv; an .npz for a run on embeddings.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Host = Annotated[
    str | None,
    typer.Option(metavar="URL", help="The service. Default: IonQ's. The stand-in's is printed by 'tfq-llm ionq emulate'."),
]
KeyFile = Annotated[
    Path | None,
    typer.Option(metavar="FILE", help="A file of mode 600 with the API key. Default: the environment's IONQ_API_KEY."),
]
ApiVersion = Annotated[str, typer.Option(help="v0.4, in a worker process of its own, or v0.3.")]
Target = Annotated[str, typer.Option(help="As IonQ names it: qpu.forte-1, qpu.aria-1 or simulator; others by --prices.")]
Shots = Annotated[int, typer.Option(help="Of each sentence.")]
NumSentences = Annotated[int, typer.Option("--sentences", help="How many; classes in proportion. More begin with the same ones.")]
Noise = Annotated[str | None, typer.Option(help="For the target simulator: the machine whose noise it has, such as forte-1.")]
NoiseSeed = Annotated[int | None, typer.Option(help="Of that noise.")]
Debias = Annotated[bool, typer.Option(help="IonQ's debiasing. It has a higher least price.")]
Sharpen = Annotated[bool, typer.Option(help="Debiased results by majority, and not by mean. Both come with the same job.")]
Repetition = Annotated[int, typer.Option(min=0, help="Another number runs the same circuits again, and is paid for again.")]
Yes = Annotated[bool, typer.Option("--yes", help="Do not ask before spending.")]
MaxCost = Annotated[float | None, typer.Option(metavar="USD", help="Refuse to send for more.")]
Prices = Annotated[Path | None, typer.Option(metavar="FILE", help="Prices in place of the table's, as YAML.")]
Wait = Annotated[float, typer.Option(min=0, help="For how many seconds results are waited for.")]
Deadline = Annotated[float, typer.Option(min=0.1, help="Seconds that one request may take.")]
Settle = Annotated[float, typer.Option(min=0, help="For how many seconds a job is looked for whose reply was lost.")]


@app.command()
def train(
    config: Annotated[
        str, typer.Argument(metavar="CONFIG", help="A YAML file, or the name of one that comes with the package: demo.")
    ],
    data: Annotated[
        str | None, typer.Option(metavar="NAME_OR_PATH", help="A named set, a file, or a directory of .tsv (data.name).")
    ] = None,
    text_column: TextColumn = None,
    label_column: LabelColumn = None,
    embeddings: Annotated[
        Path | None, typer.Option(metavar="FILE.npz", help="Embeddings and labels in place of texts; trains the heads alone.")
    ] = None,
    overrides: Overrides = None,
    run_dir: Annotated[
        Path | None, typer.Option(help="Where the run is kept. Default: runs/ and the configuration's name.")
    ] = None,
    full: Annotated[bool, typer.Option("--full", help="Score all test rows (data.test_rows=null).")] = False,
) -> None:
    """Train as CONFIG says, compare with classical heads, and keep everything in a run directory.

    A run that was killed goes on when the same command is given again.
    """
    from tfq_llm.config import load_config, text_setting
    from tfq_llm.pipelines.configs import find

    options = data_settings(data, text_column, label_column, [embeddings] if embeddings else None)
    if embeddings:
        options += [text_setting("data.embeddings", str(embeddings)), "tuning.enabled=false", "joint.enabled=false"]
    options += ["data.test_rows=null"] if full else []
    path = find(config)
    resolved = load_config(path, [*options, *(overrides or [])])
    with tensorflow():
        from tfq_llm.pipelines.train import train as run_training

        directory = run_dir or Path("runs") / path.stem
        print(run_training(resolved, directory), end="")
        hint = "" if resolved.data.embeddings else f' Try: tfq-llm predict {shlex.quote(str(directory))} "a sentence of your own"'
        print(f"\nThe run is in {directory}.{hint}")


@app.command()
def evaluate(
    run: Run,
    data: Annotated[str, typer.Option(help="A named set, a file, a directory of .tsv; an .npz for a run on embeddings.")],
    text_column: TextColumn = None,
    label_column: LabelColumn = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Score a trained model on other labelled data. Texts it was trained on are left out."""
    with tensorflow():
        from tfq_llm.pipelines.evaluate import evaluate as run_evaluation

        print(run_evaluation(run, data, text_column, label_column, as_json=as_json))


@app.command()
def predict(
    model: Annotated[Path, typer.Argument(metavar="MODEL", help="A finished run directory, or an exported model.")],
    texts: Annotated[list[str] | None, typer.Argument(metavar="TEXT...", help="Texts to classify.")] = None,
    file: Annotated[Path | None, typer.Option(help="A UTF-8 file with a text on each line; - for standard input.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object per text, with all probabilities.")] = False,
) -> None:
    """Classify texts with a trained model."""
    with tensorflow():
        from tfq_llm.pipelines.predict import predict as run_prediction

        for line in run_prediction(model, texts or [], file, as_json=as_json):
            print(line)


@app.command()
def draw(
    config: Annotated[str, typer.Argument(metavar="[CONFIG]", help="A YAML file or the name of a packaged one.")] = "demo",
    overrides: Overrides = None,
    qubits: Annotated[
        int | None, typer.Option(min=2, help="Number of qubits. Default: the configuration's, or 4 where it leaves it open.")
    ] = None,
    part: Annotated[
        str, typer.Option(help="qpu: the re-uploading circuit; amplitude-encoder: the simulated one before it.")
    ] = "qpu",
    svg: Annotated[Path | None, typer.Option(help="Write an SVG file in place of text.")] = None,
) -> None:
    """Draw the circuits of a configuration as text or SVG."""
    from tfq_llm.pipelines.draw import draw as run_drawing

    print(run_drawing(config, overrides or [], qubits, part, svg))


@app.command()
def settings() -> None:
    """List every setting of a configuration: kind, default, meaning."""
    from tfq_llm.pipelines.settings import settings as all_settings

    print(all_settings())


@app.command()
def results(
    data: Annotated[str | None, typer.Option(help="A data set or directory; default: the default data.")] = None,
    embeddings: Annotated[list[Path] | None, typer.Option(help="An .npz file; give it again for more.")] = None,
    seeds: Annotated[int, typer.Option(min=1, help="How many seeds.")] = 3,
    overrides: Overrides = None,
    run_dir: Annotated[Path, typer.Option(help="Where the runs are kept.")] = Path("runs/results"),
) -> None:
    """Run several seeds and print the table of docs/results.md: every head, mean and standard deviation."""
    if data and embeddings:
        raise InputError("give --data or --embeddings, not both.")
    with tensorflow():
        from tfq_llm.pipelines.results import results as run_results

        print(run_results(data, embeddings or [], seeds, overrides or [], run_dir))


@app.command()
def stock_pqc(
    per_class: Annotated[int, typer.Option(min=2, help="Rows per class to train on.")] = 64,
    qubits: Annotated[int, typer.Option(min=2, max=12, help="Number of qubits, and of principal components.")] = 4,
    epochs: Annotated[int, typer.Option(min=1)] = 20,
    seed: Annotated[int, typer.Option(min=0)] = 0,
) -> None:
    """Show TensorFlow Quantum's own `tfq.layers.PQC` at work on the default data: one upload, data as circuits."""
    with tensorflow():
        from tfq_llm.pipelines.stock_pqc import stock_pqc as run_stock_pqc

        print(run_stock_pqc(per_class, qubits, epochs, seed))


@data_app.command("list")
def data_list() -> None:
    """List the data sets that have names."""
    from tfq_llm.pipelines.lists import data_table

    print(data_table())


@data_app.command("fetch")
def data_fetch(name: Annotated[str, typer.Argument(help="A name from 'data list'.")]) -> None:
    """Fetch a data set into the cache; it is verified, and fetched once."""
    from tfq_llm import data

    print(data.fetch(name))


@encoders_app.command("list")
def encoders_list() -> None:
    """List the sentence encoders that have names."""
    with tensorflow():
        from tfq_llm.pipelines.lists import encoders_table

        print(encoders_table())


@encoders_app.command("build")
def encoders_build(
    name: Annotated[
        str, typer.Argument(metavar="NAME", help="A name from 'encoders list', or a sentence-transformers directory.")
    ],
    max_tokens: Annotated[int, typer.Option(min=3, help="How much of a text it will read.")] = 128,
) -> None:
    """Build a sentence encoder's SavedModel in the cache, so that it loads offline."""
    with tensorflow():
        from tfq_llm import encoders

        print(encoders.build(name, max_tokens))


def _with(**builders: Callable[..., Any]) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Gives a command the options of functions, and what these make of them in their place, by the names of its parameters."""

    def decorate(command: Callable[..., None]) -> Callable[..., None]:
        shown = {name: inspect.signature(build, eval_str=True).parameters for name, build in builders.items()}

        @functools.wraps(command)
        def call(**given: Any) -> None:
            made = {name: builders[name](**{option: given.pop(option) for option in options}) for name, options in shown.items()}
            command(**given, **made)

        own = inspect.signature(command, eval_str=True).parameters
        parameters = [own[name] for name in own if name not in builders]
        parameters += [
            option.replace(kind=inspect.Parameter.KEYWORD_ONLY) for options in shown.values() for option in options.values()
        ]
        call.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
        call.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
        return call

    return decorate


def _connection(
    host: Host = None,
    key_file: KeyFile = None,
    api_version: ApiVersion = "v0.4",
    deadline: Deadline = 30.0,
    settle: Settle = 60.0,
) -> Any:
    """A `tfq_llm.ionq.service.Connection`."""
    from tfq_llm.ionq.service import Connection

    if not 2 * deadline <= settle < math.inf:
        least = f"twice --deadline, {2 * deadline:g} s"
        raise InputError(f"--settle must be at least {least}, not {settle:g}: a request may be on its way still.")
    return Connection(host, key_file, api_version, deadline, settle_seconds=settle)


def _order(
    target: Target = "qpu.forte-1",
    shots: Shots = 1000,
    noise: Noise = None,
    noise_seed: NoiseSeed = None,
    debias: Debias = False,
    sharpen: Sharpen = False,
    repetition: Repetition = 0,
) -> Any:
    """A `tfq_llm.ionq.ledger.Order`."""
    from tfq_llm.ionq.ledger import Order

    return Order(target, shots, noise, noise_seed, debias, sharpen, repetition)


@ionq_app.command("estimate")
def ionq_estimate(
    run: Run,
    data: LabelledData,
    shots: Shots = 1000,
    target: Target = "qpu.forte-1",
    budget: Annotated[float | None, typer.Option(metavar="USD", help="Say what so many dollars are enough for.")] = None,
    simulated_rows: Annotated[int, typer.Option(min=1, help="How many sentences to simulate, a stratified part.")] = 200,
    readout_error: Annotated[
        float, typer.Option(min=0, max=1, help="Probability that a measured qubit is read wrongly; IonQ's noise model has none.")
    ] = 0.0,
    prices: Prices = None,
    text_column: TextColumn = None,
    label_column: LabelColumn = None,
    as_json: AsJson = False,
) -> None:
    """Say what running RUN's model on IonQ would cost, and how accurate it would be. Nothing is sent."""
    with tensorflow():
        from tfq_llm.pipelines.ionq_estimate import estimate

        print(
            estimate(
                run,
                data,
                shots,
                target,
                text_column=text_column,
                label_column=label_column,
                simulated_rows=simulated_rows,
                readout_error=readout_error,
                budget=budget,
                prices=prices,
                as_json=as_json,
            )
        )


@ionq_app.command("submit")
@_with(order=_order, connection=_connection)
def ionq_submit(
    run: Run,
    data: LabelledData,
    order: Any,
    connection: Any,
    count: NumSentences = 20,
    yes: Yes = False,
    max_cost: MaxCost = None,
    prices: Prices = None,
    text_column: TextColumn = None,
    label_column: LabelColumn = None,
) -> None:
    """Send sentences' circuits to IonQ, after asking. Results that are there or on their way are not paid for again."""
    with tensorflow():
        from tfq_llm.pipelines.ionq_evaluate import sentences, submit

        with _service(run, connection, order, prices) as service:
            given = sentences(run, data, count, text_column, label_column)
            service.jobs.ledger.belongs_to(len(given.head.ansatz.qubits))
            print(submit(run, service, given, _ask(yes, max_cost)))


@ionq_app.command("evaluate")
@_with(order=_order, connection=_connection)
def ionq_evaluate(
    run: Run,
    data: LabelledData,
    order: Any,
    connection: Any,
    count: NumSentences = 20,
    yes: Yes = False,
    max_cost: MaxCost = None,
    prices: Prices = None,
    mitigation: Annotated[
        str | None, typer.Option(help="On this side: readout, linear, exponential, 'readout, linear' or 'readout, exponential'.")
    ] = None,
    wait: Wait = 86_400,
    text_column: TextColumn = None,
    label_column: LabelColumn = None,
    as_json: AsJson = False,
) -> None:
    """Score RUN's model by IonQ's answers: send what is missing, wait, count. Killed, it goes on where it was."""
    with tensorflow():
        from tfq_llm.pipelines.ionq_evaluate import evaluate, sentences

        with _service(run, connection, order, prices, wait) as service:
            given = sentences(run, data, count, text_column, label_column)
            service.jobs.ledger.belongs_to(len(given.head.ansatz.qubits))
            print(evaluate(service, given, _ask(yes, max_cost), mitigation, as_json=as_json))


@ionq_app.command("mitigation")
@_with(connection=_connection)
def ionq_mitigation(
    run: Run,
    data: LabelledData,
    connection: Any,
    shots: Shots = 1000,
    target: Target = "qpu.forte-1",
    count: NumSentences = 20,
    repetition: Repetition = 0,
    yes: Yes = False,
    max_cost: MaxCost = None,
    prices: Prices = None,
    wait: Wait = 86_400,
    text_column: TextColumn = None,
    label_column: LabelColumn = None,
    as_json: AsJson = False,
) -> None:
    """Compare ways to mitigate errors on a target: how near each comes to the exact values, and what it costs."""
    order = _order(target, shots, repetition=repetition)
    with tensorflow():
        from tfq_llm.pipelines.ionq_evaluate import sentences
        from tfq_llm.pipelines.ionq_mitigation import mitigation

        with _service(run, connection, order, prices, wait) as service:
            given = sentences(run, data, count, text_column, label_column)
            service.jobs.ledger.belongs_to(len(given.head.ansatz.qubits))
            print(mitigation(service, given, _ask(yes, max_cost), as_json=as_json))


@ionq_app.command("finetune")
@_with(order=_order, connection=_connection)
def ionq_finetune(
    run: Run,
    data: Annotated[str, typer.Option(help="The data that RUN was trained on; no other rows are used.")],
    max_cost: Annotated[float, typer.Option(metavar="USD", help="Stop before spending more; 0 for a target that is free.")],
    order: Any,
    connection: Any,
    max_evaluations: Annotated[int | None, typer.Option(help="Stop before running more circuits.")] = None,
    method: Annotated[str, typer.Option(help="spsa or parameter-shift.")] = "spsa",
    parameters: Annotated[int, typer.Option(help="How many, the last ones of the circuit.")] = 4,
    steps: Annotated[int, typer.Option(help="At most.")] = 20,
    learning_rate: Annotated[float, typer.Option(help="Of the first step.")] = 1.0,
    batch_size: Annotated[int, typer.Option(help="Sentences of a step.")] = 16,
    held_out: Annotated[int, typer.Option(help="Sentences by which the best weights are chosen.")] = 16,
    seed: Annotated[int, typer.Option(help="Of sentences and directions.")] = 0,
    yes: Yes = False,
    prices: Prices = None,
    wait: Wait = 86_400,
    text_column: TextColumn = None,
    label_column: LabelColumn = None,
    as_json: AsJson = False,
) -> None:
    """Train the last parameters of RUN's circuit on a machine, within a budget. Killed, it goes on where it was."""
    with tensorflow():
        from tfq_llm.ionq.budget import Settings
        from tfq_llm.pipelines.ionq_finetune import finetune

        settings = Settings(
            max_cost,
            max_evaluations,
            method,
            parameters,
            steps,
            learning_rate,
            batch_size=batch_size,
            held_out=held_out,
            seed=seed,
        )
        with _service(run, connection, order, prices, wait) as service:
            ask = _ask(yes, max_cost)
            print(
                finetune(run, service, data, settings, ask, text_column=text_column, label_column=label_column, as_json=as_json)
            )


@ionq_app.command("status")
@_with(connection=_connection)
def ionq_status(
    run: RunPlace,
    connection: Any,
    as_json: AsJson = False,
) -> None:
    """Say how every job sent from RUN is."""
    from tfq_llm.ionq.service import connected
    from tfq_llm.pipelines.ionq_jobs import status

    with connected(run, connection) as jobs:
        print(status(jobs, as_json=as_json))


@ionq_app.command("fetch")
@_with(connection=_connection)
def ionq_fetch(
    run: RunPlace,
    connection: Any,
) -> None:
    """Fetch the results of completed jobs, without waiting for others."""
    from tfq_llm.ionq.service import connected
    from tfq_llm.pipelines.ionq_jobs import fetch

    with connected(run, connection) as jobs:
        print(fetch(jobs))


@ionq_app.command("cancel")
@_with(connection=_connection)
def ionq_cancel(
    run: RunPlace,
    connection: Any,
    names: Annotated[list[str] | None, typer.Argument(metavar="JOB...", help="Names, as 'status' has them.")] = None,
    everything: Annotated[bool, typer.Option("--all", help="All that are not finished.")] = False,
) -> None:
    """Cancel jobs that are not finished."""
    from tfq_llm.ionq.service import connected
    from tfq_llm.pipelines.ionq_jobs import cancel

    with connected(run, connection) as jobs:
        print(cancel(jobs, names or [], everything=everything))


@ionq_app.command("list")
@_with(connection=_connection)
def ionq_list(
    run: RunPlace,
    connection: Any,
    limit: Annotated[int, typer.Option(min=1, help="How many, the last ones.")] = 20,
    as_json: AsJson = False,
) -> None:
    """List the last jobs at the service, whoever sent them; RUN's are marked."""
    from tfq_llm.ionq.service import connected
    from tfq_llm.pipelines.ionq_jobs import list_jobs

    with connected(run, connection) as jobs:
        print(list_jobs(jobs, limit, as_json=as_json))


@ionq_app.command("emulate")
def ionq_emulate(
    noise: Annotated[str, typer.Option(help="Of its machines: none, aria-1 or forte-1.")] = "none",
    readout_error: Annotated[
        tuple[float, float], typer.Option(metavar="P01 P10", help="Probabilities that a 0 is read as 1, and a 1 as 0.")
    ] = (0.0, 0.0),
    port: Annotated[int, typer.Option(min=0, max=65535, help="0 takes one that is free.")] = 8765,
    queue_seconds: Annotated[float, typer.Option(min=0, help="How long a job waits.")] = 0.0,
    run_seconds: Annotated[float, typer.Option(min=0, help="How long a job runs, at least.")] = 0.0,
    rate_limit: Annotated[float | None, typer.Option(help="Requests a second; more are answered with 429.")] = None,
    seed: Annotated[int, typer.Option(min=0, help="Of shots and noise.")] = 0,
    key: Annotated[str, typer.Option(envvar="IONQ_EMULATOR_KEY", help="What callers authenticate with.")] = EMULATOR_KEY,
    faults: Annotated[
        list[str] | None,
        typer.Option("--fault", help="Such as 'lost on=submit times=2'; docs/ionq.md lists them. May be repeated."),
    ] = None,
    trace: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write every request as a line of JSON, without the key.")
    ] = None,
) -> None:
    """Run a stand-in for IonQ's service on this machine: no account, no cost, the same API, noise and faults as wanted."""
    from tfq_llm.ionq.emulator import serve

    serve(
        port,
        noise=noise,
        readout=readout_error,
        queue_seconds=queue_seconds,
        run_seconds=run_seconds,
        rate_limit=rate_limit,
        seed=seed,
        key=key,
        faults=faults or [],
        trace=trace,
    )


@contextmanager
def _service(run: Path, connection: Any, order: Any, prices: Path | None, wait: float = 86_400) -> Iterator[Any]:
    """A `tfq_llm.ionq.service.Service` that keeps a run's ledger."""
    from tfq_llm.ionq.prices import price_of
    from tfq_llm.ionq.service import Service, connected

    price = price_of(order.target, prices)
    with connected(run, connection) as jobs:
        yield Service(jobs, order, price, wait)


def _ask(yes: bool, max_cost: float | None) -> Callable[[str, float], None]:
    """Shows what is going to be sent, and asks if it costs something."""
    from tfq_llm.ionq.service import CostLimit

    limit = CostLimit(max_cost)

    def ask(text: str, dollars: float) -> None:
        print(text, file=sys.stderr)
        limit.spend(dollars)
        if dollars and not yes:
            if not sys.stdin.isatty():
                raise InputError("nobody is there to be asked before spending: give --yes, and --max-cost to be safe.")
            if not typer.confirm(f"Spend ${dollars:,.2f}?", err=True):
                raise InputError("nothing was sent.")

    return ask


def main(arguments: list[str] | None = None) -> int:
    """Runs the command line and returns its exit code: 0, 1 when a service fails, 2 for bad input, 130 when interrupted."""
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stderr)
    logging.getLogger("absl").setLevel(logging.ERROR)
    command: Any = typer.main.get_command(app)
    try:
        return int(command.main(arguments, standalone_mode=False) or 0)
    except InputError as error:
        print(f"tfq-llm: {error}", file=sys.stderr)
        return 2
    except ServiceError as error:
        print(f"tfq-llm: {error}", file=sys.stderr)
        return 1
    except typer.TyperException as error:
        usage_error: Any = error
        usage_error.show()
        return error.exit_code
    except (KeyboardInterrupt, typer.Abort):
        print("\ntfq-llm: interrupted. What was finished is kept; the same command goes on from there.", file=sys.stderr)
        return 130
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0


if __name__ == "__main__":
    sys.exit(main())
