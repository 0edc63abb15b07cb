"""Locks between processes: files that one process holds at a time, until it lets go or dies, in whatever way."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from tfq_llm.errors import InputError


def taken(path: Path) -> AbstractContextManager[object] | None:
    """Takes the lock of a file at once, and gives it back when a `with` block of what is returned ends.

    The file is made if there is none, and its directory. Its holder may delete both: a lock of a file that has no name any more
    is never taken. It is the system's lock and nothing else, for a file that stands for one would outlive a killed process.

    Returns:
        None if another process has it.

    Raises:
        OSError: the file cannot be made or written, or its file system has no locks.
    """
    lock = FileLock(path, timeout=0, fallback_to_soft=False)
    try:
        return lock.acquire()
    except Timeout:
        return None


def waited_for(path: Path) -> AbstractContextManager[object]:
    """Waits for the lock of a file, and holds it within a `with` block.

    The file is made if there is none, and its directory; it stays.

    Raises:
        OSError: as `taken` does.
    """
    return FileLock(path, fallback_to_soft=False)


@contextmanager
def only_holder(path: Path, refusal: str) -> Iterator[None]:
    """Holds the lock of a file within the block.

    Raises:
        InputError: another process has it, which is what `refusal` says; or the file cannot be locked.
    """
    try:
        lock = taken(path)
    except OSError as error:
        raise InputError(
            f"cannot lock '{path}' ({error.strerror or error}): see that you can write it, and that its file system has locks."
        ) from error
    if lock is None:
        raise InputError(refusal)
    with lock:
        yield
