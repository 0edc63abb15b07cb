"""Where downloaded and derived files are kept, and how they are written so that a killed process leaves nothing half done."""

from __future__ import annotations

import glob
import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from itertools import count
from pathlib import Path
from typing import Any

import platformdirs

from tfq_llm import unfinished
from tfq_llm.errors import InputError

MANIFEST = "MANIFEST.json"


def cache_dir(*parts: str) -> Path:
    """Returns (and makes) a directory of the cache: `$TFQ_LLM_CACHE` if set, else the platform's user cache.

    Raises:
        InputError: the directory cannot be made or written.
    """
    root = os.environ.get("TFQ_LLM_CACHE") or platformdirs.user_cache_dir("tfq_llm")
    path = Path(root).expanduser().joinpath(*parts)
    return writable_directory(path, "Set TFQ_LLM_CACHE to a directory you can write to.")


def writable_directory(path: Path, advice: str) -> Path:
    """Makes `path` if need be and returns it.

    Raises:
        InputError: it cannot be made or written; `advice` ends the message.
    """
    try:
        path.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=path):
            pass
    except OSError as error:
        raise InputError(f"cannot write to the directory '{path}' ({error.strerror or error}). {advice}") from error
    return path


def file_digest(path: Path) -> str:
    """SHA-256 of a file's bytes, in hexadecimal."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(1 << 20):
            digest.update(chunk)
    return digest.hexdigest()


def directory_digests(directory: Path) -> dict[str, str]:
    """SHA-256 of every file below `directory` but its manifest, by relative path, sorted."""
    files = sorted(path for path in directory.rglob("*") if path.is_file() and path != directory / MANIFEST)
    return {path.relative_to(directory).as_posix(): file_digest(path) for path in files}


@contextmanager
def atomic_file(target: Path) -> Iterator[Path]:
    """Yields a temporary path beside `target`; moves it into place when the block ends without an exception.

    It has the target's suffix, by which some libraries choose the format.
    """
    handle, name = tempfile.mkstemp(prefix=f".{target.stem}.", suffix=target.suffix, dir=target.parent)
    os.close(handle)
    temporary = Path(name)
    try:
        yield temporary
        temporary.chmod(0o666 & ~_umask())
        temporary.replace(target)
    finally:
        temporary.unlink(missing_ok=True)


def _umask() -> int:
    """The process's file mode mask; temporary files are made for their owner alone, finished ones as any other file."""
    mask = os.umask(0)
    os.umask(mask)
    return mask


def write_text(target: Path, text: str) -> None:
    """Writes `text` (UTF-8) to `target` in one step: a reader sees the old file or the new one, never a part."""
    with atomic_file(target) as temporary:
        temporary.write_text(text, encoding="utf-8")


@contextmanager
def atomic_directory(target: Path, *, replace: bool = False) -> Iterator[Path]:
    """Yields a new empty directory; when the block ends well, adds a checksum manifest and moves it to `target`.

    Until then it is in a hidden folder beside it, which the next call for this target deletes if this process is killed.
    A `target` that is there and not intact is replaced. If another process put a good one there meanwhile, that one stays.

    Args:
        target: where it will be.
        replace: whether a good one is replaced too. It is moved to `former(target)` first and deleted last, so that a process can
            be killed at any moment and one of them is whole.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    unfinished.clear_away(sorted(target.parent.glob(f".{glob.escape(target.name)}.*{unfinished.SUFFIX}")))
    with ExitStack() as held:
        temporary = _beside(target, held)
        yield temporary
        (temporary / MANIFEST).write_text(json.dumps(directory_digests(temporary), indent=1), encoding="utf-8")
        if replace:
            _replace(target, temporary)
        elif not is_intact(target):
            shutil.rmtree(target, ignore_errors=True)
            temporary.replace(target)


def _beside(target: Path, held: ExitStack) -> Path:
    """An empty directory that is deleted when `held` ends, in the first hidden folder that no other process has."""
    hidden = (target.with_name(f".{target.name}.{number}{unfinished.SUFFIX}") for number in count(1))
    return next(directory for each in hidden if (directory := unfinished.make(each, held)) is not None)


def former(target: Path) -> Path:
    """Where the old directory is while `atomic_directory` puts a new one in its place, and after a kill at that moment."""
    return target.with_name(f".{target.name}.former")


def _replace(target: Path, new: Path) -> None:
    old = former(target)
    try:
        if target.exists():
            shutil.rmtree(old, ignore_errors=True)  # left by a process that was killed when it had replaced it
            target.rename(old)
        new.rename(target)
    except BaseException:
        if old.exists() and not target.exists():
            old.rename(target)
        raise
    shutil.rmtree(old, ignore_errors=True)


def recorded_digests(directory: Path) -> Any:
    """What the manifest of `directory` says, as `atomic_directory` wrote it: the value of `directory_digests`.

    Raises:
        OSError: there is no manifest.
        ValueError: it is damaged. One that is JSON and something else is returned as it is.
    """
    return json.loads((directory / MANIFEST).read_text(encoding="utf-8"))


def is_intact(directory: Path) -> bool:
    """Whether `directory` was finished by `atomic_directory` and every file still has its checksum."""
    try:
        recorded = recorded_digests(directory)
    except (OSError, ValueError):
        return False
    return bool(recorded == directory_digests(directory))


def to_disk(path: Path) -> None:
    """Waits until a file's bytes, or the names in a directory, would survive a loss of power."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
