"""The way to IonQ's API: v0.3 in this process, v0.4 through a worker process with an environment of its own."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeAlias

from tfq_llm.errors import InputError, ServiceError
from tfq_llm.ionq import remote
from tfq_llm.ionq.credentials import checked_host
from tfq_llm.ionq.remote import OutcomeUnknown, RemoteError, Unavailable
from tfq_llm.ionq.worker_environment import worker_python
from tfq_llm.ionq.worker_process import LostError, Worker

VERSIONS = ("v0.3", "v0.4")
START_SECONDS = 120.0
"""A worker's first start compiles what it imports."""

GRACE_SECONDS = 30.0
"""What a worker may be silent beyond its own deadlines, before it is taken for lost."""


@contextmanager
def open_transport(
    api_version: str, host: str, key: str, deadline: float = 30.0, retry_seconds: float = 120.0
) -> Iterator[Transport]:
    """A transport that is closed when the block ends.

    Args:
        api_version: "v0.3" or "v0.4".
        host: as `checked_host` takes it.
        key: the API key.
        deadline: seconds for one request as a whole.
        retry_seconds: how long a read is tried again.

    Raises:
        InputError: an unknown version, a host that must not have the key, or a worker that cannot be made to run.
    """
    host = checked_host(host)
    if api_version not in VERSIONS:
        raise InputError(f"IonQ's API version must be {' or '.join(VERSIONS)}, not '{api_version}'.")
    if api_version == "v0.3":
        yield remote.Client(host, key, deadline, retry_seconds)
        return
    transport = WorkerTransport(worker_python(), host, key, deadline, retry_seconds)
    try:
        transport.start()
        yield transport
    finally:
        transport.close()


def told(call: Callable[..., Any], *arguments: Any, but: tuple[type[RemoteError], ...] = ()) -> Any:
    """The result of a read.

    Args:
        call: of a transport.
        arguments: of the call.
        but: errors that the caller does something about; they are raised as they are.

    Raises:
        ServiceError: any other error, in words for the user.
    """
    try:
        return call(*arguments)
    except but:
        raise
    except RemoteError as error:
        raise ServiceError(f"{str(error).rstrip('.')}. Nothing is lost: give the same command later.") from None


class WorkerTransport:
    """Calls of `remote.Client`, made by a worker process. Threads may share it; their calls wait for one another.

    A worker that ends, or is silent for longer than its own deadlines allow, is lost: the call raises OutcomeUnknown if it was a
    submission, else Unavailable, and the next call starts another worker.

    Args:
        python: runs the worker.
        host, key, deadline, retry_seconds: as `remote.Client` takes them.
        grace: seconds on top of its deadlines.
    """

    api_version = "v0.4"

    def __init__(self, python: Path, host: str, key: str, deadline: float, retry_seconds: float, grace: float = GRACE_SECONDS):
        self._python, self._grace, self._key = python, grace, key
        self._settings: dict[str, Any] = {"host": host, "key": key, "deadline": deadline, "retry_seconds": retry_seconds}
        self._lock = threading.Lock()
        self._worker: Worker | None = None

    def __repr__(self) -> str:
        return f"WorkerTransport({self._settings['host']!r}, api_version={self.api_version!r})"

    @property
    def pid(self) -> int | None:
        """Of the worker, if one runs."""
        return self._worker.process.pid if self._worker and self._worker.runs else None

    def start(self) -> None:
        """Starts the worker if none runs.

        Raises:
            InputError: it does not run.
        """
        with self._lock:
            try:
                self._running()
            except (LostError, RemoteError) as error:
                raise InputError(
                    f"the worker for API v0.4 does not run: {error}. Remove {self._python.parent.parent} to have its environment "
                    f"made anew, or use --api-version v0.3."
                ) from None

    def close(self) -> None:
        """Ends the worker."""
        with self._lock:
            if self._worker:
                self._worker.close()
            self._worker = None

    def _running(self) -> Worker:
        if self._worker and self._worker.runs:
            return self._worker
        if self._worker:
            self._worker.close()
        worker = self._worker = Worker(self._python, self._key)
        if (version := worker.ask(self._settings, START_SECONDS)) != self.api_version:
            raise LostError(f"it speaks {version}")
        return worker

    def _call(self, method: str, **arguments: Any) -> Any:
        silence = self._settings["deadline"] + self._grace
        if method != "submit":  # a read may be waiting to be tried again
            silence += self._settings["retry_seconds"]
        with self._lock:
            try:
                return self._running().ask({"method": method, "arguments": arguments}, silence)
            except LostError as lost:
                if method == "submit":
                    raise OutcomeUnknown(f"{lost}: the job may or may not have been made") from None
                raise Unavailable(str(lost)) from None

    def submit(
        self,
        template: str,
        symbols: Sequence[str],
        values: Sequence[Sequence[float]],
        labels: Sequence[str],
        *,
        shots: int,
        target: str,
        name: str,
        noise: dict[str, Any] | None = None,
        debias: bool | None = None,
    ) -> str:
        circuits = {
            "template": template,
            "symbols": list(symbols),
            "values": [list(row) for row in values],
            "labels": list(labels),
        }
        return self._call("submit", **circuits, shots=shots, target=target, name=name, noise=noise, debias=debias)

    def bytes_of(self, template: str, symbols: Sequence[str]) -> int:
        return self._call("bytes_of", template=template, symbols=list(symbols))

    def find(self, name: str) -> list[dict[str, Any]]:
        return self._call("find", name=name)

    def job(self, id: str) -> dict[str, Any]:
        return self._call("job", id=id)

    def results(self, id: str, sharpen: bool | None = None) -> dict[str, Any]:
        return self._call("results", id=id, sharpen=sharpen)

    def cancel(self, id: str) -> None:
        self._call("cancel", id=id)

    def delete(self, id: str) -> None:
        self._call("delete", id=id)

    def jobs(self, limit: int = remote.PAGE) -> list[dict[str, Any]]:
        return self._call("jobs", limit=limit)

    def cost(self, id: str) -> float | None:
        return self._call("cost", id=id)


Transport: TypeAlias = remote.Client | WorkerTransport
"""For arguments, results and errors of its calls see `remote.Client`."""
