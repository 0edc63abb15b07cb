"""The commands `tfq-llm study …` and `tfq-llm report`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tfq_llm.cli_options import LabelColumn, Overrides, TextColumn, data_settings, tensorflow, this_command
from tfq_llm.cli_stopping import GOES_ON, stoppable_by_sigterm

if TYPE_CHECKING:
    from tfq_llm.studies.config import Kind

study_app = typer.Typer(no_args_is_help=True, help="Studies: does the quantum head help, which part of it, and how sure is that?")

KINDS: dict[Kind, str] = {
    "compare": "All arms, quantum and classical, each tuned with the same budget on the same validation folds, then scored once.",
    "ablation": "The quantum head with one part taken out at a time.",
    "screen": "Main effects and interactions of the head's settings, by a two-level design.",
    "qubits": "Accuracy against the number of qubits.",
    "noise": "Training and scoring under gate noise: noise-aware against noise-blind.",
    "shots": "Training and scoring with a finite number of shots.",
    "tune": "Search settings of arms by validation folds; no test row is scored.",
}

Config = Annotated[
    str | None, typer.Argument(metavar="CONFIG", help="A YAML file, or the name of one that comes with the package.")
]
Data = Annotated[
    str | None, typer.Option(metavar="NAME_OR_PATH", help="A named set, a file, or a directory of .tsv (data.name).")
]
Embeddings = Annotated[
    list[Path] | None,
    typer.Option(metavar="FILE.npz", help="Embeddings in place of texts: one file, or one for each split (give it again)."),
]
Place = Annotated[
    str | None, typer.Option("--study-dir", metavar="DIR_OR_URL", help="Where it is kept. Default: runs/studies/ and CONFIG.")
]
NumWorkers = Annotated[int | None, typer.Option("--workers", min=1, help="Processes. Default: one for each core.")]
Cluster = Annotated[str | None, typer.Option(metavar="ADDRESS", help="A Ray cluster to run on: HOST:PORT, or auto.")]
Retries = Annotated[int | None, typer.Option(min=0, help="Tries again of a trial whose worker died. Default: 1; on a cluster 3.")]
TrialTimeout = Annotated[
    float | None, typer.Option(metavar="SECONDS", help="Stop a trial after that long; the next command tries it again.")
]
CpusPerTrial = Annotated[
    float | None, typer.Option(metavar="CPUS", help="Set aside for a trial, with --cluster only. Default: 1.")
]
MemoryPerTrial = Annotated[
    str | None, typer.Option(metavar="SIZE", help="Set aside for a trial, such as 2GB, with --cluster only.")
]
Known = Annotated[Path | None, typer.Option(metavar="FILE.csv", help="Finished trials, which are not run again.")]
Export = Annotated[Path | None, typer.Option(metavar="FILE.csv", help="Write all finished trials, for --known elsewhere.")]


def _add(kind: Kind, text: str) -> None:
    @study_app.command(kind, help=f"{text}\n\nA study that was stopped goes on when the same command is given again.")
    def command(
        config: Config = None,
        data: Data = None,
        text_column: TextColumn = None,
        label_column: LabelColumn = None,
        embeddings: Embeddings = None,
        overrides: Overrides = None,
        place: Place = None,
        workers: NumWorkers = None,
        cluster: Cluster = None,
        retries: Retries = None,
        trial_timeout: TrialTimeout = None,
        cpus_per_trial: CpusPerTrial = None,
        memory_per_trial: MemoryPerTrial = None,
        known: Known = None,
        export: Export = None,
    ) -> None:
        from tfq_llm.pipelines.configs import find
        from tfq_llm.studies.config import load_study_config
        from tfq_llm.studies.limits import Limits, memory_of

        memory = None if memory_per_trial is None else memory_of(memory_per_trial)
        limits = Limits(retries, trial_timeout, cpus_per_trial, memory)
        options = data_settings(data, text_column, label_column, embeddings)
        options += [f"data.embeddings=[{','.join(repr(str(file)) for file in embeddings)}]"] if embeddings else []
        path = find(config or f"study-{kind}")
        resolved = load_study_config(path, [*options, *(overrides or [])], kind)
        with stoppable_by_sigterm(GOES_ON), tensorflow():
            from tfq_llm.pipelines.study import study

            where = place or str(Path("runs") / "studies" / path.stem.removeprefix("study-"))
            text, failed = study(resolved, where, workers, cluster, known, export, this_command(), limits)
            print(text)
        if failed:
            print(
                f"Trials that failed: {failed}; the report says why. The same command tries again what can be.", file=sys.stderr
            )
            raise typer.Exit(1)


for _kind, _text in KINDS.items():
    _add(_kind, _text)


def report(
    place: Annotated[str, typer.Argument(metavar="STUDY", help="A study's directory or URL.")],
    out: Annotated[Path | None, typer.Option(metavar="DIR", help="Default: the folder report of the study.")] = None,
) -> None:
    """Report a study, finished or not: verdict, tables with intervals, plots; as HTML, Markdown, CSV and for TensorBoard."""
    with tensorflow():
        from tfq_llm.pipelines.report import report as write

        print(write(place, out))
