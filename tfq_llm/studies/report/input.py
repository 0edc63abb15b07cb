"""What a report is written from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import pandas as pd
from pydantic import BaseModel

from tfq_llm.errors import InputError
from tfq_llm.studies.arms.names import QUANTUM
from tfq_llm.studies.config import Kind
from tfq_llm.studies.designs import Design
from tfq_llm.studies.growth import Growth
from tfq_llm.studies.replay import COLUMNS, COST_COLUMNS
from tfq_llm.studies.verdict_rule import VerdictRule

Bins = Sequence[tuple[int, float, float]]
"""Of each bin of confidence: rows, mean confidence, accuracy."""


@dataclass(frozen=True, eq=False)
class ReportInput:
    """A study and its results.

    Attributes:
        name: of the study.
        kind: which of the seven.
        config: of the study, shown as YAML.
        rule: by which it decides.
        frame: a row for each entry whose result is there, with `COLUMNS` and one column "factor NAME" for every factor.
        right: by name of a final trial, bool [test rows]: which were right.
        test_rows: by state and split, the numbers of the test rows in the data set; states that are left out are tested on the
            same rows in every split.
        train_rows: of a split, for the test "corrected-t".
        confusion: by name of a final trial, rows of each true class by predicted class.
        calibration: by name of a final trial, its bins of confidence.
        costs: a row for each trial, with `COST_COLUMNS`.
        versions: of packages that the results were made with, by name.
        mixed_versions: how many other sets of versions some results were made with.
        failures: tracebacks, by name of the trial.
        expected: how many trials the study has.
        done: how many of them have a result.
        is_finished: nothing is left to run.
        growth: how it was made larger since it was begun, the first first.
        commands: that make this study and this report again, one a line.
        circuits: SVG documents by what they show.
        classes: names of the classes; their numbers if not given.
        design: of a screening study.
        reference: the arm that all others are compared with.
    """

    name: str
    kind: Kind
    config: BaseModel
    rule: VerdictRule
    frame: pd.DataFrame
    costs: pd.DataFrame
    expected: int
    done: int
    is_finished: bool = True
    right: Mapping[str, np.ndarray] = field(default_factory=dict)
    test_rows: Mapping[str, Mapping[int, np.ndarray]] = field(default_factory=dict)
    train_rows: int | None = None
    confusion: Mapping[str, Sequence[Sequence[int]]] = field(default_factory=dict)
    calibration: Mapping[str, Bins | None] = field(default_factory=dict)
    versions: Mapping[str, str] = field(default_factory=dict)
    mixed_versions: int = 0
    failures: Mapping[str, str] = field(default_factory=dict)
    growth: Sequence[Growth] = ()
    commands: Sequence[str] = ()
    circuits: Mapping[str, str] = field(default_factory=dict)
    classes: Sequence[str] = ()
    design: Design | None = None
    reference: str = QUANTUM

    def __post_init__(self) -> None:
        _check_columns("frame", self.frame, COLUMNS)
        _check_columns("costs", self.costs, COST_COLUMNS)
        if self.kind == "screen" and self.design is None:
            raise InputError("the report of a screening study needs its design: give the design that made its runs.")

    @property
    def states(self) -> list[str]:
        """Of the embeddings, in the order of the frame; each has tables of its own."""
        return list(dict.fromkeys(self.frame["state"]))

    def of_state(self, state: str) -> pd.DataFrame:
        """The rows of one state."""
        return self.frame[self.frame["state"] == state]


def _check_columns(name: str, frame: pd.DataFrame, needed: Sequence[str]) -> None:
    missing = [column for column in needed if column not in frame.columns]
    if missing:
        raise InputError(f"the {name} of a report lacks the columns {', '.join(missing)}: make it with tfq_llm.studies.replay.")
