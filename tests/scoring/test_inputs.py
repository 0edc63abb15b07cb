"""Inputs: every row with its number, from any row on, and what is wrong with one."""

from __future__ import annotations

import csv
import json
import sys
from pathlib import Path

import pytest

from tests.scoring.doubles import texts, write_csv, write_jsonl
from tfq_llm import InputError
from tfq_llm.scoring import text_files
from tfq_llm.scoring.chunks import chunks, memory, survey
from tfq_llm.scoring.inputs import START, Position, open_input

pa = pytest.importorskip("pyarrow", reason="the extra [parquet] is not installed")
pq = pytest.importorskip("pyarrow.parquet")

ROWS = 23


def write_parquet(path: Path, rows: int, **columns: object) -> Path:
    table = {"id": list(range(rows)), "text": texts(rows), **columns}
    pq.write_table(pa.table(table), path, row_group_size=5)
    return path


WRITERS = {".csv": write_csv, ".jsonl": write_jsonl, ".parquet": write_parquet}


@pytest.mark.parametrize("suffix", WRITERS)
def test_rows_are_read_from_any_row_on(suffix, tmp_path):
    given = open_input(WRITERS[suffix](tmp_path / f"texts{suffix}", ROWS))
    assert (given.columns, given.text_column) == (["id", "text"], "text")
    rows = list(given.rows())
    assert [row.text for row in rows] == texts(ROWS)
    assert [int(row.values["id"]) for row in rows] == list(range(ROWS))
    assert rows[-1].after.offset == given.size
    for place, row in enumerate(rows):
        assert list(given.rows(row.after)) == rows[place + 1 :]


def test_numbers_are_those_of_an_editor(tmp_path):
    given = open_input(write_csv(tmp_path / "texts.csv", 5))
    lines = (tmp_path / "texts.csv").read_text(encoding="utf-8").splitlines()
    for row in given.rows():
        assert row.text.split("\n")[0].split('"')[0] in lines[row.number - 1]


@pytest.mark.parametrize("suffix", WRITERS)
@pytest.mark.parametrize("size", [1, 4, 100])
def test_chunks_hold_every_row_once(suffix, size, tmp_path):
    given = open_input(WRITERS[suffix](tmp_path / f"texts{suffix}", ROWS))
    found = list(chunks(given, START, size, all_columns=True))
    assert [text for chunk in found for text in chunk.texts] == texts(ROWS)
    assert {len(chunk.rows) for chunk in found[:-1]} <= {size}


def write_wide(path: Path, rows: int) -> Path:
    """Texts beside a column of 2,000 characters, or of 250 numbers."""
    if path.suffix == ".parquet":
        pq.write_table(pa.table({"text": texts(rows), "wide": [[0.5] * 250] * rows}), path)
    elif path.suffix == ".csv":
        path.write_text("text,wide\n" + "".join(f"film {row},{'x' * 2000}\n" for row in range(rows)))
    else:
        path.write_text("".join(json.dumps({"text": text, "wide": [0.5] * 250}) + "\n" for text in texts(rows)))
    return path


@pytest.mark.parametrize("suffix", WRITERS)
def test_wide_rows_make_small_chunks_if_they_are_kept(suffix, tmp_path, monkeypatch):
    monkeypatch.setattr("tfq_llm.scoring.chunks.MAX_BYTES", 10_000)
    given = open_input(write_wide(tmp_path / f"texts{suffix}", ROWS), "text")
    kept, dropped = ([len(chunk.rows) for chunk in chunks(given, START, 10, all_columns=wanted)] for wanted in (True, False))
    assert sum(kept) == ROWS
    assert max(kept) <= 5
    assert dropped == [10, 10, 3]
    # Where chunks end follows from the rows, not from where reading began.
    _, second, *rest = chunks(given, START, 10, all_columns=True)
    assert list(chunks(given, second.after, 10, all_columns=True)) == rest


def test_a_row_that_is_wider_than_a_chunk_is_one(tmp_path, monkeypatch):
    monkeypatch.setattr("tfq_llm.scoring.chunks.MAX_BYTES", 1_000)
    given = open_input(write_wide(tmp_path / "texts.csv", 3))
    assert [len(chunk.rows) for chunk in chunks(given, START, 10, all_columns=True)] == [1, 1, 1]


@pytest.mark.parametrize("value", ["long " * 1000, {"a": [["long " * 500], "long " * 500]}, {"long " * 1000: 1}, [1000] * 1000])
def test_what_is_in_a_value_counts(value):
    assert 5_000 < memory(value) < 40_000
    assert memory(json.loads("[" * 500 + "]" * 500)) > 500 * 56


def test_a_byte_order_mark_carriage_returns_and_blank_lines_are_no_rows(tmp_path):
    (tmp_path / "a.csv").write_bytes(b"\xef\xbb\xbftext,id\r\n\r\none,1\r\n\r\ntwo,2")
    assert [(row.number, row.text) for row in open_input(tmp_path / "a.csv").rows()] == [(3, "one"), (5, "two")]
    (tmp_path / "a.jsonl").write_bytes(b'\xef\xbb\xbf\r\n{"text": "one"}\r\n\n{"text": "two"}')
    assert [(row.number, row.text) for row in open_input(tmp_path / "a.jsonl").rows()] == [(2, "one"), (4, "two")]


BAD_CSV = {
    b"caf\xe9,2": "the byte 0xe9 is not UTF-8",
    b"only one field": "expected 2 fields, found 1",
    b"one,2,3": "expected 2 fields, found 3",
    b'"  ",2': r"the text \(column 'text'\) is empty",
    b"nul\0,2": "holds a NUL character",
}
BAD_JSONL = {
    b'{"text": "caf\xe9"}': "the byte 0xe9 is not UTF-8",
    b'{"id": 3}': "the column 'text' is missing",
    b'{"text": null}': r"the text \(column 'text'\) is missing",
    b'{"text": 5}': "must be a string, found '5'",
    b'{"text": ""}': "is empty",
    b'{"text": "\\ud83d"}': "one half of a surrogate pair",
    b'{"text": "a", "other": 1}': "the column 'other' is not in the first row",
    b"[1]": "expected a JSON object",
    b"{": "not valid JSON",
    b'{"text": "a", "id": ' + 200 * b"[" + 200 * b"]" + b"}": "nested deeper than 200 levels",
    b'{"text": "a", "id": ' + 990 * b"[" + 990 * b"]" + b"}": "nested deeper|not valid JSON",
}


@pytest.mark.parametrize(("line", "problem"), BAD_CSV.items())
def test_a_bad_row_of_a_csv_is_told_and_the_next_one_is_read(line, problem, tmp_path):
    (tmp_path / "a.csv").write_bytes(b"text,id\nfine,1\n" + line + b"\nfine,3\n")
    bad_in_the_middle(tmp_path / "a.csv", problem, 3)


@pytest.mark.parametrize(("line", "problem"), BAD_JSONL.items())
def test_a_bad_row_of_a_jsonl_is_told_and_the_next_one_is_read(line, problem, tmp_path):
    (tmp_path / "a.jsonl").write_bytes(b'{"text": "fine", "id": 1}\n' + line + b'\n{"text": "fine"}\n')
    bad_in_the_middle(tmp_path / "a.jsonl", problem, 2)


def test_as_many_levels_as_a_row_may_have_are_read(tmp_path):
    levels = 199 * "[" + 199 * "]"
    wide = json.dumps(300 * [[]])
    (tmp_path / "a.jsonl").write_text(f"""{{"text": "a", "id": {levels}}}\n{{"text": "b", "id": {wide}}}\n""")
    rows = list(open_input(tmp_path / "a.jsonl").rows())
    assert [(row.problem, json.dumps(row.values["id"])) for row in rows] == [(None, levels), (None, wide)]


@pytest.mark.parametrize(("value", "problem"), [(None, "is missing"), ("", "is empty"), (b"caf\xe9", "0xe9 is not UTF-8")])
def test_a_bad_row_of_a_parquet_is_told_and_the_next_one_is_read(value, problem, tmp_path):
    raw = pa.array([b"fine", value.encode() if isinstance(value, str) else value, b"fine"], pa.binary())
    pq.write_table(pa.table({"text": pa.Array.from_buffers(pa.string(), 3, raw.buffers())}), tmp_path / "a.parquet")
    bad_in_the_middle(tmp_path / "a.parquet", problem, 2)


@pytest.mark.parametrize("kind", [pa.timestamp("us"), pa.timestamp("ms", "UTC"), pa.duration("ms")])
def test_a_time_that_python_does_not_know_is_a_bad_row_of_a_parquet(kind, tmp_path):
    when = pa.array([0, 2**60, None]).view(kind)
    pq.write_table(pa.table({"text": ["fine"] * 3, "when": when}), tmp_path / "a.parquet")
    bad_in_the_middle(tmp_path / "a.parquet", "the column 'when' holds a value that Python has none for", 2)


def test_rows_that_are_passed_over_are_not_looked_at(tmp_path, monkeypatch):
    from tfq_llm.scoring import parquet

    pq.write_table(pa.table({"text": texts(200)}), tmp_path / "a.parquet", row_group_size=200)
    given, made = open_input(tmp_path / "a.parquet"), []
    records = parquet._records
    monkeypatch.setattr(parquet, "_records", lambda batch: made.append(batch.num_rows) or records(batch))
    assert [row.text for row in given.rows(Position(190, 190))] == texts(200)[190:]
    assert sum(made) < 50


def bad_in_the_middle(path: Path, problem: str, number: int) -> None:
    given = open_input(path)
    first, bad, last = given.rows()
    assert (first.text, first.problem, last.text, last.problem) == ("fine", None, "fine", None)
    assert (bad.number, bad.text, bad.values) == (number, "", {})
    with pytest.raises(InputError, match=rf"{path.name}', row {number}: .*{problem}.*--skip-bad-rows"):
        survey(given, all_columns=True, skip_bad_rows=False)
    assert survey(given, all_columns=True, skip_bad_rows=True) == (2, 1)


def test_many_bad_rows_are_counted_and_the_first_are_named(tmp_path):
    (tmp_path / "a.jsonl").write_text('{"text": "fine"}\n' + '{"text": ""}\n' * 9)
    with pytest.raises(InputError, match=r"has 9 rows that cannot be scored:\n  (?s:row 2: .*row 6: .*)\n  and 4 more\n"):
        survey(open_input(tmp_path / "a.jsonl"), all_columns=False, skip_bad_rows=False)


def test_quotation_marks_that_do_not_match_end_the_file(tmp_path, monkeypatch):
    (tmp_path / "a.csv").write_text('text\nfine\n"never closed\nfine\n')
    with pytest.raises(InputError, match=r"row 3: its quotation marks do not match .*no row behind it"):
        survey(open_input(tmp_path / "a.csv"), all_columns=False, skip_bad_rows=True)
    # Nor does a file without line breaks fill the memory.
    monkeypatch.setattr(text_files, "MAX_LINE", 100)
    (tmp_path / "a.csv").write_text("text\nfine\n" + "x" * 101)
    with pytest.raises(InputError, match=r"row 3: the line is longer than 100 bytes"):
        list(open_input(tmp_path / "a.csv").rows())


def test_a_line_that_is_too_long_is_a_bad_row_of_a_jsonl(tmp_path, monkeypatch):
    monkeypatch.setattr(text_files, "MAX_LINE", 100)
    path = tmp_path / "a.jsonl"
    for end in ("\n", "\r\n"):
        long = json.dumps({"text": "x" * 250})
        path.write_text(f'{{"text": "fine"}}{end}{long}{end}{{"text": "fine"}}{end}', newline="")
        bad_in_the_middle(path, "the line is longer than 100 bytes", 2)
        *_, bad, last = open_input(path).rows()
        assert list(open_input(path).rows(bad.after)) == [last]
    path.write_text('{"text": "fine"}\n' + "x" * 101)
    assert [row.problem for row in open_input(path).rows()] == [None, "the line is longer than 100 bytes."]
    path.write_text("x" * 101 + '\n{"text": "fine"}\n')
    with pytest.raises(InputError, match="row 1: the line is longer than 100 bytes"):
        open_input(path)


def test_a_field_that_is_too_long_is_told_as_one(tmp_path, monkeypatch):
    limit = csv.field_size_limit(200)
    monkeypatch.setattr(text_files, "MAX_LINE", 100)
    (tmp_path / "a.csv").write_text('text\nfine\n"' + "many lines\n" * 30 + '"\n')
    try:
        with pytest.raises(
            InputError, match=r"row 3: a field is longer than 100 characters, or a quotation mark before it is never"
        ):
            survey(open_input(tmp_path / "a.csv"), all_columns=False, skip_bad_rows=True)
    finally:
        csv.field_size_limit(limit)


@pytest.mark.parametrize(
    ("content", "number"),
    [(b"text,id\rone,1\rtwo,2\r", 1), (b"text,id\r\none,1\rtwo,2\r\n", 2), (b"text,id\none,1\ntw\ro,2\n", 3)],
)
def test_carriage_returns_that_hide_where_lines_end_are_named(content, number, tmp_path, monkeypatch):
    path = tmp_path / "an old table.csv"
    path.write_bytes(content)
    with pytest.raises(InputError, match=rf"row {number}: a carriage return .*: tr '\\r' '\\n' < '{path}' > mended\.csv"):
        survey(open_input(path), all_columns=False, skip_bad_rows=True)
    # In a large file they are a line that is too long, before its fields are looked at.
    monkeypatch.setattr(text_files, "MAX_LINE", 10)
    path.write_bytes(b"text\rone\rtwo\r")
    with pytest.raises(InputError, match=r"row 1: the line is longer than 10 bytes\. Lines must end with a line feed.*tr "):
        open_input(path)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.txt", b"text\na\n", r"these are: \.csv, \.jsonl, \.parquet"),
        ("a.csv", b"", "is empty"),
        ("a.csv", b"text\n", "has no row that can be scored"),
        ("a.csv", b"te\xffxt\na\n", "row 1: the byte 0xff"),
        ("a.csv", b"words,id\na,1\n", "cannot tell which column"),
        ("a.jsonl", b"\n\n", "is empty"),
        ("a.jsonl", b"no\n", "row 1: not valid JSON"),
        ("a.parquet", b"PAR1 is not enough", "cannot read '.*' as Parquet"),
    ],
)
def test_a_file_that_cannot_be_used_is_refused(name, content, message, tmp_path):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(InputError, match=message):
        survey(open_input(tmp_path / name), all_columns=False, skip_bad_rows=False)


def test_a_file_or_column_that_is_not_there_is_refused(tmp_path):
    with pytest.raises(InputError, match="there is no file"):
        open_input(tmp_path / "no.csv")
    with pytest.raises(InputError, match=r"has no column 'txt'.*Did you mean 'text'"):
        open_input(write_csv(tmp_path / "a.csv", 3), "txt")
    write_parquet(tmp_path / "a.parquet", 3, words=[json.loads("1")] * 3)
    with pytest.raises(InputError, match=r"'words' of .* holds int64, and texts must be strings"):
        open_input(tmp_path / "a.parquet", "words")


def test_without_pyarrow_parquet_names_the_extra(tmp_path, monkeypatch):
    write_parquet(tmp_path / "a.parquet", 3)
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    monkeypatch.delitem(sys.modules, "tfq_llm.scoring.parquet", raising=False)
    with pytest.raises(InputError, match=r"pip install '\.\[parquet\]'"):
        open_input(tmp_path / "a.parquet")
