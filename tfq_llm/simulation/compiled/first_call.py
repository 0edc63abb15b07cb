"""Says when kernels are being compiled, which only the first process on a machine does and which takes a while."""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

# Loading compiled code from disk takes a fraction of this.
_PATIENCE = 0.5

_ready: set[str] = set()


@contextmanager
def announced(kernel: Any, what: str) -> Iterator[None]:
    """Around a call: prints a line to standard error if numba finds nothing on disk for the kernel and compiles it.

    Args:
        kernel: a function made by numba.njit with cache=True.
        what: it is compiled for, such as "float32".
    """
    if what in _ready:
        yield
        return
    done = threading.Event()
    watcher = threading.Thread(target=_watch, args=(kernel, what, done), daemon=True)
    watcher.start()
    try:
        yield
    finally:
        done.set()
        watcher.join()
    _ready.add(what)


def _watch(kernel: Any, what: str, done: threading.Event) -> None:
    while not done.wait(_PATIENCE):
        misses, path = kernel.stats.cache_misses, kernel.stats.cache_path
        if misses or path is None:
            later = "will find them on disk" if path else "will do so again, unless NUMBA_CACHE_DIR names a writable directory"
            message = f"Compiling the simulation's kernels for this processor ({what}). Later processes {later}."
            print(message, file=sys.stderr, flush=True)
            return
