"""The way to IonQ's API: v0.3 in this process, v0.4 through a worker process with an environment of its own."""

from __future__ import annotations

import collections
import contextlib
import itertools
import json
import os
import queue
import subprocess
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, Protocol

from tfq_llm.errors import InputError, ServiceError
from tfq_llm.ionq import remote
from tfq_llm.ionq.credentials import VARIABLES, checked_host
from tfq_llm.ionq.remote import OutcomeUnknown, RemoteError, Unavailable
from tfq_llm.ionq.worker_environment import worker_python

VERSIONS = ("v0.3", "v0.4")
START_SECONDS = 120.0
"""A worker's first start compiles what it imports."""

GRACE_SECONDS = 30.0
"""What a worker may be silent beyond its own deadlines, before it is taken for lost."""


class Transport(Protocol):
    """What `remote.Client` offers; see there for arguments, results and errors."""

    api_version: str

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
    ) -> str: ...

    def bytes_of(self, template: str, symbols: Sequence[str]) -> int: ...

    def find(self, name: str) -> list[dict[str, Any]]: ...

    def job(self, id: str) -> dict[str, Any]: ...

    def results(self, id: str, sharpen: bool | None = None) -> dict[str, Any]: ...

    def cancel(self, id: str) -> None: ...

    def delete(self, id: str) -> None: ...

    def jobs(self, limit: int = remote.PAGE) -> list[dict[str, Any]]: ...

    def cost(self, id: str) -> float | None: ...

    def calibration(self, target: str) -> dict[str, Any] | None: ...

    def backends(self) -> list[dict[str, Any]]: ...


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
        self._worker: _Worker | None = None

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
            except (_LostError, RemoteError) as error:
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

    def _running(self) -> _Worker:
        if self._worker and self._worker.runs:
            return self._worker
        if self._worker:
            self._worker.close()
        worker = self._worker = _Worker(self._python, self._key)
        if (version := worker.ask(self._settings, START_SECONDS)) != self.api_version:
            raise _LostError(f"it speaks {version}")
        return worker

    def _call(self, method: str, **arguments: Any) -> Any:
        silence = self._settings["deadline"] + self._grace
        if method != "submit":  # a read may be waiting to be tried again
            silence += self._settings["retry_seconds"]
        with self._lock:
            try:
                return self._running().ask({"method": method, "arguments": arguments}, silence)
            except _LostError as lost:
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

    def calibration(self, target: str) -> dict[str, Any] | None:
        return self._call("calibration", target=target)

    def backends(self) -> list[dict[str, Any]]:
        return self._call("backends")


class _LostError(Exception):
    """The worker gave no answer and will give none."""


class _Worker:
    """One worker process, and what it says."""

    def __init__(self, python: Path, key: str):
        # Isolated: no module beside remote.py or on PYTHONPATH is taken for one of the worker's own. In a session of its own:
        # what interrupts this process at the keyboard must not cut a submission short.
        environment = {name: value for name, value in os.environ.items() if name not in VARIABLES}
        self.process = subprocess.Popen(
            [str(python), "-I", remote.__file__],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=environment,
            start_new_session=True,
        )
        self._key = key
        self._numbers = itertools.count()
        self._answers: queue.SimpleQueue[dict[str, Any] | None] = queue.SimpleQueue()
        self._last_words: collections.deque[str] = collections.deque(maxlen=5)
        assert self.process.stdout is not None
        assert self.process.stderr is not None
        threading.Thread(target=self._listen, args=(self.process.stdout,), daemon=True).start()
        self._errors = threading.Thread(target=self._note, args=(self.process.stderr,), daemon=True)
        self._errors.start()

    @property
    def runs(self) -> bool:
        return self.process.poll() is None

    def ask(self, request: dict[str, Any], silence: float) -> Any:
        """The result of a call, waited for as long as the worker shows a sign of life within `silence` seconds.

        Raises:
            RemoteError: what the call raised.
            _LostError: the worker is gone; it is ended if need be.
        """
        number = next(self._numbers)
        try:
            self._send(json.dumps({**request, "id": number} if number else request), silence)
            answer = self._answer(number, silence)
        except BaseException:  # an interruption too: its answer must not be taken for that of the next call
            self.close(patience=0.0)
            raise
        if "error" in answer:
            raise RemoteError.from_json(answer["error"])
        return answer["result"]

    def _send(self, line: str, silence: float) -> None:
        assert self.process.stdin is not None
        guard = threading.Timer(silence, self.process.kill)  # a worker that does not read would block this for ever
        guard.start()
        try:
            self.process.stdin.write(line.encode() + b"\n")
            self.process.stdin.flush()
        except OSError:
            raise _LostError(self._epitaph("ended")) from None
        finally:
            guard.cancel()

    def _answer(self, number: int, silence: float) -> dict[str, Any]:
        while True:
            try:
                answer = self._answers.get(timeout=silence)
            except queue.Empty:
                raise _LostError(f"the worker process gave no sign of life for {silence:g} s") from None
            if answer is None:
                raise _LostError(self._epitaph("ended"))
            if answer.get("id") == number and "alive" not in answer:
                return answer

    def _epitaph(self, what: str) -> str:
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(timeout=5)
        self._errors.join(timeout=1)
        said = " / ".join(self._last_words).replace(self._key, "***")[-500:]
        return f"the worker process {what} (code {self.process.returncode}){': ' + said if said else ''}"

    def close(self, patience: float = 2.0) -> None:
        """Ends the process: asks it to by closing its input, kills it after `patience` seconds."""
        if patience == 0.0:
            self.process.kill()
        with contextlib.suppress(OSError):
            assert self.process.stdin is not None
            self.process.stdin.close()
        try:
            self.process.wait(timeout=patience or None)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()

    def _listen(self, lines: IO[bytes]) -> None:
        with lines:
            for line in lines:
                with contextlib.suppress(ValueError):
                    self._answers.put(json.loads(line))
        self._answers.put(None)

    def _note(self, lines: IO[bytes]) -> None:
        with lines:
            for line in lines:
                self._last_words.append(line.decode(errors="replace").strip())
