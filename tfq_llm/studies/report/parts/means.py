"""Mean accuracy of groups of trials, each with its interval over splits."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd

from tfq_llm.studies.report.document import Table
from tfq_llm.studies.report.input import ReportInput
from tfq_llm.studies.report.parts import numbers
from tfq_llm.studies.report.parts.numbers import interval, percent
from tfq_llm.studies.statistics.intervals import Interval, mean_interval


@dataclass(frozen=True)
class Mean:
    """Of trials under one condition: shares."""

    label: str
    trials: pd.DataFrame
    accuracy: float
    interval: Interval | None
    splits: int


def mean_of(study: ReportInput, label: str, trials: pd.DataFrame) -> Mean:
    """Over splits of the mean over folds and inits; no interval for one split."""
    of_splits = trials.groupby("split")["accuracy"].mean().to_numpy(float)
    rule = study.rule
    found = mean_interval(of_splits, rule.alpha, rule.resamples, rule.seed) if len(of_splits) > 1 else None
    return Mean(label, trials, float(of_splits.mean()), found, len(of_splits))


def means_table(study: ReportInput, state: str, name: str, caption: str, means: Sequence[Mean]) -> Table:
    """A line for each group."""
    coverage = f"{100 * (1 - study.rule.alpha):g} %"
    rows = tuple(
        (
            one.label,
            percent(one.accuracy),
            interval(one.interval, 100, signed=False) or "–",
            numbers.span(one.trials["parameters"]),
            str(one.splits),
        )
        for one in means
    )
    data = [
        {
            "state": state,
            "arm": one.label,
            "splits": one.splits,
            "accuracy": one.accuracy,
            "accuracy_low": one.interval.low if one.interval else None,
            "accuracy_high": one.interval.high if one.interval else None,
        }
        for one in means
    ]
    header = ("arm", "accuracy, %", f"{coverage} interval", "parameters", "splits")
    return Table(name=f"{name}-{state}", caption=caption, header=header, rows=rows, data=pd.DataFrame(data))
