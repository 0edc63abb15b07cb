"""Data sets from the user's own files: one table, or a directory of `train.tsv`, `dev.tsv` and `test.tsv`."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from tfq_llm.data.columns import choose_column, is_usual
from tfq_llm.data.datasets import TextDataset, counted
from tfq_llm.data.labels import number_classes
from tfq_llm.data.tables import Record, Row, Table, bad_row, fields_of, read_csv, read_jsonl, read_tsv_rows, with_header
from tfq_llm.errors import InputError

SUFFIXES = (".csv", ".tsv", ".jsonl")
PART_FILES = {"train.tsv": "train", "dev.tsv": "validation", "validation.tsv": "validation", "test.tsv": "test"}


class Example(NamedTuple):
    """One row of a file: a text and its label as written."""

    text: str
    label: str


def load_file(path: Path, text_column: str | None = None, label_column: str | None = None) -> TextDataset:
    """Loads one `.csv`, `.tsv` or `.jsonl` file with a text and a label column.

    A `.tsv` file may do without a header if its two columns are text and label.

    Raises:
        InputError: the file cannot be read or a row of it cannot be used.
    """
    suffix = path.suffix.lower()
    if suffix == ".tsv":
        examples = _tsv_examples(path, text_column, label_column, header=None)
    elif suffix in SUFFIXES:
        table = read_csv(path) if suffix == ".csv" else read_jsonl(path)
        examples = _examples(path, table, text_column, label_column)
    else:
        raise InputError(f"'{path}' is not a kind of file that can be loaded; these are: {', '.join(SUFFIXES)}.")
    return _dataset(path.stem, f"The file {path.name}; licence not stated.", examples)


def load_directory(directory: Path, text_column: str | None = None, label_column: str | None = None) -> TextDataset:
    """Loads a directory with any of `train.tsv`, `dev.tsv` (or `validation.tsv`) and `test.tsv`, pooled, with `parts`.

    Each line is a text, a tab and a label. A header is expected only if the columns are given or have obvious names.

    Raises:
        InputError: none of the files is there, one cannot be read, or a row cannot be used.
    """
    try:
        present = {entry.name for entry in directory.iterdir()}
    except OSError as error:
        raise InputError(f"cannot read the directory '{directory}': {error.strerror or error}.") from error
    found = [name for name in PART_FILES if name in present]
    if not found:
        raise InputError(f"the directory '{directory}' holds none of {', '.join(PART_FILES)}.")
    if len({PART_FILES[name] for name in found}) < len(found):
        raise InputError(f"the directory '{directory}' holds both dev.tsv and validation.tsv; keep one of them.")
    examples: list[Example] = []
    parts: list[str] = []
    for name in found:
        part = _tsv_examples(directory / name, text_column, label_column, header=False)
        examples += part
        parts += [PART_FILES[name]] * len(part)
    name = directory.resolve().name
    return _dataset(name, f"The files {', '.join(found)} of the directory {name}; licence not stated.", examples, parts)


def _dataset(name: str, source: str, examples: Sequence[Example], parts: Sequence[str] = ()) -> TextDataset:
    labels, class_names = number_classes([example.label for example in examples])
    empty = sum(not example.text.strip() for example in examples)
    return TextDataset(
        name=name,
        texts=tuple(example.text for example in examples),
        labels=labels,
        class_names=class_names,
        source=source,
        parts=np.array(parts) if len(set(parts)) > 1 else None,
        notes=(f"{counted(empty, 'empty text')} kept",) if empty else (),
    )


def _tsv_examples(path: Path, text_column: str | None, label_column: str | None, *, header: bool | None) -> list[Example]:
    """The examples of a `.tsv` file whose first row is a header (True), is not (False), or has to be looked at (None)."""
    rows = read_tsv_rows(path)
    named = text_column is not None or label_column is not None or _has_usual_names(rows[0])
    if named or (header is None and not _starts_with_data(rows)):
        return _examples(path, with_header(path, rows), text_column, label_column)
    records = [Record(row.number, dict(zip(("text", "label"), fields_of(path, row, 2), strict=True))) for row in rows]
    return _examples(path, Table(["text", "label"], records), None, None)


def _has_usual_names(row: Row) -> bool:
    return all(any(is_usual(kind, field) for field in row.fields) for kind in ("text", "label"))


def _starts_with_data(rows: Sequence[Row]) -> bool:
    """Whether the first row of two columns is a text and its label: the name of a label column would not be a label again."""
    first = rows[0].fields
    return len(first) == 2 and any(row.fields[-1] == first[1] for row in rows[1:])


def _examples(path: Path, table: Table, text_column: str | None, label_column: str | None) -> list[Example]:
    text = choose_column("text", text_column, table.columns, f"'{path}'")
    label = choose_column("label", label_column, table.columns, f"'{path}'")
    return [Example(_text(path, record, text), _label(path, record, label)) for record in table.records]


def _text(path: Path, record: Record, column: str) -> str:
    value = _value(path, record, column)
    if value is None:
        return ""
    if not isinstance(value, str):
        raise bad_row(path, record.number, f"the text must be a string, found {json.dumps(value)[:40]}.")
    if any("\ud800" <= character <= "\udfff" for character in value):
        raise bad_row(path, record.number, "the text has one half of a surrogate pair, which is no character.")
    return value


def _label(path: Path, record: Record, column: str) -> str:
    value = _value(path, record, column)
    if isinstance(value, (dict, list)):
        raise bad_row(path, record.number, f"the label must be a string or a number, found {json.dumps(value)[:40]}.")
    written = "" if value is None else value.strip() if isinstance(value, str) else json.dumps(value)
    if not written:
        raise bad_row(path, record.number, f"the label (column '{column}') is empty.")
    return written


def _value(path: Path, record: Record, column: str) -> Any:
    if column not in record.values:
        raise bad_row(path, record.number, f"'{column}' is missing.")
    return record.values[column]
