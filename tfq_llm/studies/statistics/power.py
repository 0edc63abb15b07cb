"""How many splits it takes to see a difference, by statsmodels' power of the paired t test."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from itertools import product

import numpy as np
from scipy.optimize import brentq
from statsmodels.stats.power import TTestPower

from tfq_llm.errors import InputError
from tfq_llm.studies.statistics.paired import least_p
from tfq_llm.studies.verdict_rule import VerdictRule

# Beyond it a study is not worth planning, and the search for the number of splits ends.
_MOST_SPLITS = 10_000
# Standard deviations; any test sees a larger difference, and SciPy's non-central t is not to be trusted there.
_LARGEST_EFFECT = 30.0
# With so many two-sided p values below the level, a permutation test has the power of the t test within two points in a hundred.
_MANY_P_VALUES = 8
_SIMULATED = 1000


@dataclass(frozen=True)
class Power:
    """What a comparison can see, if the spread of its differences is what was measured.

    Attributes:
        sd: of paired differences, in points.
        splits: there are.
        resolution: the difference that should be seen, in points.
        chance: with which it should be.
        level: of the test: alpha / comparisons, the strictest step of Holm's correction.
        splits_needed: for that; None if no number up to 10,000 is enough, which happens with "corrected-t".
        smallest_seen: the least difference, in points, that `splits` show with that chance; None if none can be shown by so few.
    """

    sd: float
    splits: int
    resolution: float
    chance: float
    level: float
    splits_needed: int | None
    smallest_seen: float | None


def power(sd: float, splits: int, rule: VerdictRule, comparisons: int = 1, shared: float = 0.0) -> Power:
    """Plans with the spread that was measured; of few splits it is itself uncertain, so numbers are a guide.

    The power is that of the t test. A permutation test has nearly the same, but for few splits, where its p values are so few
    that it seldom gets below the level: there its power is simulated, with normal differences. A difference that is seen in the
    wrong direction does not count as seen.

    Args:
        sd: of paired differences over splits, in points.
        splits: that there are, at least 2.
        rule: its alpha, resolution, power, test and fewest splits.
        comparisons: tests in the family.
        shared: test rows / training rows, for "corrected-t" only.

    Raises:
        InputError: a spread that is negative or not finite, or fewer than two splits.
    """
    if not 0 <= sd < math.inf:
        raise InputError(f"sd must be a finite number of points and not negative, not {sd!r}.")
    if splits < 2:
        raise InputError(f"power needs at least 2 splits, got {splits}: one says nothing of the spread.")
    level = rule.alpha / comparisons
    return Power(
        sd,
        splits,
        rule.resolution,
        rule.power,
        level,
        _needed(sd, rule, level, shared),
        _smallest(sd, splits, rule, level, shared),
    )


def _needed(sd: float, rule: VerdictRule, level: float, shared: float) -> int | None:
    low, high = max(2, rule.fewest_splits), _MOST_SPLITS
    if rule.test == "permutation":
        if least_p(high, rule.resamples) >= level:
            return None
        low = max(low, math.floor(1 - math.log2(level)) + 1)
    if sd == 0:
        return low
    flips = rule.test == "permutation"
    if _chance(rule.resolution / sd, high, level, shared, flips) < rule.power:
        return None
    while low < high:
        middle = (low + high) // 2
        if _chance(rule.resolution / sd, middle, level, shared, flips) < rule.power:
            low = middle + 1
        else:
            high = middle
    return low


def _smallest(sd: float, splits: int, rule: VerdictRule, level: float, shared: float) -> float | None:
    flips = rule.test == "permutation"
    if flips and least_p(splits, rule.resamples) >= level:
        return None
    if sd == 0:
        return 0.0
    effect = _smallest_effect(splits, rule.power, level, shared, flips)
    return None if effect is None else effect * sd


# The comparisons of a family differ in their spread alone.
@lru_cache
def _smallest_effect(splits: int, power: float, level: float, shared: float, flips: bool) -> float | None:
    """In standard deviations; None if the largest is not enough."""
    if _chance(_LARGEST_EFFECT, splits, level, shared, flips) < power:
        return None
    return float(brentq(lambda effect: _chance(effect, splits, level, shared, flips) - power, 0, _LARGEST_EFFECT, xtol=1e-4))


def _chance(effect: float, splits: int, level: float, shared: float, flips: bool) -> float:
    """That a mean difference of `effect` standard deviations is seen, in its own direction."""
    if flips and splits - 1 < math.log2(_MANY_P_VALUES / level):
        return _chance_by_signs(effect, splits, level)
    effect = min(effect, _LARGEST_EFFECT) / math.sqrt(1 + splits * shared)
    chance = float(TTestPower().power(effect, splits, level / 2, alternative="larger"))
    # Where the chance is 1 to all digits, SciPy's non-central t sometimes has no number.
    return 1.0 if math.isnan(chance) else chance


def _chance_by_signs(effect: float, splits: int, level: float) -> float:
    """Of the sign-flip test, as often as it happens to differences that are drawn, the same ones for every effect."""
    draws = np.random.default_rng(0).standard_normal((_SIMULATED, splits)) + effect
    flipped = np.array(list(product((0.0, 1.0), repeat=splits)))
    # Flipping some makes the mean no smaller if their sum is not above 0; flipping none counts.
    as_extreme = np.count_nonzero(draws @ flipped.T <= 0, axis=1)
    return float(np.mean(2 * as_extreme / 2**splits < level))
