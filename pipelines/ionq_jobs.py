"""The jobs of a run at IonQ: how they are, their results, and calling them off."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime

from tfq_llm.errors import InputError, did_you_mean
from tfq_llm.ionq import states
from tfq_llm.ionq.jobs import Jobs
from tfq_llm.ionq.orders import Job
from tfq_llm.metrics import markdown_table


def status(jobs: Jobs, *, as_json: bool = False) -> str:
    """Asks for every job that is not finished; results of completed ones are fetched. Returns a table, or JSON.

    Raises:
        ServiceError: the service cannot be asked.
    """
    _look(jobs)
    found = [job for job in jobs.ledger.jobs() if job.host == jobs.host]
    if as_json:
        return json.dumps([_facts(job) for job in found], indent=2)
    if not found:
        return "Nothing was sent from this run directory: 'tfq-llm ionq submit' or 'tfq-llm ionq evaluate' do."
    header = ("job", "target", "shots", "circuits", "$", "state", "sent", "")
    table = markdown_table(header, [_row(job) for job in found])
    done = sum(job.circuits for job in found if job.state == states.DONE)
    dollars = sum(job.dollars for job in found if job.state in (states.DONE, states.SUBMITTED))
    others = len(jobs.ledger.jobs()) - len(found)
    elsewhere = f" Not shown: {others:,} jobs sent to other hosts." if others else ""
    return f"{table}\n\n{done:,} results are here; ${dollars:,.2f} by the table of prices.{elsewhere}"


def fetch(jobs: Jobs) -> str:
    """Fetches the results of completed jobs into the ledger, and says what there is."""
    before = {job.number for job in jobs.ledger.jobs(states.DONE)}
    _look(jobs)
    new = [job for job in jobs.ledger.jobs(states.DONE) if job.number not in before]
    waiting = jobs.at_service()
    lines = [f"{job.name}: {job.circuits:,} results from {job.reported_target}" + _not_counted(job) for job in new]
    lines.append(f"{sum(job.circuits for job in new):,} new results; jobs not finished: {len(waiting):,}.")
    if new:
        lines.append("'tfq-llm ionq evaluate', with what was submitted, scores them; nothing is sent again.")
    return "\n".join(lines)


def cancel(jobs: Jobs, names: Sequence[str], *, everything: bool) -> str:
    """Cancels jobs that are not finished, by name or all of them.

    Raises:
        InputError: a name is unknown, or none is given.
    """
    _look(jobs)
    waiting = {job.name: job for job in jobs.at_service()}
    if not names and not everything:
        raise InputError("give the names of the jobs to cancel ('tfq-llm ionq status' lists them), or --all.")
    known = {job.name: job for job in jobs.ledger.jobs() if job.host == jobs.host}
    for name in names:
        if name not in known:
            raise InputError(f"this run has no job '{name}'.{did_you_mean(name, known)}")
    chosen = [waiting[name] for name in (waiting if everything else names) if name in waiting]
    ended = jobs.cancel(chosen)
    finished = [f"{name}: is {known[name].state}" for name in names if name not in waiting]
    return "\n".join([f"{job.name}: {job.status}" for job in ended] + finished) or "No job is waiting or running."


def list_jobs(jobs: Jobs, limit: int, *, as_json: bool = False) -> str:
    """The last jobs at the service, of any program and machine; those of this run directory are marked."""
    found = jobs.transport.jobs(limit)
    ours = {job.job_id for job in jobs.ledger.jobs()}
    if as_json:
        return json.dumps([{key: each[key] for key in ("id", "name", "status", "target")} for each in found], indent=2)
    rows = [
        (each["id"], each["name"] or "", each["status"], each["target"], "of this run" if each["id"] in ours else "")
        for each in found
    ]
    return markdown_table(("id", "name", "status", "target", ""), rows) if rows else "The service has no jobs for this key."


def _look(jobs: Jobs) -> None:
    """What happened to jobs: only one process at a time may find out what became of requests without a reply."""
    with jobs.sending():
        jobs.settle()
        jobs.refresh()


def _facts(job: Job) -> dict[str, object]:
    return {key: value for key, value in asdict(job).items() if key not in ("number", "order")} | {"order": asdict(job.order)}


def _row(job: Job) -> tuple[str, ...]:
    sent = datetime.fromtimestamp(job.sent_at).strftime("%Y-%m-%d %H:%M") if job.sent_at else ""
    state = job.status or job.state if job.state == states.SUBMITTED else job.state
    note = _not_counted(job).strip(" ,") or job.message or ""
    return job.name, job.target, f"{job.shots:,}", f"{job.circuits:,}", f"{job.dollars:,.2f}", state, sent, note


def _not_counted(job: Job) -> str:
    return f", ran on {job.reported_target}: not counted" if job.matches is False else ""
