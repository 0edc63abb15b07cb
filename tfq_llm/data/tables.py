"""Reads `.csv`, `.tsv` and `.jsonl` files into rows, saying which row is at fault when one is.

Rows are numbered as an editor shows them: the first line of the file is row 1.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from tfq_llm.errors import InputError


class Row(NamedTuple):
    """The fields of one record, and the number of the line it starts on."""

    number: int
    fields: list[str]


class Record(NamedTuple):
    """One record by column, and the number of the line it starts on."""

    number: int
    values: dict[str, Any]


class Table(NamedTuple):
    """A file's records and the names of its columns."""

    columns: list[str]
    records: list[Record]


def bad_row(path: Path, number: int, problem: str) -> InputError:
    """The error for one row of a file."""
    return InputError(f"'{path}', row {number}: {problem}")


def read_text(path: Path) -> str:
    """Reads a whole UTF-8 file, with or without byte order mark.

    Raises:
        InputError: it cannot be read, is empty, or is not UTF-8 text.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise InputError(f"cannot read '{path}': {error.strerror or error}.") from error
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        number = error.object.count(b"\n", 0, error.start) + 1
        advice = "Save the file as UTF-8 text, for example with: iconv -f WINDOWS-1252 -t UTF-8."
        raise bad_row(path, number, f"the byte 0x{error.object[error.start]:02x} is not UTF-8. {advice}") from error
    if not text.strip():
        raise InputError(f"'{path}' is empty.")
    if "\0" in text:
        raise bad_row(path, text.count("\n", 0, text.index("\0")) + 1, "holds a NUL character; this is not a text file.")
    return text


def read_csv(path: Path) -> Table:
    """Reads comma-separated values with a header; fields may be quoted and then hold commas and line breaks."""
    return with_header(path, _parse(path, read_text(path), delimiter=","))


def read_tsv_rows(path: Path) -> list[Row]:
    """Reads tab-separated values, quoted as spreadsheets do or not at all (quotation marks then are ordinary characters)."""
    text = read_text(path)
    plain = _parse(path, text, delimiter="\t", quoting=csv.QUOTE_NONE)
    try:
        quoted = _parse(path, text, delimiter="\t")
    except InputError:
        return plain
    # Quotation marks that pair up across lines either enclose line breaks, and then the plain lines are ragged, or do so by
    # accident. (A quoted field with both a tab and a line break may look like the latter.)
    plain_is_even = len({len(row.fields) for row in plain}) == 1
    return plain if plain_is_even and len(quoted) < len(plain) else quoted


def read_jsonl(path: Path) -> Table:
    """Reads one JSON object a line."""
    records = []
    for number, line in enumerate(read_text(path).split("\n"), start=1):
        if not line.strip():
            continue
        try:
            values = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise bad_row(path, number, f"not valid JSON ({error}).") from error
        if not isinstance(values, dict):
            raise bad_row(path, number, f'expected a JSON object such as {{"text": …, "label": …}}, found {line[:40]!r}.')
        records.append(Record(number, values))
    return Table(list(dict.fromkeys(column for record in records for column in record.values)), records)


def with_header(path: Path, rows: Sequence[Row]) -> Table:
    """Takes the first row as the names of the columns.

    Raises:
        InputError: no row follows, or a row has more or fewer fields than the header.
    """
    header, rest = rows[0].fields, rows[1:]
    if not rest:
        raise InputError(f"'{path}' has a header and no rows.")
    return Table(header, [Record(row.number, dict(zip(header, fields_of(path, row, len(header)), strict=True))) for row in rest])


def fields_of(path: Path, row: Row, expected: int) -> list[str]:
    """A row's fields, of which there must be as many as `expected`."""
    if len(row.fields) != expected:
        raise bad_row(path, row.number, f"expected {expected} fields, found {len(row.fields)}.")
    return row.fields


def _parse(path: Path, text: str, *, delimiter: str, quoting: int = csv.QUOTE_MINIMAL) -> list[Row]:
    # The csv module's own limit of 131,072 characters a field is there for memory, and the file is in memory already.
    csv.field_size_limit(max(csv.field_size_limit(), len(text)))
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, quoting=quoting, strict=True)  # type: ignore[arg-type]
    rows: list[Row] = []
    number = 1
    try:
        for fields in reader:
            if fields:
                rows.append(Row(number, fields))
            number = reader.line_num + 1
    except csv.Error as error:
        raise bad_row(path, number, f"its quotation marks do not match ({error}).") from error
    return rows
