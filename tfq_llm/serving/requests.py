"""What is read of a request, and what is known of it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from typing import Any, TypeVar

import anyio
from fastapi import Request

from tfq_llm.serving import errors
from tfq_llm.serving.errors import RequestError, too_large
from tfq_llm.serving.gzipped import is_gzipped, unpacked
from tfq_llm.serving.service import Service

T = TypeVar("T")
_SMALL = 2**16
"""Bytes that are read at once; reading more would keep all others waiting. So few are never too many, for many callers that
announce large bodies and do not send them are not to keep out the others."""

NOTES = "tfq_llm"
"""Where in the scope of a request its notes are."""


@dataclass
class Notes:
    """What is known of a request in progress.

    Attributes:
        deadline: when the answer is too late, in the seconds of `time.monotonic`.
        held_bytes: that are counted for it.
        fields: for the log; never texts.
    """

    deadline: float
    held_bytes: int = 0
    fields: dict[str, Any] = field(default_factory=dict)


def service_of(request: Request) -> Service:
    """The service that a request came to."""
    service: Service = request.app.state.service
    return service


def notes(request: Request) -> dict[str, Any]:
    """Fields for the log; never texts."""
    return _notes(request).fields


def deadline_of(request: Request) -> float:
    """When the answer is too late, in the seconds of `time.monotonic`."""
    return _notes(request).deadline


def hold(request: Request, size: int) -> None:
    """Counts so many bytes for a request, instead of those before, until it ends.

    Raises:
        RequestError: together with those of all others these are more than may be in progress (503).
    """
    service, known = service_of(request), _notes(request)
    total = service.bytes_in_progress + size - known.held_bytes
    if size > max(_SMALL, known.held_bytes) and total > service.settings.limits.bytes_in_progress:
        raise RequestError(
            errors.UNAVAILABLE, "as many bytes of requests and answers as may be are in progress: try again later."
        )
    service.bytes_in_progress, known.held_bytes = total, size


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
    """The body, unpacked if it is gzipped.

    Raises:
        RequestError: it is longer than the limit, as it comes or unpacked (413), too much is in progress (503), it does not come
            (408), it is gzipped and damaged (400), or it is compressed in another way (415).
    """
    most = service_of(request).settings.limits.body_bytes
    body: AsyncIterator[bytes] = request.stream()
    if is_gzipped(request.headers.getlist("content-encoding")):
        body = unpacked(body, most)
    announced = request.headers.get("content-length", "")
    if announced.isdigit():
        if int(announced) > most:
            raise too_large(most)
        hold(request, int(announced))
    try:
        with anyio.fail_after(max(0.0, deadline_of(request) - time.monotonic())):
            return await _collect(request, body, most)
    except TimeoutError:
        raise RequestError(errors.TOO_SLOW, "the body of the request did not come in time.") from None


async def _collect(request: Request, body: AsyncIterator[bytes], most: int) -> bytes:
    parts, size = [], 0
    async for part in body:
        size += len(part)
        if size > most:
            raise too_large(most)
        if size > _notes(request).held_bytes:  # its length was not announced, or is that of what was gzipped
            hold(request, size)
        parts.append(part)
    return b"".join(parts)


def _notes(request: Request) -> Notes:
    found: Notes = request.scope[NOTES]
    return found
