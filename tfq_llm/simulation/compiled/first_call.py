"""Keeps compiled kernels on disk, and tells when they are being compiled, which takes a while and only the first process does."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numba

# Loading compiled code from disk takes a fraction of this.
_PATIENCE = 0.5

_ready: set[Any] = set()
_in_first_call: set[Any] = set()


def kept_on_disk(function: Callable[..., None], name: str) -> Any:
    """The function compiled by numba, free of Python's lock; later processes find it on disk under this name."""
    function.__qualname__ = function.__name__ = name
    try:
        return numba.njit(nogil=True, cache=True)(function)
    except RuntimeError:  # numba found no directory that it may write to
        return numba.njit(nogil=True)(function)


@contextmanager
def announced(kernel: Any, what: object) -> Iterator[None]:
    """Around a call: prints a line to standard error if numba finds nothing on disk for the kernel and compiles it.

    Args:
        kernel: what `kept_on_disk` returned.
        what: it is compiled for: a dtype.
    """
    if kernel in _ready:
        yield
        return
    done = threading.Event()
    watcher = threading.Thread(target=_watch, args=(kernel, what, done), daemon=True)
    watcher.start()
    _in_first_call.add(kernel)
    try:
        yield
    finally:
        _in_first_call.discard(kernel)
        done.set()
        watcher.join()
    _ready.add(kernel)


def is_compiling() -> bool:
    """Whether a thread of this process is compiling a kernel. Loading one from disk does not count."""
    return any(map(_is_missing, _in_first_call.copy()))


def _is_missing(kernel: Any) -> bool:
    """Whether numba has looked for the kernel on disk and not found it, or has no place to look."""
    return bool(kernel.stats.cache_misses) or kernel.stats.cache_path is None


def _watch(kernel: Any, what: object, done: threading.Event) -> None:
    while not done.wait(_PATIENCE):
        if _is_missing(kernel):
            path = kernel.stats.cache_path
            later = "will find them on disk" if path else "will do so again, unless NUMBA_CACHE_DIR names a writable directory"
            message = f"Compiling the simulation's kernels for this processor ({what}). Later processes {later}."
            print(message, file=sys.stderr, flush=True)
            return
