"""Holm's correction of a family of tests, by statsmodels."""

from __future__ import annotations

from collections.abc import Sequence

from statsmodels.stats.multitest import multipletests


def holm(p_values: Sequence[float | None]) -> tuple[float | None, ...]:
    """Adjusted p values of a family: whichever stays below α is significant, and the chance of any false one is at most α.

    Args:
        p_values: of the family's tests; None is a test that could not be made, which stays None and is no member.

    Source: S. Holm, "A simple sequentially rejective multiple test procedure", Scandinavian Journal of Statistics 6 (1979).
    """
    made = [p for p in p_values if p is not None]
    adjusted = iter(multipletests(made, method="holm")[1] if made else ())
    return tuple(None if p is None else float(next(adjusted)) for p in p_values)
