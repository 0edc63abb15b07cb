"""The commands `tfq-llm ionq …`."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer

from tfq_llm.cli_ionq_options import (
    MaxCost,
    NumSentences,
    Prices,
    Repetition,
    RunPlace,
    Shots,
    Target,
    Wait,
    Yes,
    connection_of,
    order_of,
    with_options,
)
from tfq_llm.cli_options import AsJson, LabelColumn, LabelledData, Run, TextColumn, tensorflow
from tfq_llm.cli_stopping import GOES_ON, stoppable
from tfq_llm.errors import InputError
from tfq_llm.ionq.credentials import EMULATOR_KEY

ionq_app = typer.Typer(no_args_is_help=True, help="Run trained models on IonQ's machines.")


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
@with_options(order=order_of, connection=connection_of)
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
@with_options(order=order_of, connection=connection_of)
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
@with_options(connection=connection_of)
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
    order = order_of(target, shots, repetition=repetition)
    with tensorflow():
        from tfq_llm.pipelines.ionq_evaluate import sentences
        from tfq_llm.pipelines.ionq_mitigation import mitigation

        with _service(run, connection, order, prices, wait) as service:
            given = sentences(run, data, count, text_column, label_column)
            service.jobs.ledger.belongs_to(len(given.head.ansatz.qubits))
            print(mitigation(service, given, _ask(yes, max_cost), as_json=as_json))


@ionq_app.command("finetune")
@with_options(order=order_of, connection=connection_of)
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
@with_options(connection=connection_of)
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
@with_options(connection=connection_of)
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
@with_options(connection=connection_of)
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
@with_options(connection=connection_of)
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
    with stoppable(GOES_ON), connected(run, connection) as jobs:
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
