"""HTTP connections whose requests begin in bounded time and space, and end when the caller hangs up; uvicorn sees to neither."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import Any

from starlette.types import ASGIApp, Message, Receive, Scope, Send
from uvicorn.protocols.http.httptools_impl import RequestResponseCycle

from tfq_llm.serving import reading


class BoundedConnection(reading.BoundedReading):
    """A connection on which what works for a request is cancelled when its caller hangs up.

    That is not seen of a caller that has sent its next request already: then nothing is read before the answer. A request is
    not over before its caller has read the answer, but for the last bytes of it, and is ended when that takes too long.

    Args:
        args, options: see `BoundedReading`.
    """

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._running: RequestResponseCycle | None = None
        self._task: asyncio.Task[None] | None = None
        self._is_lost = False

    def _give_up(self) -> None:
        """Cancels what works for a request, for nobody will get its answer."""
        self._is_lost = True
        if self._running is not None:
            self._running.disconnected = True  # uvicorn tells the request that came last, and this may be one before it
        self._cancel()
        # Before Python 3.12 asyncio.wait_for forgets it when its result came at the same moment.
        self.loop.call_soon(self._cancel)

    def _cancel(self) -> None:
        if self._task is not None:
            self._task.cancel()

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: Any) -> None:
        self._running = cycle
        super()._start_asgi_task(cycle, partial(self._until_lost, app, cycle))
        self.flow.resume_reading()

    async def _until_lost(self, app: ASGIApp, cycle: RequestResponseCycle, scope: Scope, receive: Receive, send: Send) -> None:
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
            if not self._is_lost:  # the server stops in the middle of an answer
                cycle.disconnected = True  # or uvicorn would miss the rest of it
                self.transport.abort()
        finally:
            if self._task is task:  # not yet that of the next request
                self._task = None

    async def _until_read(self) -> None:
        try:
            await asyncio.wait_for(self.flow.drain(), reading.MOST_SECONDS)
        except asyncio.TimeoutError:
            self.transport.abort()
