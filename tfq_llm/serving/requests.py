"""What is read of a request."""

from __future__ import annotations

import asyncio
import time
from typing import Any

from fastapi import Request

from tfq_llm.serving import errors
from tfq_llm.serving.errors import RequestError
from tfq_llm.serving.service import Service

NOTES = "tfq_llm"
"""Where in the scope of a request its deadline is, and what the log is to say of it."""


def service_of(request: Request) -> Service:
    """The service that a request came to."""
    service: Service = request.app.state.service
    return service


def notes(request: Request) -> dict[str, Any]:
    """Fields for the log; never texts."""
    fields: dict[str, Any] = request.scope[NOTES]["fields"]
    return fields


def deadline_of(request: Request) -> float:
    """When the answer is too late, in the seconds of `time.monotonic`."""
    deadline: float = request.scope[NOTES]["deadline"]
    return deadline


async def read_body(request: Request) -> bytes:
    """The body.

    Raises:
        RequestError: it is longer than the limit (413), or does not come (408).
    """
    most = service_of(request).settings.limits.body_bytes
    announced = request.headers.get("content-length", "")
    if announced.isdigit() and int(announced) > most:
        raise _too_large(most)
    try:
        return await asyncio.wait_for(_collect(request, most), max(0.0, deadline_of(request) - time.monotonic()))
    except asyncio.TimeoutError:
        raise RequestError(errors.TOO_SLOW, "the body of the request did not come in time.") from None


async def _collect(request: Request, most: int) -> bytes:
    parts, size = [], 0
    async for part in request.stream():
        size += len(part)
        if size > most:
            raise _too_large(most)
        parts.append(part)
    return b"".join(parts)


def _too_large(most: int) -> RequestError:
    return RequestError(errors.TOO_LARGE, f"the body of a request may have {most:,} bytes: send fewer or shorter texts at once.")
