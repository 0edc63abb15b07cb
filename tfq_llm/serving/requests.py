"""What is read of a request."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Any, TypeVar

from fastapi import Request

from tfq_llm.serving import errors
from tfq_llm.serving.errors import RequestError
from tfq_llm.serving.service import Service

T = TypeVar("T")
_SMALL = 2**16
"""Bytes that are read at once; reading more would keep all others waiting."""

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


async def read(request: Request, reader: Callable[[bytes], T]) -> T:
    """What a reader makes of the body. Large ones are read one at a time, in a thread of their own.

    Raises:
        RequestError: as `read_body` and the reader do; or others took so long that the deadline has passed (504).
    """
    body = await read_body(request)
    if len(body) <= _SMALL:
        return reader(body)

    def in_time() -> T:
        if time.monotonic() > deadline_of(request):
            raise RequestError(errors.DEADLINE, "the deadline has passed before the body was read: try again later.")
        return reader(body)

    return await asyncio.get_running_loop().run_in_executor(service_of(request).reading, in_time)


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
