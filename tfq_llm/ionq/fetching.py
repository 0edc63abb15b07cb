"""Fetching what the service has: how jobs are, and results, which are looked at before anyone believes them."""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from typing import Any

from tfq_llm.errors import ServiceError
from tfq_llm.ionq import states
from tfq_llm.ionq.ledger import Ledger
from tfq_llm.ionq.lookup import Lookup
from tfq_llm.ionq.orders import MAJORITY, MEAN, PLAIN, Job
from tfq_llm.ionq.remote import Malformed, NotFound, RemoteError
from tfq_llm.ionq.transport import Transport, told

logger = logging.getLogger(__name__)

UNUSABLE = "unusable"
"""The status of a job whose results are there and cannot be right."""

# What is read of a job, by whether it is debiased: results by mean and by majority come with the same job.
_VARIANTS: dict[bool, tuple[tuple[str, bool | None], ...]] = {
    False: ((PLAIN, None),),
    True: ((MEAN, False), (MAJORITY, True)),
}


class Fetcher:
    """Reads jobs at a service, and puts what it reads into the ledger.

    Args:
        ledger: of the run.
        transport: to the service.
        lookup: finds a job again that the service said it does not have.
    """

    def __init__(self, ledger: Ledger, transport: Transport, lookup: Lookup) -> None:
        self._ledger, self._transport, self._lookup = ledger, transport, lookup

    def refreshed(self, job: Job) -> Job:
        """A job as the service now has it, with its results if it is completed.

        Results that cannot be used are kept as they came; the job stays, with the status `UNUSABLE`.

        Raises:
            ServiceError: it cannot be asked for, or is another's.
        """
        assert job.job_id is not None
        try:
            found = told(self._transport.job, job.job_id, but=(NotFound,))
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
            self._ledger.keep(job, "job", found["raw"])
            # It may have been completed before it was canceled: then its results are there.
            job = self._fetched(job, found) if status == "canceled" else job
            if job.state == states.DONE:
                return job
            return self._ended(job, states.FAILED if status == "failed" else states.CANCELED, status, found["failure"])
        return self._ledger.update(job, status=status, reported_target=found["target"])

    def _missing(self, job: Job) -> Job:
        """A job that the service says it does not have. One such answer may be a mistake, and believing it means to pay again."""
        young = time.time() - (job.answered_at or 0.0) < self._lookup.settle_seconds
        if young or self._lookup.named(job):
            return job
        return self._ended(job, states.GONE, "gone", "the service does not know it any more; is the key the one that sent it?")

    def _ended(self, job: Job, state: str, status: str, message: str | None) -> Job:
        logger.warning("%s: %s%s", job.name, status, f" ({message})" if message else "")
        return self._ledger.update(job, state=state, status=status, message=message, finished_at=time.time())

    def _fetched(self, job: Job, found: dict[str, Any]) -> Job:
        """A job with its results, if they can be used."""
        assert job.job_id is not None
        labels = self._ledger.circuits_of(job).labels
        variants: dict[str, list[dict[str, float]]] = {}
        raw: dict[str, Any] = {"job": found["raw"]}
        for variant, sharpen in _VARIANTS[job.order.debias]:
            try:
                answer = told(self._transport.results, job.job_id, sharpen, but=(Malformed, NotFound))
                variants[variant] = _in_order(answer, labels)
            except NotFound:
                return self._ledger.update(job, status="no results yet")
            except Malformed as error:
                self._ledger.keep(job, "results that cannot be used", error.raw)
                logger.warning("the results of %s cannot be used: %s. They are kept in the ledger as they came.", job.name, error)
                return self._ledger.update(job, status=UNUSABLE, message=f"its results cannot be used: {error}")
            raw[variant] = answer["raw"]
        for warning in found["warnings"]:
            logger.warning("IonQ on %s: %s", job.name, warning)
        columns = {"status": "completed", "reported_target": found["target"], "matches": self._matches(job, found)}
        return self._ledger.finish(job, variants, raw, reported_dollars=self._cost(job), **columns)

    def _matches(self, job: Job, found: dict[str, Any]) -> bool | None:
        """Whether a job ran where it was to; None if the service does not say."""
        asked, said = job.order.noise_model, found["noise"]
        if found["target"] is None:
            return None
        matches = found["target"] == job.target and (asked is None or said is None or said.get("model") == asked["model"])
        if not matches:
            logger.warning(
                "%s was asked of %s and ran on %s: its results are kept, and not used.", job.name, job.target, found["target"]
            )
        return bool(matches)

    def _cost(self, job: Job) -> float | None:
        """What the service says a job cost; results do not wait for it."""
        assert job.job_id is not None
        try:
            return self._transport.cost(job.job_id)
        except RemoteError as error:
            logger.warning("the service does not say what %s cost: %s", job.name, error)
            return None


def _in_order(answer: dict[str, Any], labels: Sequence[str]) -> list[dict[str, float]]:
    """Distributions in the order of the labels: by the labels that the service returns; where it returns a few, these must agree.

    Raises:
        Malformed: circuits are missing, or are not those that were sent.
    """
    circuits, raw = answer["circuits"], answer["raw"]
    if len(circuits) != len(labels):
        raise Malformed(f"there are {len(circuits)} for {len(labels)} circuits", raw)
    found = [circuit["label"] for circuit in circuits]
    if None not in found:
        by_label = {circuit["label"]: circuit["probabilities"] for circuit in circuits}
        if set(by_label) != set(labels):
            raise Malformed("they are those of other circuits", raw)
        return [by_label[label] for label in labels]
    if any(label not in (None, expected) for label, expected in zip(found, labels, strict=True)):
        raise Malformed("their order is not that of the circuits", raw)
    return [circuit["probabilities"] for circuit in circuits]
