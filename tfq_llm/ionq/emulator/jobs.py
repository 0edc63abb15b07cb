"""The jobs of the server: what was submitted, in which state it is, and what it gave."""

from __future__ import annotations

import hashlib
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any, Literal
from uuid import UUID

import numpy as np

from tfq_llm.errors import InputError
from tfq_llm.ionq.emulator.machine import Circuit, Conditions, Histogram, run
from tfq_llm.ionq.emulator.submissions import LEAST_DEBIASED, Submission
from tfq_llm.ionq.emulator.targets import price
from tfq_llm.simulation.sampling.randomness import generator

Status = Literal["submitted", "ready", "running", "completed", "failed", "canceled"]
FINAL = ("completed", "failed", "canceled")


@dataclass(frozen=True)
class Failure:
    """Why a job failed; `code` is one of the published document's."""

    code: str
    message: str


@dataclass
class Job:
    """A submitted job, or a circuit of one as a job of its own (a child).

    Attributes:
        id: unlike any other.
        number: how many were made before.
        submission: without its circuits, which are dropped when they have run.
        name: of the job, or of a child's circuit.
        qubits: of its largest circuit.
        gate_counts: of all circuits, on one and on two qubits.
        dollars: of all circuits.
        submitted: seconds since 1970.
        target: where it runs, which a fault can make another one than was asked for.
        parent: of a child.
        children: in the order of the circuits; empty for a single circuit.
        histogram: of a job of one circuit, or a child, when it has run.
    """

    id: str
    number: int
    submission: Submission
    name: str | None
    qubits: int
    gate_counts: tuple[int, int]
    dollars: float
    submitted: float
    target: str
    parent: Job | None = None
    children: list[Job] = field(default_factory=list)
    histogram: Histogram | None = None
    failure: Failure | None = None
    ran: float | None = None
    canceled: float | None = None
    deleted: bool = False

    @property
    def shots(self) -> int:
        return self.submission.shots

    @property
    def is_sampled(self) -> bool:
        """Whether shots are drawn, rather than exact probabilities computed."""
        noise = self.submission.noise
        return self.target != "simulator" or (noise is not None and noise["model"] != "ideal")


@dataclass(frozen=True)
class Pace:
    """How long jobs take, at least, in seconds."""

    queue: float = 0.0
    run: float = 0.0


class Jobs:
    """All jobs. Its methods may be called from any thread.

    Args:
        noise: of the quantum computers' gates, "none" or a name of `IONQ_ERROR_RATES`.
        readout: their probabilities with which 0 is read as 1, and 1 as 0.
        pace: how long jobs take.
        seed: of all draws.
        clock: seconds since 1970.
    """

    def __init__(
        self,
        noise: str = "none",
        readout: tuple[float, float] = (0.0, 0.0),
        pace: Pace | None = None,
        seed: int = 0,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._noise, self._readout, self._seed, self._clock = noise, readout, seed, clock
        self.pace = pace or Pace()
        self._jobs: dict[str, Job] = {}
        self._top: list[Job] = []
        self._lock, self._closed = threading.Lock(), False
        # One at a time: the engine takes all cores by itself.
        self._worker = ThreadPoolExecutor(1, "emulator-machine")

    def submit(self, submission: Submission, target: str | None = None, failure: Failure | None = None) -> Job:
        """Makes a job, which starts to run at once where nobody sees it.

        Args:
            submission: what to run.
            target: where it runs instead of where it was asked to.
            failure: with which it fails instead of running.
        """
        circuits = submission.circuits
        with self._lock:
            job = self._make(submission, target or submission.target)
            job.failure = failure
            self._top.append(job)
            for each in (job, *job.children):
                self._jobs[each.id] = each
        if failure is None and not submission.dry_run:
            self._worker.submit(self._run, job, circuits).add_done_callback(_complain)
        else:
            job.ran = self._clock()
        return job

    def _make(self, submission: Submission, target: str) -> Job:
        number, now = len(self._top), self._clock()
        circuits = submission.circuits
        kept = _without_circuits(submission)
        counts = [circuit.gate_counts for circuit in circuits]
        mitigated = is_mitigated(submission)
        prices = [price(target).of(*count, submission.shots, mitigated=mitigated) for count in counts]
        in_all = (sum(one for one, _ in counts), sum(two for _, two in counts))
        width = max(circuit.qubits for circuit in circuits)
        job = Job(self._id(number, 0), number, kept, submission.name, width, in_all, sum(prices), now, target)
        if submission.is_batch:
            for place, (circuit, count, dollars) in enumerate(zip(circuits, counts, prices, strict=True), start=1):
                name = self._id(number, place)
                child = Job(name, number, kept, circuit.name, circuit.qubits, count, dollars, now, target, parent=job)
                job.children.append(child)
        return job

    def _id(self, number: int, place: int) -> str:
        """Ids follow from the seed, so that two runs of a test see the same."""
        digest = hashlib.sha256(f"{self._seed}/{number}/{place}".encode()).digest()
        return str(UUID(bytes=digest[:16], version=4))

    def _run(self, job: Job, circuits: Sequence[Circuit]) -> None:
        """Runs in the worker's thread."""
        owners = job.children or [job]
        try:
            for place, histogram in run(circuits, *self._conditions(job)):
                if self._closed or job.canceled is not None or job.deleted:
                    break
                owners[place].histogram = histogram
        except InputError as error:
            job.failure = Failure("SimulationError", str(error))
        except Exception as error:
            job.failure = Failure("InternalError", f"{type(error).__name__}: {error}")
            raise
        finally:
            job.ran = self._clock()

    def _conditions(self, job: Job) -> tuple[Conditions, int]:
        if job.target != "simulator":
            own = int(generator(self._seed, np.array([job.number])).integers(2**63))
            return Conditions(self._noise, self._readout, job.shots), own
        noise = job.submission.noise or {"model": "ideal"}
        if noise["model"] == "ideal":
            return Conditions(), 0
        seed = noise.get("seed")
        fresh = int(generator(self._seed, np.array([job.number])).integers(2**63))
        return Conditions(noise["model"], shots=job.shots), fresh if seed is None else seed % 2**63

    def status(self, job: Job) -> Status:
        """The state, by the time that has passed."""
        head = job.parent or job
        if job.canceled is not None or head.canceled is not None:
            return "canceled"
        passed = self._clock() - head.submitted
        if passed < self.pace.queue:
            return "submitted" if passed < self.pace.queue / 2 else "ready"
        if head.ran is None or passed < self.pace.queue + self.pace.run:
            return "running"
        return "failed" if head.failure else "completed"

    def times(self, job: Job) -> tuple[float | None, float | None]:
        """When it started and when it was done, in seconds since 1970; None for what has not happened."""
        head, status = job.parent or job, self.status(job)
        start = head.submitted + self.pace.queue
        started = start if status in ("running", "completed", "failed") else None
        if status == "canceled":
            return started, job.canceled or head.canceled
        done = max(start + self.pace.run, head.ran or 0.0) if status in FINAL else None
        return started, done

    def get(self, name: str) -> Job | None:
        with self._lock:
            found = self._jobs.get(name)
        return None if found is None or found.deleted else found

    def cancel(self, job: Job) -> None:
        """Cirq's client documents that a completed job, too, becomes a canceled one."""
        job.canceled = job.canceled or self._clock()

    def delete(self, job: Job) -> None:
        for each in (job, *job.children):
            each.deleted, each.histogram = True, None

    def list(self, parent: str | None = None) -> list[Job]:
        """All jobs that were ever made, the latest first; or a parent's, in the order of its circuits."""
        with self._lock:
            if parent is None:
                return self._top[::-1]
            return list(self._jobs[parent].children) if parent in self._jobs else []

    def close(self) -> None:
        """Gives up the job that runs, and starts no other."""
        self._closed = True
        self._worker.shutdown(wait=False, cancel_futures=True)


def is_mitigated(submission: Submission) -> bool:
    """Whether error mitigation is paid for: from 500 shots on, unless it is refused."""
    wanted = submission.debiasing
    return submission.target != "simulator" and (submission.shots >= LEAST_DEBIASED if wanted is None else wanted)


def _without_circuits(submission: Submission) -> Submission:
    values: dict[str, Any] = vars(submission) | {"circuits": ()}
    return Submission(**values)


def _complain(done: Future[None]) -> None:
    """An error that is a bug of this program is shown."""
    if not done.cancelled() and (error := done.exception()) is not None:
        raise error
