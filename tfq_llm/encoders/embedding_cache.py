"""Vectors of texts on disk, one SQLite file for each state of a sentence encoder."""

from __future__ import annotations

import hashlib
import logging
import sqlite3
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import TypeVar

import numpy as np
import tenacity

from tfq_llm.errors import InputError

logger = logging.getLogger(__name__)

_SCHEMA = "CREATE TABLE IF NOT EXISTS embeddings (key BLOB PRIMARY KEY, checksum INTEGER, vector BLOB) WITHOUT ROWID"
_KEYS_PER_QUERY = 500

T = TypeVar("T")


class EmbeddingCache:
    """Maps texts to vectors, for several processes at once.

    Each `put` is one transaction: a process killed in the middle of it loses that one. A vector that does not have its checksum
    counts as absent, and a file that is no longer a database is begun anew.

    Args:
        path: the database file.
        dim: length of the vectors.
        seconds_to_wait: how long to wait for another process to unlock the file.

    Raises:
        InputError: the file stays locked, the disk is full, or the file cannot be written; `get` and `put` raise it, too.
    """

    def __init__(self, path: Path, dim: int, seconds_to_wait: float = 60.0) -> None:
        self._path, self._dim, self._seconds_to_wait = path, dim, seconds_to_wait
        self._connection = self._connect()

    def __enter__(self) -> EmbeddingCache:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None) -> None:
        self._connection.close()

    def get(self, texts: Sequence[str]) -> dict[str, np.ndarray]:
        """Returns the vectors that are there, float32 [dim] each, by text."""
        by_key = {_key(text): text for text in texts}
        keys = list(by_key)
        found: dict[str, np.ndarray] = {}
        for start in range(0, len(keys), _KEYS_PER_QUERY):
            for key, checksum, blob in self._select(keys[start : start + _KEYS_PER_QUERY]):
                if zlib.crc32(blob) == checksum and len(blob) == 4 * self._dim:
                    found[by_key[key]] = np.frombuffer(blob, "<f4")
        return found

    def put(self, vectors: Mapping[str, np.ndarray]) -> None:
        """Adds vectors, float32 [dim] each, by text."""
        blobs = {_key(text): np.asarray(vector, "<f4").tobytes() for text, vector in vectors.items()}
        rows = [(key, zlib.crc32(blob), blob) for key, blob in blobs.items()]

        def insert() -> None:
            with self._connection:
                self._connection.executemany("INSERT OR REPLACE INTO embeddings VALUES (?, ?, ?)", rows)

        self._repairing(insert)

    def _select(self, keys: Sequence[bytes]) -> list[tuple[bytes, int, bytes]]:
        marks = ",".join("?" * len(keys))
        query = f"SELECT key, checksum, vector FROM embeddings WHERE key IN ({marks})"
        return self._repairing(lambda: self._connection.execute(query, keys).fetchall())

    def _repairing(self, action: Callable[[], T]) -> T:
        """Does `action`; if the file turns out to be damaged, again on an empty one."""
        with self._explained():
            try:
                return action()
            except sqlite3.OperationalError:  # locked, disk full …: nothing that a new file would mend
                raise
            except sqlite3.DatabaseError as error:
                self._connection.close()
                self._start_anew(error)
                self._connection = self._open()
                return action()

    def _connect(self) -> sqlite3.Connection:
        with self._explained():
            try:
                return self._open()
            except sqlite3.OperationalError:
                raise
            except sqlite3.DatabaseError as error:
                self._start_anew(error)
                return self._open()

    @contextmanager
    def _explained(self) -> Iterator[None]:
        """Turns what SQLite says of a file that cannot be used into an error that says what to do."""
        try:
            yield
        except sqlite3.OperationalError as error:
            raise InputError(
                f"the cache of embeddings '{self._path}' cannot be used ({error}). Wait until no other process works with it and "
                "see that the disk has room; or set TFQ_LLM_CACHE to another directory; or encode with cache=False."
            ) from error

    def _open(self) -> sqlite3.Connection:
        connection = sqlite3.connect(self._path, timeout=self._seconds_to_wait)
        try:
            # For this alone SQLite does not wait itself when others open a new file at the same moment.
            for attempt in tenacity.Retrying(
                retry=tenacity.retry_if_exception_type(sqlite3.OperationalError),
                stop=tenacity.stop_after_delay(self._seconds_to_wait),
                wait=tenacity.wait_random(0.01, 0.05),
                reraise=True,
            ):
                with attempt:
                    connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("PRAGMA synchronous = NORMAL")
            connection.execute(_SCHEMA)
        except sqlite3.Error:
            connection.close()
            raise
        return connection

    def _start_anew(self, error: sqlite3.DatabaseError) -> None:
        logger.warning("the cache of embeddings '%s' is damaged (%s); starting a new one", self._path, error)
        for suffix in ("", "-wal", "-shm"):
            self._path.with_name(self._path.name + suffix).unlink(missing_ok=True)


def _key(text: str) -> bytes:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()
