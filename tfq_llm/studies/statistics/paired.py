"""Two arms on the same splits: their mean difference, how sure it is, and how large it is beside its spread."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import gammaln
from scipy.stats import permutation_test, t

from tfq_llm.errors import InputError
from tfq_llm.studies.statistics.intervals import Interval, mean_interval, standard_error, student_interval, two_level_interval
from tfq_llm.studies.verdict_rule import VerdictRule

# Points; differences that are all within this of each other are equal, and what they differ by is rounding.
_EQUAL = 1e-9
_DIGITS = 9


@dataclass(frozen=True)
class Paired:
    """How one arm did beside another. Differences are own − other, in points.

    Attributes:
        differences: of each split, in the order given; those of several inits are averaged first, for splits are what is
            resampled.
        own_mean: accuracy of the one arm, mean over splits, a share.
        other_mean: accuracy of the other.
        difference: mean over splits.
        sd: of the differences, with n − 1.
        over_splits: bootstrap interval that resamples splits; of fewer than 6, and for "corrected-t", no shorter than Student's.
        over_rows: bootstrap interval that resamples splits and test rows; None if it is not known which rows were right.
        p: of the test, before any correction.
        test: "permutation", "t" or "corrected-t"; "permutation" also if all differences are equal, where t has no meaning.
        least_p: what p is at least with so few splits and resamples; 0 for a t test.
        shared: test rows / training rows in the variance of "corrected-t", otherwise 0.
        d_z: mean difference / sd (Cohen); None if all differences are equal and not 0.
        g_z: d_z corrected for few splits (Hedges); None for two splits, of which there is no unbiased one.
        superiority: share of splits in which the one arm is ahead, ties counting half.
    """

    differences: tuple[float, ...]
    own_mean: float
    other_mean: float
    difference: float
    sd: float
    over_splits: Interval
    over_rows: Interval | None
    p: float
    test: str
    least_p: float
    shared: float
    d_z: float | None
    g_z: float | None
    superiority: float

    @property
    def splits(self) -> int:
        """How many."""
        return len(self.differences)

    @property
    def interval(self) -> Interval:
        """The one to decide by: from the lower to the upper end of both, for more must not look like less."""
        return self.over_splits if self.over_rows is None else self.over_splits.around(self.over_rows)


def paired(
    own: np.ndarray,
    other: np.ndarray,
    rule: VerdictRule,
    *,
    right_own: Sequence[np.ndarray] | None = None,
    right_other: Sequence[np.ndarray] | None = None,
    rows: Sequence[np.ndarray] | None = None,
    test_rows: int | None = None,
    train_rows: int | None = None,
) -> Paired:
    """Compares two arms on the same splits.

    Args:
        own: accuracies, shares, [splits] or [splits, inits].
        other: the other arm's, on the same splits in the same order; it may have another number of inits.
        rule: of the study; its test, level, number of resamples and seed count here.
        right_own: for each split [test rows], which rows the one arm got right; of several inits the share that did.
        right_other: the same of the other arm, on the same rows.
        rows: for each split, the numbers of its test rows; None: all splits are tested on the same rows.
        test_rows: of a split; for "corrected-t".
        train_rows: of a split, without validation rows; for "corrected-t".

    Raises:
        InputError: fewer than two splits, arms of different splits, an accuracy that is not from 0 to 1, rows that do not fit
            together, or a "corrected-t" without numbers of rows.
    """
    ours, theirs = _of_splits("own", own), _of_splits("other", other)
    if len(ours) != len(theirs):
        raise InputError(f"arms are compared on the same splits, but one has {len(ours)} and the other {len(theirs)}.")
    if len(ours) < 2:
        raise InputError("one split cannot show how results differ from split to split: run at least 2, better 10.")
    differences = 100 * (ours - theirs)
    sd = _sd(differences)
    difference = float(np.mean(differences))
    shared = _shared(rule, test_rows, train_rows)
    d_z = 0.0 if abs(difference) < _EQUAL else difference / sd if sd else None
    over_splits = mean_interval(differences, rule.alpha, rule.resamples, rule.seed)
    if shared:
        over_splits = over_splits.around(student_interval(differences, rule.alpha, shared))
    by_sign = rule.test == "permutation" or not sd
    ahead = np.where(np.abs(differences) < _EQUAL, 0.5, differences > 0)
    return Paired(
        differences=tuple(map(float, differences)),
        own_mean=float(np.mean(ours)),
        other_mean=float(np.mean(theirs)),
        difference=difference,
        sd=sd,
        over_splits=over_splits,
        over_rows=_over_rows(right_own, right_other, rows, differences, rule),
        p=p_value(differences, rule, shared),
        test="permutation" if by_sign else rule.test,
        least_p=least_p(len(differences), rule.resamples) if by_sign else 0.0,
        shared=shared,
        d_z=d_z,
        g_z=None if d_z is None or len(differences) < 3 else d_z * _hedges(len(differences)),
        superiority=float(np.mean(ahead)),
    )


def least_p(splits: int, resamples: int) -> float:
    """The least two-sided p value of a test that flips signs: of all 2ⁿ signs, only these and their opposites are as extreme.

    Of signs that are drawn, because there are more than `resamples`, the observed ones count as one more draw.
    """
    return 2.0 ** (1 - splits) if splits <= math.log2(resamples) else 2 / (resamples + 1)


def _of_splits(name: str, accuracies: np.ndarray) -> np.ndarray:
    values = np.asarray(accuracies, np.float64)
    if values.ndim not in (1, 2) or not values.size:
        raise InputError(f"{name} must be accuracies [splits] or [splits, inits], got an array of shape {values.shape}.")
    if not np.all((values >= 0) & (values <= 1)):
        raise InputError(f"{name} must be accuracies as shares from 0 to 1, got {values[~((values >= 0) & (values <= 1))][0]}.")
    return values if values.ndim == 1 else values.mean(axis=1)


def _shared(rule: VerdictRule, test_rows: int | None, train_rows: int | None) -> float:
    if rule.test != "corrected-t":
        return 0.0
    if not test_rows or not train_rows:
        raise InputError(
            "the test 'corrected-t' needs how many rows a split trains and tests on: give both, or use 'permutation'."
        )
    return test_rows / train_rows


def p_value(differences: np.ndarray, rule: VerdictRule, shared: float = 0.0) -> float:
    """Two-sided, of the hypothesis that the mean of paired differences [n ≥ 2] is 0, by the rule's test.

    "permutation" flips the signs of differences: all 2ⁿ ways if they are no more than `rule.resamples`, else as many drawn ones.
    It stands in for a t test if all differences are equal, for then there is no spread to compare their mean with.

    "corrected-t" is Student's with the variance sd² (1 / n + test rows / training rows): C. Nadeau, Y. Bengio, "Inference for the
    Generalization Error", Machine Learning 52 (2003). It was made for few test rows beside many training rows. Where test rows
    are the many, as in few-shot studies, it hardly ever finds a difference.

    Args:
        differences: of whatever unit.
        rule: of the study.
        shared: test rows / training rows for "corrected-t".
    """
    if rule.test == "permutation" or not _sd(differences):
        rng = np.random.default_rng(rule.seed)
        found = permutation_test((differences,), _rounded_mean, permutation_type="samples", n_resamples=rule.resamples, rng=rng)
        return float(found.pvalue)
    statistic = np.mean(differences) / standard_error(differences, shared)
    return float(2 * t.sf(abs(statistic), len(differences) - 1))


def _rounded_mean(differences: np.ndarray, axis: int) -> np.ndarray:
    """The mean; means that are equal stay equal, which the permutation test counts and which rounding errors would undo."""
    return np.round(np.mean(differences, axis=axis), _DIGITS)


def _sd(differences: np.ndarray) -> float:
    return 0.0 if np.ptp(differences) < _EQUAL else float(np.std(differences, ddof=1))


def _over_rows(
    right_own: Sequence[np.ndarray] | None,
    right_other: Sequence[np.ndarray] | None,
    rows: Sequence[np.ndarray] | None,
    differences: np.ndarray,
    rule: VerdictRule,
) -> Interval | None:
    if right_own is None or right_other is None:
        return None
    if not len(right_own) == len(right_other) == len(differences):
        raise InputError(f"right rows are of {len(right_own)} and {len(right_other)} splits, accuracies of {len(differences)}.")
    by_row = []
    for split, (ours, theirs) in enumerate(zip(right_own, right_other, strict=True)):
        if len(ours) != len(theirs):
            raise InputError(
                f"split {split}: arms are compared on the same rows, but one has {len(ours):,}, one {len(theirs):,}."
            )
        by_row.append(100 * (np.asarray(ours, np.float64) - np.asarray(theirs, np.float64)))
        if abs(by_row[-1].mean() - differences[split]) > 1e-6:
            raise InputError(f"split {split}: the rows that are right do not give the accuracies: they are of other trials.")
    return two_level_interval(by_row, rows, rule.alpha, rule.resamples, rule.seed)


def _hedges(count: int) -> float:
    """The factor that makes d of `count` ≥ 3 values unbiased.

    Source: L. V. Hedges, Journal of Educational Statistics 6 (1981).
    """
    degrees = count - 1
    return math.exp(gammaln(degrees / 2) - gammaln((degrees - 1) / 2)) / math.sqrt(degrees / 2)
