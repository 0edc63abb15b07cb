"""The file of a ledger: its tables, opening it, and transactions that are on the disk when they end."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tfq_llm.errors import InputError, ServiceError

FORMAT = 1

_SCHEMA = """
CREATE TABLE about(format INTEGER NOT NULL, qubits INTEGER);
CREATE TABLE templates(
  digest TEXT PRIMARY KEY, circuit TEXT NOT NULL, symbols TEXT NOT NULL, measured INTEGER NOT NULL);
CREATE TABLE circuits(digest TEXT PRIMARY KEY, template TEXT NOT NULL REFERENCES templates, angles BLOB NOT NULL);
CREATE TABLE jobs(
  number INTEGER PRIMARY KEY, name TEXT UNIQUE NOT NULL, host TEXT NOT NULL, settings TEXT NOT NULL, target TEXT NOT NULL,
  shots INTEGER NOT NULL, circuits INTEGER NOT NULL, dollars REAL NOT NULL, state TEXT NOT NULL, api_version TEXT NOT NULL,
  job_id TEXT, status TEXT, reported_target TEXT, matches INTEGER, reported_dollars REAL, message TEXT,
  intended_at REAL NOT NULL, sent_at REAL, answered_at REAL, finished_at REAL);
CREATE TABLE job_circuits(
  job INTEGER NOT NULL REFERENCES jobs, position INTEGER NOT NULL, circuit TEXT NOT NULL REFERENCES circuits,
  PRIMARY KEY(job, position));
CREATE INDEX jobs_of_circuits ON job_circuits(circuit);
CREATE TABLE results(
  job INTEGER NOT NULL REFERENCES jobs, variant TEXT NOT NULL, position INTEGER NOT NULL, probabilities BLOB NOT NULL,
  PRIMARY KEY(job, variant, position));
CREATE TABLE answers(
  number INTEGER PRIMARY KEY, job INTEGER NOT NULL REFERENCES jobs, kind TEXT NOT NULL, at REAL NOT NULL, body BLOB NOT NULL);
"""


class LedgerFile:
    """A SQLite file with the ledger's tables. Processes and threads may share it.

    Args:
        path: of the file; it is made if there is none.

    Attributes:
        path: the same.
        database: the connection, in autocommit mode.

    Raises:
        InputError: the file is damaged, is no ledger, or comes from a later version of this package.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock = threading.RLock()
        with self._told():
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch(mode=0o600)
            self.database = sqlite3.connect(path, timeout=60, isolation_level=None, check_same_thread=False)
            self.database.execute("PRAGMA journal_mode=WAL")
            # A commit has reached the disk when it returns: an intent that power loss could undo would be none.
            self.database.execute("PRAGMA synchronous=FULL")
            self._open()

    @contextmanager
    def _told(self) -> Iterator[None]:
        """Raises InputError if the file cannot be opened or read within."""
        try:
            yield
        except (sqlite3.OperationalError, OSError) as error:
            raise InputError(
                f"the ledger '{self.path}' cannot be opened or read ({error}): another program may hold it, the disk may be "
                "full, or you may not write there. Mend that, and give the same command again."
            ) from None
        except sqlite3.DatabaseError as error:
            if type(error) is not sqlite3.DatabaseError:  # of a statement, not of the file
                raise
            raise InputError(
                f"the ledger '{self.path}' cannot be read ({error}). It holds results that were paid for: keep it. With the "
                f"sqlite3 program, 'sqlite3 {self.path.name} .recover | sqlite3 new.sqlite' saves what can be read; put that in "
                "its place. If it is moved away, only jobs of just the same circuits are found at the service and not sent again."
            ) from None

    def _open(self) -> None:
        with self.transaction() as database:
            if not database.execute("SELECT 1 FROM sqlite_master").fetchone():
                for statement in _SCHEMA.split(";"):
                    database.execute(statement)
                database.execute("INSERT INTO about(format) VALUES (?)", [FORMAT])
        (found,) = self.database.execute("PRAGMA quick_check").fetchone()
        if found != "ok":
            raise sqlite3.DatabaseError(found)
        (number,) = self.database.execute("SELECT format FROM about").fetchone()
        if number > FORMAT:
            raise InputError(
                f"the ledger '{self.path}' has format {number} and this version knows {FORMAT}: install a later one."
            )

    def close(self) -> None:
        """Ends the connection; the file stays."""
        self.database.close()

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """Begins a transaction at once; when the block ends well it is on the disk, else nothing of it.

        Raises:
            ServiceError: the file cannot be written.
            InputError: it is damaged.
        """
        with self._lock, self._told():
            try:
                self.database.execute("BEGIN IMMEDIATE")
                yield self.database
                self.database.execute("COMMIT")
            except BaseException as error:
                if self.database.in_transaction:
                    self.database.execute("ROLLBACK")
                if isinstance(error, sqlite3.OperationalError):
                    raise ServiceError(
                        f"the ledger '{self.path}' cannot be written ({error}). What is at the service stays there: make room, "
                        "and give the same command again."
                    ) from None
                raise

    def rows(self, query: str, values: Sequence[Any] = ()) -> list[Any]:
        """All rows of a query.

        Raises:
            InputError: the file cannot be read any more.
        """
        with self._lock, self._told():
            return self.database.execute(query, values).fetchall()

    def stream(self, query: str, values: Sequence[Any] = ()) -> Iterator[Any]:
        """The rows of a query one by one, a few in memory. Others of this process wait until the last one is taken.

        Raises:
            InputError: the file cannot be read any more.
        """
        with self._lock, self._told():
            cursor = self.database.execute(query, values)
            while rows := cursor.fetchmany(200):
                yield from rows
