"""A gate of a job, checked for what it needs to be run."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from tfq_llm.ionq.emulator.bodies import NativeGate, QisGate
from tfq_llm.ionq.emulator.gates import NUM_ANGLES, WIDTH, Gate

_MAX_CONTROLS = 7


def read_gate(gate: QisGate | NativeGate, gateset: str, width: int) -> tuple[Gate, list[float]]:
    """The gate without its angles, and these in half turns; raises ValueError if they do not go together."""
    name = "native-zz" if gateset == "native" and gate.gate == "zz" else gate.gate
    targets, controls = _qubits(gate.target, gate.targets, "target"), _qubits(gate.control, gate.controls, "control")
    qubits = (*controls, *targets)
    if len(set(qubits)) < len(qubits):
        raise ValueError(f"a {gate.gate} names a qubit twice: {list(qubits)}.")
    if not all(0 <= qubit < width for qubit in qubits):
        raise ValueError(f"a {gate.gate} acts on {list(qubits)}, and the circuit has the qubits 0 to {width - 1}.")
    if len(controls) > _MAX_CONTROLS:
        raise ValueError(f"a gate has at most {_MAX_CONTROLS} controls, not {len(controls)}.")
    if name == "pauliexp":
        return _pauli_exponential(gate, targets)
    # A CNOT's own control is one of its qubits; every further one controls it.
    own = 1 if name == "cnot" and controls else 0
    needed = WIDTH.get(name, 1) - own
    if len(targets) != needed or (name == "cnot" and not own):
        raise ValueError(
            f"a {gate.gate} has {needed} target{'s' * (needed != 1)}{' and a control' * (name == 'cnot')}, not {targets}."
        )
    if gateset == "native" and controls:
        raise ValueError("a native gate has no controls.")
    return Gate(name, qubits, len(controls) - own), _turns(name, gate)


def _turns(name: str, gate: Any) -> list[float]:
    if name not in NUM_ANGLES:
        return []
    if name in ("gpi", "gpi2"):
        found = [_needed(gate.phase, "phase", name)]
    elif name == "native-zz":
        # Cirq's client calls the angle "phase", IonQ's document and Qiskit's client "angle".
        found = [0.25 if gate.angle is None and gate.phase is None else gate.phase if gate.angle is None else gate.angle]
    elif name == "ms":
        phases = _needed(gate.phases, "phases", name)
        if len(phases) != 2:
            raise ValueError(f"an ms has two phases, not {phases}.")
        found = [*phases, 0.25 if gate.angle is None else gate.angle]
    else:
        return [_finite(_needed(gate.rotation, "rotation", name)) / math.pi]
    return [2 * _finite(each) for each in found]


def _pauli_exponential(gate: Any, targets: Sequence[int]) -> tuple[Gate, list[float]]:
    terms, factors = _needed(gate.terms, "terms", "pauliexp"), _needed(gate.coefficients, "coefficients", "pauliexp")
    if len(terms) != len(factors) or not terms:
        raise ValueError("a pauliexp has as many coefficients as terms.")
    if any(len(term) != len(targets) or set(term) - set("IXYZ") for term in terms):
        raise ValueError(f"the terms of a pauliexp on {len(targets)} qubits are so many of I, X, Y and Z, not {terms}.")
    time = _finite(_needed(gate.time, "time", "pauliexp"))
    if time < 0:
        raise ValueError("the time of a pauliexp is not negative.")
    return Gate("pauliexp", tuple(targets), 0, tuple(zip(terms, map(_finite, factors), strict=True))), [time / math.pi]


def _qubits(one: int | None, several: list[float] | None, what: str) -> tuple[int, ...]:
    if one is not None and several is not None:
        raise ValueError(f"a gate has '{what}' or '{what}s', not both.")
    given = [one] if one is not None else several or []
    if not all(math.isfinite(each) and each == int(each) for each in given):
        raise ValueError(f"the {what}s of a gate are whole numbers, not {given}.")
    return tuple(int(each) for each in given)


def _needed(value: Any, what: str, name: str) -> Any:
    if value is None:
        raise ValueError(f"a {name} needs '{what}'.")
    return value


def _finite(value: float) -> float:
    if not math.isfinite(value):
        raise ValueError(f"an angle is a finite number, not {value}.")
    return float(value)
