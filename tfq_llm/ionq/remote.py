"""One version of IonQ's API, spoken through whatever cirq-ionq is installed beside this file: 1.5 speaks v0.3, 1.7 speaks v0.4.

The file needs cirq, cirq-ionq, requests and tenacity alone, nothing of this package, and runs in two places: imported, for v0.3;
and as a script in an environment of its own, for v0.4, where it reads calls from its standard input, a JSON object a line, and
answers in the same way. So every argument and result of `Client` is a JSON value. All of it stands in one file, long as it is:
that environment has no other module of ours.

cirq-ionq serialises the circuits and makes the requests. What it lacks is put underneath: a deadline for every request, no
request that creates a job sent twice, Retry-After, pages that end, and answers that are checked before anyone believes them.
"""

from __future__ import annotations

import contextlib
import importlib.util
import ipaddress
import itertools
import json
import math
import os
import queue
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from email.utils import parsedate_to_datetime
from functools import cached_property
from typing import Any
from urllib.parse import quote, urlsplit

import cirq
import cirq_ionq
import requests
import tenacity

PAGE = 100
"""Jobs asked for at once."""

LARGEST_ANSWER = 256 * 2**20
"""Bytes. More is no answer but a fault, and would fill the memory."""

SHORTEST_SECRET = 8
"""Shorter keys are not removed from answers: they would be found in numbers."""

LONGEST_METADATA = 40
"""Characters of a value that the service keeps with a job."""

_GARBLED_ATTEMPTS = 3
_SUM_TOLERANCE = 1e-3
_NEGATIVE_TOLERANCE = 1e-9
_RETRIED = {408, 409, 429}  # and 5xx. 409 is what the network in front of the service answers when it cannot find it


class RemoteError(Exception):
    """The service, or the way to it, did not do what was asked. Messages hold neither the key nor what was sent."""

    def __init__(self, message: str, **details: Any):
        super().__init__(message)
        self.message, self.details = message, details

    def to_json(self) -> dict[str, Any]:
        return {"kind": type(self).__name__, "message": self.message, "details": self.details}

    @staticmethod
    def from_json(value: Mapping[str, Any]) -> RemoteError:
        kinds: dict[str, type[RemoteError]] = {kind.__name__: kind for kind in RemoteError.__subclasses__()}
        return kinds.get(value["kind"], RemoteError)(value["message"], **value["details"])


class Refused(RemoteError):  # noqa: N818
    """The service said no, and nothing was made. `status` is None if nothing was even sent."""

    def __init__(self, message: str, status: int | None = None, retry_after: float | None = None):
        super().__init__(message, status=status, retry_after=retry_after)
        self.status, self.retry_after = status, retry_after


class NotFound(RemoteError):  # noqa: N818
    """The service does not know the job, or has no results of it yet."""


class OutcomeUnknown(RemoteError):  # noqa: N818
    """A job may or may not have been made: ask the service for its name before anything is sent again."""


class Unavailable(RemoteError):  # noqa: N818
    """Nothing could be read from the service for as long as was tried."""


class Malformed(RemoteError):  # noqa: N818
    """The answer is not as the service's specification says; `raw` is it, if it could be read."""

    def __init__(self, message: str, raw: Any = None):
        super().__init__(message, raw=raw)
        self.raw = raw


@dataclass(frozen=True)
class _Dialect:
    """What the two versions of the API call the same things."""

    program: str  # attribute of cirq-ionq's serialised program that holds the circuits
    target: str
    children: str
    debias: str


_DIALECTS = {
    "v0.3": _Dialect(program="body", target="target", children="children", debias="debias"),
    "v0.4": _Dialect(program="input", target="backend", children="child_job_ids", debias="debiasing"),
}
_MULTI_CIRCUIT = "ionq.multi-circuit.v1"
_STATUS = {name: name for name in ("submitted", "ready", "running", "completed", "failed", "canceled", "deleted")} | {
    "started": "running"
}


class Client:
    """Calls of one version of the API; which one, the installed cirq-ionq decides.

    Args:
        host: scheme, name and port, such as "https://api.ionq.co".
        key: the API key.
        deadline: seconds for one request as a whole, from the connection to the last byte.
        retry_seconds: how long a read is tried again. A request that creates a job is sent once.
        progress: called after every request and now and then while circuits are serialised.
    """

    def __init__(
        self,
        host: str,
        key: str,
        deadline: float = 30.0,
        retry_seconds: float = 120.0,
        progress: Callable[[], None] = lambda: None,
    ):
        self._host, self._progress = host, progress
        self._wire = _Wire(key, deadline, loopback=_is_loopback(host))
        self._library = _library_client(self._wire, _Exchange(retry_seconds, progress), host, key)
        self.api_version: str = self._library.url.rsplit("/", 1)[1]
        self._dialect = _DIALECTS[self.api_version]

    def __repr__(self) -> str:
        return f"Client({self._host!r}, api_version={self.api_version!r})"

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
        """Makes one job of many circuits, by one request that is never repeated.

        Args:
            template: a circuit with its measurement, as Cirq's JSON.
            symbols: its symbols.
            values: for every circuit the values of the symbols, in radians.
            labels: for every circuit a name, by which its result is found again.
            shots: of every circuit.
            target: "simulator", "qpu.forte-1", ...
            name: of the job.
            noise: of the simulator, such as {"model": "aria-1", "seed": 3}.
            debias: IonQ's error mitigation on or off; None leaves it to the service.

        Returns:
            The job's id.

        Raises:
            Refused: nothing was made.
            OutcomeUnknown: that cannot be known.
        """
        try:
            program = self._program(template, symbols, values, labels, noise, debias)
            program.metadata = _name_tag(name)
        except Exception as error:
            raise Refused(f"nothing was sent, the circuits cannot be serialised: {error}") from error
        if self.api_version == "v0.3":
            options: dict[str, Any] = {"extra_query_params": {"noise": noise} if noise else None}
        else:  # where the specification wants a number, cirq-ionq sends text
            options = {"extra_query_params": {"shots": shots}, "batch_mode": True}
        answer = self._library.create_job(program, repetitions=shots, target=target, name=name, **options)
        job = answer.get("id") if isinstance(answer, dict) else None
        if not isinstance(job, str) or not job:
            raise OutcomeUnknown("the service accepted the job, but its answer has no id")
        return job

    def _program(
        self,
        template: str,
        symbols: Sequence[str],
        values: Sequence[Sequence[float]],
        labels: Sequence[str],
        noise: dict[str, Any] | None,
        debias: bool | None,
    ) -> Any:
        """What cirq-ionq makes of the circuits, with labels, without its notes on measurements: the raw results are read."""
        if not values or len(labels) != len(values):
            raise ValueError(f"{len(values)} rows of values and {len(labels)} labels")
        if any(len(row) != len(symbols) or not all(map(math.isfinite, row)) for row in values):
            raise ValueError(f"every row must hold {len(symbols)} finite numbers")
        options: dict[str, Any] = {} if debias is None else {"error_mitigation": {self._dialect.debias: debias}}
        if noise and self.api_version != "v0.3":
            options["noise"] = noise
        program = cirq_ionq.Serializer().serialize_many_circuits(self._resolved(template, symbols, values), **options)
        for circuit, label in zip(getattr(program, self._dialect.program)["circuits"], labels, strict=True):
            circuit["name"] = label
        return program

    def _resolved(self, template: str, symbols: Sequence[str], values: Sequence[Sequence[float]]) -> list[cirq.AbstractCircuit]:
        circuit = cirq.read_json(json_text=template)
        rows = _Watched(values, self._progress)
        return _Watched((cirq.resolve_parameters(circuit, dict(zip(symbols, row, strict=True))) for row in rows), self._progress)

    def bytes_of(self, template: str, symbols: Sequence[str]) -> int:
        """At most so many bytes is one circuit in a request, whatever the values; with a label of 64 characters."""
        row = [0.1 + index for index in range(len(symbols))]
        program = self._program(template, symbols, [row], ["-" * 64], None, None)
        (circuit,) = getattr(program, self._dialect.program)["circuits"]
        longest = [{**gate, "rotation": -sys.float_info.min} if "rotation" in gate else gate for gate in circuit["circuit"]]
        return len(json.dumps({**circuit, "circuit": longest})) + len(", ")

    def find(self, name: str) -> list[dict[str, Any]]:
        """All jobs with this name, from all pages."""
        return [self._job(raw) for raw in self._jobs() if raw.get("name") == name or _has_tag(raw, name)]

    def job(self, id: str) -> dict[str, Any]:
        """What the service says of a job.

        Returns:
            "id"; "status": submitted, ready, running, completed, failed, canceled or deleted; "name", "target" as reported,
            "shots", "noise", "failure" (text), "children" (its circuits' ids), each None if not said; "warnings" (texts); "raw".
        """
        return self._job(self._library.get_job(_in_path(id)))

    def results(self, id: str, sharpen: bool | None = None) -> dict[str, Any]:
        """The results of a completed job.

        Args:
            id: of the job.
            sharpen: how a debiased job's variants are aggregated: by majority or by average. None leaves it to the service.

        Returns:
            "circuits", in the order in which the job lists them, each with "id" and "label" (None if unknown) and "probabilities"
            of all its qubits: decimal keys, qubit 0 the lowest bit, adding up to 1; and "raw", the answer.
            A label is unknown where the service does not show the parts of a job.

        Raises:
            NotFound: there are no results (yet).
            Malformed: a circuit is missing or too many, or what came are no probabilities.
        """
        job = self.job(id)
        # Which address cirq-ionq asks depends on what it submitted last; this job may be another's.
        self._library.batch_mode = bool(job["children"]) or job["raw"].get("type") == _MULTI_CIRCUIT
        options = None if sharpen is None else {"sharpen": "true" if sharpen else "false"}  # cirq-ionq itself would write "True"
        raw = self._library.get_results(_in_path(id), extra_query_params=options)
        try:
            return {"circuits": self._circuits(job, raw), "raw": raw}
        except Malformed as error:
            raise Malformed(f"the results of job {id}: {error.message}", raw) from None

    def _circuits(self, job: dict[str, Any], raw: Any) -> list[dict[str, Any]]:
        if not isinstance(raw, dict) or not raw:
            raise Malformed("not a mapping, or an empty one")
        qubits = _whole(job["raw"].get("qubits")) or _whole((job["raw"].get("stats") or {}).get("qubits"))
        if not all(isinstance(value, dict) for value in raw.values()):
            if len(job["children"] or ()) > 1:
                raise Malformed(f"one distribution for {len(job['children'])} circuits")
            return [{"id": None, "label": None, "probabilities": _distribution(raw, qubits)}]
        labels = self._labels(job["id"], job["children"] or list(raw))
        children = job["children"] or [child for child in labels if child in raw]
        if job["children"] is None and len(raw) == 1:
            children = list(raw)
        if len(set(children)) != len(children) or set(children) != set(raw):
            missing, extra = len(set(children) - set(raw)), len(set(raw) - set(children))
            raise Malformed(f"{missing} of {len(children)} circuits have no result, and {extra} results belong to no circuit")
        return [
            {"id": child, "label": labels.get(child), "probabilities": _distribution(raw[child], qubits)} for child in children
        ]

    def _labels(self, id: str, children: Sequence[str]) -> dict[str, str | None]:
        """The names of a job's circuits by their ids, as far as they can be had."""
        if self.api_version == "v0.3":
            # One by one, for it has no list of a job's parts. If the first cannot be had, none can.
            first = self._label(children[0])
            return dict(itertools.chain(first, *map(self._label, children[1:]))) if first else {}
        wanted, labels = set(children), {}
        for raw in self._pages(parent_job_id=id):
            if raw["id"] in wanted:
                labels[raw["id"]] = raw.get("name")
            if len(labels) == len(wanted):
                break
        return labels

    def _label(self, child: str) -> list[tuple[str, str | None]]:
        try:
            return [(child, self._library.get_job(_in_path(child)).get("name"))]
        except (NotFound, Refused):  # a service need not show the parts of a job
            return []

    def cancel(self, id: str) -> None:
        """Cancels a job; what it has cost so far is the service's to say."""
        self._library.cancel_job(_in_path(id))

    def delete(self, id: str) -> None:
        """Deletes a job and its results for good."""
        self._library.delete_job(_in_path(id))

    def jobs(self, limit: int = PAGE) -> list[dict[str, Any]]:
        """The first `limit` jobs that the service lists, each as by `job`."""
        return [self._job(raw) for raw in itertools.islice(self._jobs(), limit)]

    def cost(self, id: str) -> float | None:
        """US dollars: what it has cost, else is estimated to. None if the service does not say, or counts in credits."""
        try:
            raw = self._get(f"jobs/{_in_path(id)}/cost")
        except NotFound:
            if self.api_version == "v0.3":  # which does not promise this address
                return None
            raise
        cost = (raw.get("cost") or raw.get("estimated_cost") or {}) if isinstance(raw, dict) else {}
        in_dollars = str(cost.get("unit", "")).lower() == "usd" and _is_number(cost.get("value"))
        return float(cost["value"]) if in_dollars else None

    def _get(self, path: str, **options: Any) -> Any:
        """Reads what cirq-ionq has no call for, in the way it reads."""
        library = self._library
        return library._make_request(
            lambda: self._wire.get(f"{library.url}/{path}", headers=library.headers, **options), {}
        ).json()

    def _jobs(self) -> Iterator[dict[str, Any]]:
        """All jobs but those that are circuits of another."""
        return (raw for raw in self._pages() if not raw.get("parent_job_id"))

    def _pages(self, **filters: str) -> Iterator[dict[str, Any]]:
        """The jobs of all pages. A page that comes again is no end but a fault: a job might be overlooked, and sent again."""
        tokens: set[str] = set()
        parameters: dict[str, Any] = dict(filters)
        limit = {"limit": PAGE}
        while True:
            in_body = self.api_version == "v0.3"
            options = {"params": parameters, "json": limit} if in_body else {"params": parameters | limit}
            page = _mapping(self._get("jobs", **options), "a list of jobs")
            jobs, token = page.get("jobs"), page.get("next")
            if not isinstance(jobs, list) or not all(isinstance(job, dict) and isinstance(job.get("id"), str) for job in jobs):
                raise Malformed("a page of the service's list of jobs has no jobs", page)
            yield from jobs
            if not token:
                return
            if not isinstance(token, str) or token in tokens:
                raise Malformed("the service's list of jobs leads back to a page that it gave before", page)
            tokens.add(token)
            parameters["next"] = token

    def _job(self, raw: Any) -> dict[str, Any]:
        raw = _mapping(raw, "a job")
        if not isinstance(raw.get("id"), str) or raw.get("status") not in _STATUS:
            raise Malformed(f"a job with the id {raw.get('id')!r} and the status {raw.get('status')!r}", raw)
        failure, warning, children = raw.get("failure"), raw.get("warning"), raw.get(self._dialect.children)
        if isinstance(failure, dict):
            failure = ": ".join(str(failure[part]) for part in ("code", "error", "message") if failure.get(part))
        if children is not None and not (isinstance(children, list) and all(isinstance(child, str) for child in children)):
            raise Malformed("a job's list of circuits holds no ids", raw)
        return {
            "id": raw["id"],
            "name": raw.get("name"),
            "status": _STATUS[raw["status"]],
            "target": raw.get(self._dialect.target),
            "shots": _whole(raw.get("shots")) or _whole((raw.get("metadata") or {}).get("shots")),
            "noise": raw.get("noise"),
            "failure": str(failure) if failure else None,
            "warnings": [str(text) for text in (warning or {}).get("messages") or []] if isinstance(warning, dict) else [],
            "children": children or None,
            "raw": raw,
        }


def _library_client(wire: _Wire, exchange: _Exchange, host: str, key: str) -> Any:
    """cirq-ionq's own client, whose requests go through `wire` and are judged by `exchange`.

    Its module is loaded a second time, under no name, so that the one that others import stays as it is.
    """
    spec = importlib.util.find_spec("cirq_ionq.ionq_client")
    assert spec is not None
    assert spec.loader is not None
    module: Any = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    module.requests = wire
    base: Any = module._IonQClient

    class Library(base):
        def _make_request(self, request: Callable[[], _Answer], json: dict[str, Any]) -> _Answer:
            return exchange(request)

    (version,) = base.SUPPORTED_VERSIONS
    return Library(remote_host=host, api_key=key, api_version=version)


@dataclass(frozen=True)
class _Answer:
    """What came back, complete."""

    method: str
    status: int
    retry_after: str | None
    body: bytes

    @cached_property
    def value(self) -> Any:
        return json.loads(self.body)

    def json(self) -> Any:
        return self.value


class _BrokenError(Exception):
    """No complete answer came."""

    def __init__(self, method: str, reason: str):
        super().__init__(reason)
        self.method = method


class _Wire:
    """Stands where cirq-ionq's client expects the module `requests`: sends one request, waits no longer than the deadline.

    Every request has a connection of its own: one kept open may be closed by the other side just when a job is sent on it, and
    nobody would know whether it arrived.
    """

    def __init__(self, key: str, deadline: float, *, loopback: bool):
        self._deadline, self._loopback = deadline, loopback
        self._secret = key.encode() if len(key) >= SHORTEST_SECRET else None

    def get(self, url: str, **options: Any) -> _Answer:
        return self._send("GET", url, options)

    def post(self, url: str, **options: Any) -> _Answer:
        return self._send("POST", url, options)

    def put(self, url: str, **options: Any) -> _Answer:
        return self._send("PUT", url, options)

    def delete(self, url: str, **options: Any) -> _Answer:
        return self._send("DELETE", url, options)

    def _send(self, method: str, url: str, options: dict[str, Any]) -> _Answer:
        """In a thread, left behind when time is up: no timeout of a socket ends an answer that comes a byte at a time."""
        outcome: queue.SimpleQueue[_Answer | Exception] = queue.SimpleQueue()

        def work() -> None:
            try:
                outcome.put(self._exchange(method, url, options))
            except Exception as error:
                outcome.put(error)

        threading.Thread(target=work, name="ionq-request", daemon=True).start()
        try:
            result = outcome.get(timeout=self._deadline)
        except queue.Empty:
            raise _BrokenError(method, f"no complete answer within {self._deadline:g} s") from None
        if isinstance(result, Exception):  # its text may hold anything
            raise _BrokenError(method, f"no complete answer ({type(result).__name__})") from None
        return result

    def _exchange(self, method: str, url: str, options: dict[str, Any]) -> _Answer:
        end = time.monotonic() + self._deadline
        timeouts = (self._deadline, self._deadline)  # the first holds for sending too
        with requests.Session() as session:
            session.trust_env = not self._loopback  # a proxy would see what is meant for this machine alone
            session.auth = _unchanged  # else requests puts a password from .netrc in the place of the key
            # A redirect is not followed: it would take the key elsewhere.
            with session.request(method, url, stream=True, allow_redirects=False, timeout=timeouts, **options) as response:
                body = bytearray()
                for chunk in response.iter_content(1 << 16):
                    body += chunk
                    if len(body) > LARGEST_ANSWER or time.monotonic() > end:
                        raise requests.exceptions.ContentDecodingError("too long")
                content = bytes(body) if self._secret is None else bytes(body).replace(self._secret, b"***")
                return _Answer(method, response.status_code, response.headers.get("Retry-After"), content)


class _Watched(list[Any]):
    """A list that says so, again and again, when it is gone through: cirq-ionq serialises all circuits of a job in one call."""

    def __init__(self, items: Iterable[Any], progress: Callable[[], None]):
        super().__init__(items)
        self._progress = progress

    def __iter__(self) -> Iterator[Any]:
        for item in super().__iter__():
            self._progress()
            yield item


def _unchanged(request: requests.PreparedRequest) -> requests.PreparedRequest:
    return request


class _AgainError(Exception):
    """A read worth another attempt; `final` is raised if there is none."""

    def __init__(self, final: RemoteError, retry_after: float = 0.0):
        super().__init__(final.message)
        self.final, self.retry_after = final, retry_after


class _Exchange:
    """Decides what an answer means, and whether to ask again."""

    def __init__(self, retry_seconds: float, progress: Callable[[], None]):
        self._retry_seconds, self._progress = retry_seconds, progress
        self._jitter = tenacity.wait_random_exponential(multiplier=0.5, max=20)

    def __call__(self, request: Callable[[], _Answer]) -> _Answer:
        attempts = tenacity.Retrying(
            retry=tenacity.retry_if_exception_type(_AgainError), wait=self._pause, stop=self._enough, reraise=True
        )
        try:
            for attempt in attempts:
                with attempt:
                    return self._once(request, attempt.retry_state.attempt_number)
        except _AgainError as last:
            raise last.final from None
        raise AssertionError("tenacity ended without an outcome")

    def _once(self, request: Callable[[], _Answer], number: int) -> _Answer:
        try:
            answer = request()
        except _BrokenError as broken:
            if broken.method == "POST":
                raise OutcomeUnknown(f"a job was sent, but {broken}: it may or may not have been made") from None
            raise _AgainError(Unavailable(f"IonQ's API cannot be read: {broken}")) from None
        finally:
            self._progress()
        return self._created(answer) if answer.method == "POST" else self._read(answer, number)

    def _created(self, answer: _Answer) -> _Answer:
        if 300 <= answer.status < 500:
            raise Refused(_reason(answer), answer.status, _seconds(answer.retry_after))
        if not 200 <= answer.status < 300:
            raise OutcomeUnknown(f"{_reason(answer)}: the job may or may not have been made")
        if not _is_json(answer):
            raise OutcomeUnknown("a job was sent and accepted, but the answer cannot be read")
        return answer

    def _read(self, answer: _Answer, number: int) -> _Answer:
        if 200 <= answer.status < 300:
            if _is_json(answer):
                return answer
            raise _AgainError(Malformed("the service's answer is not JSON", answer.body[:1000].decode(errors="replace")))
        if answer.status == 404:
            if answer.method == "DELETE" and number > 1:  # an earlier attempt did it, its reply was lost
                return _Answer(answer.method, 200, None, b"{}")
            raise NotFound(_reason(answer))
        if answer.status in _RETRIED or answer.status >= 500:
            raise _AgainError(Unavailable(_reason(answer)), _seconds(answer.retry_after) or 0.0)
        raise Refused(_reason(answer), answer.status)

    def _pause(self, state: tenacity.RetryCallState) -> float:
        """As the service asked, and longer by chance: not all callers shall come back at once. No longer than time is left."""
        asked, left = _again(state).retry_after, self._retry_seconds - (state.seconds_since_start or 0.0)
        return asked + max(0.0, min(self._jitter(state), left - asked))

    def _enough(self, state: tenacity.RetryCallState) -> bool:
        again, tried = _again(state), state.seconds_since_start or 0.0
        if isinstance(again.final, Malformed) and state.attempt_number >= _GARBLED_ATTEMPTS:
            return True
        return tried + again.retry_after >= self._retry_seconds


def _again(state: tenacity.RetryCallState) -> _AgainError:
    assert state.outcome is not None
    error = state.outcome.exception()
    assert isinstance(error, _AgainError)
    return error


def _is_json(answer: _Answer) -> bool:
    with contextlib.suppress(ValueError):
        answer.json()
        return True
    return False


def _reason(answer: _Answer) -> str:
    """One line: the status, and what the service says of it."""
    said = ""
    if _is_json(answer) and isinstance(value := answer.json(), dict):
        said = " ".join(str(value.get("message") or value.get("error") or "").split())
    hint = " (is the API key right?)" if answer.status in (401, 403) else ""
    return f"IonQ's API answered {answer.status}{': ' + said[:500] if said else ''}{hint}"


def _seconds(retry_after: str | None) -> float | None:
    """Of a Retry-After header, which holds seconds or a date; None if it holds neither."""
    if retry_after is None:
        return None
    try:
        seconds = float(retry_after)
    except ValueError:
        try:
            date = parsedate_to_datetime(retry_after)
        except ValueError:
            return None
        seconds = (date.replace(tzinfo=date.tzinfo or timezone.utc) - datetime.now(timezone.utc)).total_seconds()
    return max(0.0, seconds) if math.isfinite(seconds) else None


def _distribution(raw: Mapping[str, Any], qubits: int | None) -> dict[str, float]:
    """Checked and normalised, by decimal outcome."""
    probabilities: dict[str, float] = {}
    for key, value in raw.items():
        if not (key.isascii() and key.isdigit()) or str(int(key)) in probabilities or (qubits and int(key) >> qubits):
            raise Malformed(f"{key!r} is no outcome of {qubits or 'any number of'} qubits, or there twice")
        if not _is_number(value) or value < -_NEGATIVE_TOLERANCE:
            raise Malformed(f"{value!r} is no probability")
        probabilities[str(int(key))] = max(0.0, float(value))
    total = math.fsum(probabilities.values())
    if abs(total - 1) > _SUM_TOLERANCE:
        raise Malformed(f"probabilities add up to {total:.6g}")
    return {key: value / total for key, value in probabilities.items()}


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)


def _whole(value: Any) -> int | None:
    """A number that one version of the API writes as text; None for anything else."""
    with contextlib.suppress(TypeError, ValueError):
        return int(value)
    return None


def _mapping(value: Any, what: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise Malformed(f"the service answered with something else than {what}", value)
    return value


def _name_tag(name: str) -> dict[str, str]:
    """Metadata that hold the name too, should a list of jobs leave names out; the service keeps short values only."""
    return {"name": name} if len(name) <= LONGEST_METADATA else {}


def _has_tag(raw: Mapping[str, Any], name: str) -> bool:
    metadata = raw.get("metadata")
    return isinstance(metadata, dict) and metadata.get("name") == name


def _is_loopback(host: str) -> bool:
    name = urlsplit(host).hostname or ""
    try:
        return name == "localhost" or ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False


def _in_path(id: str) -> str:
    return quote(id, safe="")


METHODS = ("submit", "bytes_of", "find", "job", "results", "cancel", "delete", "jobs", "cost")
"""What the worker may be asked for."""


def serve() -> None:
    """The worker: a line of settings, then calls, one a line; ends with its standard input, whatever it is doing.

    Settings are {"host", "key", "deadline", "retry_seconds"}. A call is {"id", "method", "arguments"}; the answer is
    {"id", "result"} or {"id", "error"}, and before it come {"id", "alive"} any number of times. Settings are answered as call 0.
    """
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # what libraries print is no answer
    lines: queue.SimpleQueue[bytes] = queue.SimpleQueue()
    threading.Thread(target=_read_lines, args=(lines,), daemon=True).start()
    current = 0

    def answer(**values: Any) -> None:
        answers.write(json.dumps({"id": current, **values}) + "\n")
        answers.flush()

    def attempt(call: Callable[[], Any]) -> Any:
        try:
            result = call()
        except RemoteError as error:
            answer(error=error.to_json())
        except Exception as error:
            answer(error=RemoteError(f"{type(error).__name__}: {error}").to_json())
        else:
            return result

    client: Any = attempt(lambda: Client(**json.loads(lines.get()), progress=lambda: answer(alive=True)))
    if client is None:
        return
    answer(result=client.api_version)
    while True:
        request = json.loads(lines.get())
        current = request["id"]
        attempt(lambda request=request: answer(result=_called(client, request["method"], request["arguments"])))  # type: ignore[misc]


def _read_lines(lines: queue.SimpleQueue[bytes]) -> None:
    for line in sys.stdin.buffer:
        lines.put(line)
    os._exit(0)  # the parent has ended, or wants this to


def _called(client: Client, method: str, arguments: dict[str, Any]) -> Any:
    if method not in METHODS:
        raise ValueError(f"no method {method!r}")
    return getattr(client, method)(**arguments)


if __name__ == "__main__":
    serve()
