"""Scoring a file: the output has every row once, in every format, whatever happened meanwhile."""

from __future__ import annotations

import csv
import errno
import itertools
import json
import multiprocessing
import os
import signal
from collections.abc import Callable, Iterator
from contextlib import nullcontext, suppress
from dataclasses import replace
from pathlib import Path
from shutil import rmtree

import numpy as np
import pytest

from tests.scoring.doubles import Checksums, odd_share, texts, write_csv, write_jsonl
from tfq_llm import InputError
from tfq_llm.exported import version_directory
from tfq_llm.scoring import Job, chunks, job, score
from tfq_llm.scoring.inputs import open_input
from tfq_llm.scoring.journal import JOURNAL, Journal, begun
from tfq_llm.scoring.workers import Here

pytest.importorskip("pyarrow", reason="the extra [parquet] is not installed")
import pandas as pd
from pyarrow.parquet import ParquetWriter

ROWS = 23


@pytest.fixture(autouse=True)
def _checksums(monkeypatch):
    monkeypatch.setattr(job, "load_scorer", lambda path: Checksums())


@pytest.fixture
def given(tmp_path) -> Path:
    return write_csv(tmp_path / "texts.csv", ROWS)


def make(given: Path, suffix: str = ".csv", **settings: object) -> Job:
    return Job(Path("model"), given, given.with_name(f"scored{suffix}"), **{"chunk_rows": 4, **settings})


def read(path: Path) -> pd.DataFrame:
    if path.suffix == ".parquet":
        return pd.read_parquet(path)
    if path.suffix == ".csv":
        return pd.read_csv(path)
    frame = pd.read_json(path, lines=True)
    for name in Checksums.class_names:
        frame[f"probability_{name}"] = [row[name] for row in frame["probabilities"]]
    return frame.drop(columns="probabilities")


def expect_all(path: Path, numbers: list[int] | None = None) -> pd.DataFrame:
    """Every text of `texts(ROWS)` once and in order, with what the model says of it."""
    frame = read(path)
    odd = np.array([odd_share(text) for text in texts(ROWS)])
    np.testing.assert_allclose(frame["probability_odd"], odd, atol=1e-6)
    np.testing.assert_allclose(frame["probability_even"], 1 - odd, atol=1e-6)
    assert list(frame["class"]) == ["odd" if each > 0.5 else "even" for each in odd]
    assert list(frame["row"]) == (numbers or list(frame["row"]))
    return frame


def nothing_left(directory: Path) -> bool:
    return not [path for path in directory.iterdir() if "scoring" in path.name or path.name.startswith(".")]


def with_a_bad_row(directory: Path) -> Path:
    """A file of `texts(ROWS)` whose last line is no JSON."""
    path = directory / "texts.jsonl"
    path.write_text("".join(json.dumps({"text": text}) + "\n" for text in texts(ROWS)) + "no\n", encoding="utf-8")
    return path


def expect_all_but_the_bad_row(job: Job) -> None:
    expect_all(job.output)
    assert len(job.bad_rows.read_text().splitlines()) == 1
    assert nothing_left(job.output.parent)


@pytest.mark.parametrize("output", [".csv", ".jsonl", ".parquet"])
@pytest.mark.parametrize("source", [".csv", ".jsonl", ".parquet"])
def test_every_format_comes_out_of_every_format(source, output, tmp_path):
    path = tmp_path / f"texts{source}"
    if source == ".csv":
        write_csv(path, ROWS)
    elif source == ".jsonl":
        write_jsonl(path, ROWS)
    else:
        pd.DataFrame({"id": range(ROWS), "text": texts(ROWS)}).to_parquet(path)
    summary = score(make(path, output, keep_columns=True))
    frame = expect_all(path.with_name(f"scored{output}"))
    assert list(frame.columns) == ["id", "text", "row", "class", "probability_even", "probability_odd"]
    assert list(frame["text"]) == texts(ROWS)
    assert list(frame["id"].astype(int)) == list(range(ROWS))
    assert (summary.state.rows, summary.found, sum(summary.state.counts)) == (ROWS, 0, ROWS)
    assert summary.state.truncated == sum(len(text) > 20 for text in texts(ROWS))
    assert nothing_left(tmp_path)


def test_parquet_keeps_the_types_of_parquet(tmp_path):
    frame = pd.DataFrame(
        {"text": texts(3), "when": pd.to_datetime(["2020-01-01", None, "2021-01-01"]), "tags": [["a"], [], None]}
    )
    frame["kind"] = pd.Categorical(["x", "y", "x"])
    frame.to_parquet(tmp_path / "texts.parquet")
    score(make(tmp_path / "texts.parquet", ".parquet", keep_columns=True))
    kept = pd.read_parquet(tmp_path / "scored.parquet")
    assert kept["when"].dtype.kind == "M"
    assert list(kept["kind"]) == ["x", "y", "x"]
    assert list(kept["tags"][0]) == ["a"]


# What a field of a CSV file may trip over, alone and at either end of a text.
AWKWARD = ["\r", "\n", "\r\n", "\n\r", '"', '""', ",", "", " ", "\t", "'", "\u2028"]


def test_any_text_comes_back_from_a_csv_file(tmp_path, monkeypatch):
    texts = [f"good{one}film{other}" for one in AWKWARD for other in AWKWARD]
    notes = [f"{one}{other}" for one in AWKWARD for other in AWKWARD]
    lines = [json.dumps({"a\rnote": note, "text": text}) for note, text in zip(notes, texts, strict=True)]
    given, scored = tmp_path / "texts.jsonl", tmp_path / "scored.csv"
    given.write_text("\n".join(lines), encoding="utf-8")
    score(make(given, keep_columns=True))
    with scored.open(encoding="utf-8", newline="") as file:
        header, *rows = csv.reader(file, strict=True)
    assert header == ["a\rnote", "text", "row", "class", "probability_even", "probability_odd"]
    assert [tuple(row[:2]) for row in rows] == list(zip(notes, texts, strict=True))
    frame = pd.read_csv(scored, keep_default_na=False)
    assert list(frame.columns) == header
    assert (list(frame["a\rnote"]), list(frame["text"])) == (notes, texts)
    # It can be scored itself, and is the same file if a process was killed meanwhile.
    undisturbed = scored.read_bytes()
    assert [row.text for row in open_input(scored).rows()] == texts
    scored.unlink()
    begin(given, monkeypatch, keep_columns=True)
    score(make(given, keep_columns=True, chunk_rows=7))
    assert scored.read_bytes() == undisturbed


def strict_json(line: str) -> dict:
    """Parses a line as readers do that are no Python: NaN and infinity are no JSON."""
    return json.loads(line, parse_constant=lambda name: pytest.fail(f"{name} is no JSON"))


def test_what_is_no_number_is_null_in_json(tmp_path):
    path = tmp_path / "texts.jsonl"
    path.write_text(
        '{"text": "a", "id": NaN, "more": [1, -Infinity]}\n{"text": "é", "id": Infinity, "more": {"x": [NaN, 1e999, 0.1]}}\n'
    )
    score(make(path, ".jsonl", keep_columns=True))
    rows = [strict_json(line) for line in (tmp_path / "scored.jsonl").read_text(encoding="utf-8").splitlines()]
    assert [(row["text"], row["id"], row["more"]) for row in rows] == [
        ("a", None, [1, None]),
        ("é", None, {"x": [None, None, 0.1]}),
    ]
    # In a table a number alone stays what it is; what is written as JSON within a field is JSON.
    score(make(path, ".csv", keep_columns=True))
    frame = pd.read_csv(tmp_path / "scored.csv")
    assert frame["id"].tolist() == pytest.approx([np.nan, np.inf], nan_ok=True)
    assert [strict_json(cell) for cell in frame["more"]] == [row["more"] for row in rows]
    # Parquet has such numbers by right.
    pd.DataFrame({"text": ["a"], "id": [np.inf], "when": pd.to_datetime(["2020-01-01"])}).to_parquet(tmp_path / "texts.parquet")
    (tmp_path / "scored.jsonl").unlink()
    score(make(tmp_path / "texts.parquet", ".jsonl", keep_columns=True))
    row = strict_json((tmp_path / "scored.jsonl").read_text())
    assert (row["id"], row["when"]) == (None, "2020-01-01 00:00:00")


@pytest.mark.parametrize("output", [".csv", ".jsonl", ".parquet"])
def test_half_a_surrogate_pair_in_a_kept_column_is_a_question_mark(output, tmp_path):
    path = tmp_path / "texts.jsonl"
    path.write_text('{"text": "a", "note": "\\ud83d!", "tags": {"x": ["\\ud83d"]}}\n')
    score(make(path, output, keep_columns=True))
    row = read(tmp_path / f"scored{output}").iloc[0]
    assert (row["note"], row["tags"]) == ("?!", {"x": ["?"]} if output == ".jsonl" else '{"x": ["?"]}')


def test_half_a_surrogate_pair_in_a_name_of_a_column_is_no_parquet(tmp_path):
    (tmp_path / "texts.jsonl").write_text('{"text": "a", "\\ud83d": 1}\n')
    with pytest.raises(InputError, match=r"'\\ud83d' has one half of a surrogate pair in its name.*rename it"):
        score(make(tmp_path / "texts.jsonl", ".parquet", keep_columns=True))


def test_without_keep_columns_a_row_is_found_by_its_number(given):
    score(make(given))
    frame = expect_all(given.with_name("scored.csv"))
    assert list(frame.columns) == ["row", "class", "probability_even", "probability_odd"]
    lines = given.read_text(encoding="utf-8").split("\n")
    assert [lines[number - 1].split(",")[0] for number in frame["row"]] == [str(row) for row in range(ROWS)]


def test_bad_rows_stop_it_before_it_begins_or_are_listed(tmp_path):
    path = tmp_path / "texts.jsonl"
    lines = [json.dumps({"text": text}) for text in texts(ROWS)]
    path.write_text("\n".join([*lines[:9], '{"text": ""}', "no", *lines[9:], "[]"]), encoding="utf-8")
    with pytest.raises(InputError, match=r"has 3 rows that cannot be scored:\n  row 10: .*empty"):
        score(make(path))
    assert nothing_left(tmp_path)
    summary = score(make(path, skip_bad_rows=True))
    assert (summary.state.rows, summary.state.bad) == (ROWS, 3)
    expect_all(tmp_path / "scored.csv", [*range(1, 10), *range(12, 26)])
    listed = [json.loads(line) for line in (tmp_path / "scored.csv.bad-rows.jsonl").read_text().splitlines()]
    assert [each["row"] for each in listed] == [10, 11, 26]


class StoppedError(Exception):
    pass


def stop_after(chunks: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """The model raises when it is asked for one chunk more."""
    left = iter(range(chunks))

    class Stops(Checksums):
        def score(self, given):
            if next(left, None) is None:
                raise StoppedError
            return super().score(given)

    monkeypatch.setattr(job, "load_scorer", lambda path: Stops())


def begin(given: Path, monkeypatch: pytest.MonkeyPatch, **settings: object) -> None:
    stop_after(2, monkeypatch)
    with pytest.raises(StoppedError):
        score(make(given, **settings))
    assert not given.with_name("scored.csv").exists()
    monkeypatch.setattr(job, "load_scorer", lambda path: Checksums())


def test_it_goes_on_where_it_was_also_with_other_chunks(given, monkeypatch):
    begin(given, monkeypatch)
    summary = score(make(given, chunk_rows=7))
    assert (summary.found, summary.state.rows) == (8, ROWS)
    expect_all(given.with_name("scored.csv"))


def test_another_input_model_or_format_is_refused(given, monkeypatch):
    begin(given, monkeypatch)
    original = given.read_bytes()
    given.write_bytes(original.replace(b"film 20", b"film 21"))
    with pytest.raises(InputError, match=r"begun with another input\. Give the same command"):
        score(make(given))
    given.write_bytes(original)
    with pytest.raises(InputError, match="begun with another choice of columns"):
        score(make(given, keep_columns=True))
    monkeypatch.setattr(Checksums, "fingerprint", "another")
    with pytest.raises(InputError, match="begun with another model"):
        score(make(given))
    monkeypatch.undo()
    monkeypatch.setattr(job, "load_scorer", lambda path: Checksums())
    score(make(given))
    expect_all(given.with_name("scored.csv"))


def write_version(model: Path, version: int, name: str) -> None:
    (model / str(version)).mkdir(parents=True)
    (model / str(version) / "manifest.json").write_text(name)


class Versioned(Checksums):
    """The newest version of a model, unless a path names one; its manifest is its fingerprint."""

    def __init__(self, path: Path) -> None:
        super().__init__(version_directory(path))
        self.fingerprint = (self.path / "manifest.json").read_text()


def test_it_goes_on_with_the_version_that_it_was_begun_with(given, tmp_path, monkeypatch):
    wanted = replace(make(given), model=tmp_path / "served")
    write_version(wanted.model, 1, "first")

    class Stops(Versioned):
        def score(self, given):
            raise StoppedError

    def begin_with(version: int) -> None:
        monkeypatch.setattr(job, "load_scorer", Stops)
        with pytest.raises(StoppedError):
            score(wanted)
        write_version(wanted.model, version + 1, f"version {version + 1}")
        monkeypatch.setattr(job, "load_scorer", Versioned)

    begin_with(1)
    score(wanted)
    wanted.output.unlink()
    # A new scoring is one of the newest version. If that is not what it was, the message says which it was.
    begin_with(2)
    version = wanted.model / "2"
    for spoil in (lambda: (version / "manifest.json").write_text("another"), lambda: rmtree(version)):
        spoil()
        with pytest.raises(InputError, match=r"another model.*begun with version 2 of '.*served', which is gone or has changed"):
            score(wanted)


def test_a_cluster_scores_with_the_version_that_was_loaded_here(given, tmp_path, monkeypatch):
    wanted = replace(make(given), model=tmp_path / "served", cluster="auto")
    write_version(wanted.model, 1, "first")

    class Machines(nullcontext):
        def __init__(self, address: str, model: Path, fingerprint: str) -> None:
            write_version(wanted.model, 2, "newer")
            scorer = Versioned(model)
            assert scorer.fingerprint == fingerprint
            super().__init__(Here(scorer))

    monkeypatch.setattr(job, "load_scorer", Versioned)
    monkeypatch.setattr("tfq_llm.scoring.cluster.RayWorkers", Machines)
    score(wanted)
    expect_all(wanted.output)


@pytest.mark.parametrize("change", [lambda path: os.utime(path, (1, 1)), lambda path: path.unlink(missing_ok=True)])
def test_an_input_that_changes_meanwhile_is_noticed(change, given, monkeypatch):
    class Changes(Checksums):
        def score(self, texts):
            change(given)
            return super().score(texts)

    monkeypatch.setattr(job, "load_scorer", lambda path: Changes())
    with pytest.raises(InputError, match="changed or was deleted while it was scored"):
        score(make(given))
    assert not given.with_name("scored.csv").exists()


def test_an_output_that_is_there_is_left_alone(given):
    given.with_name("scored.csv").write_text("mine")
    with pytest.raises(InputError, match=r"scored.csv' exists"):
        score(make(given))
    assert given.with_name("scored.csv").read_text() == "mine"


def test_nobody_is_told_to_delete_the_input(given):
    before = given.read_bytes()
    with pytest.raises(InputError, match=r"'.*texts\.csv' is the input: give another --output"):
        score(Job(Path("model"), given, given))
    assert given.read_bytes() == before


def test_a_list_of_bad_rows_that_is_there_is_left_alone(tmp_path):
    wanted = make(with_a_bad_row(tmp_path), skip_bad_rows=True)

    def refused(message: str) -> None:
        with pytest.raises(InputError, match=rf"bad-rows\.jsonl' exists{message}"):
            score(wanted)
        assert wanted.bad_rows.read_text() == "mine"

    wanted.bad_rows.write_text("mine")
    refused(": delete it")
    assert nothing_left(tmp_path)
    wanted.bad_rows.unlink()
    score(wanted)
    # Nor does a list of an earlier file stay beside one that has all rows.
    wanted.output.unlink()
    wanted.input.write_text(json.dumps({"text": "mended"}))
    wanted.bad_rows.write_text("mine")
    refused(": delete it")


def test_a_list_of_bad_rows_that_appears_meanwhile_is_left_alone_and_no_row_is_lost(tmp_path, monkeypatch):
    wanted = make(with_a_bad_row(tmp_path), skip_bad_rows=True)

    class Slow(Checksums):
        def score(self, texts):
            wanted.bad_rows.write_text("another's")
            return super().score(texts)

    monkeypatch.setattr(job, "load_scorer", Slow)
    for _ in range(2):
        with pytest.raises(InputError, match=rf"bad-rows.jsonl' exists and is not .*the {ROWS} rows in .* are kept"):
            score(wanted)
        assert (wanted.bad_rows.read_text(), wanted.output.exists()) == ("another's", False)
    wanted.bad_rows.unlink()
    assert score(wanted).found == ROWS
    expect_all_but_the_bad_row(wanted)


@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
def test_a_disk_that_is_full_at_any_step_is_told_and_what_was_scored_is_kept(suffix, tmp_path, monkeypatch):
    given_job = make(with_a_bad_row(tmp_path), suffix, skip_bad_rows=True, chunk_rows=20)
    steps = [(Journal, "_append"), (Path, "mkdir"), (Path, "replace"), (os, "fsync"), (ParquetWriter, "write_table")]
    for moment in itertools.count():
        left = iter(range(moment))
        with monkeypatch.context() as patch:
            for owner, name in steps:
                patch.setattr(owner, name, full_disk(getattr(owner, name), left))
            message = complaint(given_job)
        if not message:
            break  # there are not so many steps
        assert "No space left on device" in message
        assert not given_job.output.exists() or (given_job.working / JOURNAL).exists()
        kept = begun(given_job.working)
        assert score(given_job).found == (kept[2].rows if kept else 0)
        expect_all_but_the_bad_row(given_job)
        given_job.output.unlink()
        given_job.bad_rows.unlink()
    assert moment >= 15


def complaint(given_job: Job) -> str:
    """Why it cannot be scored; empty if it can."""
    try:
        score(given_job)
    except InputError as error:
        return str(error)
    return ""


def full_disk(function: Callable[..., object], left: Iterator[int]) -> Callable[..., object]:
    def call(*arguments: object, **named: object) -> object:
        if next(left, None) is None:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return function(*arguments, **named)

    return call


@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
def test_what_is_left_of_a_finished_scoring_takes_no_other_file_for_its_own(suffix, given, monkeypatch):
    wanted = make(given, suffix)

    def stop_before_cleaning(journal: Journal) -> None:
        raise StoppedError

    def finish_without_cleaning() -> bytes:
        with monkeypatch.context() as patch:
            patch.setattr(Journal, "remove", stop_before_cleaning)
            with pytest.raises(StoppedError):
                score(wanted)
        assert wanted.working.exists()
        return wanted.output.read_bytes()

    # Its own file it knows, and cleans up.
    scored = finish_without_cleaning()
    assert score(wanted).found == ROWS
    assert (wanted.output.read_bytes(), nothing_left(given.parent)) == (scored, True)
    # If its file was moved away, the same command is a new scoring, as it is after cleaning up.
    wanted.output.unlink()
    finish_without_cleaning()
    wanted.output.rename(given.with_name("mine"))
    assert score(wanted).found == 0
    assert (given.with_name("mine").read_bytes(), nothing_left(given.parent)) == (scored, True)
    expect_all(wanted.output)
    # Another's file in its place is left alone.
    wanted.output.unlink()
    finish_without_cleaning()
    wanted.output.write_text("another's")
    with pytest.raises(InputError, match=r"exists: delete it, or give another --output"):
        score(wanted)
    assert (wanted.output.read_text(), nothing_left(given.parent)) == ("another's", True)


@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
def test_a_file_that_appears_while_it_is_scored_is_left_alone_and_no_row_is_lost(suffix, given, monkeypatch):
    wanted = make(given, suffix)

    class Slow(Checksums):
        def score(self, texts):
            wanted.output.write_text("another's")
            return super().score(texts)

    monkeypatch.setattr(job, "load_scorer", lambda path: Slow())
    for _ in range(2):
        with pytest.raises(
            InputError, match=rf"exists and is not what is scored here: move it away.*the {ROWS} rows in .* are kept"
        ):
            score(wanted)
        assert wanted.output.read_text() == "another's"
    wanted.output.unlink()
    assert score(wanted).found == ROWS
    expect_all(wanted.output)
    assert nothing_left(given.parent)


def test_two_processes_do_not_score_into_one_file(given, monkeypatch):
    class Second(Checksums):
        def score(self, texts):
            with pytest.raises(InputError, match="another process is scoring"):
                score(make(given))
            return super().score(texts)

    monkeypatch.setattr(job, "load_scorer", lambda path: Second())
    score(make(given))
    expect_all(given.with_name("scored.csv"))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"output": Path("nowhere/scored.csv")}, "there is no directory 'nowhere'"),
        ({"output": Path("scored.txt")}, "kind of file that can be written"),
        ({"chunk_rows": 0}, "at least 1"),
    ],
)
def test_what_cannot_work_is_refused(settings, message, given):
    given_job = make(given)
    with pytest.raises(InputError, match=message):
        score(Job(**{**given_job.__dict__, **settings}))


def test_columns_of_ours_are_not_written_twice(tmp_path):
    (tmp_path / "texts.csv").write_text("text,class\na,b\n")
    with pytest.raises(InputError, match="two columns 'class'"):
        score(make(tmp_path / "texts.csv", keep_columns=True))
    score(make(tmp_path / "texts.csv"))


def killed(given_job: Job, moment: int, half: bool) -> bool:
    """Scores in a process that kills itself before its `moment`-th change of the disk; says whether it came so far.

    Args:
        half: whether the change is half done: of what is appended, a part is written.
    """
    process = multiprocessing.get_context("fork").Process(target=_score_until, args=(given_job, moment, half))
    process.start()
    process.join()
    assert process.exitcode in (0, -signal.SIGKILL)
    return process.exitcode != 0


def _score_until(given_job: Job, moment: int, half: bool) -> None:
    left = iter(range(moment))

    def step(function: Callable[..., object], changes: Callable[..., bool]) -> Callable[..., object]:
        def call(*arguments: object, **named: object) -> object:
            if changes(*arguments) and next(left, None) is None:
                if half and function is appended:
                    _, name, data = arguments
                    appended(arguments[0], name, data[: len(data) // 2])
                os.kill(os.getpid(), signal.SIGKILL)
            return function(*arguments, **named)

        return call

    # What is written survives a kill, synced or not, so a kill before a sync is one before the change behind it.
    appended = Journal._append
    Journal._append = step(appended, lambda journal, name, data: bool(data))
    Path.mkdir = step(Path.mkdir, lambda path: not path.exists())
    for name in ("unlink", "rmdir"):
        setattr(Path, name, step(getattr(Path, name), Path.exists))
    Path.replace, os.truncate = step(Path.replace, always), step(os.truncate, always)
    with suppress(InputError):  # it was finished but for a few leftovers
        score(given_job)
    os._exit(0)


def always(*arguments: object) -> bool:
    return True


@pytest.mark.slow
@pytest.mark.parametrize(("suffix", "half"), [(".csv", True), (".parquet", False)])
def test_a_kill_at_any_step_loses_and_repeats_nothing(suffix, half, tmp_path, monkeypatch):
    given_job = make(with_a_bad_row(tmp_path), suffix, skip_bad_rows=True, chunk_rows=12)
    if suffix == ".parquet":  # chunks end where so many bytes are
        given_job = replace(given_job, chunk_rows=1000)
        monkeypatch.setattr(chunks, "MAX_BYTES", 4000)
    moment = 0
    while killed(given_job, moment, half):
        # Each moment once from the beginning, and once more in a process that goes on.
        killed(given_job, moment, half)
        if given_job.output.exists() and not (given_job.working / JOURNAL).exists():
            with pytest.raises(InputError, match="exists"):
                score(given_job)
        else:
            score(given_job)
        expect_all_but_the_bad_row(given_job)
        given_job.output.unlink()
        given_job.bad_rows.unlink()
        moment += 1
    assert moment >= 15


def test_output_of_many_chunks_is_that_of_one(given):
    score(make(given, chunk_rows=1))
    many = given.with_name("scored.csv").read_bytes()
    given.with_name("scored.csv").unlink()
    score(make(given, chunk_rows=1000))
    assert given.with_name("scored.csv").read_bytes() == many
    assert next(csv.reader(many.decode().splitlines())) == ["row", "class", "probability_even", "probability_odd"]
