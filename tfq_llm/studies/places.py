"""A directory, or a place that fsspec reaches, as small files that are written in one step."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

import fsspec

from tfq_llm.cache import atomic_file, writable_directory
from tfq_llm.errors import InputError, StoreError

# A directory of a network has a delay for every file; a local one loses nothing by it.
_READERS = 16


class Place(Protocol):
    """Files by their path below the place, such as "trials/a.json".

    All that reads or writes raises StoreError when the system or the service refuses.
    """

    def read(self, path: str) -> bytes | None:
        """A file's bytes; None if there is none."""

    def read_many(self, paths: Iterable[str]) -> dict[str, bytes]:
        """Bytes of those of the files that are there, read at the same time."""

    def write(self, path: str, data: bytes) -> None:
        """Writes a file, or replaces it: who reads it meanwhile gets the old bytes or the new ones."""

    def create(self, path: str, data: bytes) -> bool:
        """Writes a file if there is none, and says whether there was none."""

    def remove(self, path: str) -> None:
        """Deletes a file, if it is there."""

    def names(self, folder: str) -> list[str]:
        """Names of the files in a folder, sorted; none if there is no such folder."""

    def full(self, path: str) -> str:
        """What a user calls the file."""


def place(url: str) -> Place:
    """The place that a path or URL names; a directory is made if need be.

    Raises:
        InputError: the directory cannot be written, or fsspec has no such protocol, or its package is not installed.
    """
    if "://" not in url or url.startswith(("file://", "local://")):
        return Directory(Path(url.partition("://")[2] or url))
    return Remote(url)


@contextmanager
def _use(what: str) -> Iterator[None]:
    """What the system or the service says against using a file, as a StoreError."""
    try:
        yield
    except OSError as error:
        raise StoreError(
            f"cannot read or write '{what}' ({error.strerror or error}): make room, or see that the place can be used, and give "
            f"the same command again. What is finished is kept."
        ) from error


class Directory:
    """A directory of this machine, or one that several machines share."""

    def __init__(self, path: Path) -> None:
        self.path = writable_directory(path.expanduser().absolute(), "Name a directory you can write to.")

    def read(self, path: str) -> bytes | None:
        with _use(self.full(path)):
            try:
                return (self.path / path).read_bytes()
            except FileNotFoundError:
                return None

    def read_many(self, paths: Iterable[str]) -> dict[str, bytes]:
        paths = list(paths)
        with ThreadPoolExecutor(_READERS) as readers:
            read = readers.map(self.read, paths)
        return {path: data for path, data in zip(paths, read, strict=True) if data is not None}

    def write(self, path: str, data: bytes) -> None:
        with _use(self.full(path)), atomic_file(self._target(path)) as temporary:
            temporary.write_bytes(data)

    def create(self, path: str, data: bytes) -> bool:
        with _use(self.full(path)):
            target = self._target(path)
            with tempfile.NamedTemporaryFile(dir=target.parent, prefix=".") as whole:
                whole.write(data)
                whole.flush()
                try:
                    # A second name for a file that is complete: it appears at once, and only if the name is free.
                    os.link(whole.name, target)
                except FileExistsError:
                    return False
                except OSError:
                    return _create_directly(target, data)
        return True

    def remove(self, path: str) -> None:
        with _use(self.full(path)):
            (self.path / path).unlink(missing_ok=True)

    def names(self, folder: str) -> list[str]:
        with _use(self.full(folder)):
            try:
                with os.scandir(self.path / folder) as files:
                    return sorted(file.name for file in files if not file.name.startswith("."))
            except FileNotFoundError:
                return []

    def full(self, path: str) -> str:
        return str(self.path / path)

    def _target(self, path: str) -> Path:
        target = self.path / path
        target.parent.mkdir(parents=True, exist_ok=True)
        return target


def _create_directly(target: Path, data: bytes) -> bool:
    """For a file system without hard links: who is killed here leaves a file that is not complete."""
    try:
        with target.open("xb") as file:
            file.write(data)
    except FileExistsError:
        return False
    return True


class Remote:
    """An object store, or whatever else fsspec reaches. Each write is one put."""

    def __init__(self, url: str) -> None:
        protocol = url.partition("://")[0]
        try:
            self._files, root = fsspec.core.url_to_fs(url)
        except (ImportError, ValueError) as error:
            raise InputError(
                f"cannot keep a study at '{url}': {str(error).rstrip('.')}. Install the fsspec package for '{protocol}://' (s3fs "
                f"for s3://, gcsfs for gs://) on every machine that takes part, or name a directory."
            ) from error
        self.url, self._root = url.rstrip("/"), root.rstrip("/")

    def read(self, path: str) -> bytes | None:
        return self.read_many([path]).get(path)

    def read_many(self, paths: Iterable[str]) -> dict[str, bytes]:
        by_address = {f"{self._root}/{path}": path for path in paths}
        if not by_address:
            return {}
        found = {}
        with _use(self.url):
            for address, data in self._files.cat(list(by_address), on_error="return").items():
                if isinstance(data, bytes):
                    found[by_address[address]] = data
                elif not isinstance(data, FileNotFoundError):
                    raise data
        return found

    def write(self, path: str, data: bytes) -> None:
        with _use(self.full(path)):
            self._files.pipe_file(f"{self._root}/{path}", data)

    def create(self, path: str, data: bytes) -> bool:
        with _use(self.full(path)):
            try:
                self._files.pipe_file(f"{self._root}/{path}", data, mode="create")
            except OSError:
                # Stores say in different ways that there is one.
                if self.read(path) is None:
                    raise
                return False
        return True

    def remove(self, path: str) -> None:
        with _use(self.full(path)):
            try:
                self._files.rm_file(f"{self._root}/{path}")
            except FileNotFoundError:
                return

    def names(self, folder: str) -> list[str]:
        address = f"{self._root}/{folder}"
        # Others write there too: what fsspec remembers of it is old.
        self._files.invalidate_cache(address)
        with _use(self.full(folder)):
            try:
                return sorted(str(name).rpartition("/")[2] for name in self._files.ls(address, detail=False))
            except FileNotFoundError:
                return []

    def full(self, path: str) -> str:
        return f"{self.url}/{path}"
