"""Holm's correction of a family of tests."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np


def holm(p_values: Sequence[float | None]) -> tuple[float | None, ...]:
    """Adjusted p values of a family: whichever stays below α is significant, and the chance of any false one is at most α.

    Args:
        p_values: of the family's tests; None is a test that could not be made, which stays None and is no member.

    Source: S. Holm, "A simple sequentially rejective multiple test procedure", Scandinavian Journal of Statistics 6 (1979).
    """
    # statsmodels has it too, but collects the garbage of the whole process every time, for up to a second.
    made = np.array([p for p in p_values if p is not None], np.float64)
    order = np.argsort(made)
    adjusted = np.empty_like(made)
    adjusted[order] = np.minimum(np.maximum.accumulate(made[order] * np.arange(len(made), 0, -1)), 1.0)
    left = iter(adjusted.tolist())
    return tuple(None if p is None else next(left) for p in p_values)
