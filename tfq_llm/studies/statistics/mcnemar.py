"""McNemar's test: two arms on the test rows of one split."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
from statsmodels.stats.contingency_tables import mcnemar as _mcnemar

from tfq_llm.errors import InputError
from tfq_llm.studies.statistics.correction import holm

# So many rows that one arm alone gets right, and the chi-squared distribution is good enough.
_EXACT_BELOW = 25


@dataclass(frozen=True)
class McNemar:
    """Of one split.

    Attributes:
        split: which.
        both: rows that both arms got right.
        own_only: rows that only the one arm got right.
        other_only: rows that only the other got right.
        neither: rows that none got right.
        p: two-sided; of the binomial distribution if fewer than 25 rows are right for one arm alone, else of chi-squared with the
            continuity correction.
        adjusted_p: after Holm's correction over splits.
    """

    split: int
    both: int
    own_only: int
    other_only: int
    neither: int
    p: float
    adjusted_p: float


def mcnemar(right_own: Mapping[int, np.ndarray], right_other: Mapping[int, np.ndarray]) -> tuple[McNemar, ...]:
    """Tests each split that both arms have, in order.

    It asks whether these two trained heads differ on sentences like these, not whether the arms do: that is what splits are for.
    So there is no p value of all splits together.

    Args:
        right_own: by split, bool [test rows]: whether the one arm was right.
        right_other: the same of the other arm, on the same rows.

    Raises:
        InputError: no split is there for both, or their rows differ in number.
    """
    splits = sorted(right_own.keys() & right_other.keys())
    if not splits:
        raise InputError("McNemar's test needs the same test rows of both arms, and they have no split in common.")
    tests = [_of_split(split, np.asarray(right_own[split], bool), np.asarray(right_other[split], bool)) for split in splits]
    adjusted = holm([test.p for test in tests])
    return tuple(replace(test, adjusted_p=p) for test, p in zip(tests, adjusted, strict=True) if p is not None)


def _of_split(split: int, own: np.ndarray, other: np.ndarray) -> McNemar:
    if own.shape != other.shape:
        raise InputError(f"split {split}: one arm is scored on {len(own):,} rows and the other on {len(other):,}.")
    table = np.array([[np.sum(own & other), np.sum(own & ~other)], [np.sum(~own & other), np.sum(~own & ~other)]])
    exact = table[0, 1] + table[1, 0] < _EXACT_BELOW
    p = float(_mcnemar(table, exact=exact, correction=True).pvalue)
    both, own_only, other_only, neither = map(int, table.ravel())
    return McNemar(split, both, own_only, other_only, neither, p, p)
