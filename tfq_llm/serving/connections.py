"""HTTP connections whose requests begin in bounded time and space, and end when the caller hangs up; uvicorn sees to neither."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import Any

from starlette.types import ASGIApp, Message, Receive, Scope, Send
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

MOST_BYTES, MOST_SECONDS = 2**16, 30.0
"""Of what stands before a body, path and headers; as many bytes may all headers of a message have, with those behind its body.
As long may the rest of a refused body take, and a caller to read its answer."""


class BoundedConnection(HttpToolsProtocol):
    """A connection that is closed when the head of a request is too long or too slow.

    What works for a request is cancelled when its caller hangs up. That is not seen of a caller that has sent its next request
    already: then nothing is read before the answer.

    What comes of a body after the request was answered, for it was refused, is thrown away, so that the caller gets to read
    the answer; but not without end. A request is not over before its caller has read the answer, but for the last bytes of it,
    and is ended when that takes too long.

    Args:
        args, options: of uvicorn's.
        unread_bytes: that are thrown away of one body, at most.
    """

    def __init__(self, *args: Any, unread_bytes: int, **options: Any) -> None:
        super().__init__(*args, **options)
        self._head_bytes: int | None = 0  # None while a body comes
        self._begins = False
        self._header_bytes = 0
        self._unread_bytes, self._most_unread = 0, unread_bytes
        self._malformed: str | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._running: RequestResponseCycle | None = None
        self._task: asyncio.Task[None] | None = None
        self._is_lost = False

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._await_head()

    def data_received(self, data: bytes) -> None:
        if self._malformed is not None:
            return
        self._begins = False
        super().data_received(data)
        # Before the head there may be other requests in the same piece, which is of bounded size.
        if self._head_bytes is not None and not self._begins:
            self._head_bytes += len(data)
            if self._head_bytes > MOST_BYTES:
                self.send_400_response("The head of the request is too long.")

    def send_400_response(self, msg: str) -> None:
        """Refuses what came last, once the requests before it have their answers."""
        if self._malformed is None and self._is_answering and (self.pipeline or not self.cycle.more_body):
            self._malformed = msg
        else:
            super().send_400_response(msg)

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._head_bytes = self._header_bytes = self._unread_bytes = 0
        self._begins = True
        self._await_head()

    def on_header(self, name: bytes, value: bytes) -> None:
        # Headers may stand behind a chunked body, too, and are kept by uvicorn whatever was answered.
        self._header_bytes += len(name) + len(value)
        if self._header_bytes > MOST_BYTES:
            self.transport.abort()
            return
        super().on_header(name, value)

    def on_headers_complete(self) -> None:
        self._head_bytes = None
        self._stop_timer()
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        if self.cycle.response_complete:
            self._unread_bytes += len(body)
            if self._unread_bytes > self._most_unread:
                self.transport.close()
        super().on_body(body)

    def on_message_complete(self) -> None:
        super().on_message_complete()
        if not self.pipeline:
            self.flow.resume_reading()  # a large body had stopped it, and only who reads learns that the caller hangs up

    def on_response_complete(self) -> None:
        if self.cycle.response_complete:
            self.cycle.body = bytearray()  # of a request that was refused unread
            if self.cycle.more_body:
                self._await_head()
        is_next = not self.pipeline or self.pipeline[-1][0].more_body
        if self._malformed is not None and is_next and not self.transport.is_closing():
            super().send_400_response(self._malformed)
        else:
            super().on_response_complete()

    def connection_lost(self, exc: Exception | None) -> None:
        self._is_lost = True
        self._stop_timer()
        if self._running is not None:
            self._running.disconnected = True  # uvicorn tells the request that came last, and this may be one before it
        super().connection_lost(exc)
        self._cancel()
        self.loop.call_soon(
            self._cancel
        )  # before Python 3.12 asyncio.wait_for forgets it when its result came at the same moment

    def _cancel(self) -> None:
        if self._task is not None:
            self._task.cancel()

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: Any) -> None:
        self._running = cycle
        super()._start_asgi_task(cycle, partial(self._until_lost, app))

    async def _until_lost(self, app: ASGIApp, scope: Scope, receive: Receive, send: Send) -> None:
        if self._is_lost:
            return

        async def send_and_wait(message: Message) -> None:
            await send(message)
            if self.flow.write_paused:
                await self._until_read()

        task = self._task = asyncio.current_task()
        try:
            await app(scope, receive, send_and_wait)
        except asyncio.CancelledError:
            if not self._is_lost:
                raise
        finally:
            if self._task is task:  # not yet that of the next request
                self._task = None

    async def _until_read(self) -> None:
        try:
            await asyncio.wait_for(self.flow.drain(), MOST_SECONDS)
        except asyncio.TimeoutError:
            self.transport.abort()

    @property
    def _is_answering(self) -> bool:
        """Whether there is a request that has no answer yet."""
        return bool(self.pipeline) or (self.cycle is not None and not self.cycle.response_complete)

    def _await_head(self) -> None:
        self._stop_timer()
        self._timer = self.loop.call_later(MOST_SECONDS, self._head_is_late)

    def _head_is_late(self) -> None:
        if self._is_answering:
            self._await_head()  # it is not read before the answer
        else:
            self.transport.close()

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
