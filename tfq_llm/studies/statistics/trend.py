"""Accuracy against the number of qubits or of shots."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.stats import linregress, spearmanr

from tfq_llm.errors import InputError
from tfq_llm.studies.statistics.intervals import Interval, mean_interval
from tfq_llm.studies.statistics.paired import least_p, p_value
from tfq_llm.studies.verdict_rule import VerdictRule


@dataclass(frozen=True)
class LevelMean:
    """At one level.

    Attributes:
        level: qubits, shots or whatever is varied.
        splits: with a result there.
        mean: accuracy, a share: mean over splits of the mean over inits.
        interval: bootstrap over splits, shares; None for one split.
    """

    level: float
    splits: int
    mean: float
    interval: Interval | None


@dataclass(frozen=True)
class Trend:
    """Over levels.

    Attributes:
        levels: in ascending order.
        per: what the slope is for: "1 more" or "10 times as many".
        slope: points for that: the mean over splits of straight lines through each split's results.
        interval: bootstrap over splits of the slope; None for one split.
        p: of the hypothesis that it is 0, by the rule's test of the splits' slopes, without Nadeau and Bengio's correction; None
            for one split.
        least_p: what p is at least with so few splits; 0 for a t test, 1 for one split.
        rank_correlation: Spearman's, of level and accuracy: the mean over splits; 0 in a split whose accuracies are all equal.
        splits: with two or more levels.
    """

    levels: tuple[LevelMean, ...]
    per: str
    slope: float
    interval: Interval | None
    p: float | None
    least_p: float
    rank_correlation: float
    splits: int


def trend(levels: np.ndarray, accuracies: np.ndarray, splits: np.ndarray, rule: VerdictRule, log: bool = False) -> Trend:
    """Fits each split by itself, so that a split that is easier at all levels moves no slope, and looks at slopes over splits.

    Args:
        levels: [rows], numbers; above 0 if `log`.
        accuracies: shares [rows]; rows of equal level and split are inits, which are averaged.
        splits: [rows].
        rule: its alpha, resamples and seed count.
        log: whether the slope is for ten times as many rather than for one more.

    Raises:
        InputError: no split has two levels, or a level is not above 0 with `log`.
    """
    table = pd.DataFrame({"level": levels, "split": splits, "accuracy": accuracies}, dtype=np.float64)
    if log and not (table["level"] > 0).all():
        raise InputError(f"a trend over powers of ten needs levels above 0, got {table['level'].min():g}.")
    grid = table.groupby(["split", "level"])["accuracy"].mean().unstack()
    lines = [row.dropna() for _, row in grid.iterrows() if row.count() > 1]
    if not lines:
        raise InputError(f"a trend needs results at two levels or more of the same split, got {len(grid.columns)} level(s).")
    places = [np.log10(line.index) if log else line.index.to_numpy() for line in lines]
    slopes = np.array([100 * linregress(x, line.to_numpy()).slope for x, line in zip(places, lines, strict=True)])
    ranks = [spearmanr(line.index, line).statistic if line.nunique() > 1 else 0.0 for line in lines]
    several = len(slopes) > 1
    tested = rule.model_copy(update={"test": "permutation" if rule.test == "permutation" else "t"})
    return Trend(
        tuple(_level(float(level), grid[level].dropna().to_numpy(), rule) for level in grid.columns),
        "10 times as many" if log else "1 more",
        float(slopes.mean()),
        mean_interval(slopes, rule.alpha, rule.resamples, rule.seed) if several else None,
        p_value(slopes, tested) if several else None,
        least_p(len(slopes), rule.resamples) if tested.test == "permutation" else float(not several),
        float(np.mean(ranks)),
        len(slopes),
    )


def _level(level: float, accuracies: np.ndarray, rule: VerdictRule) -> LevelMean:
    interval = mean_interval(accuracies, rule.alpha, rule.resamples, rule.seed) if len(accuracies) > 1 else None
    return LevelMean(level, len(accuracies), float(accuracies.mean()), interval)
