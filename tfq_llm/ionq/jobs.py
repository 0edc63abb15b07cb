"""From circuits to results: jobs are written down, sent once, watched, fetched; if anything dies, the next call goes on."""

from __future__ import annotations

import hashlib
import logging
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from filelock import FileLock, Timeout

from tfq_llm.errors import InputError, ServiceError
from tfq_llm.ionq import states
from tfq_llm.ionq.circuits import BoundCircuits
from tfq_llm.ionq.ledger import Ledger
from tfq_llm.ionq.orders import MAJORITY, MEAN, PLAIN, Job, Order
from tfq_llm.ionq.prices import MAX_CIRCUITS, MAX_GATES, Price
from tfq_llm.ionq.remote import Malformed, NotFound, OutcomeUnknown, Refused, RemoteError
from tfq_llm.ionq.transport import Transport
from tfq_llm.progress import Progress

logger = logging.getLogger(__name__)

MAX_BYTES = 9_900_000
"""Of one job's circuits; the service takes 10 MB with everything around them."""

UNUSABLE = "unusable"
"""The status of a job whose results are there and cannot be right."""

_TRIES = 3
_LONGEST_PAUSE = 120.0
_FORGOTTEN = 7 * 86_400.0
# What is read of a job, by whether it is debiased: results by mean and by majority come with the same job.
_VARIANTS: dict[bool, tuple[tuple[str, bool | None], ...]] = {
    False: ((PLAIN, None),),
    True: ((MEAN, False), (MAJORITY, True)),
}
_LABEL = 24


@dataclass(frozen=True)
class Plan:
    """What is to be done for some circuits.

    Attributes:
        circuits: all of them, with the angles under which the ledger knows them.
        order: how they are run.
        cached: how many have results.
        pending: how many are at the service.
        lost: how many of those to be sent were sent before, in jobs that the service does not have.
        batches: the others, one job each, none twice.
        dollars: what the batches cost, one price each.
    """

    circuits: BoundCircuits
    order: Order
    cached: int
    pending: int
    lost: int
    batches: tuple[BoundCircuits, ...]
    dollars: tuple[float, ...]

    @property
    def new(self) -> int:
        return sum(map(len, self.batches))

    @property
    def cost(self) -> float:
        """Dollars of what is to be sent."""
        return sum(self.dollars)


Agree = Callable[[Plan], object]
"""Is shown what is going to be sent, and raises if it is not to be."""


def batches(circuits: BoundCircuits, bytes_each: int) -> list[BoundCircuits]:
    """Circuits divided by what the service takes as one job: their number, their gates, their bytes.

    Args:
        circuits: to divide.
        bytes_each: what one of them takes in a request.

    Raises:
        InputError: one circuit alone is too large.
    """
    gates = max(1, circuits.size.gates)
    most = min(MAX_CIRCUITS, MAX_GATES // gates, MAX_BYTES // bytes_each)
    if not most:
        raise InputError(
            f"a circuit of {gates:,} gates and {bytes_each:,} bytes is too large: IonQ takes at most {MAX_GATES:,} gates and "
            f"{MAX_BYTES:,} bytes in a job. Use fewer qubits or layers."
        )
    return [circuits.rows(range(start, min(start + most, len(circuits)))) for start in range(0, len(circuits), most)]


class Jobs:
    """Runs circuits at a service, through a ledger.

    Args:
        ledger: of the run.
        transport: to the service.
        host: the service's address; results of one service are not those of another.
        settle_seconds: how long after a request without a reply the service is asked for the job before it counts as never made:
            a request may be in flight for as long as its deadline.
        sleep: waits for so many seconds.
    """

    def __init__(
        self,
        ledger: Ledger,
        transport: Transport,
        host: str,
        settle_seconds: float = 60.0,
        sleep: Callable[[float], object] = time.sleep,
    ) -> None:
        self.ledger, self.transport, self.host = ledger, transport, host
        self.settle_seconds, self._sleep = settle_seconds, sleep

    @contextmanager
    def sending(self) -> Iterator[None]:
        """Holds the right to send from this run directory; the system gives it back when the process dies.

        Raises:
            InputError: another process has it.
        """
        lock = FileLock(self.ledger.path.with_suffix(".lock"), timeout=0)
        try:
            lock.acquire()
        except Timeout:
            raise InputError(
                f"another process is sending from '{self.ledger.path.parent}': wait for it, or stop it; nothing is sent twice."
            ) from None
        try:
            yield
        finally:
            lock.release()

    def plan(self, circuits: BoundCircuits, order: Order, price: Price) -> Plan:
        """What has to be sent to get results of circuits, and what not any more. Hold `sending` and `settle` before.

        Raises:
            InputError: a circuit is too large for the machine or the service.
        """
        if circuits.num_qubits > price.qubits:
            raise InputError(f"the circuit has {circuits.num_qubits} qubits and '{order.target}' has {price.qubits}.")
        circuits = self.ledger.known(circuits)
        places = self.ledger.places(circuits, order, self.host)
        first = {digest: row for row, digest in reversed(list(enumerate(circuits.digests)))}
        new = sorted(row for digest, row in first.items() if digest not in places)
        have = [places[digest][0].state for digest in circuits.digests if digest in places]
        parts = batches(circuits.rows(new), self.transport.bytes_of(circuits.sent, circuits.symbols)) if new else []
        each = circuits.size.dollars(price, order.shots, mitigated=order.debias)
        cached, dollars = have.count(states.DONE), tuple(each * len(part) for part in parts)
        lost = self._lost(order) & {circuits.digests[row] for row in new}
        return Plan(circuits, order, cached, len(have) - cached, len(lost), tuple(parts), dollars)

    def _lost(self, order: Order) -> set[str]:
        """Digests of circuits in jobs that were sent, and that the service says it does not have."""
        jobs = [
            job for job in self.ledger.jobs(states.ABSENT, states.GONE) if job.host == self.host and job.order.text == order.text
        ]
        return {digest for job in jobs for digest in self.ledger.circuits_of(job).digests}

    def send(self, plan: Plan) -> list[Job]:
        """Sends what a plan says, each job once. Hold `sending`.

        Raises:
            ServiceError: the service refused a job, or it cannot be known whether it took one. What was sent before is kept.
        """
        self.ledger.forget_intended()
        jobs = [self._intend(part, plan.order, price) for part, price in zip(plan.batches, plan.dollars, strict=True)]
        return [self._sent(job, part) for job, part in zip(jobs, plan.batches, strict=True)]

    def _intend(self, circuits: BoundCircuits, order: Order, dollars: float) -> Job:
        content = "\n".join([self.host, order.text, *circuits.digests])
        taken = {job.name for job in self.ledger.jobs()}
        number, digest = 0, hashlib.sha256(content.encode()).hexdigest()[:_LABEL]
        # The name follows from the content, so that the job is found at the service even when the ledger is lost. A number tells
        # later jobs of the same content, after one that failed, from it.
        while (name := f"tfq-llm-{digest}-{number}") in taken:
            number += 1
        return self.ledger.intend(circuits, order, self.host, self.transport.api_version, name, dollars)

    def _sent(self, job: Job, circuits: BoundCircuits) -> Job:
        """Sends a job unless the service has it. Only a service that says it is busy is tried again."""
        for _ in range(_TRIES):
            job = self._looked_up(job)
            if job.state == states.SUBMITTED:
                logger.info("%s was at the service already: it is not sent again.", job.name)
                return job
            job = self.ledger.update(job, state=states.SENDING, sent_at=time.time())
            try:
                job_id = self._submit(job, circuits)
            except Refused as refusal:
                job = self._refused(job, refusal)
            except OutcomeUnknown as error:
                # The time to look for it begins when its request was given up.
                return self._found(self.ledger.update(job, sent_at=time.time(), message=str(error)))
            else:
                now = time.time()
                return self.ledger.update(
                    job, state=states.SUBMITTED, job_id=job_id, status="submitted", answered_at=now, message=None
                )
        self.ledger.update(job, state=states.REFUSED)
        raise ServiceError(
            f"IonQ was too busy {_TRIES} times to take {job.name}, which was not sent: give the same command later."
        )

    def _submit(self, job: Job, circuits: BoundCircuits) -> str:
        return self.transport.submit(
            circuits.sent,
            list(circuits.symbols),
            circuits.values.tolist(),
            [digest[:_LABEL] for digest in circuits.digests],
            shots=job.shots,
            target=job.target,
            name=job.name,
            noise=_noise(job.order),
            debias=job.order.debias if job.target.startswith("qpu") else None,
        )

    def _refused(self, job: Job, refusal: Refused) -> Job:
        """Nothing was made. Only being too fast is a reason to try again, after a pause."""
        now = time.time()
        if refusal.status != 429:
            self.ledger.update(job, state=states.REFUSED, message=str(refusal), answered_at=now)
            raise ServiceError(f"IonQ refused {job.name}, nothing was charged for it: {refusal}") from None
        pause = refusal.retry_after or 1.0
        if pause > _LONGEST_PAUSE:
            self.ledger.update(job, state=states.REFUSED, message=str(refusal), answered_at=now)
            raise ServiceError(
                f"IonQ takes no job for the next {pause:,.0f} s: give the same command then. {job.name} was not sent."
            ) from None
        logger.info("IonQ asks to wait %.0f s before %s is sent.", pause, job.name)
        job = self.ledger.update(job, state=states.INTENDED, message=str(refusal), answered_at=now)
        self._sleep(pause)
        return job

    def _found(self, job: Job) -> Job:
        """A job whose reply was lost, if the service has it.

        Raises:
            ServiceError: it does not, as far as can be known. Sending it again is for the one who pays to decide.
        """
        job = self._settled(job)
        if job.state == states.SUBMITTED:
            return job
        raise ServiceError(
            f"no reply came to {job.name} ({job.message}), and the service does not list it {self.settle_seconds:g} s later: it "
            "was most likely not made. Give the same command again: it looks once more, and then asks whether to send it anew."
        )

    def settle(self) -> list[Job]:
        """Finds out what became of requests whose reply is not known. Hold `sending`.

        Raises:
            ServiceError: the service cannot be asked.
        """
        ours = [job for job in self.ledger.jobs(states.SENDING, states.ABSENT, states.GONE) if job.host == self.host]
        young = [job for job in ours if job.state == states.SENDING or time.time() - (job.sent_at or 0.0) < _FORGOTTEN]
        # One that counted as never made, or as gone, may have turned up since.
        return [self._settled(job) if job.state == states.SENDING else self._looked_up(job) for job in young]

    def _settled(self, job: Job) -> Job:
        """Asks for a job until it is there, or until its request is so old that it was never made."""
        # By two clocks: the wall's, for the process that sent it may be dead, and this process's own, for the wall's may be set.
        end = time.monotonic() + min(self.settle_seconds, (job.sent_at or 0.0) + self.settle_seconds - time.time())
        while True:
            job = self._looked_up(job)
            if job.state == states.SUBMITTED:
                return job
            left = end - time.monotonic()
            if left <= 0:
                return self.ledger.update(job, state=states.ABSENT, answered_at=time.time())
            logger.info("no reply to %s, and the service has no such job yet: asking again, for %.0f s.", job.name, left)
            self._sleep(min(left, max(0.2, self.settle_seconds / 10)))

    def _looked_up(self, job: Job) -> Job:
        """A job, with its id at the service if that has one of its name."""
        found = self._at_service(job)
        if not found:
            return job
        first = min(found, key=lambda each: each["status"] != "completed")
        several = None
        if len(found) > 1:
            several = f"the service has {len(found)} jobs of this name: {', '.join(each['id'] for each in found)}"
            logger.warning("%s: %s; results are taken from %s.", job.name, several, first["id"])
        return self.ledger.update(
            job, state=states.SUBMITTED, job_id=first["id"], status=first["status"], answered_at=time.time(), message=several
        )

    def _at_service(self, job: Job) -> list[dict[str, Any]]:
        """All jobs of its name."""
        return [each for each in _told(self.transport.find, job.name) if each["status"] != "deleted"]

    def refresh(self, chosen: Sequence[Job] | None = None) -> list[Job]:
        """Asks for the status of jobs at the service, by default all, and fetches the results of those that are completed.

        Results that cannot be used are kept as they came; the job stays, with the status "unusable", and is asked for again.

        Raises:
            ServiceError: a job cannot be asked for; all others were asked for before.
        """
        refreshed, failures = [], []
        for job in self.at_service() if chosen is None else chosen:
            try:
                refreshed.append(self._refreshed(job))
            except ServiceError as error:
                failures.append(error)
        if failures:
            raise failures[0]
        return refreshed

    def at_service(self) -> list[Job]:
        """Jobs that this service is known to have, and whose results are not here."""
        return [job for job in self.ledger.jobs(states.SUBMITTED) if job.host == self.host]

    def _refreshed(self, job: Job) -> Job:
        assert job.job_id is not None
        try:
            found = _told(self.transport.job, job.job_id, but=(NotFound,))
        except NotFound:
            return self._missing(job)
        if found["name"] not in (None, job.name):
            raise ServiceError(
                f"the service's job {job.job_id} is '{found['name']}' and not {job.name}: is this the right host and key?"
            )
        status = found["status"]
        if status == "completed":
            return self._fetched(job, found)
        if status in ("failed", "canceled", "deleted"):
            self.ledger.keep(job, "job", found["raw"])
            # It may have been completed before it was canceled: then its results are there.
            job = self._fetched(job, found) if status == "canceled" else job
            if job.state == states.DONE:
                return job
            return self._ended(job, states.FAILED if status == "failed" else states.CANCELED, status, found["failure"])
        return self.ledger.update(job, status=status, reported_target=found["target"])

    def _missing(self, job: Job) -> Job:
        """A job that the service says it does not have. One such answer may be a mistake, and believing it means to pay again."""
        young = time.time() - (job.answered_at or 0.0) < self.settle_seconds
        if young or self._at_service(job):
            return job
        return self._ended(job, states.GONE, "gone", "the service does not know it any more; is the key the one that sent it?")

    def _ended(self, job: Job, state: str, status: str, message: str | None) -> Job:
        logger.warning("%s: %s%s", job.name, status, f" ({message})" if message else "")
        return self.ledger.update(job, state=state, status=status, message=message, finished_at=time.time())

    def _fetched(self, job: Job, found: dict[str, Any]) -> Job:
        """A job with its results, if they can be used."""
        assert job.job_id is not None
        labels = [digest[:_LABEL] for digest in self.ledger.circuits_of(job).digests]
        variants: dict[str, list[dict[str, float]]] = {}
        raw: dict[str, Any] = {"job": found["raw"]}
        for variant, sharpen in _VARIANTS[job.order.debias]:
            try:
                answer = _told(self.transport.results, job.job_id, sharpen, but=(Malformed, NotFound))
                variants[variant] = _in_order(answer, labels)
            except NotFound:
                return self.ledger.update(job, status="no results yet")
            except Malformed as error:
                self.ledger.keep(job, "results that cannot be used", error.raw)
                logger.warning("the results of %s cannot be used: %s. They are kept in the ledger as they came.", job.name, error)
                return self.ledger.update(job, status=UNUSABLE, message=f"its results cannot be used: {error}")
            raw[variant] = answer["raw"]
        for warning in found["warnings"]:
            logger.warning("IonQ on %s: %s", job.name, warning)
        columns = {"status": "completed", "reported_target": found["target"], "matches": self._matches(job, found)}
        return self.ledger.finish(job, variants, raw, reported_dollars=self._cost(job), **columns)

    def _matches(self, job: Job, found: dict[str, Any]) -> bool | None:
        """Whether a job ran where it was to; None if the service does not say."""
        asked, told = _noise(job.order), found["noise"]
        if found["target"] is None:
            return None
        matches = found["target"] == job.target and (asked is None or told is None or told.get("model") == asked["model"])
        if not matches:
            logger.warning(
                "%s was asked of %s and ran on %s: its results are kept, and not used.", job.name, job.target, found["target"]
            )
        return bool(matches)

    def _cost(self, job: Job) -> float | None:
        """What the service says a job cost; results do not wait for it."""
        assert job.job_id is not None
        try:
            return self.transport.cost(job.job_id)
        except RemoteError as error:
            logger.warning("the service does not say what %s cost: %s", job.name, error)
            return None

    def wait(self, plan: Plan, seconds: float, poll: float = 1.0, progress: Progress | None = None) -> None:
        """Returns when none of a plan's circuits is at the service any more.

        Args:
            plan: what was sent.
            seconds: at most; a queue may be hours long.
            poll: seconds between two looks, at first; they become fewer, one in thirty seconds at last.

        Raises:
            ServiceError: it takes longer; nothing is lost.
        """
        until, failures = time.monotonic() + seconds, 0
        while waiting := self._waiting(plan, progress):
            failure = self._failure(waiting)
            # What fails once may come right the next time.
            failures = failures + 1 if failure else 0
            if failure and failures >= _TRIES:
                raise failure
            waiting = self._waiting(plan, progress)
            if waiting and time.monotonic() > until:
                statuses = ", ".join(f"{job.name} is {job.status}" for job in waiting[:3])
                raise ServiceError(
                    f"not finished in {seconds:g} s: {statuses}. Give the same command later: it goes on, nothing is sent again."
                )
            if waiting:
                self._sleep(min(poll, max(0.0, until - time.monotonic()) + 0.01))
                poll = min(1.5 * poll, 30.0)

    def _waiting(self, plan: Plan, progress: Progress | None) -> list[Job]:
        """The jobs of a plan that are at the service; says how far the others are."""
        jobs = {job.number: job for job, _ in self.ledger.places(plan.circuits, plan.order, self.host).values()}
        if progress is not None:
            finished = [job for job in jobs.values() if job.state == states.DONE]
            now, cost = sum(job.circuits for job in finished), sum(job.dollars for job in finished)
            progress.update(now - progress.done, f"jobs: {len(jobs)} sent, {len(finished)} done; ${cost:,.2f} so far")
        return [job for job in jobs.values() if job.state == states.SUBMITTED]

    def _failure(self, waiting: Sequence[Job]) -> ServiceError | None:
        """Looks at jobs, and says what is wrong if nothing is to be waited for."""
        try:
            found = self.refresh(waiting)
        except ServiceError as error:
            return error
        if not all(job.state == states.SUBMITTED and job.status == UNUSABLE for job in found):
            return None
        return ServiceError(
            f"{found[0].name}: {found[0].message}. They are kept in the ledger as they came; 'tfq-llm ionq fetch' asks again."
        )

    def cancel(self, chosen: Sequence[Job]) -> list[Job]:
        """Cancels jobs at the service. What is completed by then stays and is fetched."""
        canceled = []
        for job in chosen:
            assert job.job_id is not None
            assert job.host == self.host
            if _told(self.transport.job, job.job_id)["status"] != "completed":
                _told(self.transport.cancel, job.job_id)
            canceled.append(self._refreshed(job))
        return canceled

    def values(self, circuits: BoundCircuits, order: Order) -> np.ndarray:
        """Expectation values ⟨Z⟩ [rows, measured] of circuits; NaN where there is no result."""
        circuits = self.ledger.known(circuits)
        places = self.ledger.places(circuits, order, self.host)
        wanted: dict[int, dict[int, list[int]]] = {}
        numbers: dict[int, Job] = {}
        for row, digest in enumerate(circuits.digests):
            if digest in places and places[digest][0].state == states.DONE:
                job, position = places[digest]
                numbers[job.number] = job
                wanted.setdefault(job.number, {}).setdefault(position, []).append(row)
        values = np.full([len(circuits), circuits.measured], np.nan)
        for number, rows in wanted.items():
            for position, distribution in self.ledger.distributions(numbers[number], order.variant):
                if position in rows:
                    # What a machine returns is counts divided by shots, rounded by whoever wrote it down.
                    whole = order.variant == PLAIN and order.target.startswith("qpu")
                    found = counts(distribution, order.shots) if whole else distribution
                    values[rows[position]] = expectation_values(found, circuits.measured)
        return values


def expectation_values(distribution: Mapping[str, float], measured: int) -> np.ndarray:
    """⟨Z⟩ [measured] of probabilities or counts of basis states, numbers whose lowest bit is qubit 0."""
    states_, probabilities = (
        np.array([int(state) for state in distribution], dtype=object),
        np.array([*distribution.values()], float),
    )
    bits = np.array([[(state >> qubit) & 1 for qubit in range(measured)] for state in states_], float)
    values: np.ndarray = probabilities @ (1.0 - 2.0 * bits) / probabilities.sum()
    return values


def counts(distribution: dict[str, float], shots: int) -> dict[str, int]:
    """Whole counts that sum to the shots, nearest to a distribution: largest remainders are rounded up."""
    exact = {state: probability * shots for state, probability in distribution.items()}
    whole = {state: int(value) for state, value in exact.items()}
    missing = shots - sum(whole.values())
    for state in sorted(exact, key=lambda state: whole[state] - exact[state])[:missing]:
        whole[state] += 1
    return {state: count for state, count in whole.items() if count}


def _noise(order: Order) -> dict[str, Any] | None:
    if order.noise is None:
        return None
    return {"model": order.noise} | ({} if order.seed is None else {"seed": order.seed})


def _in_order(answer: dict[str, Any], labels: Sequence[str]) -> list[dict[str, float]]:
    """Distributions in the order of the labels: by the labels that the service returns; where it returns a few, these must agree.

    Raises:
        Malformed: circuits are missing, or are not those that were sent.
    """
    circuits, raw = answer["circuits"], answer["raw"]
    if len(circuits) != len(labels):
        raise Malformed(f"there are {len(circuits)} for {len(labels)} circuits", raw)
    told = [circuit["label"] for circuit in circuits]
    if None not in told:
        by_label = {circuit["label"]: circuit["probabilities"] for circuit in circuits}
        if set(by_label) != set(labels):
            raise Malformed("they are those of other circuits", raw)
        return [by_label[label] for label in labels]
    if any(label not in (None, expected) for label, expected in zip(told, labels, strict=True)):
        raise Malformed("their order is not that of the circuits", raw)
    return [circuit["probabilities"] for circuit in circuits]


def _told(call: Callable[..., Any], *arguments: Any, but: tuple[type[RemoteError], ...] = ()) -> Any:
    """The result of a read; what its caller cannot do anything about, all `but` some errors, is told to the user."""
    try:
        return call(*arguments)
    except but:
        raise
    except RemoteError as error:
        raise ServiceError(f"{str(error).rstrip('.')}. Nothing is lost: give the same command later.") from None


def ledger_path(run_dir: Path) -> Path:
    """Where the ledger of a run is."""
    return run_dir / "ionq" / "ledger.sqlite"
