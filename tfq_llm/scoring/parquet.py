"""`.parquet` files as input and output, by pyarrow."""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from tfq_llm.data.columns import choose_column
from tfq_llm.errors import InputError
from tfq_llm.scoring.inputs import START, Position, Row, text_problem

try:
    import pyarrow as pa
    import pyarrow.parquet as pq
except ImportError as _error:
    raise InputError(
        "'.parquet' files need pyarrow, which is not installed: pip install '.[parquet]' where this package is from."
    ) from _error

# Rows are decoded a few at a time: how wide they are is known on the average alone.
_BATCH_ROWS, _BATCH_BYTES = 32, 1 << 23
# Of a part of a batch that becomes Python's values at once, which may take many times as much.
_PART_BYTES = 1 << 20
_ROW_GROUP_ROWS, _ROW_GROUP_BYTES = 1 << 16, 1 << 25
_BUFFER = 1 << 20


class ParquetInput:
    """The rows of a Parquet file; the text column holds strings."""

    unit = "rows"

    def __init__(self, path: Path, text_column: str | None) -> None:
        self.path = path
        try:
            with pq.ParquetFile(path) as file:
                self.schema: pa.Schema = file.schema_arrow
                self.size = file.metadata.num_rows
                groups = [file.metadata.row_group(group) for group in range(file.num_row_groups)]
                self._group_rows = [group.num_rows for group in groups]
                width = max((group.total_byte_size // max(group.num_rows, 1) for group in groups), default=0)
                self._batch_rows = min(_BATCH_ROWS, max(1, _BATCH_BYTES // max(width, 1)))
        except (OSError, pa.ArrowException) as error:
            raise InputError(f"cannot read '{path}' as Parquet: {error}") from error
        self.columns = list(self.schema.names)
        self.text_column = choose_column("text", text_column, self.columns, f"'{path}'")
        kind = self.schema.field(self.text_column).type
        if not (pa.types.is_string(_plain(kind)) or pa.types.is_large_string(_plain(kind))):
            raise InputError(f"the column '{self.text_column}' of '{path}' holds {kind}, and texts must be strings.")

    def rows(self, start: Position = START, *, all_columns: bool = True) -> Iterator[Row]:
        ends = list(itertools.accumulate(self._group_rows))
        group = next((place for place, end in enumerate(ends) if start.offset < end), len(ends))
        place = ends[group - 1] if group else 0
        columns = None if all_columns else [self.text_column]
        try:
            with pq.ParquetFile(self.path, buffer_size=_BUFFER, pre_buffer=False) as file:
                for batch in file.iter_batches(
                    self._batch_rows, use_threads=False, row_groups=range(group, len(ends)), columns=columns
                ):
                    if place + batch.num_rows <= start.offset:
                        place += batch.num_rows
                        continue
                    for values in _records(batch):
                        place += 1
                        if place > start.offset:
                            yield self._row(place, values)
        except (OSError, pa.ArrowException) as error:
            raise InputError(f"'{self.path}', behind row {place}: cannot be read ({error}).") from error

    def _row(self, number: int, values: dict[str, Any] | str) -> Row:
        problem = values if isinstance(values, str) else text_problem(values[self.text_column], self.text_column)
        after = Position(number, number)
        if problem is not None or isinstance(values, str):
            return Row(number, {}, "", problem, after)
        return Row(number, values, values[self.text_column], None, after)


def _records(batch: pa.RecordBatch) -> Iterator[dict[str, Any] | str]:
    """The rows of a batch by column, or what is wrong with one.

    Arrow does not look into strings that it reads, and knows times that Python has no values for.
    """
    if batch.nbytes > _PART_BYTES and batch.num_rows > 1:
        half = batch.num_rows // 2
        yield from _records(batch.slice(0, half))
        yield from _records(batch.slice(half))
        return
    try:
        records = batch.to_pylist()
    except (ValueError, OverflowError):
        records = [_record(batch.slice(row, 1)) for row in range(batch.num_rows)]
    yield from records


def _record(row: pa.RecordBatch) -> dict[str, Any] | str:
    values: dict[str, Any] = {}
    for name, column in zip(row.schema.names, row.columns, strict=True):
        try:
            values[name] = column[0].as_py()
        except UnicodeDecodeError as error:
            return f"the byte 0x{error.object[error.start]:02x} is not UTF-8."
        except (ValueError, OverflowError) as error:
            return f"the column '{name}' holds a value that Python has none for ({error})."
    return values


def stream_of(schema: pa.Schema, records: Sequence[dict[str, Any]]) -> bytes:
    """Rows as one Arrow stream; several such streams, one behind the other, are what `write_parquet` reads."""
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, schema) as writer:
        writer.write_table(pa.Table.from_pylist(list(records), schema))
    return sink.getvalue().to_pybytes()


def scored_schema(kept: Sequence[str], given: pa.Schema | None, probabilities: Sequence[str]) -> pa.Schema:
    """Columns of scored rows: those kept, strings unless the input has a schema, and ours, `probabilities` the last."""
    fields = [pa.field(name, pa.string() if given is None else _plain(given.field(name).type)) for name in kept]
    fields += [pa.field("row", pa.int64()), pa.field("class", pa.string())]
    return pa.schema([*fields, *(pa.field(name, pa.float32()) for name in probabilities)])


def _plain(kind: pa.DataType) -> pa.DataType:
    """The type of values, whatever dictionary they are kept in."""
    return kind.value_type if pa.types.is_dictionary(kind) else kind


def write_parquet(streams: Path, schema: pa.Schema, target: Path) -> None:
    """Writes the rows of all streams in a file to a Parquet file, a row group in memory at a time."""
    # Who reads the file has a page in memory as a whole, and it may end behind so many rows.
    options: dict[str, Any] = {"compression": "zstd", "write_batch_size": _BATCH_ROWS}
    with target.open("wb") as file, pq.ParquetWriter(file, schema, **options) as writer:
        waiting: list[pa.RecordBatch] = []
        rows = held = 0
        for batch in _batches(streams):
            waiting.append(batch)
            rows, held = rows + batch.num_rows, held + batch.nbytes
            if rows >= _ROW_GROUP_ROWS or held >= _ROW_GROUP_BYTES:
                writer.write_table(pa.Table.from_batches(waiting, schema))
                waiting.clear()
                rows = held = 0
        if waiting:
            writer.write_table(pa.Table.from_batches(waiting, schema))
        writer.close()
        file.flush()
        os.fsync(file.fileno())


def _batches(streams: Path) -> Iterator[pa.RecordBatch]:
    with pa.OSFile(str(streams)) as file:
        while file.tell() < file.size():
            with pa.ipc.open_stream(file) as reader:
                yield from reader
