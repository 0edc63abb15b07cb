"""Reads texts to score from `.csv`, `.jsonl` and `.parquet` files, row by row, from any row that it stopped at."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple, Protocol

from tfq_llm.errors import InputError

SUFFIXES = (".csv", ".jsonl", ".parquet")


class Position(NamedTuple):
    """Where a row begins: in bytes, or for `.parquet` in rows; and how many lines or rows are before it."""

    offset: int
    before: int


START = Position(0, 0)


class Row(NamedTuple):
    """One row of an input.

    Attributes:
        number: as an editor shows it, the first line being 1; for `.parquet` the first row being 1.
        values: by column; empty if there is a problem.
        text: to score.
        problem: why it cannot be scored, as a sentence; None if it can.
        after: where the next row begins.
    """

    number: int
    values: dict[str, Any]
    text: str
    problem: str | None
    after: Position


class Input(Protocol):
    """A file with one text a row.

    Attributes:
        path: of the file.
        size: of the whole, in the unit of `Position.offset`.
        unit: of offsets: "bytes" or "rows".
        columns: their names.
        text_column: the one with the texts.
    """

    path: Path
    size: int
    unit: str
    columns: list[str]
    text_column: str

    def rows(self, start: Position = START, *, all_columns: bool = True) -> Iterator[Row]:
        """Yields the rows from `start` on; `values` has the text column alone, or all of them if wanted.

        Raises:
            InputError: the file cannot be read on from there, as when quotation marks do not match.
        """


def open_input(path: Path, text_column: str | None = None) -> Input:
    """Opens a file by its suffix.

    Raises:
        InputError: the kind is not known, the file cannot be read or is empty, or it has no such column; or pyarrow, which reads
            `.parquet`, is not installed.
    """
    suffix = path.suffix.lower()
    if suffix not in SUFFIXES:
        raise InputError(f"'{path}' is not a kind of file that can be scored; these are: {', '.join(SUFFIXES)}.")
    if not path.is_file():
        raise InputError(f"there is no file '{path}'.")
    if suffix == ".parquet":
        from tfq_llm.scoring.parquet import ParquetInput

        return ParquetInput(path, text_column)
    from tfq_llm.scoring.text_files import CsvInput, JsonlInput

    return (CsvInput if suffix == ".csv" else JsonlInput)(path, text_column)


def text_problem(value: Any, column: str) -> str | None:
    """Why a value is not a text that can be scored; None if it is one."""
    if value is None:
        return f"the text (column '{column}') is missing."
    if not isinstance(value, str):
        return f"the text (column '{column}') must be a string, found {str(value)[:40]!r}."
    if not value.strip():
        return f"the text (column '{column}') is empty."
    if any("\ud800" <= character <= "\udfff" for character in value):
        return "the text has one half of a surrogate pair, which is no character."
    return None
