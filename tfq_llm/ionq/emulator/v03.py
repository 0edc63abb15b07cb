"""API v0.3: its routes and what they reply. IonQ no longer publishes it; this is what cirq-ionq 1.5.0 reads and sends."""

from __future__ import annotations

from typing import Any

from aiohttp import web

from tfq_llm.ionq.emulator.desk import Call, Desk, route
from tfq_llm.ionq.emulator.handling import body_object, cancel, delete, finished, limit, page, probabilities, submit
from tfq_llm.ionq.emulator.jobs import Job, Jobs
from tfq_llm.ionq.emulator.submissions import RequestError, read_v03
from tfq_llm.ionq.emulator.targets import QUBITS

_STATES = ("submitted", "ready", "running", "completed", "failed", "canceled")


def routes(desk: Desk) -> list[web.RouteDef]:
    return [
        route(desk, "POST", "/v0.3/jobs", "submit", _submit),
        route(desk, "GET", "/v0.3/jobs", "list", _list),
        route(desk, "GET", "/v0.3/jobs/{job}", "job", lambda call: _job(call.desk.jobs, call.job())),
        route(desk, "DELETE", "/v0.3/jobs/{job}", "delete", delete),
        route(desk, "GET", "/v0.3/jobs/{job}/results", "results", lambda call: probabilities(finished(call))),
        route(desk, "PUT", "/v0.3/jobs/{job}/status/cancel", "cancel", cancel),
        route(desk, "GET", "/v0.3/backends", "backends", lambda call: call.desk.targets.backends(), open_to_all=True),
        route(desk, "GET", "/v0.3/backends/{backend}", "backends", _backend, open_to_all=True),
        route(desk, "GET", "/v0.3/calibrations", "calibrations", _calibrations),
        route(desk, "GET", "/v0.3/calibrations/current", "calibrations", lambda call: call.desk.targets.calibrations()[0]),
    ]


def _submit(call: Call) -> dict[str, Any]:
    job = submit(call, read_v03(call.body))
    return {"id": job.id, "status": "ready", "request": int(job.submitted)}


def _job(jobs: Jobs, job: Job) -> dict[str, Any]:
    """A job. What it does not have is left out: Cirq's client takes a null for something."""
    started, done = jobs.times(job)
    optional = {
        "name": job.name,
        "metadata": job.submission.metadata,
        "noise": job.submission.noise,
        "start": None if started is None else int(started),
        "response": None if done is None else int(done),
        "execution_time": None if started is None or done is None else round(1000 * (done - started)),
        "children": [child.id for child in job.children] or None,
        "failure": {"error": job.failure.message, "code": job.failure.code}
        if jobs.status(job) == "failed" and job.failure
        else None,
    }
    one, two = job.gate_counts
    found: dict[str, Any] = {
        "id": job.id,
        "status": jobs.status(job),
        "target": job.target,
        "qubits": str(job.qubits),
        "shots": str(job.shots),
        "gate_counts": {"1q": one, "2q": two},
        "request": int(job.submitted),
        "results_url": f"/v0.3/jobs/{job.id}/results",
    }
    return found | {name: value for name, value in optional.items() if value is not None}


def _list(call: Call) -> dict[str, Any]:
    """A page of jobs; Cirq's client sends its limit in the body of a GET."""
    jobs, status = call.desk.jobs, call.query.get("status")
    if status is not None and status not in _STATES:
        raise RequestError(400, f"status: '{status:.20}' is not one of {', '.join(_STATES)}.")
    size = limit(call.query.get("limit", body_object(call).get("limit")))
    found, following = page(jobs.list(), lambda job: status in (None, jobs.status(job)), size, call.query.get("next"))
    # There is a "next" only if there is a next page.
    return {"jobs": [_job(jobs, job) for job in found]} | ({} if following is None else {"next": following})


def _backend(call: Call) -> dict[str, Any]:
    name = call.names["backend"]
    if name not in QUBITS:
        raise RequestError(404, f"There is no backend {name:.60}: there are {', '.join(QUBITS)}.")
    return call.desk.targets.backend(name)


def _calibrations(call: Call) -> dict[str, Any]:
    return {"calibrations": call.desk.targets.calibrations()}
