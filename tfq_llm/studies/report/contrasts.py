"""Comparisons other than of arms: of two conditions on the same splits, any number of them in one family."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from tfq_llm.studies.report.input import ReportInput
from tfq_llm.studies.statistics.correction import holm
from tfq_llm.studies.statistics.paired import Paired, paired
from tfq_llm.studies.statistics.verdict import Verdict, verdict


@dataclass(frozen=True)
class Asked:
    """A comparison that is wanted: final trials of one condition beside those of another; all of one state of the embeddings."""

    label: str
    own: str
    other: str
    own_trials: pd.DataFrame
    other_trials: pd.DataFrame


@dataclass(frozen=True)
class Contrast:
    """Its result; p is corrected for all that were asked at once."""

    asked: Asked
    paired: Paired
    adjusted_p: float
    verdict: Verdict

    @property
    def label(self) -> str:
        """Of its line."""
        return self.asked.label


def contrasts(study: ReportInput, family: Sequence[Asked]) -> list[Contrast]:
    """Those comparisons of a family that have two splits in common; the others are left out."""
    found = [(asked, result) for asked in family if (result := _paired(study, asked)) is not None]
    adjusted = holm([result.p for _, result in found])
    return [
        Contrast(asked, result, p, verdict(result, p, study.rule, len(found), asked.own, asked.other))
        for (asked, result), p in zip(found, adjusted, strict=True)
        if p is not None
    ]


def _paired(study: ReportInput, asked: Asked) -> Paired | None:
    splits = sorted(set(asked.own_trials["split"]) & set(asked.other_trials["split"]))
    if len(splits) < 2:
        return None
    own, other = ([trials[trials["split"] == split] for split in splits] for trials in (asked.own_trials, asked.other_trials))
    trials = [name for of_split in [*own, *other] for name in of_split["trial"]]
    known = all(name in study.right for name in trials)
    rows = study.test_rows.get(str(asked.own_trials["state"].iloc[0]))
    return paired(
        np.array([of_split["accuracy"].mean() for of_split in own]),
        np.array([of_split["accuracy"].mean() for of_split in other]),
        study.rule,
        right_own=_shares(study, own) if known else None,
        right_other=_shares(study, other) if known else None,
        rows=None if rows is None else [rows[split] for split in splits],
        test_rows=int(own[0]["rows"].iloc[0]),
        train_rows=study.train_rows,
    )


def _shares(study: ReportInput, trials: Sequence[pd.DataFrame]) -> list[np.ndarray]:
    """For each split, the share of inits that got a row right."""
    return [np.mean([study.right[name] for name in of_split["trial"]], axis=0) for of_split in trials]
