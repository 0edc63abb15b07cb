"""Scores a file: reads, scores, appends and counts chunk by chunk, and goes on where a killed process was."""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from tfq_llm import exported
from tfq_llm.cache import file_digest, to_disk
from tfq_llm.checks import whole_number
from tfq_llm.errors import InputError
from tfq_llm.progress import Progress
from tfq_llm.scoring.chunks import Chunk, chunks, survey
from tfq_llm.scoring.inputs import Input, open_input
from tfq_llm.scoring.journal import JOURNAL, ROWS, Journal, State, begun, check_same, locked
from tfq_llm.scoring.models import Scorer, Scores, load_scorer
from tfq_llm.scoring.outputs import Output, finished_file, make_output
from tfq_llm.scoring.workers import Here, Workers

logger = logging.getLogger(__name__)

_Begun = tuple[dict[str, Any], dict[str, Any], State]
"""As `begun` returns it."""


@dataclass(frozen=True)
class Job:
    """What is scored.

    Attributes:
        model: an exported model, a finished run or a saved head. Of a model with versions it is the newest, and when a scoring
            goes on, the one that it was begun with.
        input: a `.csv`, `.jsonl` or `.parquet` file with a text a row.
        output: a file of one of these kinds, which must not be there yet, nor may a list of bad rows beside it.
        text_column: the column of the texts; default: the one called "text" or "sentence".
        keep_columns: write the input's columns too.
        skip_bad_rows: leave rows out that cannot be scored, and list them in a file beside the output.
        chunk_rows: rows scored, written and counted at a time; a killed process loses no more than what it worked on.
        cluster: the address of a Ray cluster to score on; None for this process.
    """

    model: Path
    input: Path
    output: Path
    text_column: str | None = None
    keep_columns: bool = False
    skip_bad_rows: bool = False
    chunk_rows: int = 2048
    cluster: str | None = None

    @property
    def working(self) -> Path:
        """Where rows are until the output is complete."""
        return self.output.with_name(f"{self.output.name}.scoring")

    @property
    def bad_rows(self) -> Path:
        """Where the rows are listed that were left out."""
        return self.output.with_name(f"{self.output.name}.bad-rows.jsonl")

    @property
    def finished(self) -> Path:
        """Where the finished file is until it is moved to its place."""
        return finished_file(self.output, self.working / ROWS)


@dataclass(frozen=True)
class Summary:
    """What came of it.

    Attributes:
        state: at the end.
        found: rows that were scored before this process began.
        class_names: of `state.counts`.
    """

    state: State
    found: int
    class_names: tuple[str, ...]


def score(job: Job) -> Summary:
    """Scores a file to its end, or goes on with it. The output appears when it is complete.

    Raises:
        InputError: model, input or output cannot be used; the input has bad rows; what was begun had another input, model or
            format; the input changed meanwhile; or the disk is full. What was scored before is kept.
    """
    whole_number("the number of rows of a chunk", job.chunk_rows, 1)
    given = open_input(job.input, job.text_column)
    if not job.output.parent.is_dir():
        raise InputError(f"there is no directory '{job.output.parent}' to write '{job.output.name}' to.")
    if not job.working.exists():
        _refuse_existing(job, [job.output, job.bad_rows])
    with locked(job.working), _unchanged(job.input) as check:
        there = _to_go_on(job)
        scorer = _scorer(job.model, there)
        output = make_output(job.output, given, scorer.class_names, job.keep_columns)
        is_rest = there is None or not there[2].is_complete
        # Workers first: an address of no cluster is told before all of the input is read.
        with _workers(job, scorer) if is_rest else nullcontext() as workers:
            journal = _opened(job, given, scorer, output, there)
            found = journal.state.rows
            if workers is not None:
                _score_rest(job, given, journal, output, workers)
                check()
                journal.append(replace(journal.state, is_complete=True), b"", b"")
        with journal.kept():
            _deliver(job, journal, output)
    return Summary(journal.state, found, scorer.class_names)


def _scorer(model: Path, there: _Begun | None) -> Scorer:
    """The model; of one with versions the one that goes on with what it began, as long as it is there and the same."""
    version = there[1].get("version") if there else None
    if there and version and exported.is_exported(model / version):
        scorer = load_scorer(model / version)
        if scorer.fingerprint == there[0].get("model"):
            return scorer
    return load_scorer(model)


def _to_go_on(job: Job) -> _Begun | None:
    """What was begun, unless it was finished and its file has been moved or changed since."""
    there = begun(job.working)
    if there is None or not _is_delivered(job, there[2]):
        return there
    return there if job.output.exists() and file_digest(job.output) == there[2].digest else None


def _is_delivered(job: Job, state: State) -> bool:
    """Whether the finished file was moved to its place.

    Its digest is written down before, so a file that is neither here nor there was moved by others.
    """
    return state.digest is not None and not job.finished.exists()


def _opened(job: Job, given: Input, scorer: Scorer, output: Output, there: _Begun | None) -> Journal:
    """The journal of what was begun, or a new one."""
    identity = {
        "input": file_digest(job.input),
        "model": scorer.fingerprint,
        "text column": given.text_column,
        "choice of columns": job.keep_columns,
        "format": job.output.suffix.lower(),
    }
    if there is None:
        return _new_journal(job, given, scorer, output, identity)
    was, facts, state = there
    if not _is_delivered(job, state):
        _refuse_existing(job, [job.output], state.rows)
    version = facts.get("version")
    hint = f" It was begun with version {version} of '{job.model}', which is gone or has changed." if version else ""
    check_same(job.working, was, identity, {"model": hint})
    if facts["bad"] and not job.skip_bad_rows:
        raise InputError(f"'{job.working}' was begun with --skip-bad-rows: give it again, or delete that directory.")
    if not state.is_complete:
        logger.info("going on behind %s rows that are scored", f"{state.rows:,}")
    return Journal(job.working, identity, facts, state)


def _new_journal(job: Job, given: Input, scorer: Scorer, output: Output, identity: dict[str, Any]) -> Journal:
    if (job.working / JOURNAL).exists():
        logger.info("'%s' was finished and has been moved or changed since, so this is a new scoring", job.output)
        (job.working / JOURNAL).unlink()
    _refuse_existing(job, [job.output, job.bad_rows])
    surveyed = survey(given, all_columns=job.keep_columns, skip_bad_rows=job.skip_bad_rows)
    facts = {**surveyed._asdict(), "version": scorer.path.name if scorer.path.parent == job.model else None}
    journal = Journal(job.working, identity, facts, State(counts=(0,) * len(scorer.class_names)))
    journal.append(journal.state, output.begin(), b"")
    return journal


def _refuse_existing(job: Job, places: Sequence[Path], kept: int = 0) -> None:
    """Raises InputError if a file is where one of ours will be; `kept` rows are scored already."""
    path = next((place for place in places if place.exists()), None)
    if path is None:
        return
    if path.samefile(job.input):
        raise InputError(f"'{path}' is the input: give another --output.")
    if not kept:
        raise InputError(f"'{path}' exists: delete it, or give another --output.")
    raise InputError(
        f"'{path}' exists and is not what is scored here: move it away and give the same command again, which goes on; the "
        f"{kept:,} rows in '{job.working}' are kept."
    )


def _deliver(job: Job, journal: Journal, output: Output) -> None:
    """Moves the finished files to their places, unless that was done before, and deletes the working files."""
    if journal.state.digest is None:
        output.finish(journal.rows_file)
        journal.append(replace(journal.state, digest=file_digest(job.finished)), b"", b"")
    moves = [(journal.bad_rows_file, job.bad_rows), (job.finished, job.output)]
    waiting = [(finished, place) for finished, place in moves if finished.exists()]
    _refuse_existing(job, [place for _, place in waiting], journal.state.rows)
    for finished, place in waiting:
        finished.replace(place)
    to_disk(job.output.parent)  # the output's name, before the working files go
    journal.remove()


def _score_rest(job: Job, given: Input, journal: Journal, output: Output, workers: Workers) -> None:
    state, clock = journal.state, time.monotonic()
    rest = chunks(given, state.position, job.chunk_rows, all_columns=job.keep_columns)
    with Progress(f"scoring {job.input.name}", journal.facts["rows"], "rows", initial=state.rows) as progress:
        for chunk, scores in workers.scored(rest):
            now = time.monotonic()
            state, clock = _advanced(journal.state, chunk, scores, now - clock), now
            journal.append(state, output.rows(chunk.rows, scores.probabilities), _listed(chunk))
            progress.update(len(chunk.rows))


def _advanced(state: State, chunk: Chunk, scores: Scores, seconds: float) -> State:
    classes = np.bincount(scores.probabilities.argmax(axis=1), minlength=len(state.counts))
    return replace(
        state,
        position=chunk.after,
        rows=state.rows + len(chunk.rows),
        bad=state.bad + len(chunk.bad),
        counts=tuple(int(count) for count in state.counts + classes),
        truncated=state.truncated + scores.truncated,
        seconds=state.seconds + seconds,
    )


def _listed(chunk: Chunk) -> bytes:
    """The bad rows of a chunk as lines of JSON."""
    lines: list[dict[str, Any]] = [{"row": row.number, "problem": row.problem} for row in chunk.bad]
    return "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines).encode("utf-8", "replace")


@contextmanager
def _unchanged(path: Path) -> Iterator[Any]:
    """Yields a function that raises InputError if a file changed since, or is gone."""

    def stamp() -> tuple[int, int] | None:
        try:
            found = path.stat()
        except OSError:
            return None
        return found.st_size, found.st_mtime_ns

    before = stamp()

    def check() -> None:
        if stamp() != before:
            raise InputError(
                f"'{path}' changed or was deleted while it was scored, so its rows are not of one file: delete the directory "
                "beside the output and score it anew."
            )

    yield check


@contextmanager
def _workers(job: Job, scorer: Scorer) -> Iterator[Workers]:
    if job.cluster is None:
        yield Here(scorer)
        return
    from tfq_llm.scoring.cluster import RayWorkers

    with RayWorkers(job.cluster, scorer.path.absolute(), scorer.fingerprint) as workers:
        yield workers
