"""Scored rows as bytes of a `.csv`, `.jsonl` or `.parquet` file, which are appended chunk by chunk."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from tfq_llm.cache import atomic_file
from tfq_llm.errors import InputError
from tfq_llm.scoring.inputs import SUFFIXES, Input, Row

if TYPE_CHECKING:
    import pyarrow as pa

WHOLE = "whole.parquet"
"""Beside the working file: the Parquet file until it is moved to its place."""

_DIGITS = 6
_CSV_END = "\r\n"


class Output(Protocol):
    """A format."""

    def begin(self) -> bytes:
        """What is before the first row."""

    def rows(self, rows: Sequence[Row], probabilities: np.ndarray) -> bytes:
        """Rows, with class probabilities [rows, classes]."""

    def finish(self, working: Path) -> None:
        """Makes the finished file of what was appended to the working file, in one step."""


def finished_file(target: Path, working: Path) -> Path:
    """Where the finished file is until it is moved to its place: beside the working file, or that itself."""
    return working.with_name(WHOLE) if target.suffix.lower() == ".parquet" else working


def make_output(target: Path, given: Input, class_names: Sequence[str], keep_columns: bool) -> Output:
    """The format that the suffix of a file asks for.

    Args:
        target: the file.
        given: what is scored.
        class_names: in the order of the probabilities.
        keep_columns: whether the input's columns come before ours.

    Raises:
        InputError: the kind is not known, two columns would have the same name, or `.parquet` has no bytes for a column's name;
            or pyarrow, which writes `.parquet`, is not installed.
    """
    suffix = target.suffix.lower()
    if suffix not in SUFFIXES:
        raise InputError(f"'{target}' is not a kind of file that can be written; these are: {', '.join(SUFFIXES)}.")
    kept = given.columns if keep_columns else []
    probabilities = ["probabilities"] if suffix == ".jsonl" else _probability_columns(class_names)
    names = [*kept, "row", "class", *probabilities]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise InputError(
            f"the output would have two columns '{twice[0]}': rename the input's, or leave out --keep-columns and join by 'row'."
        )
    if suffix == ".parquet":
        if broken := [name for name in kept if name != _encodable(name)]:
            raise InputError(
                f"the column {broken[0]!r} has one half of a surrogate pair in its name, which '.parquet' has no bytes for: "
                "rename it, or leave out --keep-columns."
            )
        return ParquetOutput(given, kept, class_names)
    return (CsvOutput if suffix == ".csv" else JsonlOutput)(kept, class_names)


class _Text:
    """What both kinds of text have in common: what was appended is the finished file."""

    def __init__(self, kept: Sequence[str], class_names: Sequence[str]) -> None:
        self._kept, self._class_names = kept, class_names

    def finish(self, working: Path) -> None:
        pass


class CsvOutput(_Text):
    """A header, then the kept columns, the row's number, its class, and a probability for each class."""

    def begin(self) -> bytes:
        return _csv([[*self._kept, "row", "class", *_probability_columns(self._class_names)]])

    def rows(self, rows: Sequence[Row], probabilities: np.ndarray) -> bytes:
        return _csv(
            [
                *(_as_text(row.values.get(name)) for name in self._kept),
                row.number,
                self._class_names[given.argmax()],
                *(f"{value:.{_DIGITS}f}" for value in given),
            ]
            for row, given in zip(rows, probabilities, strict=True)
        )


class JsonlOutput(_Text):
    """An object a line: the kept columns, "row", "class", and "probabilities" by class."""

    def begin(self) -> bytes:
        return b""

    def rows(self, rows: Sequence[Row], probabilities: np.ndarray) -> bytes:
        lines = []
        for row, given in zip(rows, probabilities, strict=True):
            by_class = {name: round(float(value), _DIGITS) for name, value in zip(self._class_names, given, strict=True)}
            scored = {"row": row.number, "class": self._class_names[given.argmax()], "probabilities": by_class}
            kept = {name: row.values[name] for name in self._kept if name in row.values}
            lines.append(_json(kept | scored) + "\n")
        return "".join(lines).encode("utf-8", "replace")


class ParquetOutput:
    """The kept columns, with their types if they come from Parquet and else as strings; "row", "class", float32 probabilities."""

    def __init__(self, given: Input, kept: Sequence[str], class_names: Sequence[str]) -> None:
        from tfq_llm.scoring import parquet

        self._parquet, self._class_names, self._probabilities = parquet, class_names, _probability_columns(class_names)
        typed: pa.Schema | None = getattr(given, "schema", None)
        self._schema, self._strings = parquet.scored_schema(kept, typed, self._probabilities), () if typed else tuple(kept)

    def begin(self) -> bytes:
        return self._parquet.stream_of(self._schema, [])

    def rows(self, rows: Sequence[Row], probabilities: np.ndarray) -> bytes:
        records: list[dict[str, Any]] = []
        for row, given in zip(rows, probabilities.tolist(), strict=True):
            record = row.values | {name: _as_string(row.values.get(name)) for name in self._strings}
            record |= {"row": row.number, "class": self._class_names[int(np.argmax(given))]}
            records.append(record | dict(zip(self._probabilities, given, strict=True)))
        return self._parquet.stream_of(self._schema, records)

    def finish(self, working: Path) -> None:
        with atomic_file(working.with_name(WHOLE)) as temporary:
            self._parquet.write_parquet(working, self._schema, temporary)


def _probability_columns(class_names: Sequence[str]) -> list[str]:
    return [f"probability_{name}" for name in class_names]


class _CsvLines(list[str]):
    """What a `csv.writer` writes, by line; lines end with a line feed.

    The writer itself is told to end them with "\\r\\n": readers take either character for the end of a line, and the writer puts
    only those fields in quotation marks that hold a character of its own line end.
    """

    def write(self, line: str) -> None:
        self.append(line.removesuffix(_CSV_END) + "\n")


def _csv(rows: Iterable[Sequence[object]]) -> bytes:
    lines = _CsvLines()
    csv.writer(lines, lineterminator=_CSV_END).writerows(rows)
    return "".join(lines).encode("utf-8", "replace")


def _as_text(value: Any, missing: str | None = "") -> str | None:
    """A value of any format as a field of text."""
    if value is None or isinstance(value, str):
        return missing if value is None else value
    # A number alone is no JSON: readers of tables know NaN and Infinity.
    return json.dumps(value) if isinstance(value, float) else _json(value)


def _as_string(value: Any) -> str | None:
    """A value of any format as a string of Arrow."""
    text = _as_text(value, None)
    return None if text is None else _encodable(text)


def _encodable(text: str) -> str:
    """A text as UTF-8 has it: half a surrogate pair is a question mark."""
    return text.encode("utf-8", "replace").decode()


def _json(value: Any) -> str:
    """A value as JSON, which has no NaN and no infinity: they are null, as pandas writes them."""
    try:
        return json.dumps(value, ensure_ascii=False, allow_nan=False, default=str)
    except ValueError:
        text = json.dumps(value, ensure_ascii=False, default=str)
        return json.dumps(json.loads(text, parse_constant=lambda name: None), ensure_ascii=False)
