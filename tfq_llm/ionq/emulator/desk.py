"""What a request meets on its way: the rate limit, the key, the faults, the work itself, and again the faults."""

from __future__ import annotations

import asyncio
import hmac
import json
import math
import random
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any, TypeAlias

from aiohttp import web

from tfq_llm.ionq.emulator.faults import CONTENT, TRANSPORT, Fault, Faults
from tfq_llm.ionq.emulator.jobs import Job, Jobs
from tfq_llm.ionq.emulator.spoiling import spoiled
from tfq_llm.ionq.emulator.submissions import MAX_BYTES, RequestError
from tfq_llm.ionq.emulator.targets import Targets
from tfq_llm.ionq.emulator.trace import Trace


@dataclass
class Desk:
    """What all requests share.

    Attributes:
        key: what callers authenticate with.
        rate_limit: requests a second; None for no limit.
        closing: set when the server stops, so that nobody waits any longer.
        shuffler: for the fault "shuffled".
    """

    jobs: Jobs
    targets: Targets
    faults: Faults
    trace: Trace
    key: str
    rate_limit: float | None = None
    closing: asyncio.Event = field(default_factory=asyncio.Event)
    shuffler: random.Random = field(default_factory=random.Random)
    # Requests that may come at once, and when that was counted.
    _credit: float = 1.0
    _counted: float = 0.0

    def seconds_over_limit(self) -> float:
        """How long a caller has to wait; 0 if the request is within the limit."""
        if self.rate_limit is None:
            return 0.0
        now, most = time.monotonic(), max(1.0, self.rate_limit)
        self._credit = min(most, self._credit + (now - self._counted) * self.rate_limit) if self._counted else most
        self._counted = now
        if self._credit < 1:
            return (1 - self._credit) / self.rate_limit
        self._credit -= 1
        return 0.0


@dataclass(frozen=True)
class Call:
    """A request as its handler sees it.

    Attributes:
        names: the parts of the path that vary.
        query: its first value by name.
        queries: all values by name.
        faults: the ones that shape the work, and what is answered.
    """

    desk: Desk
    names: Mapping[str, str]
    query: Mapping[str, str]
    queries: Mapping[str, list[str]]
    body: bytes
    faults: list[Fault]

    def job(self) -> Job:
        """The job that the path names.

        Raises:
            RequestError: there is none.
        """
        found = self.desk.jobs.get(self.names["job"])
        if found is None:
            raise RequestError(404, f"There is no job {self.names['job']:.60}.")
        return found

    def fault(self, name: str) -> Fault | None:
        return next((fault for fault in self.faults if fault.fault == name), None)


Handler: TypeAlias = Callable[[Call], Any]
"""Returns JSON values, or raises RequestError; runs in a thread of its own."""


@dataclass(frozen=True)
class Answer:
    """What is replied."""

    status: int
    value: Any
    headers: Mapping[str, str] = field(default_factory=dict)

    def text(self) -> bytes:
        return json.dumps(self.value).encode()


def route(
    desk: Desk, method: str, path: str, kind: str, handler: Handler, *, status: int = 200, open_to_all: bool = False
) -> web.RouteDef:
    """A route of the service.

    Args:
        desk: what requests share.
        method: of HTTP.
        path: begins with the version.
        kind: of request, see `faults.Kind`.
        handler: does the work.
        status: of a reply that is no error.
        open_to_all: whether it needs no key.
    """
    version = path.split("/")[1]

    async def handle(request: web.Request) -> web.StreamResponse:
        return await _Exchange(desk, request, kind, version).run(handler, status, open_to_all)

    return web.route(method, path, handle)


class _Exchange:
    """One request and its reply."""

    def __init__(self, desk: Desk, request: web.Request, kind: str, version: str) -> None:
        self._desk, self._request, self._kind, self._version = desk, request, kind, version
        self._began, self._body, self._faults = time.time(), b"", list[Fault]()
        self._recorded = False

    async def run(self, handler: Handler, status: int, open_to_all: bool) -> web.StreamResponse:
        try:
            self._body = await _read(self._request)
            self._check(open_to_all)
        except RequestError as error:
            return self._reply(_refusal(error))
        self._faults = self._desk.faults.take(self._kind, self._version)
        broken = next((fault for fault in self._faults if fault.fault in TRANSPORT), None)
        if broken and broken.when == "before" and broken.fault not in ("cut", "malformed"):
            refused = await self._broken(broken, None)
            if refused is not None:
                return refused
            broken = None
        answer = await asyncio.to_thread(self._work, handler, status)
        response = await self._broken(broken, answer) if broken else None
        return response or self._reply(answer)

    def _check(self, open_to_all: bool) -> None:
        wait = self._desk.seconds_over_limit()
        if wait:
            raise RequestError(429, "Too many requests.", retry_after=wait)
        given = self._request.headers.get("Authorization", "")
        if not open_to_all and not hmac.compare_digest(given.encode(), f"apiKey {self._desk.key}".encode()):
            raise RequestError(401, "Invalid key provided: send the header 'Authorization: apiKey ' and the emulator's key.")

    def _work(self, handler: Handler, status: int) -> Answer:
        query = self._request.query
        queries = {name: query.getall(name) for name in query}
        call = Call(self._desk, self._request.match_info, query, queries, self._body, self._faults)
        try:
            answer = Answer(status, handler(call))
        except RequestError as error:
            answer = _refusal(error)
        for fault in self._faults:
            if fault.fault in CONTENT and answer.status < 400:
                answer = Answer(answer.status, spoiled(answer.value, fault, self._desk.shuffler))
        return answer

    async def _broken(self, fault: Fault, answer: Answer | None) -> web.StreamResponse | None:
        """The reply that a fault makes; None if it has only taken time. `answer` is None before the work."""
        if fault.fault in ("status", "rate-limited"):
            return self._reply(_refusal(RequestError(fault.status, f"The fault '{fault.fault}'.", retry_after=fault.retry_after)))
        if fault.fault == "slow":
            await self._wait(fault.seconds)
            return None
        if fault.fault == "malformed":
            text = b'{"id": ' if answer is None else answer.text()[:-1]
            return self._reply(answer or Answer(200, None), text)
        self._record(None)
        if fault.fault == "stalled":
            await self._wait(None)
        if fault.fault == "cut" and answer is not None:
            return await self._cut(answer)
        self._hang_up()
        return web.Response()

    async def _wait(self, seconds: float | None) -> None:
        try:
            await asyncio.wait_for(self._desk.closing.wait(), seconds)
        except asyncio.TimeoutError:  # in Python 3.10 not the builtin
            return

    async def _cut(self, answer: Answer) -> web.StreamResponse:
        """Half of the body, under a header that promises all of it."""
        text = answer.text()
        response = web.StreamResponse(status=answer.status)
        response.content_type, response.content_length = "application/json", len(text)
        await response.prepare(self._request)
        await response.write(text[: len(text) // 2])
        self._hang_up()
        return response

    def _hang_up(self) -> None:
        if self._request.transport is not None:
            self._request.transport.close()

    def _reply(self, answer: Answer, text: bytes | None = None) -> web.Response:
        self._record(answer.status)
        body = answer.text() if text is None else text
        return web.Response(status=answer.status, body=body, content_type="application/json", headers=answer.headers)

    def _record(self, status: int | None) -> None:
        if self._recorded:
            return
        self._recorded = True
        self._desk.trace.add(
            time=self._began,
            method=self._request.method,
            path=self._request.path_qs,
            kind=self._kind,
            status=status,
            seconds=time.time() - self._began,
            body=self._body,
            faults=[fault.fault for fault in self._faults],
        )


async def _read(request: web.Request) -> bytes:
    try:
        return await request.read()
    except web.HTTPRequestEntityTooLarge:
        raise RequestError(413, f"The request body may not exceed 10MB, {MAX_BYTES:,} bytes.") from None


def _refusal(error: RequestError) -> Answer:
    headers = {} if error.retry_after is None else {"Retry-After": str(math.ceil(error.retry_after))}
    try:
        phrase = HTTPStatus(error.status).phrase
    except ValueError:  # such as 520
        phrase = "Error"
    return Answer(error.status, {"statusCode": error.status, "error": phrase, "message": error.message}, headers)
