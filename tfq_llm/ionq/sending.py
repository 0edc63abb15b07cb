"""Sending what was planned: each job is written down first, and sent once."""

from __future__ import annotations

import hashlib
import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager

from tfq_llm.errors import ServiceError
from tfq_llm.ionq import states
from tfq_llm.ionq.circuits import BoundCircuits
from tfq_llm.ionq.ledger import Ledger
from tfq_llm.ionq.lookup import Lookup
from tfq_llm.ionq.orders import Job, Order
from tfq_llm.ionq.plans import Plan
from tfq_llm.ionq.remote import OutcomeUnknown, Refused
from tfq_llm.ionq.transport import Transport
from tfq_llm.locks import only_holder

logger = logging.getLogger(__name__)

_TRIES = 3
_LONGEST_PAUSE = 120.0
_DIGITS = 24


@contextmanager
def only_sender(ledger: Ledger) -> Iterator[None]:
    """Holds the right to send what a ledger says; the system gives it back when the process dies.

    Raises:
        InputError: another process has it.
    """
    refusal = f"another process is sending from '{ledger.path.parent}': wait for it, or stop it; nothing is sent twice."
    with only_holder(ledger.path.with_suffix(".lock"), refusal):
        yield


class Sender:
    """Sends jobs to a service. All that it does is for the one process that holds `only_sender`.

    Args:
        ledger: of the run.
        transport: to the service.
        host: its address.
        lookup: finds jobs that the service may have already.
    """

    def __init__(self, ledger: Ledger, transport: Transport, host: str, lookup: Lookup) -> None:
        self._ledger, self._transport, self._host, self._lookup = ledger, transport, host, lookup

    def send(self, plan: Plan) -> list[Job]:
        """Sends what a plan says, each job once.

        Raises:
            ServiceError: the service refused a job, or it cannot be known whether it took one. What was sent before is kept.
        """
        self._ledger.forget_intended()
        jobs = [self._intend(part, plan.order, price) for part, price in zip(plan.batches, plan.dollars, strict=True)]
        return [self._sent(job, part) for job, part in zip(jobs, plan.batches, strict=True)]

    def _intend(self, circuits: BoundCircuits, order: Order, dollars: float) -> Job:
        content = "\n".join([self._host, order.text, *circuits.digests])
        taken = {job.name for job in self._ledger.jobs()}
        number, digest = 0, hashlib.sha256(content.encode()).hexdigest()[:_DIGITS]
        # The name follows from the content, so that the job is found at the service even when the ledger is lost. A number tells
        # later jobs of the same content, after one that failed, from it.
        while (name := f"tfq-llm-{digest}-{number}") in taken:
            number += 1
        return self._ledger.intend(circuits, order, self._host, self._transport.api_version, name, dollars)

    def _sent(self, job: Job, circuits: BoundCircuits) -> Job:
        """Sends a job unless the service has it. Only a service that says it is busy is tried again."""
        for _ in range(_TRIES):
            job = self._lookup.looked_up(job)
            if job.state == states.SUBMITTED:
                logger.info("%s was at the service already: it is not sent again.", job.name)
                return job
            job = self._ledger.update(job, state=states.SENDING, sent_at=time.time())
            try:
                job_id = self._submit(job, circuits)
            except Refused as refusal:
                job = self._refused(job, refusal)
            except OutcomeUnknown as error:
                # The time to look for it begins when its request was given up.
                return self._found(self._ledger.update(job, sent_at=time.time(), message=str(error)))
            else:
                now = time.time()
                return self._ledger.update(
                    job, state=states.SUBMITTED, job_id=job_id, status="submitted", answered_at=now, message=None
                )
        self._ledger.update(job, state=states.REFUSED)
        raise ServiceError(
            f"IonQ was too busy {_TRIES} times to take {job.name}, which was not sent: give the same command later."
        )

    def _submit(self, job: Job, circuits: BoundCircuits) -> str:
        return self._transport.submit(
            circuits.sent,
            list(circuits.symbols),
            circuits.values.tolist(),
            list(circuits.labels),
            shots=job.shots,
            target=job.target,
            name=job.name,
            noise=job.order.noise_model,
            debias=job.order.debias if job.target.startswith("qpu") else None,
        )

    def _refused(self, job: Job, refusal: Refused) -> Job:
        """Nothing was made. Only being too fast is a reason to try again, after a pause."""
        now = time.time()
        if refusal.status != 429:
            self._ledger.update(job, state=states.REFUSED, message=str(refusal), answered_at=now)
            raise ServiceError(f"IonQ refused {job.name}, nothing was charged for it: {refusal}") from None
        pause = refusal.retry_after or 1.0
        if pause > _LONGEST_PAUSE:
            self._ledger.update(job, state=states.REFUSED, message=str(refusal), answered_at=now)
            raise ServiceError(
                f"IonQ takes no job for the next {pause:,.0f} s: give the same command then. {job.name} was not sent."
            ) from None
        logger.info("IonQ asks to wait %.0f s before %s is sent.", pause, job.name)
        job = self._ledger.update(job, state=states.INTENDED, message=str(refusal), answered_at=now)
        time.sleep(pause)
        return job

    def _found(self, job: Job) -> Job:
        """A job whose reply was lost, if the service has it.

        Raises:
            ServiceError: it does not, as far as can be known. Sending it again is for the one who pays to decide.
        """
        job, seconds = self._lookup.settled(job), self._lookup.settle_seconds
        if job.state == states.SUBMITTED:
            return job
        raise ServiceError(
            f"no reply came to {job.name} ({job.message}), and the service does not list it {seconds:g} s later: it "
            "was most likely not made. Give the same command again: it looks once more, and then asks whether to send it anew."
        )
