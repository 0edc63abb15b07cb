"""Rows of an input in chunks: what is scored, counted and written at a time."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

from tfq_llm.data.tables import bad_row
from tfq_llm.errors import InputError
from tfq_llm.progress import Progress
from tfq_llm.scoring.inputs import START, Input, Position, Row

MAX_BYTES = 1 << 24
"""Of the values of a chunk, so that memory does not depend on how wide rows are; a single row may be wider."""

_SHOWN = 5
_PROGRESS_ROWS = 10_000


@dataclass(frozen=True)
class Chunk:
    """Rows that follow each other.

    Attributes:
        rows: that can be scored; may be none.
        bad: the others.
        after: where the next chunk begins.
    """

    rows: tuple[Row, ...]
    bad: tuple[Row, ...]
    after: Position

    @property
    def texts(self) -> list[str]:
        return [row.text for row in self.rows]


class Survey(NamedTuple):
    """How many rows of an input can be scored, and how many cannot."""

    rows: int
    bad: int


def chunks(given: Input, start: Position, rows: int, *, all_columns: bool) -> Iterator[Chunk]:
    """The input from `start` on, `rows` rows at a time; fewer where rows are very wide."""
    good: list[Row] = []
    bad: list[Row] = []
    held, after = 0, start
    for row in given.rows(start, all_columns=all_columns):
        (bad if row.problem else good).append(row)
        held, after = held + memory(row.values), row.after
        if len(good) + len(bad) >= rows or held >= MAX_BYTES:
            yield Chunk(tuple(good), tuple(bad), after)
            good, bad, held = [], [], 0
    if good or bad:
        yield Chunk(tuple(good), tuple(bad), after)


def memory(value: Any) -> int:
    """About how many bytes a value takes with all that is in it: in lists, tuples and objects of JSON."""
    total, waiting = 0, [value]
    while waiting:
        each = waiting.pop()
        total += sys.getsizeof(each)
        if isinstance(each, dict):
            waiting += each
            waiting += each.values()
        elif isinstance(each, (list, tuple)):
            waiting += each
    return total


def survey(given: Input, *, all_columns: bool, skip_bad_rows: bool) -> Survey:
    """Reads the whole input once without scoring anything, so that a bad row is told at the beginning and not after days.

    Raises:
        InputError: there is no row, or there are bad ones and they are not to be skipped; the message names the first ones.
    """
    rows, shown, bad = 0, list[Row](), 0
    with Progress(f"checking {given.path.name}", given.size, given.unit) as progress:
        done = 0
        for count, row in enumerate(given.rows(START, all_columns=all_columns), start=1):
            if row.problem is None:
                rows += 1
            else:
                bad += 1
                shown += [row] if len(shown) < _SHOWN else []
            if count % _PROGRESS_ROWS == 0:
                progress.update(row.after.offset - done)
                done = row.after.offset
        progress.update(given.size - done)
    if bad and not skip_bad_rows:
        raise _refused(given, shown, bad)
    if not rows:
        raise InputError(f"'{given.path}' has no row that can be scored.")
    return Survey(rows, bad)


def _refused(given: Input, shown: list[Row], bad: int) -> InputError:
    advice = "Nothing was scored. Mend the file, or leave such rows out with --skip-bad-rows."
    if bad == 1:
        return InputError(f"{bad_row(given.path, shown[0].number, str(shown[0].problem))} {advice}")
    lines = [f"  row {row.number}: {row.problem}" for row in shown]
    lines += [f"  and {bad - len(shown):,} more"] if bad > len(shown) else []
    return InputError(f"'{given.path}' has {bad:,} rows that cannot be scored:\n" + "\n".join(lines) + f"\n{advice}")
