"""What may be submitted: the bodies of POST /jobs in both versions, checked as IonQ's published document describes them.

The document is that of API v0.4 (repository ionq/ionq-core-python, openapi.json, September 2026); the limits of metadata stand
in the page "core concepts". Where IonQ's own and Cirq's clients send more than the document knows, the service has to take it,
and so does this: shots as text, "lang", the fields of a "pauliexp", an angle under either of two names.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints

from tfq_llm.ionq.prices import MAX_SHOTS


def _as_number(given: Any) -> Any:
    """Clients send shots as text."""
    return int(given) if isinstance(given, str) and given.isdecimal() else given


Shots = Annotated[int, Field(ge=1, le=MAX_SHOTS), BeforeValidator(_as_number)]
Metadata = Annotated[
    dict[Annotated[str, StringConstraints(max_length=40)], Annotated[str, StringConstraints(max_length=40_000)]],
    Field(max_length=10),
]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)


class _Open(BaseModel):
    """Objects that the document leaves open to more fields."""

    model_config = ConfigDict(extra="allow", strict=True)


class _Placed(_Strict):
    """Where a gate stands. The document has lists of qubits as numbers, single ones as integers."""

    target: int | None = None
    targets: list[float] | None = None
    control: int | None = None
    controls: list[float] | None = None


class QisGate(_Placed):
    """A gate of the set "qis"."""

    gate: Literal[
        "x", "y", "z", "rx", "ry", "rz", "h", "s", "si", "v", "vi", "t", "ti", "not", "cnot", "swap", "xx", "yy", "zz", "pauliexp"
    ]
    rotation: float | None = None
    terms: list[str] | None = None
    coefficients: list[float] | None = None
    time: float | None = None


class NativeGate(_Placed):
    """A gate of the set "native"."""

    gate: Literal["zz", "ms", "gpi", "gpi2", "nop"]
    phase: float | None = None
    phases: list[float] | None = None
    angle: float | None = None
    rotation: float | None = None
    time: float | None = None


Gateset = Literal["qis", "native"]


class SingleInput(_Strict):
    """One circuit."""

    gateset: Gateset
    circuit: list[dict[str, Any]]
    qubits: int | None = Field(None, ge=1)


class OneOfMany(_Strict):
    """A circuit of many."""

    circuit: list[dict[str, Any]]
    name: str | None = None
    qubits: int | None = Field(None, ge=1)
    gateset: Gateset | None = None
    registers: dict[str, list[float | None]] | None = None


class ManyInput(_Open):
    """Many circuits."""

    gateset: Gateset
    circuits: Annotated[list[OneOfMany], Field(min_length=1)]
    qubits: int | None = Field(None, ge=1)


class ErrorMitigation(_Open):
    debiasing: bool | None = None
    debias: bool | None = None
    symmetry_verification: bool | None = None

    @property
    def wanted(self) -> bool | None:
        """Debiasing, which Cirq's old client calls "debias"."""
        return self.debias if self.debiasing is None else self.debiasing


class Settings(_Open):
    error_mitigation: ErrorMitigation | None = None
    compilation: dict[str, Any] | None = None


class NoiseChoice(_Strict):
    model: str
    seed: int | None = Field(None, ge=-(2**31), lt=2**31)


class AnyJob(_Strict):
    """What both versions have."""

    name: str | None = None
    metadata: Metadata | None = None
    shots: Shots = 100
    settings: Settings | None = None
    noise: NoiseChoice | None = None
    dry_run: bool = False
    lang: Literal["json"] | None = None


class V04Job(AnyJob):
    """The body of POST /v0.4/jobs."""

    backend: str
    type: Literal["ionq.circuit.v1", "ionq.multi-circuit.v1"]
    input: dict[str, Any]
    session_id: str | None = None


class V03Job(AnyJob):
    """The body of POST /v0.3/jobs."""

    target: str
    body: dict[str, Any] | None = None
    input: dict[str, Any] | None = None
    error_mitigation: ErrorMitigation | None = None
