"""From circuits to results: jobs are written down, sent once, watched, fetched; if anything dies, the next call goes on."""

from __future__ import annotations

import time
from collections.abc import Sequence
from contextlib import AbstractContextManager

import numpy as np

from tfq_llm.errors import ServiceError
from tfq_llm.ionq import states
from tfq_llm.ionq.circuits import BoundCircuits
from tfq_llm.ionq.expectations import known_values
from tfq_llm.ionq.fetching import UNUSABLE, Fetcher
from tfq_llm.ionq.ledger import Ledger
from tfq_llm.ionq.lookup import Lookup
from tfq_llm.ionq.orders import Job, Order
from tfq_llm.ionq.plans import Plan, planned
from tfq_llm.ionq.prices import Price
from tfq_llm.ionq.sending import Sender, only_sender
from tfq_llm.ionq.transport import Transport, told
from tfq_llm.progress import Progress

_TRIES = 3


class Jobs:
    """Runs circuits at a service, through a ledger.

    Args:
        ledger: of the run.
        transport: to the service.
        host: the service's address; results of one service are not those of another.
        settle_seconds: how long after a request without a reply the service is asked for the job before it counts as never made:
            a request may be in flight for as long as its deadline.
    """

    def __init__(self, ledger: Ledger, transport: Transport, host: str, settle_seconds: float = 60.0) -> None:
        self.ledger, self.transport, self.host, self.settle_seconds = ledger, transport, host, settle_seconds
        self._lookup = Lookup(ledger, transport, host, settle_seconds)
        self._sender = Sender(ledger, transport, host, self._lookup)
        self._fetcher = Fetcher(ledger, transport, self._lookup)

    def sending(self) -> AbstractContextManager[None]:
        """Holds the right to send from this run directory, as `only_sender`."""
        return only_sender(self.ledger)

    def plan(self, circuits: BoundCircuits, order: Order, price: Price) -> Plan:
        """What has to be sent, as `planned`. Hold `sending` and `settle` before."""
        return planned(circuits, order, price, self.ledger, self.transport, self.host)

    def send(self, plan: Plan) -> list[Job]:
        """Sends what a plan says, each job once, as `Sender.send`. Hold `sending`."""
        return self._sender.send(plan)

    def settle(self) -> list[Job]:
        """Finds out what became of requests whose reply is not known, as `Lookup.settle`. Hold `sending`."""
        return self._lookup.settle()

    def at_service(self) -> list[Job]:
        """Jobs that this service is known to have, and whose results are not here."""
        return [job for job in self.ledger.jobs(states.SUBMITTED) if job.host == self.host]

    def refresh(self, chosen: Sequence[Job] | None = None) -> list[Job]:
        """Asks for the status of jobs at the service, by default all, and fetches the results of those that are completed.

        Results that cannot be used are kept as they came; the job stays, with the status "unusable", and is asked for again.

        Raises:
            ServiceError: a job cannot be asked for; all others were asked for before.
        """
        refreshed, failures = [], []
        for job in self.at_service() if chosen is None else chosen:
            try:
                refreshed.append(self._fetcher.refreshed(job))
            except ServiceError as error:
                failures.append(error)
        if failures:
            raise failures[0]
        return refreshed

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
                time.sleep(min(poll, max(0.0, until - time.monotonic()) + 0.01))
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
            if told(self.transport.job, job.job_id)["status"] != "completed":
                told(self.transport.cancel, job.job_id)
            canceled.append(self._fetcher.refreshed(job))
        return canceled

    def values(self, circuits: BoundCircuits, order: Order) -> np.ndarray:
        """Expectation values ⟨Z⟩ [rows, measured] of circuits, as `known_values`; NaN where there is no result."""
        return known_values(circuits, order, self.ledger, self.host)
