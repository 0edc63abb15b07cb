"""What was sent to IonQ and what came back, in SQLite beside the run: nothing paid for is lost, nothing is paid for twice."""

from __future__ import annotations

import json
import sqlite3
import threading
import time
import zlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any

import cirq
import numpy as np
from scipy.spatial import cKDTree

from tfq_llm.errors import InputError, ServiceError
from tfq_llm.ionq.circuits import BoundCircuits

FORMAT = 1

# Angles nearer than this are one circuit: the embedding of a text differs by about 1e-7 with the texts it was computed beside,
# and one that is paid for must be found again. No machine sets an angle that finely.
SAME_ANGLE = 1e-5

# What a job is, in the ledger. `intended`: written, nothing sent. `sending`: a request may be on its way; if its process died, or
# the reply was lost, the service must be asked. `absent`: it was asked, and has no such job. `refused`: it said no.
INTENDED, SENDING, ABSENT, REFUSED = "intended", "sending", "absent", "refused"
# The service knows it. `gone`: it did, and does not any more. `done`: its results are here.
SUBMITTED, GONE, DONE, FAILED, CANCELED = "submitted", "gone", "done", "failed", "canceled"

# Ways in which the service puts a debiased job's variants together; the results of others are PLAIN.
PLAIN, MEAN, MAJORITY = "plain", "mean", "majority"

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
_JOB = (
    "number, name, host, settings, target, shots, circuits, dollars, state, api_version, job_id, status, reported_target, "
    "matches, reported_dollars, message, intended_at, sent_at, answered_at, finished_at"
)


@dataclass(frozen=True)
class Order:
    """How circuits are run: circuits with the same order are paid for once.

    Attributes:
        target: as IonQ names it, such as "qpu.forte-1".
        shots: of each circuit.
        noise: for the target "simulator", the machine whose noise it has, such as "aria-1".
        seed: of that noise's draws; None leaves it to the service.
        debias: IonQ's debiasing, always said to be on or off, for the service has a default of its own.
        sharpen: debiased results by majority, and not by mean. Both come with the same job: this is no part of what is paid for.
        repetition: gives the same circuits again, as another measurement.
    """

    target: str
    shots: int
    noise: str | None = None
    seed: int | None = None
    debias: bool = False
    sharpen: bool = False
    repetition: int = 0

    @property
    def text(self) -> str:
        """What is paid for, in a canonical form. Defaults are left out, so that options that come later change no old order."""
        defaults = {field.name: field.default for field in fields(self)}
        given = {name: value for name, value in asdict(self).items() if name != "sharpen" and value != defaults[name]}
        return json.dumps(given, sort_keys=True)

    @property
    def variant(self) -> str:
        """Which of a job's results are read."""
        if not self.debias:
            return PLAIN
        return MAJORITY if self.sharpen else MEAN

    @classmethod
    def parse(cls, text: str) -> Order:
        return cls(**json.loads(text))


@dataclass(frozen=True)
class Job:
    """A row of the ledger: circuits that go to the service together.

    Attributes:
        number: in the ledger.
        name: at the service, by which the job is found again when a reply was lost.
        circuits: how many.
        dollars: by the table of prices.
        state: see the constants above.
        job_id: the service's; None until it is known.
        status: the service's word for the job, as last seen.
        reported_target: where the service says it ran.
        matches: False if that, or its noise, is not what was asked.
        reported_dollars: what the service says it cost.
        message: why it was refused or failed.
        intended_at, sent_at, answered_at, finished_at: seconds since 1970.
    """

    number: int
    name: str
    host: str
    order: Order
    target: str
    shots: int
    circuits: int
    dollars: float
    state: str
    api_version: str
    job_id: str | None
    status: str | None
    reported_target: str | None
    matches: bool | None
    reported_dollars: float | None
    message: str | None
    intended_at: float
    sent_at: float | None
    answered_at: float | None
    finished_at: float | None


def _job(row: Sequence[Any]) -> Job:
    number, name, host, settings, *rest = row
    job = Job(number, name, host, Order.parse(settings), *rest)
    return replace(job, matches=None if job.matches is None else bool(job.matches))


class Ledger:
    """The ledger of a run, one file.

    Every method is one transaction. Processes and threads may share the file; who sends holds `tfq_llm.ionq.jobs`' lock as well.

    Args:
        path: of the file; it is made if there is none.

    Raises:
        InputError: the file is damaged, is no ledger, or comes from a later version of this package.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock = threading.RLock()
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch(mode=0o600)
            self._database = sqlite3.connect(path, timeout=60, isolation_level=None, check_same_thread=False)
            self._database.execute("PRAGMA journal_mode=WAL")
            # A commit has reached the disk when it returns: an intent that power loss could undo would be none.
            self._database.execute("PRAGMA synchronous=FULL")
            self._open()
        except (sqlite3.OperationalError, OSError) as error:
            raise InputError(
                f"the ledger '{path}' cannot be opened ({error}): another program may hold it, the disk may be full, or you may "
                "not write there."
            ) from None
        except sqlite3.DatabaseError as error:
            raise InputError(
                f"the ledger '{path}' cannot be read ({error}). It holds results that were paid for: keep it. With the sqlite3 "
                f"program, 'sqlite3 {path.name} .recover | sqlite3 new.sqlite' saves what can be read; put that in its place. If "
                "it is moved away, only jobs of just the same circuits are found at the service and not sent again."
            ) from None

    def _open(self) -> None:
        with self._transaction() as database:
            if not database.execute("SELECT 1 FROM sqlite_master").fetchone():
                for statement in _SCHEMA.split(";"):
                    database.execute(statement)
                database.execute("INSERT INTO about(format) VALUES (?)", [FORMAT])
        (found,) = self._database.execute("PRAGMA quick_check").fetchone()
        if found != "ok":
            raise sqlite3.DatabaseError(found)
        (number,) = self._database.execute("SELECT format FROM about").fetchone()
        if number > FORMAT:
            raise InputError(
                f"the ledger '{self.path}' has format {number} and this version knows {FORMAT}: install a later one."
            )

    def close(self) -> None:
        self._database.close()

    def __enter__(self) -> Ledger:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        with self._lock:
            try:
                self._database.execute("BEGIN IMMEDIATE")
                yield self._database
                self._database.execute("COMMIT")
            except BaseException as error:
                if self._database.in_transaction:
                    self._database.execute("ROLLBACK")
                if isinstance(error, sqlite3.OperationalError):
                    raise ServiceError(
                        f"the ledger '{self.path}' cannot be written ({error}). What is at the service stays there: make room, "
                        "and give the same command again."
                    ) from None
                raise

    def _rows(self, query: str, values: Sequence[Any] = ()) -> list[Any]:
        with self._lock:
            return self._database.execute(query, values).fetchall()

    def belongs_to(self, num_qubits: int) -> None:
        """Notes of how many qubits the run's model is, and that it stays so.

        Raises:
            InputError: it was another number before: the run was trained anew, and this ledger is of the model before.
        """
        with self._transaction() as database:
            (noted,) = database.execute("SELECT qubits FROM about").fetchone()
            if noted is None:
                database.execute("UPDATE about SET qubits = ?", [num_qubits])
        if noted not in (None, num_qubits):
            raise InputError(
                f"the ledger '{self.path}' is of a model with {noted} qubits and this run's model has {num_qubits}: train into "
                "another run directory, or move the ledger's folder away; its results stay readable there."
            )

    def known(self, circuits: BoundCircuits) -> BoundCircuits:
        """The same circuits, those within `SAME_ANGLE` of each other or of one in the ledger with the same angles."""
        if not circuits.symbols:
            return circuits
        values = circuits.values.copy()
        for first, second in sorted(cKDTree(values).query_pairs(SAME_ANGLE, p=np.inf)):
            values[second] = values[first]
        rows = self._rows("SELECT angles FROM circuits WHERE template = ?", [circuits.digest])
        if rows:
            angles = np.stack([np.frombuffer(angles, "<f8") for (angles,) in rows])
            distances, nearest = cKDTree(angles).query(values, p=np.inf, distance_upper_bound=SAME_ANGLE)
            values[np.isfinite(distances)] = angles[nearest[np.isfinite(distances)]]
        return replace(circuits, values=values)

    def jobs(self, *states: str) -> list[Job]:
        """All jobs, or those in some states; the oldest first."""
        rows = self._rows(f"SELECT {_JOB} FROM jobs ORDER BY number")
        return [job for job in map(_job, rows) if not states or job.state in states]

    def job(self, number: int) -> Job:
        (row,) = self._rows(f"SELECT {_JOB} FROM jobs WHERE number = ?", [number])
        return _job(row)

    def circuits_of(self, job: Job) -> BoundCircuits:
        """What a job consists of, in its order."""
        rows = self._rows(
            "SELECT circuits.angles, circuits.template FROM job_circuits JOIN circuits ON circuit = digest WHERE job = ? "
            "ORDER BY position",
            [job.number],
        )
        ((text, symbols, measured),) = self._rows(
            "SELECT circuit, symbols, measured FROM templates WHERE digest = ?", [rows[0][1]]
        )
        values = np.stack([np.frombuffer(angles, "<f8") for angles, _ in rows])
        circuit: Any = cirq.read_json(json_text=text)
        return BoundCircuits(circuit, tuple(json.loads(symbols)), values, measured)

    def places(self, circuits: BoundCircuits, order: Order, host: str) -> dict[str, tuple[Job, int]]:
        """Where circuits are, by their digests: the job that has their result or, failing that, one that is at the service.

        Jobs whose results come from elsewhere than asked are not among them.
        """
        jobs = {
            job.number: job
            for job in self.jobs(SUBMITTED, DONE)
            if job.order.text == order.text and job.host == host and job.matches is not False
        }
        wanted = set(circuits.digests)
        rows = self._rows(
            "SELECT circuit, job, position FROM job_circuits JOIN jobs ON job = number WHERE host = ? AND settings = ?",
            [host, order.text],
        )
        found: dict[str, tuple[Job, int]] = {}
        for digest, number, position in rows:
            if digest in wanted and number in jobs and (digest not in found or jobs[number].state == DONE):
                found[digest] = (jobs[number], position)
        return found

    def intend(self, circuits: BoundCircuits, order: Order, host: str, api_version: str, name: str, dollars: float) -> Job:
        """Writes that circuits will be sent as one job of this name."""
        with self._transaction() as database:
            database.execute(
                "INSERT OR IGNORE INTO templates VALUES (?, ?, ?, ?)",
                [circuits.digest, circuits.text, json.dumps(circuits.symbols), circuits.measured],
            )
            angles = np.ascontiguousarray(circuits.values, "<f8")
            rows = [(digest, circuits.digest, row.tobytes()) for digest, row in zip(circuits.digests, angles, strict=True)]
            database.executemany("INSERT OR IGNORE INTO circuits VALUES (?, ?, ?)", rows)
            cursor = database.execute(
                "INSERT INTO jobs(name, host, settings, target, shots, circuits, dollars, state, api_version, intended_at) "
                "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                [name, host, order.text, order.target, order.shots, len(rows), dollars, INTENDED, api_version, time.time()],
            )
            number = cursor.lastrowid
            placed = [(number, position, digest) for position, (digest, *_) in enumerate(rows)]
            database.executemany("INSERT INTO job_circuits VALUES (?, ?, ?)", placed)
        assert number is not None
        return self.job(number)

    def forget_intended(self) -> None:
        """Drops jobs that were never sent; their process died before it came to them."""
        with self._transaction() as database:
            database.execute("DELETE FROM job_circuits WHERE job IN (SELECT number FROM jobs WHERE state = ?)", [INTENDED])
            database.execute("DELETE FROM jobs WHERE state = ?", [INTENDED])

    def update(self, job: Job, **columns: Any) -> Job:
        """Changes some columns of a job, unless another process has changed its state; returns it as it then is."""
        names = ", ".join(f"{name} = ?" for name in columns)
        with self._transaction() as database:
            database.execute(
                f"UPDATE jobs SET {names} WHERE number = ? AND state = ?", [*columns.values(), job.number, job.state]
            )
        return self.job(job.number)

    def keep(self, job: Job, kind: str, body: Any) -> None:
        """Keeps what the service answered, as it came; the same answer once."""
        packed = _packed(body)
        with self._transaction() as database:
            if not database.execute("SELECT 1 FROM answers WHERE job = ? AND body = ?", [job.number, packed]).fetchone():
                database.execute(
                    "INSERT INTO answers(job, kind, at, body) VALUES (?, ?, ?, ?)", [job.number, kind, time.time(), packed]
                )

    def answers(self, job: Job) -> list[tuple[str, Any]]:
        """Kind and body of all that was kept."""
        rows = self._rows("SELECT kind, body FROM answers WHERE job = ? ORDER BY number", [job.number])
        return [(kind, _unpacked(body)) for kind, body in rows]

    def finish(self, job: Job, variants: Mapping[str, Sequence[dict[str, float]]], raw: Any, **columns: Any) -> Job:
        """Keeps a job's results and the answer they came in.

        Args:
            job: whose results they are.
            variants: by `Order.variant`, one distribution for each of the job's circuits in their order.
            raw: as it came.
            columns: of the job, to be changed too.
        """
        rows = [
            (job.number, variant, position, _packed(each))
            for variant, distributions in variants.items()
            for position, each in enumerate(distributions)
        ]
        names = "".join(f", {name} = ?" for name in columns)
        with self._transaction() as database:
            database.executemany("INSERT OR REPLACE INTO results VALUES (?, ?, ?, ?)", rows)
            database.execute(
                "INSERT INTO answers(job, kind, at, body) VALUES (?, ?, ?, ?)", [job.number, "results", time.time(), _packed(raw)]
            )
            database.execute(
                f"UPDATE jobs SET state = ?, finished_at = ?{names} WHERE number = ?",
                [DONE, time.time(), *columns.values(), job.number],
            )
        return self.job(job.number)

    def distributions(self, job: Job, variant: str = PLAIN) -> Iterator[tuple[int, dict[str, float]]]:
        """Position and distribution of a job's circuits: probabilities by basis state, whose lowest bit is qubit 0."""
        with self._lock:
            cursor = self._database.execute(
                "SELECT position, probabilities FROM results WHERE job = ? AND variant = ? ORDER BY position",
                [job.number, variant],
            )
            while rows := cursor.fetchmany(200):
                for position, body in rows:
                    yield position, _unpacked(body)


def _packed(body: Any) -> bytes:
    return zlib.compress(json.dumps(body, separators=(",", ":")).encode())


def _unpacked(body: bytes) -> Any:
    return json.loads(zlib.decompress(body))
