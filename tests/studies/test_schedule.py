"""Procedures are advanced together, each trial is run once, and what fails stops nobody."""

from __future__ import annotations

import errno
import logging
import os
from concurrent.futures import Future
from pathlib import Path

import pytest

from tests.studies.doubles import HERE, asks, entry, result
from tfq_llm.errors import InputError
from tfq_llm.studies.monitor import Monitor
from tfq_llm.studies.schedule import run
from tfq_llm.studies.store import Store
from tfq_llm.studies.trial import Procedure, Trial, TrialResult
from tfq_llm.studies.worker import Expected, Failure, Unfit, attempt


class DiedError(Exception):
    """A worker's end, in these tests."""


class Inline:
    """Workers that run a trial in this process as soon as they get it."""

    retries, deaths, busy = 1, (DiedError,), 1

    def __init__(self, store: Store, capacity: int = 1, expected: Expected | None = None) -> None:
        self.url, self.capacity, self.expected = store.url, capacity, expected
        self.submitted: list[Trial] = []
        self.deadly: list[str] = []
        self.closed = False

    def submit(self, trial: Trial) -> Future[TrialResult | Failure | Unfit]:
        self.submitted.append(trial)
        future: Future[TrialResult | Failure | Unfit] = Future()
        if trial.name in self.deadly:
            self.deadly.remove(trial.name)
            future.set_exception(DiedError())
        elif trial.method == "interrupts":
            raise KeyboardInterrupt
        else:
            future.set_result(attempt(f"{HERE}:perform", trial, self.url, self.expected))
        return future

    def check(self) -> None: ...

    def close(self) -> None:
        self.closed = True


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "study")


def test_a_procedure_gets_its_results_in_the_order_of_its_entries(store: Store) -> None:
    got: list[list[TrialResult | None]] = []
    entries = [entry(number) for number in (5, 3, 9, 3)]
    workers = Inline(store)
    summary = run([asks(entries, [], entries[:1], got=got)], store, workers, Monitor())
    assert [[each and each.trial for each in batch] for batch in got] == [[e.trial for e in entries], [], [entries[0].trial]]
    assert (summary.found, summary.done, summary.failed) == (0, 3, ())
    assert set(store.results()) == set(Store(store.url).results()) == {each.trial.name for each in entries}
    assert not workers.closed


def test_what_several_procedures_ask_for_is_run_once_and_what_is_there_not_at_all(store: Store) -> None:
    store.keep(result(entry(0).trial))
    got: list[list[TrialResult | None]] = []
    procedures = [asks([entry(0), entry(1)], got=got), asks([entry(1), entry(2)], got=got), asks([entry(2), entry(0)], got=got)]
    workers = Inline(store)
    summary = run(procedures, store, workers, Monitor())
    assert (summary.found, summary.done) == (1, 2)
    assert [each.split for each in workers.submitted] == [1, 2]
    assert [[each.trial.split for each in batch if each] for batch in got] == [[0, 1], [1, 2], [2, 0]]
    again = Inline(store)
    assert run([asks([entry(0)]), asks([entry(1), entry(2)])], Store(store.url), again, Monitor()).found == 3
    assert not again.submitted


def test_entries_of_earlier_procedures_go_first(store: Store) -> None:
    first = asks([entry(0)], [entry(1)], [entry(2), entry(12)])
    second = asks([entry(10), entry(11), entry(12), entry(13)])
    workers = Inline(store)
    run([first, second], store, workers, Monitor())
    assert [each.split for each in workers.submitted] == [0, 1, 2, 12, 10, 11, 13]


def test_a_failed_trial_stops_nobody_and_is_tried_again_by_the_next_command(
    store: Store, caplog: pytest.LogCaptureFixture
) -> None:
    got: list[list[TrialResult | None]] = []
    bad, good = entry(7, method="raises"), entry(1)
    workers = Inline(store)
    with caplog.at_level(logging.INFO):
        summary = run([asks([bad, good], [bad], got=got)], store, workers, Monitor())
    assert summary.failed == (bad.trial.name,)
    assert len(workers.submitted) == 2
    assert [[each and each.trial.split for each in batch] for batch in got] == [[None, 1], [None]]
    text = store.failure(bad.trial) or ""
    assert text.startswith("Traceback")
    assert "in perform" in text
    (line,) = [message for message in caplog.messages if message.startswith("failed:")]
    assert line == (
        f"failed: {bad.trial.name}: ZeroDivisionError: nothing can be divided by 7 "
        f"(the whole is in {store.directory}/failures/{bad.trial.name}.txt)"
    )
    assert caplog.messages[-1].startswith("trials: 1/2 done, 0 running, 1 failed, ")
    assert "best validation accuracy" in caplog.messages[-1]
    assert run([asks([bad])], store, Inline(store), Monitor()).failed == (bad.trial.name,)
    # Now it succeeds, and nobody speaks of the failure any more.
    good_now = Inline(store)
    good_now.submit = lambda trial: _done(result(trial))  # type: ignore[method-assign]
    assert run([asks([bad])], Store(store.url), good_now, Monitor()).failed == ()
    assert store.failures() == set()


def _done(made: TrialResult) -> Future[TrialResult | Failure | Unfit]:
    future: Future[TrialResult | Failure | Unfit] = Future()
    future.set_result(made)
    return future


@pytest.mark.parametrize(("deaths", "retries", "failed"), [(1, None, 0), (2, None, 1), (2, 2, 0), (1, 0, 1)])
def test_a_trial_whose_worker_died_runs_again(store: Store, deaths: int, retries: int | None, failed: int) -> None:
    workers = Inline(store)
    workers.deadly = [entry(0).trial.name] * deaths
    summary = run([asks([entry(0), entry(1)])], store, workers, Monitor(), retries)
    assert (len(summary.failed), summary.done) == (failed, 2 - failed)
    if failed:
        assert "its worker died" in (store.failure(entry(0).trial) or "")


def test_who_waits_for_a_lost_trial_goes_on_when_the_study_is_run_again(store: Store) -> None:
    got: list[list[TrialResult | None]] = []
    workers = Inline(store)
    workers.deadly = [entry(0).trial.name] * 9
    summary = run([asks([entry(0), entry(1)], [entry(2)], got=got), asks([entry(3)], [entry(4)])], store, workers, Monitor())
    # Its settings are not chosen without it; the other procedure went on.
    assert (summary.failed, got) == ((entry(0).trial.name,), [])
    assert {trial.split for trial in workers.submitted} == {0, 1, 3, 4}
    again = Inline(store)
    assert run([asks([entry(0), entry(1)], [entry(2)], got=got)], store, again, Monitor()).failed == ()
    assert [each.split for each in again.submitted] == [0, 2]


def test_a_score_on_test_rows_that_was_lost_is_run_again(store: Store) -> None:
    final = entry(0, scored_on="test")
    workers = Inline(store)
    workers.deadly = [final.trial.name] * 9
    assert run([asks([entry(0)], [final])], store, workers, Monitor()).failed == (final.trial.name,)
    # The claim of its arm is its own.
    again = Inline(store)
    assert run([asks([entry(0)], [final])], Store(store.url), again, Monitor()).failed == ()
    assert again.submitted == [final.trial]
    assert Store(store.url).failures() == set()


def test_a_trial_that_failed_before_its_arm_was_scored_stays_failed(store: Store) -> None:
    bad = entry(0, method="raises")
    final = entry(0, scored_on="test")
    run([asks([bad], [final])], store, Inline(store), Monitor())
    again = Inline(store)
    got: list[list[TrialResult | None]] = []
    summary = run([asks([bad], [final], got=got)], Store(store.url), again, Monitor())
    assert (summary.failed, again.submitted) == ((bad.trial.name,), [])
    assert got[0] == [None]


def test_test_rows_are_scored_by_one_setting_of_an_arm(store: Store) -> None:
    final = entry(0, scored_on="test")
    run(
        [asks([final, entry(0)], [entry(0, "another arm", scored_on="test", settings={"C": 2.0})])],
        store,
        Inline(store),
        Monitor(),
    )
    run([asks([final])], Store(store.url), Inline(store), Monitor())
    workers = Inline(store)
    with pytest.raises(InputError, match="already scored for this arm"):
        run([asks([entry(5), entry(0, scored_on="test", settings={"C": 2.0})])], Store(store.url), workers, Monitor())
    assert workers.closed
    assert not workers.submitted
    other = [
        entry(0, scored_on="test", settings={"C": 2.0}, **changes) for changes in ({"init": 1}, {"conditions": {"shots": 9}})
    ]
    assert run([asks(other)], Store(store.url), Inline(store), Monitor()).done == 2


def test_an_interruption_stops_the_workers_and_says_how_to_go_on(store: Store, caplog: pytest.LogCaptureFixture) -> None:
    workers = Inline(store)
    with pytest.raises(KeyboardInterrupt):
        run([asks([entry(0), entry(1, method="interrupts"), entry(2)])], store, workers, Monitor())
    assert workers.closed
    assert set(Store(store.url).results()) == {entry(0).trial.name}
    assert caplog.messages[-1] == (
        f"Stopped. What is finished is kept in {store.url}: give the same command again to go on from there."
    )


def test_an_error_of_a_procedure_is_the_users(store: Store) -> None:
    def stubborn() -> Procedure:
        yield [entry(0)]
        raise InputError("too few runs")

    with pytest.raises(InputError, match="too few runs"):
        run([stubborn()], store, Inline(store), Monitor())
    assert set(Store(store.url).results()) == {entry(0).trial.name}


@pytest.mark.parametrize(
    ("expected", "message"),
    [
        (Expected("numpy 1.0; python 3.1", None), r"has other versions: .*numpy .* there and 1\.0 here.*Install the same ones"),
        (Expected("", ("/nowhere/cluster.txt", "mark")), "does not see the study's directory '/nowhere'"),
    ],
)
def test_a_worker_that_does_not_fit_stops_the_study(
    store: Store, expected: Expected, message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not expected.versions:
        monkeypatch.setattr("tfq_llm.studies.versions.versions", dict)
    with pytest.raises(InputError, match=message):
        run([asks([entry(0)])], store, Inline(store, expected=expected), Monitor())


def test_a_store_that_cannot_be_written_stops_the_study_and_is_no_failure_of_the_trial(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    run([asks([entry(0)])], store, Inline(store), Monitor())
    got: list[list[TrialResult | None]] = []
    with monkeypatch.context() as patched:
        patched.setattr("tfq_llm.studies.places.atomic_file", full)
        with pytest.raises(
            InputError, match=r"cannot .* '.*study/trials/.*No space left.*make room.*What is finished is kept\.$"
        ):
            run([asks([entry(1)], got=got)], store, Inline(store), Monitor())
    assert got == []
    assert store.failures() == set()
    assert run([asks([entry(0), entry(1)])], Store(store.url), Inline(store), Monitor()).done == 1
    # What cannot be read is no empty store.
    (tmp_path / "study" / "trials").rename(tmp_path / "kept")
    (tmp_path / "study" / "trials").write_text("a file where results belong")
    with pytest.raises(InputError, match=r"cannot .* '.*study/trials.*Not a directory.*make room"):
        run([asks([entry(0)])], Store(store.url), Inline(store), Monitor())


def test_what_is_checked_meanwhile_may_end_the_run(store: Store) -> None:
    def lost() -> None:
        if store.results():
            raise InputError("another command runs the study")

    workers = Inline(store)
    with pytest.raises(InputError, match="another command"):
        run([asks([entry(number) for number in range(5)])], store, workers, Monitor(), check=lost)
    assert workers.closed
    assert len(workers.submitted) == 1


def test_time_left_goes_by_the_method() -> None:
    monitor = Monitor()
    assert monitor.seconds_left() is None
    slow, quick = [entry(number, method="slow") for number in range(4)], [entry(number) for number in range(8)]
    monitor.asked([*slow, *quick])
    for each, seconds in ((slow[0], 100.0), (quick[0], 1.0)):
        made = result(each.trial)
        cost = made.cost.model_copy(update={"fit_seconds": seconds})
        monitor.finished(each, made.model_copy(update={"cost": cost}))
    monitor.tick(2, 2)
    assert monitor.seconds_left() == pytest.approx((3 * 100 + 7 * 1) / 2)
    assert monitor.status().startswith("2/12 done, 2 running, 3 min left")


def test_what_follows_is_counted_with_what_was_asked_for() -> None:
    monitor = Monitor(size=20)
    entries = [entry(number) for number in range(4)]
    monitor.shared(2)
    found = result(entries[0].trial)
    monitor.found(entries[0], found)
    monitor.asked(entries[1:])
    made = result(entries[1].trial)
    cost = made.cost.model_copy(update={"fit_seconds": 2.0, "score_seconds": 0.0})
    monitor.finished(entries[1], made.model_copy(update={"cost": cost}))
    mean = (2 + found.cost.fit_seconds + found.cost.score_seconds) / 2
    assert monitor.seconds_left() == pytest.approx(16 * mean)
    assert monitor.status().startswith("1/17 done")
