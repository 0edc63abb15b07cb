"""Transports that close so that the caller gets to read the last answer, and in bounded time."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable
from typing import Any


class ClosingTransport(asyncio.Transport):
    """A transport of a connection, closed in two steps while its caller still sends.

    The kernel answers what nobody reads with a reset, and that takes the answer away from a caller who is still sending. So the
    end of what is sent is told, and what comes is thrown away, until the caller ends, too; but not without end. Nor does an
    answer that is not read keep a connection.

    Args:
        transport: what sends and reads.
        loop: it runs in.
        is_sending: whether the caller has not sent all of what it began.
        unread_bytes: that are thrown away, at most.
        seconds: from the beginning of the end to its end, at most.

    Attributes:
        discarded_bytes: that were thrown away.
    """

    def __init__(
        self,
        transport: asyncio.Transport,
        loop: asyncio.AbstractEventLoop,
        is_sending: Callable[[], bool],
        unread_bytes: int,
        seconds: float,
    ) -> None:
        super().__init__()
        self._transport, self._loop, self._is_sending = transport, loop, is_sending
        self._most_unread, self._seconds = unread_bytes, seconds
        self._timer: asyncio.TimerHandle | None = None
        self._is_lost = False
        self.discarded_bytes = 0

    def close(self) -> None:
        """Closes, when the caller has sent all; at once, if it was called before."""
        if self.is_closing() or not self._is_sending():
            self.end()
        else:
            self._bound()
            self._transport.write_eof()
            self._transport.resume_reading()

    def end(self) -> None:
        """Closes, whatever the caller sends, as soon as it has read what is written."""
        if not self._is_lost:
            self._bound()
            self._transport.close()

    def discard(self, size: int) -> None:
        """Counts bytes that are thrown away, and ends the connection when there are too many."""
        self.discarded_bytes += size
        if self.discarded_bytes > self._most_unread:
            self.end()

    def hurry(self, seconds: float) -> None:
        """From now on ends a connection that is closing once its caller has read nothing for `seconds` of what is written."""
        unsent = self.get_write_buffer_size() if self.is_closing() else math.inf
        self._loop.call_later(seconds, self._end_or_hurry, seconds, unsent)

    def _end_or_hurry(self, seconds: float, unsent: float) -> None:
        if self._is_lost:
            return
        if self.is_closing() and self.get_write_buffer_size() >= unsent:
            self.abort()
        else:
            self.hurry(seconds)

    def lost(self) -> None:
        """Forgets a connection that is no more."""
        self._is_lost = True
        if self._timer is not None:
            self._timer.cancel()

    def is_closing(self) -> bool:
        return self._timer is not None or self._transport.is_closing()

    def abort(self) -> None:
        self._transport.abort()

    def write(self, data: bytes | bytearray | memoryview) -> None:
        if not self.is_closing():
            self._transport.write(data)

    def get_write_buffer_size(self) -> int:
        return self._transport.get_write_buffer_size()

    def pause_reading(self) -> None:
        self._transport.pause_reading()

    def resume_reading(self) -> None:
        self._transport.resume_reading()

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return self._transport.get_extra_info(name, default)

    def _bound(self) -> None:
        if self._timer is None:
            self._timer = self._loop.call_later(self._seconds, self._transport.abort)
