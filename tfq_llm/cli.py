"""The command `tfq-llm`: arguments in, exit code out. Each command imports its driver only when it runs."""

from __future__ import annotations

import logging
import shlex
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from tfq_llm import __version__
from tfq_llm.cli_embed import embed
from tfq_llm.cli_ionq import ionq_app
from tfq_llm.cli_options import AsJson, LabelColumn, LabelledData, Overrides, ReadRun, TextColumn, data_settings, tensorflow
from tfq_llm.cli_serve import export, keep_head, score, serve
from tfq_llm.cli_stopping import GOES_ON, INTERRUPTED, StoppedError, stoppable
from tfq_llm.cli_study import report, study_app
from tfq_llm.errors import InputError, ServiceError
from tfq_llm.model_paths import model_path

app = typer.Typer(
    name="tfq-llm",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)
data_app = typer.Typer(no_args_is_help=True, help="Data sets: what there is, and fetching it.")
encoders_app = typer.Typer(no_args_is_help=True, help="Sentence encoders: what there is, and building it.")
app.add_typer(data_app, name="data")
app.add_typer(encoders_app, name="encoders")
app.add_typer(ionq_app, name="ionq")
app.add_typer(study_app, name="study")


def _show_version(wanted: bool) -> None:
    if wanted:
        print(f"tfq-llm {__version__}")
        raise typer.Exit()


@app.callback()
def options(
    version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version and exit.")
    ] = False,
) -> None:
    """Fine-tune language models with quantum circuits."""


@app.command()
def train(
    config: Annotated[
        str,
        typer.Argument(
            metavar="CONFIG", help="A YAML file, or the name of one that comes with the package, such as demo or domains."
        ),
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
    from tfq_llm.config import load_config
    from tfq_llm.pipelines.configs import find
    from tfq_llm.yaml_settings import text_setting

    options = data_settings(data, text_column, label_column, [embeddings] if embeddings else None)
    if embeddings:
        options += [text_setting("data.embeddings", str(embeddings)), "tuning.enabled=false", "joint.enabled=false"]
    options += ["data.test_rows=null"] if full else []
    path = find(config)
    resolved = load_config(path, [*options, *(overrides or [])])
    with stoppable(GOES_ON), tensorflow():
        from tfq_llm.pipelines.train import train as run_training

        directory = run_dir or Path("runs") / path.stem
        print(run_training(resolved, directory), end="")
        hint = "" if resolved.data.embeddings else f' Try: tfq-llm predict {shlex.quote(str(directory))} "a sentence of your own"'
        print(f"\nThe run is in {directory}.{hint}")


@app.command()
def evaluate(
    run: ReadRun,
    data: LabelledData,
    text_column: TextColumn = None,
    label_column: LabelColumn = None,
    as_json: AsJson = False,
) -> None:
    """Score a trained model on other labelled data. Texts it was trained on are left out."""
    with stoppable(GOES_ON), tensorflow():
        from tfq_llm.pipelines.evaluate import evaluate as run_evaluation

        print(run_evaluation(run, data, text_column, label_column, as_json=as_json))


@app.command()
def predict(
    model: Annotated[
        Path,
        typer.Argument(metavar="MODEL", help="A finished run directory, a saved head or an exported model.", callback=model_path),
    ],
    texts: Annotated[list[str] | None, typer.Argument(metavar="TEXT", help="Texts to classify.")] = None,
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
    config: Annotated[str, typer.Argument(metavar="CONFIG", help="A YAML file or the name of a packaged one.")] = "demo",
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
    with stoppable(GOES_ON), tensorflow():
        from tfq_llm.pipelines.results import results as run_results

        print(run_results(data, embeddings or [], seeds, overrides or [], run_dir))


@app.command()
def stock_pqc(
    per_class: Annotated[int, typer.Option(min=2, help="Rows per class to train on.")] = 64,
    qubits: Annotated[int, typer.Option(min=2, max=12, help="Number of qubits, and of principal components.")] = 4,
    epochs: Annotated[int, typer.Option(min=1, help="Of the training.")] = 20,
    seed: Annotated[int, typer.Option(min=0, help="Of split, initial weights and batches.")] = 0,
) -> None:
    """Show TensorFlow Quantum's own `tfq.layers.PQC` at work on the default data: one upload, data as circuits."""
    with tensorflow():
        from tfq_llm.pipelines.stock_pqc import stock_pqc as run_stock_pqc

        print(run_stock_pqc(per_class, qubits, epochs, seed))


for command in (embed, report, keep_head, export, serve, score):  # behind the others, as --help lists them
    app.command()(command)


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


def main(arguments: list[str] | None = None) -> int:
    """Runs the command line and returns its exit code: 0, 1 when a service fails, 2 for bad input or what the system refuses, 130
    or 143 when stopped.
    """
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stderr)
    logging.getLogger("absl").setLevel(logging.ERROR)
    command: Any = typer.main.get_command(app)
    try:
        code = int(command.main(arguments, standalone_mode=False) or 0)
    except InputError as error:
        print(f"tfq-llm: {error}", file=sys.stderr)
        return 2
    except ServiceError as error:
        print(f"tfq-llm: {error}", file=sys.stderr)
        return 1
    except OSError as error:
        if not error.strerror:  # not of the system
            raise
        print(f"tfq-llm: {error.strerror}{f': {error.filename!r}' if error.filename else ''}.", file=sys.stderr)
        return 2
    except typer.TyperException as error:
        usage_error: Any = error
        usage_error.show()
        return error.exit_code
    except StoppedError as error:
        print(f"\ntfq-llm: {error}", file=sys.stderr)
        return error.code
    except typer.Abort:
        code = INTERRUPTED
    if code == INTERRUPTED:  # Typer's, of Ctrl-C in a command of which there is nothing to say
        print("\ntfq-llm: interrupted.", file=sys.stderr)
    return code


if __name__ == "__main__":
    sys.exit(main())
