"""tune: how validation accuracy grows with the candidates that were tried; no test row is scored."""

from __future__ import annotations

import numpy as np
import pandas as pd

from tfq_llm.studies.report.charts.lines import Series, draw_lines
from tfq_llm.studies.report.document import Chart, Headline, Section, Table
from tfq_llm.studies.report.input import ReportInput
from tfq_llm.studies.report.parts.numbers import counted, percent
from tfq_llm.studies.report.parts.selection import budget


def report(study: ReportInput) -> tuple[list[Headline], list[Section]]:
    """The answer for each state of the embeddings, and what belongs to it."""
    return [_headline(study, state) for state in study.states], []


def _headline(study: ReportInput, state: str) -> Headline:
    """The best arm on validation rows, with what that does not say."""
    frame = study.of_state(state)
    splits = counted(frame["split"].nunique(), "split")
    where = f"{state.capitalize()} embeddings, {splits}, validation rows only; {budget(study, state)}."
    best = _so_far(frame)
    if not best:
        return Headline(state, where, "too few runs", "No result yet", "No candidate has been scored on all its folds.")
    means = {arm: float(values[-1]) for arm, values in best.items()}
    top = max(means, key=lambda arm: means[arm])
    sentence = (
        "Settings were chosen, and no test row was scored, so there is no verdict. The best validation accuracy, mean over "
        f"splits, is {percent(means[top])} % ({top}); it is the winner's, so it looks better than it is."
    )
    return Headline(state, where, None, "Tuned, not tested", sentence, (history_chart(study, state),))


def _so_far(frame: pd.DataFrame) -> dict[str, np.ndarray]:
    """By arm: mean over splits of the best candidate's mean over folds, after each candidate that all splits have tried."""
    candidates = frame[frame["role"] == "candidate"]
    found = {}
    for arm, trials in candidates.groupby("arm", sort=False):
        scores = trials.groupby(["split", "candidate"])["accuracy"].mean().unstack("split").sort_index()
        best = scores.cummax().dropna()
        if len(best):
            found[str(arm)] = best.mean(axis=1).to_numpy(float)
    return found


def history_chart(study: ReportInput, state: str) -> Chart:
    """Best validation accuracy so far against the candidates tried."""
    best = _so_far(study.of_state(state))
    series = [Series(arm, tuple(range(1, len(v) + 1)), tuple(100 * v), tuple(100 * v), tuple(100 * v)) for arm, v in best.items()]
    rows = [(arm, number + 1, float(value)) for arm, values in best.items() for number, value in enumerate(values)]
    heard = "; ".join(
        f"{arm}: {100 * values[0]:.2f} with its default, {100 * values[-1]:.2f} after {len(values)}"
        for arm, values in best.items()
    )
    return Chart(
        name=f"search-{state}",
        title=f"Best validation accuracy so far, {state} embeddings",
        description=f"Mean over splits, in percent. {heard}.",
        draw=lambda width: draw_lines(width, series, "candidates tried"),
        data=Table(
            name=f"search-{state}",
            caption=f"Best validation accuracy after each candidate, mean over splits. {state.capitalize()} embeddings.",
            header=("arm", "candidates", "best validation accuracy, %"),
            rows=tuple((arm, str(number), percent(value)) for arm, number, value in rows),
            data=pd.DataFrame(rows, columns=["arm", "candidates", "best_validation_accuracy"]),
        ),
    )


def search_section(study: ReportInput) -> Section:
    """The history of the search, where there was one."""
    searched = [state for state in study.states if any(len(values) > 1 for values in _so_far(study.of_state(state)).values())]
    return Section("search", "The search for settings", tuple(history_chart(study, state) for state in searched))
