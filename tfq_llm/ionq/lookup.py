"""Finding out what became of jobs: a request whose reply was lost may have made one, and its name tells."""

from __future__ import annotations

import logging
import time
from typing import Any

from tfq_llm.ionq import states
from tfq_llm.ionq.ledger import Ledger
from tfq_llm.ionq.orders import Job
from tfq_llm.ionq.transport import Transport, told

logger = logging.getLogger(__name__)

_FORGOTTEN = 7 * 86_400.0


class Lookup:
    """Asks a service for jobs by their names, and writes down what it says.

    Args:
        ledger: of the run.
        transport: to the service.
        host: its address.
        settle_seconds: how long after a request without a reply the service is asked for the job before it counts as never made:
            a request may be in flight for as long as its deadline.
    """

    def __init__(self, ledger: Ledger, transport: Transport, host: str, settle_seconds: float) -> None:
        self._ledger, self._transport, self._host, self.settle_seconds = ledger, transport, host, settle_seconds

    def settle(self) -> list[Job]:
        """Finds out what became of requests whose reply is not known. Hold `only_sender`.

        Raises:
            ServiceError: the service cannot be asked.
        """
        ours = [job for job in self._ledger.jobs(states.SENDING, states.ABSENT, states.GONE) if job.host == self._host]
        young = [job for job in ours if job.state == states.SENDING or time.time() - (job.sent_at or 0.0) < _FORGOTTEN]
        # One that counted as never made, or as gone, may have turned up since.
        return [self.settled(job) if job.state == states.SENDING else self.looked_up(job) for job in young]

    def settled(self, job: Job) -> Job:
        """Asks for a job until it is there, or until its request is so old that it was never made."""
        # By two clocks: the wall's, for the process that sent it may be dead, and this process's own, for the wall's may be set.
        end = time.monotonic() + min(self.settle_seconds, (job.sent_at or 0.0) + self.settle_seconds - time.time())
        while True:
            job = self.looked_up(job)
            if job.state == states.SUBMITTED:
                return job
            left = end - time.monotonic()
            if left <= 0:
                return self._ledger.update(job, state=states.ABSENT, answered_at=time.time())
            logger.info("no reply to %s, and the service has no such job yet: asking again, for %.0f s.", job.name, left)
            time.sleep(min(left, max(0.2, self.settle_seconds / 10)))

    def looked_up(self, job: Job) -> Job:
        """A job, with its id at the service if that has one of its name."""
        found = self.named(job)
        if not found:
            return job
        first = min(found, key=lambda each: each["status"] != "completed")
        several = None
        if len(found) > 1:
            several = f"the service has {len(found)} jobs of this name: {', '.join(each['id'] for each in found)}"
            logger.warning("%s: %s; results are taken from %s.", job.name, several, first["id"])
        return self._ledger.update(
            job, state=states.SUBMITTED, job_id=first["id"], status=first["status"], answered_at=time.time(), message=several
        )

    def named(self, job: Job) -> list[dict[str, Any]]:
        """All jobs of its name."""
        return [each for each in told(self._transport.find, job.name) if each["status"] != "deleted"]
