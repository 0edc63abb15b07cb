"""What both versions do alike."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from itertools import islice
from typing import Any

from tfq_llm.ionq.emulator.desk import Call
from tfq_llm.ionq.emulator.jobs import Failure, Job
from tfq_llm.ionq.emulator.submissions import RequestError, Submission

# Jobs on a page, if nothing is said, and at most.
_PAGE, _LONGEST = 25, 100


def submit(call: Call, submission: Submission) -> Job:
    """Makes the job, with the faults that were asked for."""
    elsewhere, failing = call.fault("other-target"), call.fault("fails")
    target = elsewhere.target if elsewhere else None
    return call.desk.jobs.submit(submission, target, Failure(failing.code, failing.message) if failing else None)


def finished(call: Call) -> Job:
    """The job that the path names, which has results.

    Raises:
        RequestError: there is none, or it has none.
    """
    job = call.job()
    status = call.desk.jobs.status(job)
    if status != "completed" or job.submission.dry_run:
        raise RequestError(
            404, f"There are no results of job {job.id}: it is {'a dry run' if status == 'completed' else status}."
        )
    if call.query.get("sharpen", "false").lower() not in ("true", "false"):
        raise RequestError(400, f"sharpen: is true or false, not '{call.query['sharpen']:.20}'.")
    return job


def probabilities(job: Job) -> dict[str, Any]:
    """Of a circuit: by state. Of a batch: by the child's id, in the order of the circuits."""
    if job.children:
        return {child.id: probabilities(child) for child in job.children if not child.deleted}
    assert job.histogram is not None
    return job.histogram.probabilities()


def cancel(call: Call) -> dict[str, Any]:
    job = call.job()
    call.desk.jobs.cancel(job)
    return {"id": job.id, "status": "canceled"}


def delete(call: Call) -> dict[str, Any]:
    job = call.job()
    call.desk.jobs.delete(job)
    return {"id": job.id, "status": "deleted"}


def body_object(call: Call) -> dict[str, Any]:
    """The body's JSON object; empty if there is no body.

    Raises:
        RequestError: it is something else.
    """
    try:
        found = json.loads(call.body) if call.body else {}
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict):
        raise RequestError(400, "The request body is not a JSON object.")
    return found


def limit(given: Any) -> int:
    """How many jobs on a page.

    Raises:
        RequestError: not a whole number of at least 1.
    """
    if given is None:
        return _PAGE
    try:
        found = int(given)
    except (TypeError, ValueError):
        found = 0
    if found < 1:
        raise RequestError(400, f"limit: is a whole number of at least 1, not '{given!s:.20}'.")
    return min(found, _LONGEST)


def page(jobs: Sequence[Job], wanted: Callable[[Job], bool], size: int, token: str | None) -> tuple[list[Job], str | None]:
    """Some of the jobs that are wanted, and what the next page is asked for by; None behind the last.

    The token is the id of the job to go on with, so that jobs which are made, deleted or change meanwhile shift nothing.

    Raises:
        RequestError: the token is not one.
    """
    start = 0
    if token:
        place = next((index for index, job in enumerate(jobs) if job.id == token), None)
        if place is None:
            raise RequestError(400, f"next: '{token:.60}' is no page of this list.")
        start = place
    found = list(islice((job for job in jobs[start:] if not job.deleted and wanted(job)), size + 1))
    return found[:size], found[size].id if len(found) > size else None
