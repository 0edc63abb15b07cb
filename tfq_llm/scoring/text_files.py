"""`.csv` and `.jsonl` as inputs: a line in memory at a time, and the offset of every row."""

from __future__ import annotations

import csv
import json
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

from tfq_llm.data.columns import choose_column
from tfq_llm.data.tables import bad_row
from tfq_llm.errors import InputError
from tfq_llm.scoring.inputs import START, Position, Row, text_problem

MAX_LINE = 1 << 24
"""Bytes of a line, and characters of a field: more is a file without line breaks, or a quotation mark that nothing closes."""

DEEPEST = 200
"""Levels of objects and arrays in a line of JSON: Python reads and writes a few times as many, how many depends on where."""

_BYTE_ORDER_MARK = b"\xef\xbb\xbf"


class _Lines:
    """The lines of a file as text, and what is known of those that were read since `problem` was last cleared.

    Args:
        path, file, start: what is read, and from where.
        reads_on: whether a line that is too long is no text either; else it raises InputError: nobody knows what is behind it.

    Attributes:
        position: of the next line.
        problem: why a line that was read is no text; what is wrong in it is replaced, and one that is too long comes empty.
    """

    def __init__(self, path: Path, file: IO[bytes], start: Position, *, reads_on: bool) -> None:
        self._path, self._file, self._reads_on = path, file, reads_on
        self.position, self.problem = start, None  # type: Position, str | None
        file.seek(start.offset)

    def __iter__(self) -> _Lines:
        return self

    def __next__(self) -> str:
        line = self._file.readline(MAX_LINE + 1)
        if not line:
            raise StopIteration
        is_first, length = self.position.offset == 0, len(line)
        if length > MAX_LINE:
            self.problem = self._too_long(line)
            while line and not line.endswith(b"\n"):
                line = self._file.readline(MAX_LINE)
                length += len(line)
            line = b""
        self.position = Position(self.position.offset + length, self.position.before + 1)
        if is_first:
            line = line.removeprefix(_BYTE_ORDER_MARK)
        try:
            text = line.decode("utf-8")
        except UnicodeDecodeError as error:
            self.problem = f"the byte 0x{line[error.start]:02x} is not UTF-8."
            text = line.decode("utf-8", "replace")
        if "\0" in text:
            self.problem = "holds a NUL character; this is not text."
            text = text.replace("\0", "")
        return text

    def _too_long(self, line: bytes) -> str:
        advice = f" {_carriage_returns(self._path)}" if b"\r" in line else ""
        problem = f"the line is longer than {MAX_LINE:,} bytes.{advice}"
        if not self._reads_on:
            raise bad_row(self._path, self.position.before + 1, problem)
        return problem


class _TextFile:
    """What both kinds have in common."""

    unit = "bytes"
    _reads_on: bool

    def __init__(self, path: Path, text_column: str | None) -> None:
        self.path = path
        try:
            self.size = path.stat().st_size
            with path.open("rb") as file:
                self.columns = self._read_columns(_Lines(path, file, START, reads_on=self._reads_on))
        except OSError as error:
            raise InputError(f"cannot read '{path}': {error.strerror or error}.") from error
        self.text_column = choose_column("text", text_column, self.columns, f"'{path}'")

    def _read_columns(self, lines: _Lines) -> list[str]:
        raise NotImplementedError

    def _row(self, number: int, values: dict[str, Any], problem: str | None, after: Position, all_columns: bool) -> Row:
        if problem is None and self.text_column not in values:
            problem = f"the column '{self.text_column}' is missing."
        if problem is None:
            problem = text_problem(values[self.text_column], self.text_column)
        if problem is not None:
            return Row(number, {}, "", problem, after)
        text = values[self.text_column]
        return Row(number, values if all_columns else {self.text_column: text}, text, None, after)


class CsvInput(_TextFile):
    """Comma-separated values with a header; fields may be quoted and then hold commas and line breaks."""

    _reads_on = False

    def rows(self, start: Position = START, *, all_columns: bool = True) -> Iterator[Row]:
        with self.path.open("rb") as file:
            lines = _Lines(self.path, file, start, reads_on=self._reads_on)
            reader = _csv_reader(lines)
            skip_header = start == START
            while True:
                number = lines.position.before + 1
                fields = _next_record(self.path, reader, number)
                if fields is None:
                    return
                problem, lines.problem = lines.problem, None
                if not fields or skip_header:
                    skip_header = skip_header and not fields
                    continue
                if problem is None and len(fields) != len(self.columns):
                    problem = f"expected {len(self.columns)} fields, found {len(fields)}."
                values = {} if problem else dict(zip(self.columns, fields, strict=True))
                yield self._row(number, values, problem, lines.position, all_columns)

    def _read_columns(self, lines: _Lines) -> list[str]:
        reader = _csv_reader(lines)
        while (fields := _next_record(self.path, reader, lines.position.before + 1)) is not None:
            if lines.problem:
                raise bad_row(self.path, lines.position.before, lines.problem)
            if fields:
                return fields
        raise InputError(f"'{self.path}' is empty.")


def _csv_reader(lines: _Lines) -> Iterator[list[str]]:
    csv.field_size_limit(max(csv.field_size_limit(), MAX_LINE))
    return csv.reader(lines, strict=True)


def _next_record(path: Path, reader: Iterator[list[str]], number: int) -> list[str] | None:
    """The next record, which begins on line `number`; an empty one for a line that is empty, None at the end."""
    try:
        return next(reader, None)
    except csv.Error as error:
        if str(error).startswith("new-line character seen in unquoted field"):
            problem = f"a carriage return stands in a field without quotation marks. {_carriage_returns(path)}"
            raise bad_row(path, number, problem) from error
        if str(error).startswith("field larger than field limit"):
            problem = f"a field is longer than {MAX_LINE:,} characters, or a quotation mark before it is never closed"
            raise bad_row(path, number, f"{problem}; no row behind it can be told.") from error
        raise bad_row(path, number, f"its quotation marks do not match ({error}); no row behind it can be told.") from error


def _carriage_returns(path: Path) -> str:
    command = f"tr '\\r' '\\n' < {shlex.quote(str(path))} > mended{path.suffix}"
    return (
        "Lines must end with a line feed: if those of this file end with carriage returns alone, as old spreadsheets write them, "
        f"mend it with: {command}. A carriage return that belongs to a text must be inside quotation marks."
    )


class JsonlInput(_TextFile):
    """One JSON object a line; the columns are those of the first."""

    _reads_on = True

    def rows(self, start: Position = START, *, all_columns: bool = True) -> Iterator[Row]:
        with self.path.open("rb") as file:
            lines = _Lines(self.path, file, start, reads_on=self._reads_on)
            for line in lines:
                problem, lines.problem = lines.problem, None
                if problem is None and not line.strip():
                    continue
                values: dict[str, Any] = {}
                if problem is None:
                    values, problem = _object(line)
                if problem is None and all_columns and (others := values.keys() - set(self.columns)):
                    problem = f"the column '{min(others)}' is not in the first row."
                yield self._row(lines.position.before, values, problem, lines.position, all_columns)

    def _read_columns(self, lines: _Lines) -> list[str]:
        for line in lines:
            if lines.problem is None and not line.strip():
                continue
            values, problem = _object(line)
            if lines.problem or problem:
                raise bad_row(self.path, lines.position.before, str(lines.problem or problem))
            return list(values)
        raise InputError(f"'{self.path}' is empty.")


def _object(line: str) -> tuple[dict[str, Any], str | None]:
    """The object of a line, or why there is none."""
    try:
        values = json.loads(line)
    except (ValueError, RecursionError) as error:
        return {}, f"not valid JSON ({error})."
    if not isinstance(values, dict):
        return {}, f'expected a JSON object such as {{"text": …}}, found {line[:40]!r}.'
    if line.count("{") + line.count("[") > DEEPEST and _is_deeper(values):
        return {}, f"its values are nested deeper than {DEEPEST} levels."
    return values, None


def _is_deeper(value: Any) -> bool:
    level = [value]
    for _ in range(DEEPEST):
        level = [
            inner
            for each in level
            for inner in (each.values() if isinstance(each, dict) else each)
            if isinstance(inner, (dict, list))
        ]
    return bool(level)
