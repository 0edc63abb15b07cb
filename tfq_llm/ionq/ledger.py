"""What was sent to IonQ and what came back, in a file beside the run: nothing paid for is lost, nothing is paid for twice."""

from __future__ import annotations

import json
import time
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import cirq
import numpy as np
from scipy.spatial import cKDTree

from tfq_llm.errors import InputError
from tfq_llm.ionq import states
from tfq_llm.ionq.circuits import BoundCircuits
from tfq_llm.ionq.ledger_file import LedgerFile
from tfq_llm.ionq.orders import PLAIN, Job, Order

# Angles nearer than this are one circuit: the embedding of a text differs by about 1e-7 with the texts it was computed beside,
# and one that is paid for must be found again. No machine sets an angle that finely.
SAME_ANGLE = 1e-5

_JOB = (
    "number, name, host, settings, target, shots, circuits, dollars, state, api_version, job_id, status, reported_target, "
    "matches, reported_dollars, message, intended_at, sent_at, answered_at, finished_at"
)


def _job(row: Sequence[Any]) -> Job:
    number, name, host, settings, *rest = row
    job = Job(number, name, host, Order.parse(settings), *rest)
    return replace(job, matches=None if job.matches is None else bool(job.matches))


class Ledger:
    """The ledger of a run, one file.

    Every method is one transaction. Processes and threads may share the file; who sends holds `tfq_llm.ionq.sending.only_sender`.

    Args:
        path: of the file, see `LedgerFile`; it is made if there is none.

    Raises:
        InputError: as `LedgerFile`.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._file = LedgerFile(path)

    def close(self) -> None:
        """Ends the connection to the file."""
        self._file.close()

    def __enter__(self) -> Ledger:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def belongs_to(self, num_qubits: int) -> None:
        """Notes of how many qubits the run's model is, and that it stays so.

        Raises:
            InputError: it was another number before: the run was trained anew, and this ledger is of the model before.
        """
        with self._file.transaction() as database:
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
        rows = self._file.rows("SELECT angles FROM circuits WHERE template = ?", [circuits.digest])
        if rows:
            angles = np.stack([np.frombuffer(angles, "<f8") for (angles,) in rows])
            distances, nearest = cKDTree(angles).query(values, p=np.inf, distance_upper_bound=SAME_ANGLE)
            values[np.isfinite(distances)] = angles[nearest[np.isfinite(distances)]]
        return replace(circuits, values=values)

    def jobs(self, *chosen: str) -> list[Job]:
        """All jobs, or those in some states; the oldest first."""
        rows = self._file.rows(f"SELECT {_JOB} FROM jobs ORDER BY number")
        return [job for job in map(_job, rows) if not chosen or job.state in chosen]

    def job(self, number: int) -> Job:
        (row,) = self._file.rows(f"SELECT {_JOB} FROM jobs WHERE number = ?", [number])
        return _job(row)

    def circuits_of(self, job: Job) -> BoundCircuits:
        """What a job consists of, in its order."""
        rows = self._file.rows(
            "SELECT circuits.angles, circuits.template FROM job_circuits JOIN circuits ON circuit = digest WHERE job = ? "
            "ORDER BY position",
            [job.number],
        )
        ((text, symbols, measured),) = self._file.rows(
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
            for job in self.jobs(states.SUBMITTED, states.DONE)
            if job.order.text == order.text and job.host == host and job.matches is not False
        }
        wanted = set(circuits.digests)
        rows = self._file.rows(
            "SELECT circuit, job, position FROM job_circuits JOIN jobs ON job = number WHERE host = ? AND settings = ?",
            [host, order.text],
        )
        found: dict[str, tuple[Job, int]] = {}
        for digest, number, position in rows:
            if digest in wanted and number in jobs and (digest not in found or jobs[number].state == states.DONE):
                found[digest] = (jobs[number], position)
        return found

    def intend(self, circuits: BoundCircuits, order: Order, host: str, api_version: str, name: str, dollars: float) -> Job:
        """Writes that circuits will be sent as one job of this name."""
        with self._file.transaction() as database:
            database.execute(
                "INSERT OR IGNORE INTO templates VALUES (?, ?, ?, ?)",
                [circuits.digest, circuits.text, json.dumps(circuits.symbols), circuits.measured],
            )
            angles = np.ascontiguousarray(circuits.values, "<f8")
            rows = [(digest, circuits.digest, row.tobytes()) for digest, row in zip(circuits.digests, angles, strict=True)]
            database.executemany("INSERT OR IGNORE INTO circuits VALUES (?, ?, ?)", rows)
            job = [name, host, order.text, order.target, order.shots, len(rows), dollars, states.INTENDED, api_version]
            cursor = database.execute(
                "INSERT INTO jobs(name, host, settings, target, shots, circuits, dollars, state, api_version, intended_at) "
                "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                [*job, time.time()],
            )
            number = cursor.lastrowid
            placed = [(number, position, digest) for position, (digest, *_) in enumerate(rows)]
            database.executemany("INSERT INTO job_circuits VALUES (?, ?, ?)", placed)
        assert number is not None
        return self.job(number)

    def forget_intended(self) -> None:
        """Drops jobs that were never sent; their process died before it came to them."""
        with self._file.transaction() as database:
            database.execute("DELETE FROM job_circuits WHERE job IN (SELECT number FROM jobs WHERE state = ?)", [states.INTENDED])
            database.execute("DELETE FROM jobs WHERE state = ?", [states.INTENDED])

    def update(self, job: Job, **columns: Any) -> Job:
        """Changes some columns of a job, unless another process has changed its state; returns it as it then is."""
        names = ", ".join(f"{name} = ?" for name in columns)
        with self._file.transaction() as database:
            database.execute(
                f"UPDATE jobs SET {names} WHERE number = ? AND state = ?", [*columns.values(), job.number, job.state]
            )
        return self.job(job.number)

    def keep(self, job: Job, kind: str, body: Any) -> None:
        """Keeps what the service answered, as it came; the same answer once."""
        packed = _packed(body)
        with self._file.transaction() as database:
            if not database.execute("SELECT 1 FROM answers WHERE job = ? AND body = ?", [job.number, packed]).fetchone():
                database.execute(
                    "INSERT INTO answers(job, kind, at, body) VALUES (?, ?, ?, ?)", [job.number, kind, time.time(), packed]
                )

    def answers(self, job: Job) -> list[tuple[str, Any]]:
        """Kind and body of all that was kept."""
        rows = self._file.rows("SELECT kind, body FROM answers WHERE job = ? ORDER BY number", [job.number])
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
        with self._file.transaction() as database:
            database.executemany("INSERT OR REPLACE INTO results VALUES (?, ?, ?, ?)", rows)
            database.execute(
                "INSERT INTO answers(job, kind, at, body) VALUES (?, ?, ?, ?)", [job.number, "results", time.time(), _packed(raw)]
            )
            database.execute(
                f"UPDATE jobs SET state = ?, finished_at = ?{names} WHERE number = ?",
                [states.DONE, time.time(), *columns.values(), job.number],
            )
        return self.job(job.number)

    def distributions(self, job: Job, variant: str = PLAIN) -> Iterator[tuple[int, dict[str, float]]]:
        """Position and distribution of a job's circuits: probabilities by basis state, whose lowest bit is qubit 0."""
        query = "SELECT position, probabilities FROM results WHERE job = ? AND variant = ? ORDER BY position"
        for position, body in self._file.stream(query, [job.number, variant]):
            yield position, _unpacked(body)


def ledger_path(run_dir: Path) -> Path:
    """Where the ledger of a run is."""
    return run_dir / "ionq" / "ledger.sqlite"


def _packed(body: Any) -> bytes:
    return zlib.compress(json.dumps(body, separators=(",", ":")).encode())


def _unpacked(body: bytes) -> Any:
    return json.loads(zlib.decompress(body))
