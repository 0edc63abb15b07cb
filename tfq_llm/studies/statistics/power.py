"""How many splits it takes to see a difference, by statsmodels' power of the paired t test."""

from __future__ import annotations

import math
from dataclasses import dataclass

from scipy.optimize import brentq
from statsmodels.stats.power import TTestPower

from tfq_llm.errors import InputError
from tfq_llm.studies.statistics.paired import least_p
from tfq_llm.studies.verdict_rule import VerdictRule

# Beyond it a study is not worth planning, and the search for the number of splits ends.
_MOST_SPLITS = 10_000
# Standard deviations; any test sees a larger difference, and SciPy's non-central t is not to be trusted there.
_LARGEST_EFFECT = 30.0


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

    The power is that of the t test, whichever test the rule names: a permutation test has nearly the same, and besides needs
    splits enough to reach the level at all. A difference that is seen in the wrong direction does not count as seen.

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
        low = max(low, math.ceil(1 - math.log2(level)))
    if sd == 0:
        return low
    if _chance(rule.resolution / sd, high, level, shared) < rule.power:
        return None
    while low < high:
        middle = (low + high) // 2
        if _chance(rule.resolution / sd, middle, level, shared) < rule.power:
            low = middle + 1
        else:
            high = middle
    return low


def _smallest(sd: float, splits: int, rule: VerdictRule, level: float, shared: float) -> float | None:
    if rule.test == "permutation" and least_p(splits) > level:
        return None
    if sd == 0:
        return 0.0
    if _chance(_LARGEST_EFFECT, splits, level, shared) < rule.power:
        return None
    effect = brentq(lambda effect: _chance(effect, splits, level, shared) - rule.power, 0, _LARGEST_EFFECT)
    return float(effect * sd)


def _chance(effect: float, splits: int, level: float, shared: float) -> float:
    """That a mean difference of `effect` standard deviations is seen, in its own direction."""
    effect = min(effect, _LARGEST_EFFECT) / math.sqrt(1 + splits * shared)
    chance = float(TTestPower().power(effect, splits, level / 2, alternative="larger"))
    # Where the chance is 1 to all digits, SciPy's non-central t sometimes has no number.
    return 1.0 if math.isnan(chance) else chance
