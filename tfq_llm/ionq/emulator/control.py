"""The server's own routes, /emulator/…: what tests ask it, and how they make it fail. They need no key."""

from __future__ import annotations

import asyncio
import json
from typing import Any

from aiohttp import web

from tfq_llm.errors import InputError
from tfq_llm.ionq.emulator.desk import Desk
from tfq_llm.ionq.emulator.jobs import Job, Jobs


def routes(desk: Desk) -> list[web.RouteDef]:
    async def ready(_: web.Request) -> web.Response:
        return web.json_response({"ready": True, "versions": ["v0.3", "v0.4"]})

    async def jobs(_: web.Request) -> web.Response:
        return web.json_response({"jobs": summaries(desk.jobs)})

    async def log(_: web.Request) -> web.Response:
        return web.json_response({"requests": await asyncio.to_thread(desk.trace.entries)})

    async def faults(_: web.Request) -> web.Response:
        return web.json_response({"faults": desk.faults.waiting()})

    async def add(request: web.Request) -> web.Response:
        try:
            given = json.loads(await request.read())
            added = [desk.faults.add(each) for each in (given if isinstance(given, list) else [given])]
        except (InputError, TypeError, ValueError) as error:
            return web.json_response({"statusCode": 400, "error": "Bad Request", "message": str(error)}, status=400)
        return web.json_response({"faults": [fault.model_dump() for fault in added]}, status=201)

    async def clear(_: web.Request) -> web.Response:
        desk.faults.clear()
        return web.json_response({"faults": []})

    return [
        web.get("/emulator/ready", ready),
        web.get("/emulator/jobs", jobs),
        web.get("/emulator/log", log),
        web.get("/emulator/faults", faults),
        web.post("/emulator/faults", add),
        web.delete("/emulator/faults", clear),
    ]


def summaries(jobs: Jobs) -> list[dict[str, Any]]:
    """All jobs that were ever made, the first first."""
    return [_summary(jobs, job) for job in reversed(jobs.list())]


def _summary(jobs: Jobs, job: Job) -> dict[str, Any]:
    return {
        "id": job.id,
        "name": job.name,
        "version": job.submission.version,
        "target": job.submission.target,
        "ran_on": job.target,
        "circuits": len(job.children) or 1,
        "shots": job.shots,
        "status": "deleted" if job.deleted else jobs.status(job),
        "dollars": round(job.dollars, 6),
        "submitted": round(job.submitted, 3),
    }
