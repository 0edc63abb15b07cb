"""The rule that turns a comparison into one of four verdicts, and says it in words."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from tfq_llm.studies.statistics.paired import Paired
from tfq_llm.studies.statistics.power import power
from tfq_llm.studies.verdict_rule import VerdictRule


@dataclass(frozen=True)
class Verdict:
    """What is said of a comparison.

    Attributes:
        kind: of the one arm, beside the other.
        sentence: why, in plain words with the numbers.
        more_splits: how many more splits would be needed; None if splits are not what is lacking, 0 unless there are too few
            runs.
    """

    kind: Literal["better", "worse", "no difference seen", "too few runs"]
    sentence: str
    more_splits: int | None = 0


def verdict(
    comparison: Paired, adjusted_p: float, rule: VerdictRule, comparisons: int = 1, own: str = "one arm", other: str = "the other"
) -> Verdict:
    """Applies the rule, in this order:

    1. *too few runs*, if there are fewer splits than `rule.fewest_splits`, or the test cannot reach alpha with so few of them in
       a family of so many comparisons, whatever the results: a sign-flip test of n splits gives 2 / 2ⁿ at least, times
       `comparisons`.
    2. *better* or *worse*, if the adjusted p value is below alpha and the interval excludes 0. The interval is the wider one,
       over splits and test rows, if it is known which rows were right.
    3. *no difference seen*, if the whole interval lies within ± resolution.
    4. *too few runs* otherwise: the runs do not rule out a difference that would matter, and do not show one either.

    Args:
        comparison: of the two arms.
        adjusted_p: its p value after Holm's correction; of a comparison that is tested alone, its p value.
        rule: of the study.
        comparisons: tests in the family that was corrected; 1: it is tested alone.
        own: name of the one arm.
        other: name of the other.
    """
    found = _Found(
        comparison, adjusted_p, rule, comparisons, f"{own} against {other}: {_numbers(comparison, adjusted_p, rule, comparisons)}"
    )
    interval, resolution = comparison.interval, rule.resolution
    if comparison.splits < rule.fewest_splits or comparison.least_p * comparisons >= rule.alpha:
        return _cannot_tell(found)
    if adjusted_p < rule.alpha and interval.excludes_zero():
        return _differs(found)
    ruled_out = max(-interval.low, interval.high)
    if ruled_out <= resolution:
        text = f"No difference is seen; if there is one, it is likely no larger than {_points(ruled_out)}."
        return Verdict("no difference seen", f"{found.text} {text}")
    return _too_wide(found)


@dataclass(frozen=True)
class _Found:
    comparison: Paired
    adjusted_p: float
    rule: VerdictRule
    comparisons: int
    text: str


def _cannot_tell(found: _Found) -> Verdict:
    splits, rule = found.comparison.splits, found.rule
    more = _more(found, least=1)
    if splits < rule.fewest_splits:
        why = f"{splits} splits are fewer than the {rule.fewest_splits} that the rule asks for"
    else:
        reached = found.comparison.least_p * found.comparisons
        why = (
            f"with {splits} splits and {_count(found.comparisons, 'comparison')} the test cannot give p below {reached:.3f}, "
            f"whatever the results"
        )
    return Verdict("too few runs", f"{found.text} Too few runs to tell: {why}; {_asked(more)}.", more)


def _differs(found: _Found) -> Verdict:
    difference, resolution = found.comparison.difference, found.rule.resolution
    kind: Literal["better", "worse"] = "better" if difference > 0 else "worse"
    small = f" The difference is smaller than the {_points(resolution)} that the study was to resolve."
    return Verdict(kind, f"{found.text} It is {kind}.{small if abs(difference) < resolution else ''}")


def _too_wide(found: _Found) -> Verdict:
    comparison, resolution = found.comparison, found.rule.resolution
    if found.adjusted_p < found.rule.alpha:
        why = "the splits differ, but the interval that allows for other test rows includes 0"
    elif comparison.interval.excludes_zero():
        why = f"the interval excludes 0, but the test is not significant, and it reaches beyond ± {_points(resolution)}"
    else:
        why = f"the interval includes 0 and reaches beyond ± {_points(resolution)}"
    text = f"{found.text} Too few runs to tell: {why}; "
    over_splits = comparison.over_splits
    shown = found.adjusted_p < found.rule.alpha and over_splits.excludes_zero()
    if shown or max(-over_splits.low, over_splits.high) <= resolution:
        return Verdict("too few runs", f"{text}more test rows are needed rather than more splits.", None)
    # So many splits, by the square root of their number, that the interval around such a difference ends at the resolution.
    room = max(resolution - abs(comparison.difference), resolution / 2)
    narrow = math.ceil(comparison.splits * (over_splits.half_width / room) ** 2) - comparison.splits
    more = _more(found, least=max(1, narrow))
    return Verdict("too few runs", f"{text}{_asked(more)}.", more)


def _more(found: _Found, least: int) -> int | None:
    comparison = found.comparison
    needed = power(comparison.sd, comparison.splits, found.rule, found.comparisons, comparison.shared).splits_needed
    return None if needed is None else max(least, needed - comparison.splits)


def _asked(more: int | None) -> str:
    if more is None:
        return "with this test no number of splits is enough, so another test must be chosen before the next study"
    return f"about {_count(more, 'more split')} {'is' if more == 1 else 'are'} needed"


def _numbers(comparison: Paired, adjusted_p: float, rule: VerdictRule, comparisons: int) -> str:
    interval, coverage = comparison.interval, f"{100 * (1 - rule.alpha):g} %"
    difference = round(comparison.difference, 2) + 0.0  # no "-0.00"
    return (
        f"{difference:+.2f} points over {comparison.splits} splits ({coverage} interval {interval.low:+.2f} to "
        f"{interval.high:+.2f}, p = {adjusted_p:.3f}{' after correction' if comparisons > 1 else ''})."
    ).replace("p = 0.000", "p < 0.001")


def _points(value: float) -> str:
    text = f"{value:.2f}".rstrip("0").rstrip(".")
    return f"{text} {'point' if text == '1' else 'points'}"


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"
