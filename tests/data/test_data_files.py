"""Data sets from the user's own files, and what is said about files that cannot be used."""

from __future__ import annotations

import csv
import json
import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from tfq_llm.data import load
from tfq_llm.errors import InputError


def write(path: Path, content: str | bytes) -> Path:
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def test_a_csv_file_with_obvious_columns(tmp_path: Path):
    path = write(tmp_path / "mails.csv", 'id,Text,Label\n1,"Hello, you",ham\n2,"two\nlines and ""quotes""",spam\n3,last,ham\n')
    mails = load(path)
    assert mails.name == "mails"
    assert mails.texts == ("Hello, you", 'two\nlines and "quotes"', "last")
    assert mails.class_names == ("ham", "spam")
    assert mails.labels.tolist() == [0, 1, 0]
    assert mails.parts is None
    assert str(tmp_path) not in mails.source


def test_a_csv_file_with_columns_named_by_the_user(tmp_path: Path):
    path = write(tmp_path / "stars.csv", "review,stars\nfine,10\nfair,9\n")
    stars = load(str(path), text_column="review", label_column="stars")
    assert stars.class_names == ("9", "10")


def test_byte_order_mark_and_windows_line_ends_are_no_part_of_the_data(tmp_path: Path):
    mails = load(write(tmp_path / "mails.csv", b"\xef\xbb\xbftext,label\r\nhello,ham \r\n\r\nbuy,spam\r\n"))
    assert mails.texts == ("hello", "buy")
    assert mails.class_names == ("ham", "spam")


def test_a_jsonl_file(tmp_path: Path):
    lines = [{"sentence": "so, so", "label": 1, "by": "Ada"}, {"sentence": "línea", "label": 0}, {"sentence": None, "label": 1}]
    path = write(tmp_path / "x.jsonl", "\n\n".join(json.dumps(line) for line in lines))
    x = load(path)
    assert x.texts == ("so, so", "línea", "")
    assert x.class_names == ("0", "1")
    assert x.notes == ("1 empty text kept",)


def test_true_and_false_are_labels(tmp_path: Path):
    path = write(tmp_path / "x.jsonl", '{"text": "a", "label": true}\n{"text": "b", "label": false}\n')
    assert load(path).class_names == ("false", "true")


def test_a_tsv_file_with_a_header(tmp_path: Path):
    path = write(tmp_path / "x.tsv", "sentence\tlabel\ngood\t1\nbad\t0\n")
    assert load(path).texts == ("good", "bad")


def test_a_tsv_file_without_a_header(tmp_path: Path):
    path = write(tmp_path / "x.tsv", "good\t1\nbad\t0\nfine\t1\n")
    assert load(path).texts == ("good", "bad", "fine")


def test_a_tsv_header_is_not_taken_for_data(tmp_path: Path):
    path = write(tmp_path / "x.tsv", "review\tsentiment\ngood\t1\nbad\t0\n")
    with pytest.raises(InputError, match="its columns are 'review', 'sentiment'"):
        load(path)
    assert load(path, text_column="review", label_column="sentiment").texts == ("good", "bad")


def test_quotation_marks_in_a_plain_tsv_file_are_text(tmp_path: Path):
    texts = ('" an opening quote', "plain", '"two" of them', 'an inch is 1"', "last")
    path = write(tmp_path / "x.tsv", "".join(f"{text}\t{row % 2}\n" for row, text in enumerate(texts)))
    assert load(path).texts == texts


def test_a_quote_that_closes_lines_later_by_accident_swallows_nothing(tmp_path: Path):
    path = write(tmp_path / "x.tsv", '" opens\t1\nplain\t0\ncloses "\t1\n')
    assert load(path).texts == ('" opens', "plain", 'closes "')


cells = st.text(st.characters(codec="utf-8", exclude_characters="\0\r", exclude_categories=["Cs"]), min_size=1, max_size=12)


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(
    st.lists(st.tuples(cells, st.sampled_from(["yes", "no"])), min_size=1, max_size=6),
    st.sampled_from([("csv", ","), ("tsv", "\t")]),
)
def test_what_pythons_csv_module_writes_is_read_back(tmp_path: Path, rows: list[tuple[str, str]], kind: tuple[str, str]):
    suffix, delimiter = kind
    assume(suffix == "csv" or not any("\t" in text and "\n" in text for text, _ in rows))
    path = tmp_path / f"written.{suffix}"
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file, delimiter=delimiter).writerows([("text", "label"), *rows])
    assert load(path).texts == tuple(text for text, _ in rows)


def test_very_long_texts_are_read_whole(tmp_path: Path):
    path = write(tmp_path / "x.csv", f"text,label\n{'long ' * 60_000},1\nshort,0\n")
    assert len(load(path).texts[0]) == 300_000


def test_a_directory_of_divided_tsv_files(tmp_path: Path):
    write(tmp_path / "train.tsv", "good\t1\nbad\t0\n")
    write(tmp_path / "dev.tsv", "fine\t1\n")
    write(tmp_path / "test.tsv", "poor\t0\n")
    pooled = load(tmp_path)
    assert pooled.texts == ("good", "bad", "fine", "poor")
    assert pooled.parts.tolist() == ["train", "train", "validation", "test"]
    assert pooled.name == tmp_path.name
    assert str(tmp_path) not in pooled.source


def test_a_directory_with_headers(tmp_path: Path):
    write(tmp_path / "train.tsv", "id\treview\tstars\n1\tgood\t5\n2\tbad\t1\n")
    write(tmp_path / "validation.tsv", "review\tstars\nfine\t5\n")
    pooled = load(tmp_path, text_column="review", label_column="stars")
    assert pooled.texts == ("good", "bad", "fine")
    assert pooled.class_names == ("1", "5")


def test_a_directory_with_only_one_part_is_not_divided(tmp_path: Path):
    write(tmp_path / "train.tsv", "good\t1\nbad\t0\n")
    assert load(tmp_path).parts is None


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("x.csv", "", "is empty"),
        ("x.csv", " \n\n", "is empty"),
        ("x.tsv", b"\xef\xbb\xbf", "is empty"),
        ("x.csv", "text,label\n", "has a header and no rows"),
        ("x.csv", b"text,label\ngood,1\ncaf\xe9,0\n", "row 3: the byte 0xe9 is not UTF-8"),
        ("x.csv", b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR", "row 1: the byte 0x89 is not UTF-8"),
        ("x.csv", b"text,label\nMZ\0\0,1\n", "row 2: holds a NUL character; this is not a text file"),
        ("x.csv", "text,label\ngood,1\nbad\n", "row 3: expected 2 fields, found 1"),
        ("x.csv", "text,label\ngood, but,1\n", "row 2: expected 2 fields, found 3"),
        ("x.csv", 'text,label\ngood,1\n"bad,0\nfine,1\n', "row 3: its quotation marks do not match"),
        ("x.csv", 'text,label\n"two\nlines",1\nbad, \n', r"row 4: the label \(column 'label'\) is empty"),
        ("x.csv", "review,label\ngood,1\n", "which column of .* holds the texts; its columns are 'review', 'label'"),
        ("x.csv", "text,sentence,label\na,b,1\n", "which column of .* holds the texts"),
        ("x.csv", "text,class\ngood,1\n", "which column of .* holds the labels.*--label-column"),
        ("x.tsv", "text\tlabel\ngood\t1\nbad\n", "row 3: expected 2 fields, found 1"),
        ("x.jsonl", '{"text": "a", "label": 1}\n{"text": "b", "label":\n', "row 2: not valid JSON"),
        ("x.jsonl", '{"text": "a", "label": 1}\n["b", 0]\n', "row 2: expected a JSON object"),
        ("x.jsonl", '{"text": "a", "label": 1}\n{"text": "b"}\n', "row 2: 'label' is missing"),
        ("x.jsonl", '{"text": "a", "label": 1}\n{"text": "b", "label": null}\n', "row 2: the label .* is empty"),
        ("x.jsonl", '{"text": "a", "label": [1]}\n', r"row 1: the label must be a string or a number, found \[1\]"),
        ("x.jsonl", '{"text": 3, "label": 1}\n', "row 1: the text must be a string, found 3"),
        ("x.jsonl", '{"text": "\\ud83d", "label": 1}\n', "row 1: the text has one half of a surrogate pair"),
        ("x.jsonl", "[" * 100_000, "row 1: not valid JSON"),
        ("x.xlsx", "text,label\ngood,1\n", r"not a kind of file that can be loaded; these are: \.csv, \.tsv, \.jsonl"),
    ],
)
def test_bad_files_get_an_error_that_names_the_row(tmp_path: Path, name: str, content: str | bytes, message: str):
    with pytest.raises(InputError, match=message):
        load(write(tmp_path / name, content))


def test_a_missing_column_gets_the_nearest_one(tmp_path: Path):
    path = write(tmp_path / "x.csv", "review,stars\ngood,1\n")
    with pytest.raises(InputError, match=r"no column 'reviews'; its columns are 'review', 'stars'\. Did you mean 'review'\?"):
        load(path, text_column="reviews", label_column="stars")


def test_a_column_that_is_there_twice(tmp_path: Path):
    path = write(tmp_path / "x.csv", "text,text,label\ngood,fine,1\n")
    with pytest.raises(InputError, match="has 2 columns called 'text'; rename all but one"):
        load(path, text_column="text")


def test_a_missing_file_gets_the_nearest_one(tmp_path: Path):
    write(tmp_path / "reviews.csv", "text,label\ngood,1\n")
    with pytest.raises(InputError, match=r"no file or directory '.*review\.csv'\. Did you mean 'reviews\.csv'\?"):
        load(tmp_path / "review.csv")
    with pytest.raises(InputError, match="no file or directory"):
        load(tmp_path / "nowhere" / "review.csv")


def test_a_directory_without_the_expected_files(tmp_path: Path):
    write(tmp_path / "readme.txt", "nothing here")
    with pytest.raises(InputError, match=r"holds none of train\.tsv, dev\.tsv, validation\.tsv, test\.tsv"):
        load(tmp_path)


def test_a_directory_with_two_validation_files(tmp_path: Path):
    for name in ("train.tsv", "dev.tsv", "validation.tsv"):
        write(tmp_path / name, "good\t1\n")
    with pytest.raises(InputError, match=r"both dev\.tsv and validation\.tsv"):
        load(tmp_path)


def test_a_bad_row_in_a_directory_names_the_file(tmp_path: Path):
    write(tmp_path / "train.tsv", "good\t1\nbad\t0\n")
    write(tmp_path / "dev.tsv", "fine\t1\npoor\n")
    with pytest.raises(InputError, match=r"dev\.tsv', row 2: expected 2 fields, found 1"):
        load(tmp_path)


def test_something_that_is_no_file(tmp_path: Path):
    (tmp_path / "train.tsv").mkdir()
    with pytest.raises(InputError, match=r"cannot read '.*train.tsv': Is a directory"):
        load(tmp_path)


not_for_root = pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")


@not_for_root
def test_a_directory_that_may_not_be_read(tmp_path: Path):
    closed = tmp_path / "closed"
    closed.mkdir(mode=0)
    with pytest.raises(InputError, match=r"cannot read the directory '.*closed': Permission denied"):
        load(closed)
    with pytest.raises(InputError, match="no file or directory"):
        load(closed / "x.csv")


@not_for_root
def test_a_file_that_may_not_be_read(tmp_path: Path):
    path = write(tmp_path / "x.csv", "text,label\ngood,1\n")
    path.chmod(0)
    with pytest.raises(InputError, match=r"cannot read '.*x.csv': Permission denied"):
        load(path)
