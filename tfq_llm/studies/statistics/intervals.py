"""Bootstrap intervals of a mean over few splits, and over splits and the test rows that they share."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.stats import bootstrap, norm, t

from tfq_llm.errors import InputError

# Resamples that are drawn at a time: what bounds the memory, 8 bytes for each of them and each kind of row.
_AT_A_TIME = 500
# With fewer values a percentile interval covers less than 95 %, however it is cut: at most 1 − 2 / 2ⁿ.
_FEWEST_RESAMPLED = 6


@dataclass(frozen=True)
class Interval:
    """From `low` to `high`, in the units of what it is an interval of."""

    low: float
    high: float

    @property
    def half_width(self) -> float:
        """Half of its length."""
        return (self.high - self.low) / 2

    def excludes_zero(self) -> bool:
        """Whether all of it is on one side of 0."""
        return self.low > 0 or self.high < 0

    def around(self, other: Interval) -> Interval:
        """The least interval that holds both."""
        return Interval(min(self.low, other.low), max(self.high, other.high))


def mean_interval(values: np.ndarray, alpha: float, resamples: int, seed: int) -> Interval:
    """The percentile bootstrap interval of the mean of `values` [n ≥ 2], widened for few values; see `tail`.

    Of fewer than 6 values it is too short all the same, and is extended to Student's interval.

    Raises:
        InputError: there is one value only, which says nothing of how values differ.
    """
    if len(values) < 2:
        raise InputError(f"an interval needs at least 2 values to resample, got {len(values)}: run more splits.")
    found = bootstrap(
        (values,),
        np.mean,
        n_resamples=resamples,
        confidence_level=1 - 2 * tail(alpha, len(values)),
        method="percentile",
        rng=np.random.default_rng(seed),
    ).confidence_interval
    resampled = Interval(float(found.low), float(found.high))
    return resampled if len(values) >= _FEWEST_RESAMPLED else resampled.around(student_interval(values, alpha))


def student_interval(values: np.ndarray, alpha: float, shared: float = 0.0) -> Interval:
    """Student's interval of the mean of `values` [n ≥ 2]; see `standard_error` for `shared`."""
    half = float(t.isf(alpha / 2, len(values) - 1)) * standard_error(values, shared)
    return Interval(float(np.mean(values)) - half, float(np.mean(values)) + half)


def standard_error(values: np.ndarray, shared: float = 0.0) -> float:
    """Of the mean of `values` [n ≥ 2], the root of sd² (1 / n + shared).

    Args:
        values: of splits.
        shared: test rows / training rows, for Nadeau and Bengio's correction; 0: splits share nothing.
    """
    return float(np.std(values, ddof=1)) * math.sqrt(1 / len(values) + shared)


def tail(alpha: float, count: int) -> float:
    """The share of resampled means to cut at either end, so that the interval of `count` ≥ 2 values covers 1 − alpha.

    A percentile interval of few values is too short twice over: the spread of resampled means lacks n / (n − 1), and its ends are
    those of a normal distribution rather than Student's. With 5 values a 95 % interval covers about 84 %. Cutting less makes up
    for both. BCa corrects for skewness but not for this. No interval of this kind reaches beyond the values, so of fewer than 6
    it covers less than 95 % all the same, at most 1 − 2 / 2ⁿ.

    Source: T. Hesterberg, "What Teachers Should Know About the Bootstrap", The American Statistician 69 (2015), the expanded
    percentile interval.
    """
    return float(norm.cdf(math.sqrt(count / (count - 1)) * t.ppf(alpha / 2, count - 1)))


def stretch(alpha: float, count: int) -> float:
    """By how much the ends of a percentile interval of `count` ≥ 2 values are to be moved from the mean, so that it is as long as
    Student's where values are normal: what `tail` does by cutting less."""
    return float(t.isf(alpha / 2, count - 1) / norm.isf(alpha / 2)) * math.sqrt(count / (count - 1))


def two_level_interval(
    differences: Sequence[np.ndarray], rows: Sequence[np.ndarray] | None, alpha: float, resamples: int, seed: int
) -> Interval:
    """The interval of the mean over splits of mean differences over test rows, when splits and rows are resampled, crosswise.

    Splits of one data set are tested on mostly the same rows, so other rows would move all of them together, which an interval
    over splits alone cannot know. Here a resample draws splits, and rows once for all splits. Splits are few, so their draws are
    stretched by `stretch`; rows are many and are drawn as they are. It is a little too wide rather than too short: what belongs
    to a row and a split at once is counted with both.

    Args:
        differences: for each split [test rows], of whatever unit.
        rows: for each split, the numbers of its test rows in the data set; None: column j is the same row in every split.
        alpha: 1 − the coverage.
        resamples: how many.
        seed: of the draws.

    Raises:
        InputError: splits have different numbers of test rows, and it is not said which they are.

    Source: A. B. Owen, "The pigeonhole bootstrap", Annals of Applied Statistics 1 (2007).
    """
    kinds, counts = _kinds(differences, rows)
    splits = len(differences)
    rng = np.random.default_rng(seed)
    means = []
    for start in range(0, resamples, _AT_A_TIME):
        size = min(_AT_A_TIME, resamples - start)
        drawn = rng.multinomial(counts.sum(), counts / counts.sum(), size=size).astype(np.float64)
        # A split of which no row was drawn says nothing in this resample; of hundreds of rows that does not happen.
        of_splits = drawn @ kinds[:, :splits] / np.maximum(drawn @ kinds[:, splits:], 1)
        weights = rng.multinomial(splits, np.full(splits, 1 / splits), size=size) / splits
        means.append((of_splits * (1 / splits + stretch(alpha, splits) * (weights - 1 / splits))).sum(1))
    low, high = np.quantile(np.concatenate(means), [alpha / 2, 1 - alpha / 2])
    return Interval(float(low), float(high))


def _kinds(differences: Sequence[np.ndarray], rows: Sequence[np.ndarray] | None) -> tuple[np.ndarray, np.ndarray]:
    """Rows that cannot be told apart, [kinds, 2 · splits]: difference in each split, whether it is tested there; and how many.

    Drawing kinds by their counts is drawing rows, in a fraction of the time: most rows are answered alike by both arms.
    """
    if rows is None:
        if len({len(of_split) for of_split in differences}) > 1:
            raise InputError("the splits have different numbers of test rows: say which rows they are, or score all on the same.")
        rows = [np.arange(len(of_split)) for of_split in differences]
    union = np.unique(np.concatenate(rows))
    splits = len(differences)
    table = np.zeros((len(union), 2 * splits))
    for split, (of_split, numbers) in enumerate(zip(differences, rows, strict=True)):
        if len(of_split) != len(numbers):
            raise InputError(f"split {split} has {len(of_split):,} scored rows but {len(numbers):,} row numbers.")
        places = np.searchsorted(union, numbers)
        table[places, split] = of_split
        table[places, splits + split] = 1
    return np.unique(table, axis=0, return_counts=True)
