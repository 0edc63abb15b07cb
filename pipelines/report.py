"""Reports a study, finished or not."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from tfq_llm.circuits import draw_svg
from tfq_llm.errors import InputError
from tfq_llm.pipelines.draw import circuit_of
from tfq_llm.studies.arms.settings import QuantumSettings
from tfq_llm.studies.plans.screen import design_of
from tfq_llm.studies.replay import Replayed, costs, frame, right, tested_rows
from tfq_llm.studies.report import ReportInput, summary, write_report
from tfq_llm.studies.study import Study
from tfq_llm.studies.versions import from_text


def report(place: str, directory: Path | None = None) -> str:
    """Writes the report of what a study has so far, and returns its beginning as Markdown.

    Args:
        place: the study's directory or URL.
        directory: where the report goes; default: the folder "report" of the study, or, of a study at a URL, runs/reports/ and
            its name.

    Raises:
        InputError: there is no study, it has no results, or the report cannot be written.
    """
    return report_of(Study.opened(place), directory)


def report_of(study: Study, directory: Path | None = None) -> str:
    """The same for a study that is open."""
    if directory is None:
        if study.store.directory is None:
            # Whoever looks at a report does so on this machine.
            directory = Path("runs") / "reports" / Path(study.store.url).name
        else:
            directory = study.store.directory / "report"
    given = report_input(study)
    page = write_report(given, directory)
    return f"{summary(given)}\n\nThe report is {page}."


def report_input(study: Study) -> ReportInput:
    """What a study has so far, as its report wants it.

    Raises:
        InputError: there are no results yet.
    """
    replayed = study.replayed()
    if not replayed.found:
        if replayed.failed:
            raise InputError(
                f"all {len(replayed.failed)} trials that were run of the study in '{study.store.url}' failed; its folder "
                "failures has their tracebacks."
            )
        raise InputError(f"the study in '{study.store.url}' has no results yet: run it first.")
    finals = replayed.finals()
    (made_with, _), *others = Counter(result.versions for _, result in replayed.found).most_common()
    return ReportInput(
        name=Path(study.store.url).name,
        kind=study.config.kind,
        config=study.config,
        rule=study.config.verdict,
        frame=frame(replayed),
        costs=costs({result.trial.name: result for _, result in replayed.found}),
        expected=replayed.size,
        done=len(replayed.found),
        is_finished=replayed.is_finished,
        right=right(replayed, study.store),
        test_rows=tested_rows(replayed, study.store),
        train_rows=study.draws[0].train_rows,
        confusion={name: result.confusion for name, result in finals.items()},
        calibration={name: result.calibration for name, result in finals.items()},
        versions=from_text(made_with),
        mixed_versions=len(others),
        failures={entry.trial.name: study.store.failure(entry.trial) or "" for entry in replayed.failed},
        commands=study.commands(),
        growth=study.growths,
        circuits=_circuits(study, replayed),
        classes=study.store.embeddings(study.draws[0].data).class_names,
        reference=study.config.verdict.quantum,
        design=design_of(study.config.screen) if study.config.kind == "screen" else None,
    )


def _circuits(study: Study, replayed: Replayed) -> dict[str, str]:
    """SVG drawings of both circuits of each quantum arm, with the settings of its first finished trial, by what they show."""
    found: dict[str, str] = {}
    drawn: set[str] = set()
    for entry, _ in replayed.found:
        if entry.family == "quantum" and entry.role != "candidate" and entry.arm not in drawn:
            drawn.add(entry.arm)
            head = QuantumSettings.model_validate(entry.trial.settings).head
            qubits = head.encoder_qubits(entry.trial.input_dim or study.draws[0].dim)
            whose = f"{entry.arm}, as on split {entry.trial.split}"
            found[f"re-uploading circuit of the {whose}"] = draw_svg(circuit_of(head, qubits, "qpu"))
            # The whole of it is hundreds of gates wide, and layers are alike.
            layer = head.model_copy(update={"encoder_layers": 1})
            of = f"one of {head.encoder_layers} layers" if head.encoder_layers > 1 else "the layer"
            found[f"amplitude encoder of the {whose}, {of}"] = draw_svg(circuit_of(layer, qubits, "amplitude-encoder"))
    return found
