"""From a study's results to the report's parts, in the order in which they are read."""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache

from tfq_llm.studies.report.document import Document, Section
from tfq_llm.studies.report.input import ReportInput
from tfq_llm.studies.report.parts import compare, noise, provenance, qubits, screen, shots, tune
from tfq_llm.studies.report.parts.heads import calibration_section, circuit_section, confusion_section
from tfq_llm.studies.report.parts.numbers import counted, prose
from tfq_llm.studies.report.parts.selection import selection_section

_KINDS = {
    "screen": screen,
    "qubits": qubits,
    "ablation": compare,
    "noise": noise,
    "shots": shots,
    "compare": compare,
    "tune": tune,
}
_QUESTIONS = {
    "screen": "Which settings of the quantum head matter?",
    "qubits": "Does accuracy grow with the number of qubits?",
    "ablation": "Which parts of the quantum head matter?",
    "noise": "What does gate noise cost, and does training under it help?",
    "shots": "How many shots are enough?",
    "compare": "Does the quantum head do better than classical heads?",
    "tune": "Which settings are best on validation rows?",
}


@lru_cache(maxsize=1)
def document(study: ReportInput) -> Document:
    """The whole report; sections without anything in them are left out. The last report is remembered: tests take time."""
    headlines, own = _KINDS[study.kind].report(study)
    sections: list[Section] = [
        *own,
        *([tune.search_section(study)] if study.kind in ("compare", "ablation") else []),
        selection_section(study),
        calibration_section(study),
        confusion_section(study),
        circuit_section(study),
        provenance.costs_section(study),
        provenance.failures_section(study),
        provenance.reproduction_section(study),
    ]
    return Document(
        title=study.name,
        subtitle=_QUESTIONS[study.kind],
        warnings=tuple(_warnings(study)),
        headlines=tuple(replace(headline, sentence=prose(headline.sentence)) for headline in headlines),
        sections=tuple(section for section in sections if section.blocks),
    )


def _warnings(study: ReportInput) -> list[str]:
    found = []
    if not study.is_finished:
        failed = f"; {len(study.failures)} failed" if study.failures else ""
        found.append(
            f"Not finished: {study.done:,} of {counted(study.expected, 'trial')}{failed}. What is said here may still change."
        )
    elif study.failures:
        found.append(f"{counted(len(study.failures), 'trial')} failed, which no table counts; see Failures.")
    if study.mixed_versions:
        found.append(
            f"Some results were made with other versions of packages ({study.mixed_versions + 1} sets in all), so numbers may "
            "not belong together; costs.csv says when and where each was made."
        )
    for grown in study.growth:
        if grown.results:
            seen = f"{counted(grown.results, 'result')} ({grown.test_scores:,} of test rows)"
            found.append(
                f"When {seen} were there already, this was decided: {'; '.join(grown.what)}. p values do not know it: who goes "
                "on until something is found, or asks what was seen, finds too much."
            )
    if not study.states:
        found.append("There is no result yet.")
    return found
