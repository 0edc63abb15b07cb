"""Versions that could not be loaded: whether their files are to blame, and when they are tried again."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass
from pathlib import Path

from tfq_llm.errors import InputError, UnreadableError

LONGEST_PAUSE = 300.0
Stamp = tuple[tuple[str, int, int, int], ...]
"""Of the files of a version: while it is the same, so are they, and who may read them."""


def stamp_of(directory: Path) -> Stamp:
    """The stamp of all files below a directory."""
    files = [(path.name, path.stat()) for path in sorted(directory.rglob("*")) if path.is_file()]
    return tuple((name, found.st_size, found.st_mtime_ns, found.st_ctime_ns) for name, found in files)


@dataclass(frozen=True)
class Failure:
    """Loading that failed.

    Attributes:
        stamp: of the files.
        is_damage: whether the files are not as they should be.
        pause: seconds until it is tried again with the same files: 0 if they may still be coming, without end if they are broken.
        at: when it was, by `time.monotonic`.
    """

    stamp: Stamp
    is_damage: bool
    pause: float
    at: float

    @property
    def may_be_coming(self) -> bool:
        """Whether the files may still be coming."""
        return self.pause == 0


class Failures:
    """The last failure of each version.

    Args:
        poll_seconds: how often versions are looked at.
    """

    def __init__(self, poll_seconds: float) -> None:
        self._poll_seconds = poll_seconds
        self._last: dict[int, Failure] = {}

    def hold(self, version: int, stamp: Stamp) -> bool:
        """Whether there is no use in trying a version again by now."""
        last = self._last.get(version)
        return last is not None and last.stamp == stamp and time.monotonic() < last.at + last.pause

    def note(self, version: int, stamp: Stamp, error: Exception) -> Failure:
        """Takes down that a version could not be loaded, and for how long it is not tried again.

        Files that are not as they should be may still be coming; if they are the same at the next look, the version is broken.
        Another error, such as of too little memory, may pass: it is tried again, less and less often.
        """
        is_damage, last = isinstance(error, InputError) and not isinstance(error, UnreadableError), self._last.get(version)
        before = last if last is not None and (last.stamp, last.is_damage) == (stamp, is_damage) else None
        if is_damage:
            pause = math.inf if before else 0.0
        else:
            pause = min(2 * before.pause, LONGEST_PAUSE) if before else self._poll_seconds
        self._last[version] = Failure(stamp, is_damage, pause, time.monotonic())
        return self._last[version]

    def forget(self, version: int) -> None:
        """Takes down that a version is loaded, or gone."""
        self._last.pop(version, None)
