"""Stand between the jobs and what they use: kill this process at a chosen call, or break a call on purpose."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any

from tests.faults.cases import Kill
from tfq_llm.ionq import states
from tfq_llm.ionq.orders import Job

# A request is killed so long after it began; requests that shall be killed are delayed by more.
_MIDDLE = 0.12
KILLED_NOTE = "killed"


class Stand:
    """An object whose calls pass through; at one of them, the process is killed.

    Args:
        subject: the ledger or the transport.
        owner: what it is called in `Kill`.
        kill: where.
        strike: kills.
    """

    def __init__(self, subject: Any, owner: str, kill: Kill | None, strike: Callable[[], None]) -> None:
        self._subject, self._strike = subject, strike
        self._kill = kill if kill is not None and kill.owner == owner else None
        self._calls = 0

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._subject, name)
        if self._kill is None or self._kill.method.partition(":")[0] != name:
            return found

        def call(*arguments: Any, **options: Any) -> Any:
            if not self._is_meant(options):
                return found(*arguments, **options)
            return self._killed(found, arguments, options)

        return call

    def _is_meant(self, options: dict[str, Any]) -> bool:
        assert self._kill is not None
        state = self._kill.method.partition(":")[2]
        if state and options.get("state") != state:
            return False
        self._calls += 1
        return self._calls == self._kill.call

    def _killed(self, found: Callable[..., Any], arguments: tuple[Any, ...], options: dict[str, Any]) -> Any:
        assert self._kill is not None
        if self._kill.when == "before":
            self._strike()
        middle = _in_transaction if self._kill.owner == "ledger" else _in_request
        try:
            with middle(self._subject, self._strike) if self._kill.when == "during" else contextlib.nullcontext():
                return found(*arguments, **options)
        finally:
            if self._kill.when == "after":
                self._strike()


@contextlib.contextmanager
def _in_request(_: Any, strike: Callable[[], None]) -> Iterator[None]:
    previous = signal.signal(signal.SIGALRM, lambda *_: strike())
    signal.setitimer(signal.ITIMER_REAL, _MIDDLE)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, previous)


@contextlib.contextmanager
def _in_transaction(ledger: Any, strike: Callable[[], None]) -> Iterator[None]:
    """Everything of a transaction is done but its end."""
    ledger._file.database.set_trace_callback(lambda statement: strike() if statement == "COMMIT" else None)
    try:
        yield
    finally:
        ledger._file.database.set_trace_callback(None)


def strike_self(note: Callable[[str], None]) -> Callable[[], None]:
    """Ends this process as the system would."""

    def strike() -> None:
        note(KILLED_NOTE)
        os.kill(os.getpid(), signal.SIGKILL)

    return strike


def strike_worker(transport: Any, note: Callable[[str], None]) -> Callable[[], None]:
    """Ends the worker process of a transport."""

    def strike() -> None:
        if transport.pid is not None:
            note(KILLED_NOTE)
            os.kill(transport.pid, signal.SIGKILL)

    return strike


class Broken:
    """An object of which some methods do something else."""

    def __init__(self, subject: Any, **methods: Callable[..., Any]) -> None:
        self._subject, self._methods = subject, methods

    def __getattr__(self, name: str) -> Any:
        return self._methods[name] if name in self._methods else getattr(self._subject, name)


def broken(name: str, ledger: Any, transport: Any, key: str) -> tuple[Any, Any]:
    """A ledger and a transport, one of them broken as `name` says."""

    def twice(*arguments: Any, **options: Any) -> str:
        with contextlib.suppress(Exception):
            return transport.submit(*arguments, **options)
        return transport.submit(*arguments, **options)

    def forgetful(job: Job, **columns: Any) -> Job:
        if columns.get("state") == states.SENDING:
            return dataclasses.replace(job, state=states.SENDING)
        return ledger.update(job, **columns)

    def mixed(job: Job, variants: dict[str, list[dict[str, float]]], raw: Any, **columns: Any) -> Job:
        return ledger.finish(job, {name: each[::-1] for name, each in variants.items()}, raw, **columns)

    def lossy(job: Job, _: Any, raw: Any, **columns: Any) -> Job:
        return ledger.finish(job, {}, raw, **columns)

    def telling(id: str) -> dict[str, Any]:
        print(f"Authorization: apiKey {key}", file=sys.stderr)
        return transport.job(id)

    def damaging(job: Job, *arguments: Any, **columns: Any) -> Job:
        done = ledger.finish(job, *arguments, **columns)
        ledger._file.database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        with ledger.path.open("r+b") as file:
            file.seek(-3000, os.SEEK_END)
            file.write(b"\xff" * 2900)
        return done

    def forking(id: str) -> dict[str, Any]:
        subprocess.Popen(["sleep", "30"], start_new_session=True)
        return transport.job(id)

    def hanging(id: str) -> dict[str, Any]:
        time.sleep(600)
        return transport.job(id)

    ledgers: dict[str, dict[str, Callable[..., Any]]] = {
        "forgets the intent": {"update": forgetful},
        "mixes up results": {"finish": mixed},
        "loses results": {"finish": lossy},
        "damages the ledger": {"finish": damaging},
    }
    transports: dict[str, dict[str, Callable[..., Any]]] = {
        "sends twice": {"submit": twice},
        "looks nothing up": {"find": lambda _: []},
        "hangs": {"job": hanging},
        "tells the key": {"job": telling},
        "leaves a process behind": {"job": forking},
    }
    return Broken(ledger, **ledgers.get(name, {})), Broken(transport, **transports.get(name, {}))
