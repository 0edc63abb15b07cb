"""What is read of a connection: requests that begin in bounded time and space."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import httptools
from uvicorn.protocols.http.flow_control import FlowControl
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from tfq_llm.serving.closing import ClosingTransport

MOST_BYTES, MOST_SECONDS, MOST_WAITING = 2**16, 30.0, 16
"""Bytes of path and headers of a request, with those behind its body. Seconds for them to come, for the rest of a refused body,
and for a caller to read its answer. Requests of a connection that wait for the answer to one before them."""
STOP_SECONDS = 5.0
"""For a caller to read more of its answer while the server, which is stopping, waits for it."""

_TOO_LONG = "The head of the request is too long."
_AROUND_HEADER = len(b": \r\n")


class _RefusalError(Exception):
    """Ends the parsing; the caller gets the message."""


class _Flow(FlowControl):
    """Reads nothing while requests wait for the answer to one before them, so that they are few."""

    def __init__(self, transport: asyncio.Transport, is_waiting: Callable[[], bool]) -> None:
        super().__init__(transport)
        self._is_waiting = is_waiting

    def resume_reading(self) -> None:
        if not self._is_waiting():
            super().resume_reading()


class BoundedReading(HttpToolsProtocol):
    """A connection that is closed when the head of a request is too long or too slow, or too many requests come at once.

    What comes of a body after the request was answered, for it was refused, is thrown away, so that the caller gets to read
    the answer; but not without end.

    Args:
        args, options: of uvicorn's.
        unread_bytes: that are thrown away of one body, at most.
    """

    def __init__(self, *args: Any, unread_bytes: int, **options: Any) -> None:
        super().__init__(*args, **options)
        self._head_bytes: int | None = 0  # None while a body comes
        self._begins = False
        self._header_bytes = 0
        self._most_unread = unread_bytes
        self._malformed: str | None = None
        self._timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        self.transport: ClosingTransport = ClosingTransport(
            transport, self.loop, lambda: self._is_sending, self._most_unread, MOST_SECONDS
        )
        super().connection_made(self.transport)
        self.flow = _Flow(self.transport, lambda: bool(self.pipeline))
        self._await_head()

    def data_received(self, data: bytes) -> None:
        if self.transport.is_closing():
            self.transport.discard(len(data))
            return
        if self._malformed is not None:
            return
        self._begins = False
        self._unset_keepalive_if_required()
        try:
            self._parse(data)
        except httptools.HttpParserError as error:
            reason = error.__context__
            self.send_400_response(str(reason) if isinstance(reason, _RefusalError) else "Invalid HTTP request received.")
            return
        # Before the head there may be other requests in the same piece, which is of bounded size.
        if self._head_bytes is not None and not self._begins:
            self._head_bytes += len(data)
            if self._head_bytes > MOST_BYTES:
                self.send_400_response(_TOO_LONG)
        if self._timer is None and not self._is_answering:
            self._await_head()  # empty lines between requests are no request, and have ended uvicorn's timer

    def _parse(self, data: bytes) -> None:
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade as upgrade:
            # Such as to HTTP/2, which a server need not do; but the parser would take the body for the other protocol's.
            lines = [b"%s %s HTTP/1.1" % (self.parser.get_method(), self.url)]
            lines += [name + b": " + value for name, value in self.headers if name != b"upgrade"]
            self.parser = httptools.HttpRequestParser(self)
            self.parser.set_dangerous_leniencies(lenient_data_after_close=True)  # as uvicorn
            self._parse(b"\r\n".join([*lines, b"", b""]) + data[upgrade.args[0] :])

    def send_400_response(self, msg: str) -> None:
        """Refuses what came last, once the requests before it have their answers."""
        if self.transport.is_closing():
            return
        is_refused = not self._is_answering or (not self.pipeline and self.cycle.more_body)
        self._malformed = msg
        if is_refused:
            super().send_400_response(msg)
            self._give_up()

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._head_bytes = self._header_bytes = self.transport.discarded_bytes = 0
        self._begins = True
        self._await_head()

    def on_url(self, url: bytes) -> None:
        self._count(len(url))
        super().on_url(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        # Headers may stand behind a chunked body, too, and are kept by uvicorn whatever was answered.
        self._count(len(name) + len(value) + _AROUND_HEADER)
        super().on_header(name, value)

    def _count(self, size: int) -> None:
        self._header_bytes += size
        if self._header_bytes > MOST_BYTES:
            raise _RefusalError(_TOO_LONG)

    def on_headers_complete(self) -> None:
        if self.parser.should_upgrade():
            if self.parser.get_method() == b"CONNECT":
                raise _RefusalError("This server is no proxy.")
            return
        if len(self.pipeline) == MOST_WAITING:
            raise _RefusalError(f"More than {MOST_WAITING} requests at once on a connection: wait for the answers.")
        self._head_bytes = None
        self._stop_timer()
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        if self.cycle.response_complete:
            self.transport.discard(len(body))
            if self.transport.is_closing():
                raise _RefusalError("The rest of a refused body is too long.")
        super().on_body(body)

    def on_message_complete(self) -> None:
        if self.parser.should_upgrade():
            return
        super().on_message_complete()
        self.cycle.more_body = False  # uvicorn forgets it of a request that has its answer
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

    def shutdown(self) -> None:
        super().shutdown()
        self.transport.hurry(STOP_SECONDS)

    def connection_lost(self, exc: Exception | None) -> None:
        self.transport.lost()
        self._stop_timer()
        super().connection_lost(exc)
        self._give_up()

    def _give_up(self) -> None:
        """Called when nobody will get the answer to what is in progress."""
        raise NotImplementedError

    @property
    def _is_answering(self) -> bool:
        """Whether there is a request that has no answer yet."""
        return bool(self.pipeline) or (self.cycle is not None and not self.cycle.response_complete)

    @property
    def _is_sending(self) -> bool:
        """Whether the caller may not have sent all of what it began."""
        return self._malformed is not None or (self.cycle is not None and self.cycle.more_body)

    def _await_head(self) -> None:
        self._stop_timer()
        self._timer = self.loop.call_later(MOST_SECONDS, self._head_is_late)

    def _head_is_late(self) -> None:
        if self._is_answering:
            self._await_head()  # it is not read before the answer
        else:
            self.transport.end()

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
