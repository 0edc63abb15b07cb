"""Faults on request: what the server does wrong, to which requests and how often."""

from __future__ import annotations

import threading
from typing import Any, Literal, get_args

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from tfq_llm.errors import InputError

Kind = Literal[
    "submit", "job", "results", "list", "cancel", "delete", "cost", "estimate", "backends", "calibrations", "whoami", "other"
]
"""What a request is for. Characterizations are "calibrations", artifacts "results"."""

Transport = Literal["status", "rate-limited", "slow", "stalled", "lost", "cut", "malformed"]
Content = Literal["nulls", "unnormalised", "missing-circuit", "shuffled"]
Outcome = Literal["fails", "other-target"]
Name = Literal[Transport, Content, Outcome]

TRANSPORT, CONTENT, OUTCOME = get_args(Transport), get_args(Content), get_args(Outcome)
_DEFAULT_ON: dict[str, str] = {"nulls": "job"} | dict.fromkeys(("unnormalised", "missing-circuit", "shuffled"), "results")
_DEFAULT_ON |= dict.fromkeys(OUTCOME, "submit")
# A reply is lost after the work was done, if nothing else is said; it is refused before.
_DEFAULT_WHEN = {"lost": "after", "slow": "after"}


class Fault(BaseModel):
    """One fault.

    Attributes:
        fault: which.
            "status": an error, `status`, with a Retry-After header if `retry_after` is given; "rate-limited": 429 with one.
            "slow": `seconds` late. "stalled": no reply, ever. "lost": the connection is closed instead of a reply.
            "cut": it is closed in the middle of the body. "malformed": the body is broken JSON.
            "nulls": `fields` of a job are there and null.
            "unnormalised": results are multiplied by `scale`. "missing-circuit": those of a batch lack their last circuit.
            "shuffled": its circuits come in another order.
            "fails": the job that is made will fail. "other-target": it runs on `target`, and says so.
        on: which requests: a `Kind`, or "any".
        times: how often; None for always.
        after: how many such requests are spared first.
        when: whether a "status", "slow", "stalled" or "lost" comes "before" the request is obeyed or "after" it.
        version: "v0.3" or "v0.4" for requests of one version only.
    """

    model_config = ConfigDict(extra="forbid")

    fault: Name
    on: Kind | Literal["any"]
    times: int | None = Field(1, ge=1)
    after: int = Field(0, ge=0)
    when: Literal["before", "after"]
    version: Literal["v0.3", "v0.4"] | None = None
    status: int = Field(500, ge=400, le=599)
    retry_after: float | None = Field(None, ge=0)
    seconds: float = Field(1.0, ge=0)
    scale: float = Field(0.9, ge=0)
    target: str = "simulator"
    code: str = "QuantumComputerError"
    message: str = "The machine lost an ion."
    fields: list[str] = ["warning", "failure", "error", "name", "results"]

    @classmethod
    def parse(cls, given: dict[str, Any] | str | Fault) -> Fault:
        """From what a user gives: JSON values, or a text such as "lost on=submit times=2".

        Raises:
            InputError: it is not a fault.
        """
        if isinstance(given, Fault):
            return given
        values = _words(given) if isinstance(given, str) else dict(given)
        name = values.get("fault")
        values = {"on": _DEFAULT_ON.get(str(name), "any"), "when": _DEFAULT_WHEN.get(str(name), "before")} | values
        if name == "rate-limited":
            values = {"status": 429, "retry_after": 1} | values
        try:
            return cls.model_validate(values)
        except ValidationError as error:
            first = error.errors(include_url=False)[0]
            place = ".".join(map(str, first["loc"]))
            raise InputError(f"not a fault: {place}: {first['msg']}. Write, for example, 'lost on=submit times=2'.") from None


def _words(text: str) -> dict[str, Any]:
    first, *rest = text.split() or [""]
    pairs = [word.partition("=") for word in rest]
    wrong = next((word for word, (_, sign, _) in zip(rest, pairs, strict=True) if not sign), None)
    if wrong:
        raise InputError(f"not a fault: '{wrong}' in '{text}'. Write, for example, 'lost on=submit times=2'.")
    values: dict[str, Any] = {name: value for name, _, value in pairs}
    if "fields" in values:
        values["fields"] = values["fields"].split(",")
    if values.get("times") == "always":
        values["times"] = None
    return {"fault": first} | values


class Faults:
    """The faults that wait for their requests. May be used from any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._waiting: list[tuple[Fault, list[int]]] = []

    def add(self, fault: dict[str, Any] | str | Fault, **values: Any) -> Fault:
        """Adds one, e.g. `add("lost", on="submit", times=2)`; see `Fault`.

        Raises:
            InputError: there is no such fault.
        """
        if values:
            given = {"fault": fault} if isinstance(fault, str) else dict(fault)
            fault = given | values
        parsed = Fault.parse(fault)
        with self._lock:
            # Requests that are still spared, and times that are left; −1 for always.
            self._waiting.append((parsed, [parsed.after, -1 if parsed.times is None else parsed.times]))
        return parsed

    def clear(self) -> None:
        with self._lock:
            self._waiting.clear()

    def waiting(self) -> list[dict[str, Any]]:
        """What is left, as JSON values."""
        with self._lock:
            return [
                fault.model_dump() | {"after": left[0], "times": None if left[1] < 0 else left[1]}
                for fault, left in self._waiting
            ]

    def take(self, kind: str, version: str) -> list[Fault]:
        """The faults of a request: of those that break its transport the first, of the others all."""
        taken: list[Fault] = []
        with self._lock:
            for fault, left in self._waiting:
                if fault.on not in (kind, "any") or fault.version not in (None, version):
                    continue
                if left[0]:
                    left[0] -= 1
                elif not (fault.fault in TRANSPORT and any(each.fault in TRANSPORT for each in taken)):
                    taken.append(fault)
                    left[1] -= left[1] > 0
            self._waiting = [each for each in self._waiting if each[1][1]]
        return taken
