"""Which settings each arm was given on each split, and how its candidates did."""

from __future__ import annotations

import json

import pandas as pd

from tfq_llm.studies.report.document import Block, Section, Table, Text
from tfq_llm.studies.report.input import ReportInput
from tfq_llm.studies.report.parts.numbers import counted, percent
from tfq_llm.studies.report.parts.trials import level


def selection_section(study: ReportInput) -> Section:
    """Chosen settings by split, of arms that had a choice."""
    blocks: list[Block] = []
    for state in study.states:
        frame = study.of_state(state)
        table = _chosen(state, frame)
        if table is not None:
            blocks.append(table)
    text = (
        "Settings were chosen on each split by validation rows alone, before a test row was scored. Methods that are trained in "
        "epochs stop early by the same rows."
    )
    return Section("selection", "Selected settings", (Text(text), *blocks) if blocks else ())


def _chosen(state: str, frame: pd.DataFrame) -> Table | None:
    rows = []
    for arm, trials in frame.groupby("arm", sort=False):
        candidates = trials[trials["role"] == "candidate"]
        if candidates["candidate"].nunique() < 2:
            continue
        searched = varied(candidates["settings"])
        for split, of_split in trials.groupby("split"):
            row = _of_split(of_split, searched)
            if row is not None:
                rows.append((str(arm), int(str(split)), *row))
    if not rows:
        return None
    return Table(
        name=f"selected-{state}",
        caption=f"Selected settings by arm and split. {state.capitalize()} embeddings. Validation accuracy is the "
        "winner's, so it looks better than it is.",
        header=("arm", "split", "candidate", "of", "validation accuracy, %", "settings"),
        rows=tuple(
            (arm, str(split), str(candidate), str(tried), percent(accuracy), said)
            for arm, split, candidate, tried, accuracy, said in rows
        ),
        data=pd.DataFrame(rows, columns=["arm", "split", "candidate", "candidates", "validation_accuracy", "settings"]),
        numeric=frozenset({1, 2, 3, 4}),
    )


def varied(settings: pd.Series) -> list[str]:
    """Names of the settings that are not the same in all candidates."""
    found: dict[str, set[str]] = {}
    for text in settings.unique():
        for name, value in json.loads(text).items():
            found.setdefault(name, set()).add(json.dumps(value))
    return sorted(name for name, values in found.items() if len(values) > 1)


def _of_split(trials: pd.DataFrame, searched: list[str]) -> tuple[int, int, float, str] | None:
    """The candidate that was chosen, of how many, its validation accuracy and its settings."""
    candidates, final = trials[trials["role"] == "candidate"], trials[trials["role"] == "final"]
    means = candidates.groupby("candidate")["accuracy"].mean()
    if means.empty:
        return None
    if final.empty:
        chosen = int(str(means.idxmax()))
        text = candidates.loc[candidates["candidate"] == chosen, "settings"].iloc[0]
    else:
        text = final["settings"].iloc[0]
        same = candidates.loc[candidates["settings"] == text, "candidate"]
        if same.empty:
            return None
        chosen = int(same.iloc[0])
    settings = json.loads(text)
    said = ", ".join(f"{name} = {level(settings.get(name))}" for name in searched)
    return chosen, len(means), float(means[chosen]), said


def budget(study: ReportInput, state: str) -> str:
    """How many candidates the arms had, in words."""
    frame = study.of_state(state)
    tried = frame[frame["role"] == "candidate"].groupby(["arm", "split"])["candidate"].nunique()
    most = int(tried.max()) if len(tried) else 0
    return f"at most {counted(most, 'candidate')} for each arm and split" if most else "no search"
