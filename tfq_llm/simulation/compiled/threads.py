"""Spreads kernel calls over threads of our own.

numba's threading layers abort when two threads call at once, or hang after a fork. The kernels release Python's lock instead, and
a plain thread pool runs them; a forked child makes a pool of its own.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from numba.core.compiler_lock import global_compiler_lock

from tfq_llm.checks import whole_number
from tfq_llm.simulation.compiled.limits import available_processors


class _Pool:
    def __init__(self) -> None:
        self.forget()
        self.count = available_processors()

    def forget(self) -> None:
        """Drops the pool, whose threads a forked child lacks, and its lock, which another thread may have held."""
        self._lock = threading.Lock()
        self._executor: ThreadPoolExecutor | None = None
        self._size = 0

    def executor(self, size: int) -> ThreadPoolExecutor:
        with self._lock:
            if self._executor is None or self._size < size:
                self._executor, self._size = ThreadPoolExecutor(size, "tfq-llm"), size
            return self._executor


_pool = _Pool()
os.register_at_fork(after_in_child=_pool.forget)
# A child that is forked while another thread compiles would wait for ever for that thread to be done.
os.register_at_fork(
    before=global_compiler_lock.acquire,
    after_in_parent=global_compiler_lock.release,
    after_in_child=global_compiler_lock.release,
)


def set_num_threads(count: int) -> None:
    """Sets how many threads a simulation uses, in the whole process.

    By default one for every core the process may use; a container's quota counts.

    Results do not depend on it, to the last bit.

    Raises:
        InputError: the number is not a whole one of at least 1.
    """
    _pool.count = whole_number("the number of threads", count, 1)


def num_threads() -> int:
    """How many threads a simulation uses."""
    return _pool.count


def run_parts(run: Callable[[int], None], parts: int, are_done: Callable[[], bool] = lambda: False) -> None:
    """Calls run(0) … run(parts − 1), the first in this thread and the others beside it, and waits for all.

    `are_done` may say that they have done what they are for, when the first is through: then nothing is waited for.
    """
    if parts > 1:
        executor = _pool.executor(parts - 1)
        others = [executor.submit(run, part) for part in range(1, parts)]
        try:
            run(0)
        finally:
            if not are_done():
                for other in others:
                    other.result()
    else:
        run(0)
