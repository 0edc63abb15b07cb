"""The two levels of a factor, the one between them, and where a level stands on the scale from −1 to +1."""

from __future__ import annotations

import math
from collections.abc import Sequence

from tfq_llm.checks import is_real, is_whole
from tfq_llm.errors import InputError
from tfq_llm.studies.trial import Scalar


def two_levels(name: str, pair: Sequence[Scalar], is_log: bool) -> tuple[Scalar, Scalar]:
    """Low and high level of a factor.

    Raises:
        InputError: they are not two, or equal, of two kinds, not finite, or not above 0 for a factor in `log`.
    """
    if isinstance(pair, str) or len(pair) != 2:
        raise InputError(f"factor '{name}' needs two levels, low and high, got {pair!r}.")
    low, high = pair
    if low == high:
        raise InputError(f"factor '{name}' has the same level twice, {low!r}: give two that differ, or leave it out.")
    if is_real(low) != is_real(high):
        raise InputError(f"factor '{name}' has levels of two kinds, {low!r} and {high!r}: give two numbers, or two names.")
    if is_real(low) and not all(math.isfinite(float(level or 0)) for level in pair):
        raise InputError(f"levels of factor '{name}' must be finite, got {low!r} and {high!r}.")
    if is_log and not (is_real(low) and all(float(level or 0) > 0 for level in pair)):
        raise InputError(f"factor '{name}' is in log, so its levels must be numbers above 0, got {low!r} and {high!r}.")
    return low, high


def centre(pair: tuple[Scalar, Scalar], is_log: bool, number: int) -> Scalar:
    """The level of centre point `number`: the (geometric) mean, rounded between whole numbers; of names low and high in turn."""
    if not is_real(pair[0]):
        return pair[number % 2]
    low, high = (float(level or 0) for level in pair)
    mean = math.sqrt(low * high) if is_log else (low + high) / 2
    return round(mean) if all(map(is_whole, pair)) else mean


def position(level: Scalar, pair: tuple[Scalar, Scalar], is_log: bool) -> float:
    """Where a level stands, low at −1 and high at +1."""
    if level in pair:
        return -1.0 if level == pair[0] else 1.0
    low, high, own = (math.log(float(value or 0)) if is_log else float(value or 0) for value in (*pair, level))
    return (2 * own - low - high) / (high - low)
