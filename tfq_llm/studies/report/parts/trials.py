"""Trials of one state of the embeddings, and how they are spoken of."""

from __future__ import annotations

from typing import Any

import pandas as pd

from tfq_llm.studies.report.input import ReportInput
from tfq_llm.studies.report.parts import numbers


def finals(study: ReportInput, state: str) -> pd.DataFrame:
    """Final trials of one state of the embeddings."""
    frame = study.of_state(state)
    return frame[frame["role"] == "final"]


def scope(study: ReportInput, state: str) -> str:
    """Of a table: the embeddings, splits and rows."""
    trials = finals(study, state)
    splits, rows = trials["split"].nunique(), numbers.span(trials["rows"])
    return f"{state.capitalize()} embeddings, {numbers.counted(splits, 'split')}, {rows} test rows."


def mean_accuracy(trials: pd.DataFrame) -> float:
    """Mean over splits of the mean over folds and inits, in percent."""
    return float(100 * trials.groupby("split")["accuracy"].mean().mean())


def is_missing(value: Any) -> bool:
    """Whether a cell of a frame is empty."""
    return bool(pd.isna(value))


def level(value: object) -> str:
    """Of a factor, as it is read."""
    if is_missing(value):
        return "none"
    if isinstance(value, bool) or not isinstance(value, int | float):
        return str(value)
    return f"{value:,g}" if abs(value) < 1e6 else f"{value:g}"
