"""Hidden folders in which something grows until it is moved to its place; what killed processes left of them is cleared away."""

from __future__ import annotations

import logging
import shutil
from collections.abc import Iterable
from contextlib import ExitStack, suppress
from pathlib import Path

from tfq_llm.locks import taken

logger = logging.getLogger(__name__)

SUFFIX = ".unfinished"
GROWING = "new"
"""The directory in such a folder that is moved to its place; beside it is the lock."""

_LOCK = "lock"


def make(hidden: Path, held: ExitStack) -> Path | None:
    """Makes a hidden folder and locks it; the system gives the lock back when the process dies, in whatever way.

    Args:
        hidden: the folder; its name ends with `SUFFIX`.
        held: deletes it at its end.

    Returns:
        An empty directory in it; None if the folder is there already.

    Raises:
        OSError: it cannot be made or locked.
    """
    while True:
        try:
            hidden.mkdir()
        except FileExistsError:
            return None
        try:
            if _is_locked(hidden, held):
                held.callback(shutil.rmtree, hidden, ignore_errors=True)
                growing = hidden / GROWING
                growing.mkdir()
                return growing
        except OSError:  # of a file system that has no locks
            shutil.rmtree(hidden, ignore_errors=True)
            raise


def clear_away(folders: Iterable[Path]) -> None:
    """Deletes those hidden folders that killed processes left, and says so. What a running one is writing is locked."""
    for hidden in folders:
        # What another user left, say, is in nobody's way.
        with suppress(OSError), ExitStack() as held:
            if _is_locked(hidden, held):
                size = sum(path.stat().st_size for path in hidden.rglob("*") if path.is_file())
                shutil.rmtree(hidden)
                if size:  # else it may be of one that has just ended well
                    logger.info("Deleted '%s', %.1f MB that a process left when it was killed.", hidden, size / 1e6)


def _is_locked(hidden: Path, held: ExitStack) -> bool:
    """Locks a hidden folder until `held` ends, unless another process has locked it or deletes it."""
    if not hidden.is_dir():  # taking the lock would make it
        return False
    try:
        lock = taken(hidden / _LOCK)
    except (FileNotFoundError, FileExistsError):  # deleted, and perhaps made anew, at this very moment
        return False
    if lock is not None:
        held.enter_context(lock)
    return lock is not None
