"""Processes of a study, as they are seen from outside, and what it writes."""

from __future__ import annotations

import contextlib
import ctypes
import os
import select
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType

import psutil

_IN_CREATE = 0x100


def worker_processes(parent: int) -> list[psutil.Process]:
    """Of a main process: its children but the one that looks after semaphores."""
    with contextlib.suppress(psutil.NoSuchProcess):
        children = psutil.Process(parent).children(recursive=True)
        return [child for child in children if "spawn_main" in " ".join(_command(child))]
    return []


def alive(process: psutil.Process) -> bool:
    """A dead one without a parent may stay as a zombie."""
    with contextlib.suppress(psutil.NoSuchProcess):
        return bool(process.status() != psutil.STATUS_ZOMBIE)
    return False


def session_processes(session: int) -> list[int]:
    """Ids of the processes of a session that are alive."""
    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.NoSuchProcess, ProcessLookupError):
            if os.getsid(process.pid) == session and alive(process):
                found.append(process.pid)
    return found


def until(condition: Callable[[], object], seconds: float = 20.0) -> None:
    """Waits until a function returns something true."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.01)


def _command(process: psutil.Process) -> list[str]:
    with contextlib.suppress(psutil.Error):
        return list(process.cmdline())
    return []


class Writes:
    """Tells that a file has begun to be written below a directory, within microseconds, by Linux's inotify.

    Args:
        directory: which; folders that come later are not looked at.
    """

    def __init__(self, directory: Path) -> None:
        libc = ctypes.CDLL(None, use_errno=True)
        self._events = libc.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC)
        for folder in (directory, *(path for path in directory.rglob("*") if path.is_dir())):
            if libc.inotify_add_watch(self._events, os.fsencode(folder), _IN_CREATE) < 0:
                raise OSError(ctypes.get_errno(), "cannot be watched", str(folder))

    def __enter__(self) -> Writes:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None) -> None:
        os.close(self._events)

    def next(self, seconds: float) -> bool:
        """Waits for one, so long at most, and says whether it came."""
        if not select.select([self._events], [], [], seconds)[0]:
            return False
        os.read(self._events, 1 << 16)
        return True
