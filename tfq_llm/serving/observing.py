"""Around every request: an id, a deadline, headers that keep browsers safe, a line in the log, counts, no traceback outside."""

from __future__ import annotations

import asyncio
import time
import uuid

from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from tfq_llm.serving import errors
from tfq_llm.serving.log import failure
from tfq_llm.serving.recording import Ended
from tfq_llm.serving.replies import error_reply
from tfq_llm.serving.requests import NOTES, Notes
from tfq_llm.serving.service import Service

_HEADERS = {
    "content-security-policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; base-uri 'none'; "
        "form-action 'none'; frame-ancestors 'none'"
    ),
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "permissions-policy": "camera=(), geolocation=(), microphone=()",
    "cache-control": "no-store",
}
_HEADER_PAIRS = [(name.encode(), value.encode()) for name, value in _HEADERS.items()]


class Observing:
    """The outermost layer of the application.

    Args:
        app: what is within.
        service: counts and limits.
    """

    def __init__(self, app: ASGIApp, service: Service) -> None:
        self._app, self._service = app, service

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        began, identity, sent = time.monotonic(), uuid.uuid4().hex[:16], 0
        notes = scope[NOTES] = Notes(began + self._service.settings.limits.timeout)

        async def send_with_headers(message: Message) -> None:
            nonlocal sent
            if message["type"] == "http.response.start":
                sent = message["status"]
                message["headers"] = [*message["headers"], *_HEADER_PAIRS, (b"x-request-id", identity.encode())]
            await send(message)

        self._service.in_progress += 1
        try:
            await self._app(scope, receive, send_with_headers)
        except ClientDisconnect:
            pass  # nobody waits for the answer
        except asyncio.CancelledError:
            if sent or not self._service.is_stopping:
                raise
            # The server does not wait any longer; a caller who hung up in the meantime gets nothing.
            reply = error_reply(errors.UNAVAILABLE, "the server is stopping.")
            reply.headers["Connection"] = "close"
            await reply(scope, receive, send_with_headers)
        except Exception as error:
            failure("a request failed", error, id=identity)
            if not sent:
                reply = error_reply(errors.INTERNAL, f"the server made a mistake; its log says where, under {identity}.")
                await reply(scope, receive, send_with_headers)
        finally:
            self._service.in_progress -= 1
            self._service.bytes_in_progress -= notes.held_bytes
            self._service.records.add(_ended(scope, sent or errors.LEFT, time.monotonic() - began, identity))


def _ended(scope: Scope, status: int, seconds: float, identity: str) -> Ended:
    route = getattr(scope.get("route"), "path", "other")
    method = scope["method"] if scope["method"] in ("GET", "POST", "HEAD", "OPTIONS") else "other"
    return Ended(route, method, status, seconds, time.time(), {"id": identity, **scope[NOTES].fields})
