"""API v0.4: its routes and what they reply, as IonQ's published document describes them."""

from __future__ import annotations

import time
from typing import Any

from aiohttp import web

from tfq_llm.ionq.emulator import artifacts
from tfq_llm.ionq.emulator.desk import Call, Desk, route
from tfq_llm.ionq.emulator.handling import body_object, cancel, delete, finished, limit, page, probabilities, submit
from tfq_llm.ionq.emulator.jobs import Job, Jobs
from tfq_llm.ionq.emulator.submissions import RequestError, read_v04
from tfq_llm.ionq.emulator.targets import QUBITS, is_calibrated, iso, price
from tfq_llm.ionq.prices import MAX_SHOTS

_STATES = ("submitted", "ready", "started", "canceled", "failed", "completed")
_USER, _PROJECT, _KEY = "64b000000000000000000001", "0f6a4c1e-0000-4000-8000-000000000001", "0f6a4c1e-0000-4000-8000-000000000002"


def routes(desk: Desk) -> list[web.RouteDef]:
    """The fixed paths come before those with a job's id in their place."""
    return [
        route(desk, "GET", "/v0.4/whoami", "whoami", lambda call: _whoami()),
        route(desk, "POST", "/v0.4/jobs", "submit", _submit, status=201),
        route(desk, "GET", "/v0.4/jobs", "list", _list),
        route(desk, "DELETE", "/v0.4/jobs", "delete", _delete_several),
        route(desk, "GET", "/v0.4/jobs/estimate", "estimate", _estimate),
        route(desk, "PUT", "/v0.4/jobs/status/cancel", "cancel", _cancel_several),
        route(desk, "GET", "/v0.4/jobs/{job}", "job", lambda call: _whole_job(call.desk.jobs, call.job())),
        route(desk, "DELETE", "/v0.4/jobs/{job}", "delete", delete),
        route(desk, "PUT", "/v0.4/jobs/{job}/status/cancel", "cancel", cancel),
        route(desk, "GET", "/v0.4/jobs/{job}/cost", "cost", _cost),
        route(desk, "GET", "/v0.4/jobs/{job}/results/probabilities", "results", _probabilities),
        route(desk, "GET", "/v0.4/jobs/{job}/results/probabilities/aggregated", "results", _aggregated),
        route(desk, "GET", "/v0.4/jobs/{job}/artifacts/{artifact}", "results", _artifact),
        route(desk, "GET", "/v0.4/backends", "backends", lambda call: call.desk.targets.backends(), open_to_all=True),
        route(desk, "GET", "/v0.4/backends/{backend}", "backends", _backend, open_to_all=True),
        route(desk, "GET", "/v0.4/backends/{backend}/characterizations", "calibrations", _characterizations, open_to_all=True),
        route(desk, "GET", "/v0.4/backends/{backend}/characterizations/{id}", "calibrations", _characterization),
    ]


def _whoami() -> dict[str, Any]:
    return {"key_id": _KEY, "key_name": "emulator", "project_id": _PROJECT}


def _submit(call: Call) -> dict[str, Any]:
    job = submit(call, read_v04(call.body))
    return {"id": job.id, "status": "submitted", "session_id": job.submission.session}


def _status(jobs: Jobs, job: Job) -> str:
    """The state as v0.4 calls it."""
    status = jobs.status(job)
    return "started" if status == "running" else status


def _job(jobs: Jobs, job: Job) -> dict[str, Any]:
    """A job as lists have it: all fields are there, null if they have no value."""
    status, (started, done), submission = _status(jobs, job), jobs.times(job), job.submission
    one, two = job.gate_counts
    failure = job.failure if job.parent is None else job.parent.failure
    found: dict[str, Any] = {
        "id": job.id,
        "status": status,
        "type": "ionq.multi-circuit.v1" if job.children else "ionq.circuit.v1",
        "backend": job.target,
        "dry_run": submission.dry_run,
        "submitter_id": _USER,
        "project_id": _PROJECT,
        "parent_job_id": job.parent.id if job.parent else None,
        "session_id": submission.session,
        "metadata": submission.metadata,
        "name": job.name,
        "submitted_at": iso(job.submitted),
        "started_at": None if started is None else iso(started),
        "completed_at": None if done is None else iso(done),
        "predicted_wait_time_ms": round(1000 * jobs.pace.queue),
        "predicted_execution_duration_ms": round(1000 * jobs.pace.run),
        "execution_duration_ms": None if started is None or done is None else round(1000 * (done - started)),
        "failure": {"code": failure.code, "message": failure.message} if status == "failed" and failure else None,
        "cost_model": "2QGE_operations",
        "output": {},
        "settings": submission.settings,
        "stats": {"qubits": job.qubits, "circuits": len(job.children) or 1, "gate_counts": {"1q": one, "2q": two}},
        "results": artifacts.described(job) if status == "completed" and not submission.dry_run else None,
    }
    if job.is_sampled:
        found["shots"] = job.shots
    if job.target == "simulator":
        found["noise"] = submission.noise or {"model": "ideal"}
    return found


def _whole_job(jobs: Jobs, job: Job) -> dict[str, Any]:
    return _job(jobs, job) | {"child_job_ids": [child.id for child in job.children] or None}


def _list(call: Call) -> dict[str, Any]:
    """A page of jobs. Children are listed only for their parent, or by their ids."""
    jobs, status = call.desk.jobs, call.query.get("status")
    if status is not None and status not in _STATES:
        raise RequestError(400, f"status: '{status:.20}' is not one of {', '.join(_STATES)}.")
    ids, targets = _several(call, "ids"), _several(call, "target")
    parent, session = call.query.get("parent_job_id"), call.query.get("session_id")

    def wanted(job: Job) -> bool:
        return (
            status in (None, _status(jobs, job))
            and (not targets or job.target in targets)
            and session in (None, job.submission.session)
        )

    among = [job for job in map(jobs.get, ids) if job is not None] if ids else jobs.list(parent)
    found, following = page(among, wanted, limit(call.query.get("limit")), call.query.get("next"))
    return {"jobs": [_job(jobs, job) for job in found], "next": following}


def _several(call: Call, name: str) -> list[str]:
    """A query's list, as repeated values or divided by commas."""
    given = [*call.queries.get(name, []), *call.queries.get(f"{name}[]", [])]
    return [each for text in given for each in text.split(",") if each]


def _bulk(call: Call) -> list[Job]:
    given = body_object(call)
    ids = given.get("ids")
    if set(given) != {"ids"} or not isinstance(ids, list) or not all(isinstance(each, str) for each in ids):
        raise RequestError(400, "ids: the body is an object with a list of ids, and nothing else.")
    found = [call.desk.jobs.get(each) for each in ids]
    missing = [name for name, job in zip(ids, found, strict=True) if job is None]
    if missing:
        raise RequestError(404, f"There is no job {missing[0]:.60}; nothing was done.")
    return [job for job in found if job is not None]


def _cancel_several(call: Call) -> dict[str, Any]:
    jobs = _bulk(call)
    for job in jobs:
        call.desk.jobs.cancel(job)
    return {"ids": [job.id for job in jobs], "status": "canceled"}


def _delete_several(call: Call) -> dict[str, Any]:
    jobs = _bulk(call)
    for job in jobs:
        call.desk.jobs.delete(job)
    return {"ids": [job.id for job in jobs], "status": "deleted"}


def _probabilities(call: Call) -> dict[str, Any]:
    job = finished(call)
    if job.children:
        raise RequestError(404, f"Job {job.id} has many circuits: their results are at results/probabilities/aggregated.")
    return probabilities(job)


def _aggregated(call: Call) -> dict[str, Any]:
    job = finished(call)
    if not job.children:
        raise RequestError(404, f"Job {job.id} has one circuit: its results are at results/probabilities.")
    return probabilities(job)


def _artifact(call: Call) -> Any:
    job = finished(call)
    found = artifacts.contents(job, call.names["artifact"])
    if found is None:
        raise RequestError(404, f"Job {job.id} has no artifact {call.names['artifact']:.60}.")
    return found


def _cost(call: Call) -> dict[str, Any]:
    """Estimated, and charged once the job has run."""
    job = call.job()
    dollars = {"value": round(job.dollars, 6), "unit": "usd"}
    charged = call.desk.jobs.status(job) == "completed" and not job.submission.dry_run
    return {"dry_run": job.submission.dry_run, "estimated_cost": dollars} | ({"cost": dollars} if charged else {})


def _estimate(call: Call) -> dict[str, Any]:
    name = call.query.get("backend", "")
    if name not in QUBITS:
        raise RequestError(400, f"backend: '{name:.60}' is not one of {', '.join(QUBITS)}.")
    shots, qubits = _number(call, "shots", 1000, 1, MAX_SHOTS), _number(call, "qubits", 25, 1)
    one, two = _number(call, "1q_gates", 0, 0), _number(call, "2q_gates", 0, 0)
    mitigated = call.query.get("error_mitigation", "false").lower() == "true"
    costs = price(name)
    minimum = costs.minimum_mitigated if mitigated else costs.minimum
    rate = {"sku": name, "unit": "gates", "cost_1q_gate": costs.one_qubit_gate, "cost_2q_gate": costs.two_qubit_gate}
    return {
        "estimate_context": {
            "backend": name,
            "type": call.query.get("type", "ionq.circuit.v1"),
            "qubits": qubits,
            "shots": shots,
            "1q_gates": one,
            "2q_gates": two,
            "error_mitigation": mitigated,
            "organization": None,
            "project": None,
        },
        "estimated_at": iso(time.time()),
        "estimated_unit": "usd",
        "rate_card": {"rates": [rate | {"job_cost_minimum": minimum}], "id": f"emulator-{costs.as_of}"},
        "estimated_total_cost": costs.of(one, two, shots, mitigated=mitigated),
        "estimated_execution_time": round(1000 * call.desk.jobs.pace.run),
        "current_predicted_queue_time": round(1000 * call.desk.jobs.pace.queue),
    }


def _number(call: Call, name: str, default: int, least: int, most: int = 2**31 - 1) -> int:
    try:
        found = int(call.query.get(name, default))
    except ValueError:
        found = least - 1
    if not least <= found <= most:
        raise RequestError(400, f"{name}: is a whole number from {least} to {most}, not '{call.query[name]:.20}'.")
    return found


def _known(call: Call) -> str:
    name = call.names["backend"]
    if name not in QUBITS:
        raise RequestError(404, f"There is no backend {name:.60}: there are {', '.join(QUBITS)}.")
    return name


def _backend(call: Call) -> dict[str, Any]:
    return call.desk.targets.backend(_known(call))


def _characterizations(call: Call) -> dict[str, Any]:
    """One, from when the server started."""
    name = _known(call)
    size, number = _number(call, "limit", 10, 1, 10), _number(call, "page", 1, 1)
    found = [call.desk.targets.characterization(name)] if is_calibrated(name) else []
    return {"characterizations": found[(number - 1) * size : number * size], "pages": 0}


def _characterization(call: Call) -> dict[str, Any]:
    name = _known(call)
    found = call.desk.targets.characterization(name) if is_calibrated(name) else None
    if found is None or call.names["id"] not in (found["id"], "current"):
        raise RequestError(404, f"{name} has no characterization {call.names['id']:.60}.")
    return found
