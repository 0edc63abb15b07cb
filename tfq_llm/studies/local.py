"""Workers on this machine: processes of one thread each, none of which can take another one along."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections.abc import Iterator, Mapping
from concurrent.futures import Future
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from multiprocessing import resource_tracker
from types import TracebackType

from pebble import ProcessExpired, ProcessPool

from tfq_llm.cache import cache_dir
from tfq_llm.checks import whole_number
from tfq_llm.errors import InputError
from tfq_llm.one_thread import ONE_THREAD
from tfq_llm.studies.store import Store
from tfq_llm.studies.trial import Trial, TrialResult
from tfq_llm.studies.worker import PERFORM, Failure, Unfit, attempt, begin

LOG = "workers.log"
"""What workers print, in the study's directory; of a remote store in the cache directory's folder study-logs."""


class LocalWorkers:
    """Runs trials in processes of this machine.

    Each process is a pebble pool of its own: a worker that is killed then costs its own trial only, whatever locks it held. It is
    started anew for the next trial. A killed parent leaves no worker behind.

    Args:
        count: how many trials run at a time.
        store_url: of the store, for the workers; not of memory, which other processes do not see.
        perform: the function that runs a trial, as "module:function".
        timeout: seconds after which a trial is stopped and counts as failed; None: never.

    Raises:
        InputError: the count is not a whole number of at least 1, or the store is in memory.
    """

    deaths: tuple[type[BaseException], ...] = (ProcessExpired, BrokenProcessPool)

    def __init__(self, count: int, store_url: str, *, perform: str = PERFORM, timeout: float | None = None) -> None:
        if store_url.startswith("memory://"):
            raise InputError(
                f"the store '{store_url}' is memory of this process, which its workers do not see. Name a directory."
            )
        self.retries = 1
        self._count = whole_number("the number of workers", count, 1)
        store = Store(store_url)
        self._store_url, self._perform, self._timeout = store.url, perform, timeout
        self._log = str((store.directory or cache_dir("study-logs")) / LOG)
        self._idle: list[ProcessPool] = []
        self._busy: dict[Future[TrialResult | Failure | Unfit], ProcessPool] = {}

    def __enter__(self) -> LocalWorkers:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None) -> None:
        self.close()

    @property
    def capacity(self) -> int:
        """How many trials may be with the workers."""
        return self._count

    @property
    def busy(self) -> int:
        """How many can run at a time."""
        return self._count

    def submit(self, trial: Trial) -> Future[TrialResult | Failure | Unfit]:
        """Hands a trial to an idle worker, or to a new one."""
        while self._idle:
            pool = self._idle.pop()
            if pool.active:
                break
            _discard(pool)
        else:
            pool = self._new_pool()
        # Libraries read how many threads they may have when they are loaded, before any code of ours.
        with _environment(ONE_THREAD), _no_interrupts():
            # The first call starts the process.
            future = pool.schedule(attempt, args=[self._perform, trial, self._store_url], timeout=self._timeout)
        self._busy[future] = pool
        future.add_done_callback(self._free)
        return future

    def check(self) -> None:
        """Ends the futures of pools that broke in the moment in which they were given a trial."""
        for future, pool in list(self._busy.items()):
            if not pool.active and not future.done():
                future.set_exception(BrokenProcessPool("the worker died before it began"))

    def close(self) -> None:
        """Kills the workers."""
        for thread in [_discard(pool) for pool in (*self._busy.values(), *self._idle)]:
            thread.join()
        self._busy.clear()
        self._idle.clear()

    def _new_pool(self) -> ProcessPool:
        context = multiprocessing.get_context("spawn")
        return ProcessPool(max_workers=1, initializer=begin, initargs=[os.getpid(), self._log], context=context)

    def _free(self, future: Future[TrialResult | Failure | Unfit]) -> None:
        """In a thread of the pool: keeps it for the next trial, unless something happened to it."""
        pool = self._busy.pop(future, None)
        if pool is not None and not future.cancelled() and future.exception() is None:
            self._idle.append(pool)
        elif pool is not None:
            _discard(pool)


def _discard(pool: ProcessPool) -> threading.Thread:
    """Stops a pool and its process, in a thread, for it may be asked for by one of the pool's own."""

    def stop() -> None:
        pool.stop()
        pool.join(timeout=5)

    thread = threading.Thread(target=stop, daemon=True)
    thread.start()
    return thread


@contextmanager
def _environment(variables: Mapping[str, str]) -> Iterator[None]:
    """Processes that are started inside it have these variables."""
    before = {name: os.environ.get(name) for name in variables}
    os.environ.update(variables)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


@contextmanager
def _no_interrupts() -> Iterator[None]:
    """Processes that are started inside it never see Ctrl-C, which a terminal sends to all of them: their parent ends them.

    An interrupt of this process waits until the end of the block.
    """
    # Where it is started by the first process, it unblocks the signal. TensorFlow Quantum makes a semaphore in every worker; the
    # tracker gives back those of workers that are ended, and would warn of it.
    with _environment({"PYTHONWARNINGS": "ignore::UserWarning"}):
        resource_tracker.ensure_running()
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
