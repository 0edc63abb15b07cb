"""Runs what the procedures of a study ask for: each trial once, several at a time, and those with a result not at all."""

from __future__ import annotations

import heapq
import itertools
import json
import queue
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from concurrent.futures import TimeoutError as FutureTimeoutError
from dataclasses import dataclass, field
from types import TracebackType
from typing import Protocol

from tfq_llm.errors import InputError
from tfq_llm.studies.monitor import Monitor
from tfq_llm.studies.store import Store
from tfq_llm.studies.trial import Entry, Procedure, Trial, TrialResult
from tfq_llm.studies.worker import Failure, Unfit

# How often workers are looked after while nothing comes from them.
_TICK_SECONDS = 0.5


class Workers(Protocol):
    """Processes that run trials.

    Attributes:
        retries: how often a trial runs again whose worker died.
        deaths: exceptions that mean so.
    """

    retries: int
    deaths: tuple[type[BaseException], ...]

    @property
    def capacity(self) -> int:
        """How many trials may be with them at a time; it may change."""

    @property
    def busy(self) -> int:
        """How many can run at a time."""

    def __enter__(self) -> Workers: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None: ...

    def submit(self, trial: Trial) -> Future[TrialResult | Failure | Unfit]:
        """Hands a trial over."""

    def check(self) -> None:
        """Called now and then: ends the futures of workers that vanished without a word."""

    def close(self) -> None:
        """Stops everything at once."""


@dataclass(frozen=True)
class Summary:
    """What a run of a study did.

    Attributes:
        found: trials whose results were there.
        done: trials that were run.
        failed: names of those that failed.
        seconds: it took.
    """

    found: int
    done: int
    failed: tuple[str, ...]
    seconds: float


def run(
    procedures: Sequence[Procedure],
    store: Store,
    workers: Workers,
    monitor: Monitor,
    retries: int | None = None,
    check: Callable[[], None] = lambda: None,
) -> Summary:
    """Advances all procedures until they end.

    A procedure gets the results of a batch when all of them are there. Entries of earlier procedures are run first. A trial that
    raises is not run again: its traceback is kept and the procedure gets None. What was lost because its worker died or it took
    too long says nothing of the trial: its procedure waits for the next run, while others go on. The workers stay open unless
    something is raised.

    Args:
        procedures: generators of entries.
        store: has the results, and is told of failures and of who scores test rows.
        workers: run trials and keep their results in the same store.
        monitor: is told everything.
        retries: how often a trial runs again whose worker died, before it counts as failed; default: the workers' own.
        check: called again and again; what it raises ends the run.

    Raises:
        InputError: test rows would be scored twice for an arm, a worker must not take part, or the store cannot be read or
            written. What is finished is kept.
        KeyboardInterrupt: after the workers were stopped.
    """
    start = time.monotonic()
    study = _Run(procedures, store, workers, monitor, workers.retries if retries is None else retries)
    try:
        with monitor:
            study.go(check)
    except BaseException as error:
        workers.close()
        if isinstance(error, KeyboardInterrupt):
            monitor.say(f"Stopped. What is finished is kept in {store.url}: give the same command again to go on from there.")
        raise
    return Summary(monitor.found_trials, monitor.done, tuple(sorted(study.failed)), time.monotonic() - start)


def claim_key(entry: Entry) -> str:
    """Whose score of which test rows an entry is: of one key there is one trial."""
    trial = entry.trial
    values = {
        "arm": entry.arm,
        "data": trial.data,
        "split": trial.split,
        "init": trial.init,
        "conditions": dict(trial.conditions),
        "factors": dict(entry.factors),
    }
    return json.dumps(values, sort_keys=True, ensure_ascii=False)


@dataclass
class _Batch:
    """What a procedure waits for."""

    procedure: int
    entries: list[Entry]
    missing: set[str] = field(default_factory=set)


@dataclass
class _Job:
    """A trial that is to be run, for whoever waits for it; its place in line is its first procedure and when it was asked for."""

    entry: Entry
    place: tuple[int, int]
    batches: list[_Batch] = field(default_factory=list)
    deaths: int = 0
    submitted: bool = False


class _Run:
    def __init__(self, procedures: Sequence[Procedure], store: Store, workers: Workers, monitor: Monitor, retries: int) -> None:
        self.procedures, self.store, self.workers, self.monitor, self.retries = procedures, store, workers, monitor, retries
        self.answers: dict[str, TrialResult | None] = {}
        self.failed: set[str] = set()
        self._jobs: dict[str, _Job] = {}
        self._waiting: list[tuple[tuple[int, int], str]] = []
        self._running: dict[Future[TrialResult | Failure | Unfit], str] = {}
        self._ended: queue.SimpleQueue[Future[TrialResult | Failure | Unfit]] = queue.SimpleQueue()
        self._number = itertools.count()
        self._failed_before: set[str] = set()
        self._scored_before: set[tuple[str, str, int]] = set()

    def go(self, check: Callable[[], None]) -> None:
        self.store.follow()
        self._failed_before = self.store.failures()
        scored = map(json.loads, self.store.claims.holders())
        self._scored_before = {(key["arm"], key["data"], key["split"]) for key in scored}
        for index in range(len(self.procedures)):
            self._advance(index, None)
        while self._jobs:
            check()
            self._submit()
            self.monitor.tick(len(self._running), self.workers.busy)
            for future in self._some_ended():
                self._end(future)

    def _advance(self, index: int, answers: list[TrialResult | None] | None) -> None:
        """Sends a procedure its answers until it has to wait."""
        while True:
            try:
                # The first is None, as the language wants it.
                entries = self.procedures[index].send(answers)  # type: ignore[arg-type]
            except StopIteration:
                return
            batch = _Batch(index, list(entries))
            self._ask(batch)
            if batch.missing:
                return
            answers = self._answers(batch)

    def _answers(self, batch: _Batch) -> list[TrialResult | None]:
        return [self.answers[entry.trial.name] for entry in batch.entries]

    def _ask(self, batch: _Batch) -> None:
        """Finds a batch's results or makes jobs of its trials."""
        by_name = {entry.trial.name: entry for entry in batch.entries}
        for entry in batch.entries:
            if entry.trial.scored_on == "test":
                self.store.claims.take(claim_key(entry), entry.trial.name)
        new = {name: entry for name, entry in by_name.items() if name not in self.answers and name not in self._jobs}
        found = self.store.found(entry.trial for entry in new.values())
        for name in [name for name in new if name not in found and self._stays_failed(new[name])]:
            self.answers[name] = None
            self.failed.add(name)
            del new[name]
        # What stays failed is no more to come than what was asked for before.
        self.monitor.shared(len(batch.entries) - len(new))
        self.monitor.asked([entry for name, entry in new.items() if name not in found])
        for name in found:
            self.answers[name] = found[name]
            self.monitor.found(new[name], found[name])
        batch.missing = {name for name in by_name if name not in self.answers}
        for name, entry in by_name.items():
            if name in batch.missing:
                place = (batch.procedure, next(self._number))
                job = self._jobs.setdefault(name, _Job(entry, place))
                job.batches.append(batch)
                job.place = min(job.place, place)
                # It may be in line already, further back: it is taken once.
                heapq.heappush(self._waiting, (job.place, name))

    def _stays_failed(self, entry: Entry) -> bool:
        """Whether a trial failed and its arm was scored on the test rows without it: a result now would choose other settings.

        A trial on test rows chooses nothing, and the claim of its arm is its own.
        """
        trial = entry.trial
        chooses = trial.scored_on != "test"
        return chooses and trial.name in self._failed_before and (entry.arm, trial.data, trial.split) in self._scored_before

    def _submit(self) -> None:
        """Hands over as many jobs as the workers take."""
        capacity = self.workers.capacity
        while self._waiting and len(self._running) < capacity:
            _, name = heapq.heappop(self._waiting)
            job = self._jobs.get(name)
            if job is None or job.submitted:
                continue
            job.submitted = True
            future = self.workers.submit(job.entry.trial)
            self._running[future] = name
            future.add_done_callback(self._ended.put)

    def _some_ended(self) -> list[Future[TrialResult | Failure | Unfit]]:
        """Waits a little for the first, and takes all that are there."""
        ended = []
        try:
            ended.append(self._ended.get(timeout=_TICK_SECONDS))
            while True:
                ended.append(self._ended.get_nowait())
        except queue.Empty:
            if not ended:
                self.workers.check()
        return ended

    def _end(self, future: Future[TrialResult | Failure | Unfit]) -> None:
        """Takes a job's outcome, or puts it in line again if its worker died."""
        name = self._running.pop(future)
        job = self._jobs[name]
        error = future.exception()
        if error is None:
            outcome = future.result()
        elif isinstance(error, (TimeoutError, FutureTimeoutError)):  # the same from Python 3.11 on
            self._lose(name, job, f"{type(error).__name__}: the trial took longer than it may")
            return
        elif isinstance(error, self.workers.deaths):
            job.deaths, job.submitted = job.deaths + 1, False
            if job.deaths <= self.retries:
                self.monitor.died(job.entry, error)
                heapq.heappush(self._waiting, (job.place, name))
                return
            self._lose(name, job, f"its worker died {job.deaths} times, the last time by {type(error).__name__}: {error}")
            return
        else:
            raise InputError(f"the workers cannot run trials: {type(error).__name__}: {error}") from error
        if isinstance(outcome, Unfit):
            raise InputError(outcome.reason)
        self._answer(name, job, outcome)

    def _lose(self, name: str, job: _Job, why: str) -> None:
        """Gives a trial up until the next run; who waits for it, waits."""
        del self._jobs[name]
        self.failed.add(name)
        self.monitor.failed(job.entry, why, self.store.keep_failure(job.entry.trial, why))

    def _answer(self, name: str, job: _Job, outcome: TrialResult | Failure) -> None:
        del self._jobs[name]
        if isinstance(outcome, Failure):
            self.answers[name] = None
            self.failed.add(name)
            self.monitor.failed(job.entry, outcome.traceback, self.store.keep_failure(job.entry.trial, outcome.traceback))
        else:
            self.answers[name] = outcome
            self.store.note(outcome)
            if name in self._failed_before:
                self.store.forget_failure(job.entry.trial)
            self.monitor.finished(job.entry, outcome)
        for batch in job.batches:
            batch.missing.discard(name)
            if not batch.missing:
                self._advance(batch.procedure, self._answers(batch))
