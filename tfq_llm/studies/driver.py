"""One command at a time drives a study: two would run the same trials twice and write over each other's files."""

from __future__ import annotations

import json
import os
import socket
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import datetime, timezone

from tfq_llm.errors import InputError, StoreError
from tfq_llm.locks import taken
from tfq_llm.studies.places import Directory, Place, place

LOCK, HOLDER = "driver.lock", "driver.json"

LEASE_SECONDS = 60.0
"""So long a command that was killed keeps a study at a URL from others. Clocks of machines must agree to some seconds."""

_RENEW_SECONDS = LEASE_SECONDS / 4
# So long it takes until of two that took over at once the later one is seen by both.
_SETTLE_SECONDS = 2.0


@contextmanager
def driving(url: str) -> Iterator[Callable[[], None]]:
    """Holds the right to run the study at a place; reading it, as a report does, needs no right.

    In a directory it is a lock of the file system, which the system gives back when the process dies, in whatever way. At a URL
    it is a file that is renewed while the process lives, and that another one may replace `LEASE_SECONDS` after the last time.

    Args:
        url: of the store.

    Yields:
        To be called now and then: it raises InputError if another process took over, for this one was not seen for so long.

    Raises:
        InputError: another process has it, or the place cannot be written.
    """
    at = place(url)
    if isinstance(at, Directory):
        with _locked(at):
            yield lambda: None
    else:
        lease = _Lease(at)
        with lease.held():
            yield lease.check


@contextmanager
def _locked(at: Directory) -> Iterator[None]:
    try:
        lock = taken(at.path / LOCK)
    except OSError as error:
        raise StoreError(f"cannot lock '{at.path / LOCK}' ({error.strerror or error}): see that it can be written.") from error
    if lock is None:
        raise _held_by(at, _holder(at.read(HOLDER)))
    with lock:
        at.write(HOLDER, _description())
        yield


class _Lease:
    """A file that says who drives, renewed by a thread."""

    def __init__(self, at: Place) -> None:
        self._at, self._id, self._since = at, uuid.uuid4().hex, _now()
        self._renewed = time.monotonic()
        self._taken_by: dict[str, str] | None = None
        self._ended = threading.Event()

    @contextmanager
    def held(self) -> Iterator[None]:
        """Holds it inside the block."""
        self._take()
        renewing = threading.Thread(target=self._renew, daemon=True)
        renewing.start()
        try:
            yield
        finally:
            self._ended.set()
            renewing.join()
            with suppress(StoreError):
                if self._is_ours():
                    self._at.remove(HOLDER)

    def check(self) -> None:
        """Raises InputError if it was lost."""
        if self._taken_by is not None:
            raise _held_by(self._at, self._taken_by)
        if time.monotonic() - self._renewed > LEASE_SECONDS and not self._is_ours():
            raise _held_by(self._at, _holder(self._at.read(HOLDER)))

    def _take(self) -> None:
        if self._at.create(HOLDER, self._file()):
            return
        holder = _holder(self._at.read(HOLDER))
        if time.time() - float(holder.get("renewed", 0)) < LEASE_SECONDS:
            raise _held_by(self._at, holder, f" It may have been killed: the study is free {LEASE_SECONDS:.0f} seconds later.")
        self._at.write(HOLDER, self._file())
        time.sleep(_SETTLE_SECONDS)
        if not self._is_ours():
            raise _held_by(self._at, _holder(self._at.read(HOLDER)))

    def _renew(self) -> None:
        while not self._ended.wait(_RENEW_SECONDS):
            # A store that cannot be reached for a while is told of by whoever needs it.
            with suppress(Exception):
                holder = _holder(self._at.read(HOLDER))
                if holder and holder.get("id") != self._id:
                    self._taken_by = holder
                    return
                self._at.write(HOLDER, self._file())
                self._renewed = time.monotonic()

    def _is_ours(self) -> bool:
        return _holder(self._at.read(HOLDER)).get("id") == self._id

    def _file(self) -> bytes:
        return _description(since=self._since, id=self._id, renewed=str(time.time()))


def _description(**more: str) -> bytes:
    return json.dumps({"host": socket.gethostname(), "pid": str(os.getpid()), "since": _now(), **more}, indent=1).encode()


def _now() -> str:
    return datetime.now(timezone.utc).isoformat(timespec="seconds")


def _holder(data: bytes | None) -> dict[str, str]:
    """What the file says; nothing if there is none, or it is not complete."""
    try:
        return {str(name): str(value) for name, value in json.loads(data or b"{}").items()}
    except (ValueError, AttributeError):
        return {}


def _held_by(at: Place, holder: dict[str, str], hint: str = "") -> InputError:
    who = "process {pid} on {host}, since {since}".format_map({"pid": "?", "host": "?", "since": "?", **holder})
    where = at.full("").rstrip("/")
    return InputError(
        f"another command runs the study in '{where}': {who}. Wait for it, or stop it; 'tfq-llm report' works meanwhile.{hint}"
    )
