"""Which rows say the same thing."""

from __future__ import annotations

import unicodedata
from collections.abc import Hashable, Sequence
from typing import NamedTuple

import numpy as np


class DistinctRows(NamedTuple):
    """The rows that stay (sorted int64 indices), and how many went as duplicates and for contradictory labels."""

    kept: np.ndarray
    duplicates: int
    contradictory: int


def text_key(text: str) -> str:
    """What two texts have in common when they are the same: NFKC, case folded, white space collapsed."""
    return " ".join(unicodedata.normalize("NFKC", text).casefold().split())


def embedding_keys(embeddings: np.ndarray) -> list[bytes]:
    """One key a row of [rows, dim]; equal rows have equal keys."""
    unsigned_zeros = embeddings + 0.0
    return [row.tobytes() for row in unsigned_zeros]


def distinct_rows(keys: Sequence[Hashable], labels: Sequence[int], priority: Sequence[int] | None = None) -> DistinctRows:
    """Finds one row for each key, and none for a key whose rows disagree on the label.

    Args:
        keys: one a row; rows with equal keys are duplicates of each other.
        labels: one a row.
        priority: one a row; of duplicates the row with the lowest stays. Default: the first row stays.
    """
    groups: dict[Hashable, list[int]] = {}
    for row, key in enumerate(keys):
        groups.setdefault(key, []).append(row)
    agreeing = [rows for rows in groups.values() if len({labels[row] for row in rows}) == 1]
    kept = sorted(min(rows, key=priority.__getitem__) if priority else rows[0] for rows in agreeing)
    agreeing_rows = sum(len(rows) for rows in agreeing)
    return DistinctRows(np.array(kept, dtype=np.int64), agreeing_rows - len(kept), len(keys) - agreeing_rows)
