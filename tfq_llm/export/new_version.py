"""A version's directory grows beside its place and is moved there in one step; what a killed export left is cleared away."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from itertools import count
from pathlib import Path

from tfq_llm import unfinished
from tfq_llm.cache import to_disk, writable_directory
from tfq_llm.errors import InputError
from tfq_llm.export.destination import Destination
from tfq_llm.exported.versions import folders, parse_version

_HIDDEN = re.compile(rf"\.[1-9][0-9]*{re.escape(unfinished.SUFFIX)}")


@dataclass(frozen=True)
class NewVersion:
    """A version that is being written.

    Attributes:
        number: which no other export takes meanwhile.
        directory: where to write it, empty at first.
        target: where it will be.
    """

    number: int
    directory: Path
    target: Path


@contextmanager
def new_version(destination: Destination) -> Iterator[NewVersion]:
    """Takes a version and yields an empty directory for it; when the block ends well, puts it on disk and moves it to its place.

    Until then it is in a hidden folder of the model's directory, `.VERSION.unfinished`. Whoever makes that folder has the
    version, and holds a lock in it, which the system gives back when the process dies, in whatever way. Nothing is ever replaced.
    When the block fails, or the disk is full, nothing remains, directories made for it included.

    Args:
        destination: if it says no version, the next one is taken that is not there and that no other export is writing.

    Raises:
        InputError: the version is there, another export is writing it, or the model's directory cannot be made or written.
    """
    model = destination.model
    made = [path for path in (model, *model.parents) if not path.exists()]
    try:
        writable_directory(model, "Choose another place.")
        unfinished.clear_away(path for path in folders(model) if _HIDDEN.fullmatch(path.name))
        with ExitStack() as held:
            number, directory = _taken(destination, held)
            new = NewVersion(number, directory, model / str(number))
            yield new
            for path in (*new.directory.rglob("*"), new.directory):
                to_disk(path)
            if new.target.exists():
                raise InputError(f"'{new.target}' was put there meanwhile, and nothing is overwritten: choose another version.")
            new.directory.rename(new.target)
            to_disk(model)
    except BaseException:
        for path in made:
            with suppress(OSError):
                path.rmdir()
        raise


def _taken(destination: Destination, held: ExitStack) -> tuple[int, Path]:
    """A version that this process alone writes, and an empty directory for it, which is deleted when `held` ends."""
    for number in [destination.version] if destination.version else count(destination.next_version()):
        hidden = destination.model / f".{parse_version(str(number))}{unfinished.SUFFIX}"
        directory = unfinished.make(hidden, held)
        # Another export may have finished this version since it was looked for.
        if directory is not None and not (destination.model / str(number)).exists():
            return number, directory
    raise InputError(
        f"another export is writing '{destination.model / str(destination.version)}': wait for it, or leave the version out "
        f"for the next one. If none is running, delete '{hidden}', which one left."
    )
