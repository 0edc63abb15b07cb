"""The server: put together, run in a thread of its own or until it is stopped."""

from __future__ import annotations

import asyncio
import math
import random
import signal
import socket
import threading
import time
from collections.abc import Iterable
from pathlib import Path
from types import TracebackType
from typing import Any

from aiohttp import web

from tfq_llm.checks import one_of, real_number, whole_number
from tfq_llm.circuits.noise import IONQ_ERROR_RATES, check_readout
from tfq_llm.errors import InputError
from tfq_llm.ionq.emulator import control, machine, v03, v04
from tfq_llm.ionq.emulator.desk import Desk, route
from tfq_llm.ionq.emulator.faults import Fault, Faults
from tfq_llm.ionq.emulator.jobs import Jobs, Pace
from tfq_llm.ionq.emulator.submissions import MAX_BYTES, RequestError
from tfq_llm.ionq.emulator.targets import Targets
from tfq_llm.ionq.emulator.trace import Trace
from tfq_llm.listening import listen

HOST = "127.0.0.1"
DEFAULT_KEY = "emulator"
NOISES = ("none", *IONQ_ERROR_RATES)


class Emulator:
    """A local stand-in for IonQ's service: APIs v0.3 and v0.4 on the loopback, with no account, no cost and faults on request.

        with Emulator(noise="forte-1") as emulator:
            service = cirq_ionq.Service(remote_host=emulator.url, api_key=emulator.key)

    Args:
        port: where to listen; 0 for any that is free.
        noise: of the quantum computers' gates: "none", "aria-1" or "forte-1". The simulator's comes with the job.
        readout: probability with which a quantum computer reads a qubit wrongly, or two: 0 read as 1, 1 read as 0.
        queue_seconds: how long a job waits, at least, before it runs.
        run_seconds: how long it runs, at least.
        rate_limit: requests a second, beyond which the reply is 429; None for no limit.
        seed: of all draws and ids.
        key: what callers have to authenticate with.
        faults: what it does wrong from the beginning, see `Fault`.
        trace: a file to which requests are appended as JSON lines.

    Attributes:
        url: "http://127.0.0.1:PORT", once it runs.
        faults: to add more.

    Raises:
        InputError: a value is out of its range, or, on entering, the port is taken.
    """

    def __init__(
        self,
        port: int = 0,
        noise: str = "none",
        readout: float | tuple[float, float] = (0.0, 0.0),
        queue_seconds: float = 0.0,
        run_seconds: float = 0.0,
        rate_limit: float | None = None,
        seed: int = 0,
        key: str = DEFAULT_KEY,
        faults: Iterable[dict[str, Any] | str | Fault] = (),
        trace: str | Path | None = None,
    ) -> None:
        self._port, self.key, self._seed = _port(port), _key(key), whole_number("seed", seed, 0)
        errors = check_readout(readout)
        self._readout = errors if isinstance(errors, tuple) else (errors, errors)
        self._noise = one_of("the emulator's noise", noise, NOISES)
        self._pace = Pace(_seconds("queue_seconds", queue_seconds), _seconds("run_seconds", run_seconds))
        self._rate_limit = None if rate_limit is None else _positive("rate_limit", rate_limit)
        self.faults, self.url = Faults(), ""
        for fault in faults:
            self.faults.add(fault)
        self._trace_file = trace
        self._thread: threading.Thread | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._desk: Desk | None = None

    def __enter__(self) -> Emulator:
        return self.start()

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None) -> None:
        self.stop()

    def start(self) -> Emulator:
        """Listens, and serves in a thread of its own; kernels that it needs are compiled before, if they never were."""
        if self._thread is not None:
            raise InputError("the emulator runs already.")
        machine.prepare()
        listening = listen(HOST, self._port)
        self.url = f"http://{HOST}:{listening.getsockname()[1]}"
        try:
            trace = Trace(self.key if self.key != DEFAULT_KEY else None, self._trace_file)
        except InputError:
            listening.close()
            raise
        jobs = Jobs(self._noise, self._readout, self._pace, self._seed)
        targets = Targets(self._noise, self._readout, time.time(), self._pace.queue)
        self._desk = Desk(jobs, targets, self.faults, trace, self.key, self._rate_limit, shuffler=random.Random(self._seed))
        started = threading.Event()
        self._thread = threading.Thread(target=self._serve, args=(listening, started), name="ionq-emulator", daemon=True)
        self._thread.start()
        started.wait()
        return self

    def stop(self) -> None:
        """Stops serving: open connections are closed, and a job that runs is given up."""
        if self._thread is None or self._loop is None or self._desk is None:
            return
        self._desk.jobs.close()
        self._loop.call_soon_threadsafe(self._desk.closing.set)
        self._thread.join()
        self._thread = None

    def jobs(self) -> list[dict[str, Any]]:
        """All jobs that were ever made, the first first; as GET /emulator/jobs."""
        return control.summaries(self._running.jobs)

    def log(self) -> list[dict[str, Any]]:
        """The latest requests, the first first; as GET /emulator/log."""
        return self._running.trace.entries()

    @property
    def _running(self) -> Desk:
        if self._desk is None:
            raise InputError("the emulator has not been started: use it in a with statement.")
        return self._desk

    def _serve(self, listening: socket.socket, started: threading.Event) -> None:
        asyncio.run(self._serve_until_closed(listening, started))

    async def _serve_until_closed(self, listening: socket.socket, started: threading.Event) -> None:
        desk = self._running
        self._loop = asyncio.get_running_loop()
        app = web.Application(client_max_size=MAX_BYTES)
        app.add_routes([*v03.routes(desk), *v04.routes(desk), *control.routes(desk), *_elsewhere(desk)])
        # Whoever waits is woken by `closing`; nobody else needs long.
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=1.0)
        await runner.setup()
        try:
            await web.SockSite(runner, listening).start()
            started.set()
            await desk.closing.wait()
        finally:
            started.set()
            await runner.cleanup()
            desk.trace.close()


def serve(port: int = 8765, stop: threading.Event | None = None, **options: Any) -> None:
    """Serves until Ctrl-C or SIGTERM.

    Args:
        port: where to listen.
        stop: stops it, too, when it is set.
        options: as for `Emulator`.

    Raises:
        InputError: as `Emulator` does.
    """
    stopped = stop or threading.Event()
    previous = {}
    if threading.current_thread() is threading.main_thread():
        for number in (signal.SIGINT, signal.SIGTERM):
            previous[number] = signal.signal(number, lambda *_: stopped.set())
    try:
        with Emulator(port, **options) as emulator:
            key = DEFAULT_KEY if emulator.key == DEFAULT_KEY else "(the key that it was given)"
            print(
                f"Listening on {emulator.url}, with API v0.3 and v0.4: export IONQ_API_KEY={key}, and name the host, as in "
                f"'tfq-llm ionq … --host {emulator.url}'. Ctrl-C stops it.",
                flush=True,
            )
            while not stopped.wait(3600):
                pass
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)


def _elsewhere(desk: Desk) -> list[web.RouteDef]:
    """Whatever is at no other route."""

    def unknown(_: Any) -> Any:
        raise RequestError(404, "The emulator has nothing at this path.")

    return [route(desk, "*", "/{path:.*}", "other", unknown)]


def _port(given: Any) -> int:
    port = whole_number("port", given, 0)
    if port > 65535:
        raise InputError(f"port must be at most 65535, not {port}.")
    return port


def _key(given: Any) -> str:
    if not isinstance(given, str) or not given.isascii() or not given.isprintable() or not given or " " in given:
        # What was given may be a secret.
        raise InputError("the emulator's key must be ASCII text without spaces, and not empty.")
    return given


def _seconds(name: str, given: Any) -> float:
    seconds = real_number(name, given)
    if not 0 <= seconds < math.inf:
        raise InputError(f"{name} must be a number of seconds of at least 0, not {given!r}.")
    return seconds


def _positive(name: str, given: Any) -> float:
    number = real_number(name, given)
    if not 0 < number < math.inf:
        raise InputError(f"{name} must be greater than 0, not {given!r}.")
    return number
