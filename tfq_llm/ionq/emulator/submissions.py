"""From a body of POST /jobs to circuits that can be run, or to the reason why it is refused."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

import numpy as np
from pydantic import BaseModel, TypeAdapter, ValidationError

from tfq_llm.circuits.noise import IONQ_ERROR_RATES
from tfq_llm.ionq.emulator.bodies import (
    AnyJob,
    ErrorMitigation,
    ManyInput,
    NativeGate,
    NoiseChoice,
    QisGate,
    SingleInput,
    V03Job,
    V04Job,
)
from tfq_llm.ionq.emulator.machine import Circuit
from tfq_llm.ionq.emulator.targets import QUBITS, V03_TARGETS
from tfq_llm.ionq.emulator.wire_gates import read_gate
from tfq_llm.ionq.prices import MAX_CIRCUITS, MAX_GATES

MAX_BYTES = 10_000_000
# Debiasing needs this many shots.
LEAST_DEBIASED = 500


class RequestError(Exception):
    """A request that is answered by an error: nothing was made.

    Attributes:
        status: of HTTP.
        message: for the caller.
        retry_after: seconds after which to try again; None to say nothing of it.
    """

    def __init__(self, status: int, message: str, *, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.status, self.message, self.retry_after = status, message, retry_after


@dataclass(frozen=True)
class Submission:
    """A checked body of POST /jobs.

    Attributes:
        version: "v0.3" or "v0.4".
        target: as asked for.
        circuits: in order.
        is_batch: whether it came as a job of many circuits, even if it holds one.
        shots: of each circuit.
        noise: of a simulated machine: {"model", "seed"}; None without.
        debiasing: asked for, refused, or left to the service.
        settings: as sent.
        metadata: as sent.
    """

    version: str
    target: str
    circuits: tuple[Circuit, ...]
    is_batch: bool
    shots: int
    name: str | None = None
    noise: dict[str, Any] | None = None
    debiasing: bool | None = None
    dry_run: bool = False
    settings: dict[str, Any] = field(default_factory=dict)
    metadata: dict[str, str] | None = None
    session: str | None = None


_GATES: dict[str, TypeAdapter[list[Any]]] = {"qis": TypeAdapter(list[QisGate]), "native": TypeAdapter(list[NativeGate])}
_Model = TypeVar("_Model", bound=BaseModel)


def read_v04(body: bytes) -> Submission:
    """The submission in a body of POST /v0.4/jobs.

    Raises:
        RequestError: it is not as the document describes it, or over a limit.
    """
    given = _json(body)
    kind = given.get("type")
    if kind not in ("ionq.circuit.v1", "ionq.multi-circuit.v1") and isinstance(kind, str):
        raise RequestError(400, f"type: the emulator runs ionq.circuit.v1 and ionq.multi-circuit.v1, not '{kind:.60}'.")
    job = _checked(V04Job, given)
    is_batch = job.type == "ionq.multi-circuit.v1"
    _check_target("backend", job.backend, QUBITS)
    mitigation = job.settings.error_mitigation if job.settings else None
    circuits = _circuits("input", job.input, is_batch, job.backend)
    return _submission("v0.4", job, job.backend, circuits, is_batch, mitigation, given, job.session_id)


def read_v03(body: bytes) -> Submission:
    """The submission in a body of POST /v0.3/jobs.

    Raises:
        RequestError: as above.
    """
    given = _json(body)
    job = _checked(V03Job, given)
    _check_target("target", job.target, V03_TARGETS)
    where = "body" if job.body is not None else "input"
    program = job.body if job.body is not None else job.input
    if program is None:
        raise RequestError(400, "body: is required.")
    is_batch = "circuits" in program
    mitigation = job.error_mitigation or (job.settings.error_mitigation if job.settings else None)
    circuits = _circuits(where, program, is_batch, job.target)
    return _submission("v0.3", job, job.target, circuits, is_batch, mitigation, given, None)


def _submission(
    version: str,
    job: AnyJob,
    target: str,
    circuits: tuple[Circuit, ...],
    is_batch: bool,
    mitigation: ErrorMitigation | None,
    given: dict[str, Any],
    session: str | None,
) -> Submission:
    debiasing = mitigation.wanted if mitigation else None
    if debiasing and job.shots < LEAST_DEBIASED:
        raise RequestError(400, f"error mitigation: debiasing needs at least {LEAST_DEBIASED} shots, not {job.shots}.")
    noise = _noise(job.noise, target)
    # A dry run is a matter of the quantum computers; the simulator ignores the wish.
    dry_run = job.dry_run and target != "simulator"
    settings = given.get("settings") or {}
    metadata, name = job.metadata, job.name
    return Submission(
        version, target, circuits, is_batch, job.shots, name, noise, debiasing, dry_run, settings, metadata, session
    )


def _noise(noise: NoiseChoice | None, target: str) -> dict[str, Any] | None:
    if noise is None or target != "simulator":
        return None
    if noise.model != "ideal" and noise.model not in IONQ_ERROR_RATES:
        known = ", ".join(["ideal", *IONQ_ERROR_RATES])
        raise RequestError(
            400, f"noise.model: the emulator has {known}, whose error rates are published, not '{noise.model:.40}'."
        )
    return noise.model_dump(exclude_none=True)


def _json(body: bytes) -> dict[str, Any]:
    if len(body) > MAX_BYTES:
        raise RequestError(413, f"The request body may not exceed 10MB; it has {len(body):,} bytes.")
    try:
        given = json.loads(body)
    except (ValueError, RecursionError):
        raise RequestError(400, "The request body is not JSON.") from None
    if not isinstance(given, dict):
        raise RequestError(400, "The request body is not a JSON object.")
    return given


def _checked(model: type[_Model], given: Any, where: str = "") -> _Model:
    return _validated(model.model_validate, given, where)


def _validated(validate: Callable[[Any], _Model], given: Any, where: str) -> _Model:
    try:
        return validate(given)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False, include_context=False)[0]
        place = ".".join(str(part) for part in ([where] if where else []) + list(first["loc"]))
        raise RequestError(400, f"{place}: {first['msg']}.") from None


def _check_target(name: str, target: str, known: Sequence[str] | dict[str, int]) -> None:
    if target not in known:
        raise RequestError(400, f"{name}: '{target:.60}' is not one of {', '.join(known)}.")


def _circuits(where: str, given: dict[str, Any], is_batch: bool, target: str) -> tuple[Circuit, ...]:
    if not is_batch:
        single = _checked(SingleInput, given, where)
        width = single.qubits or _width(single.circuit)
        return (_circuit(f"{where}.circuit", single.circuit, single.gateset, width, target, None),)
    if "circuit" in given:
        raise RequestError(400, f"{where}: a job of many circuits has 'circuits' and no 'circuit'.")
    if isinstance(given.get("circuits"), list) and len(given["circuits"]) > MAX_CIRCUITS:
        raise RequestError(
            400, f"{where}.circuits: a job holds at most {MAX_CIRCUITS:,} circuits, not {len(given['circuits']):,}."
        )
    many = _checked(ManyInput, given, where)
    total = sum(len(one.circuit) for one in many.circuits)
    if total > MAX_GATES:
        raise RequestError(400, f"{where}.circuits: a job holds at most {MAX_GATES:,} gates, not {total:,}.")
    found = []
    for place, one in enumerate(many.circuits):
        # A reading covers the qubits of its own circuit: those the job has room for are the largest circuit's.
        width = one.qubits or _width(one.circuit)
        if many.qubits is not None and width > many.qubits:
            raise RequestError(400, f"{where}.circuits.{place}: has {width} qubits, and the job {many.qubits}.")
        gateset = one.gateset or many.gateset
        found.append(_circuit(f"{where}.circuits.{place}.circuit", one.circuit, gateset, width, target, one.name))
    return tuple(found)


def _width(gates: Sequence[dict[str, Any]]) -> int:
    """One more than the highest qubit that a gate names; what is no number is complained about elsewhere."""
    named = [each for gate in gates for key in ("target", "control") if (each := gate.get(key)) is not None]
    for key in ("targets", "controls"):
        named += [each for gate in gates if isinstance(gate.get(key), list) for each in gate[key]]
    numbers = [each for each in named if isinstance(each, (int, float)) and math.isfinite(each)]
    return int(max(numbers, default=0)) + 1


def _circuit(where: str, given: list[dict[str, Any]], gateset: str, width: int, target: str, name: str | None) -> Circuit:
    if len(given) > MAX_GATES:
        raise RequestError(400, f"{where}: a job holds at most {MAX_GATES:,} gates, not {len(given):,}.")
    most = QUBITS.get(target, max(QUBITS.values()))
    if width > most:
        raise RequestError(400, f"{where}: {target} has {most} qubits, and this circuit needs {width}.")
    gates, turns = [], []
    for place, gate in enumerate(_validated(_GATES[gateset].validate_python, given, where)):  # type: ignore[type-var]
        if gate.gate == "nop":
            continue
        try:
            built, own = read_gate(gate, gateset, width)
        except ValueError as error:
            raise RequestError(400, f"{where}.{place}: {error}") from None
        gates.append(built)
        turns += own
    return Circuit(width, tuple(gates), np.array(turns, float), name)
