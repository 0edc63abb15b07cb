"""Gates as they stand in a job, and what they are in Cirq."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import NamedTuple, TypeAlias

import cirq

Turn: TypeAlias = "cirq.TParamVal"


class Gate(NamedTuple):
    """One gate without its angles.

    Attributes:
        name: as in the job; "native-zz" tells the native gate from the other of that name.
        qubits: what it acts on, the controls first.
        controls: how many of the qubits are controls.
        terms: of a "pauliexp": Pauli strings with the first qubit's Pauli last, and their factors.
    """

    name: str
    qubits: tuple[int, ...]
    controls: int = 0
    terms: tuple[tuple[str, float], ...] = ()


def _fixed(gate: cirq.Gate) -> Callable[..., list[cirq.Operation]]:
    return lambda qubits: [gate.on(*qubits)]


def _rotation(kind: type[cirq.EigenGate]) -> Callable[..., list[cirq.Operation]]:
    """A rotation exp(−iθP/2) by an angle of `turns` · π."""
    return lambda qubits, turns: [kind(exponent=turns, global_shift=-0.5).on(*qubits)]


def _phased(gate: cirq.Gate, qubits: Sequence[cirq.Qid], phases: Sequence[Turn]) -> list[cirq.Operation]:
    """The gate with its axis turned about Z by phases in half turns.

    The turns about Z are no gates of the machine: they are virtual, which keeps noise off them.
    """
    before = [(cirq.Z(qubit) ** -phase).with_tags(cirq.VirtualTag()) for qubit, phase in zip(qubits, phases, strict=True)]
    behind = [(cirq.Z(qubit) ** phase).with_tags(cirq.VirtualTag()) for qubit, phase in zip(qubits, phases, strict=True)]
    return [*before, gate.on(*qubits), *behind]


def _ms(qubits: Sequence[cirq.Qid], phase0: Turn, phase1: Turn, turns: Turn) -> list[cirq.Operation]:
    return _phased(cirq.XXPowGate(exponent=turns, global_shift=-0.5), qubits, [phase0, phase1])


_BUILDERS: dict[str, Callable[..., list[cirq.Operation]]] = {
    "x": _fixed(cirq.X),
    "not": _fixed(cirq.X),
    "y": _fixed(cirq.Y),
    "z": _fixed(cirq.Z),
    "h": _fixed(cirq.H),
    "s": _fixed(cirq.S),
    "si": _fixed(cirq.S**-1),
    "t": _fixed(cirq.T),
    "ti": _fixed(cirq.T**-1),
    "v": _fixed(cirq.X**0.5),
    "vi": _fixed(cirq.X**-0.5),
    "cnot": _fixed(cirq.CNOT),
    "swap": _fixed(cirq.SWAP),
    "rx": _rotation(cirq.XPowGate),
    "ry": _rotation(cirq.YPowGate),
    "rz": _rotation(cirq.ZPowGate),
    "xx": _rotation(cirq.XXPowGate),
    "yy": _rotation(cirq.YYPowGate),
    "zz": _rotation(cirq.ZZPowGate),
    "gpi": lambda qubits, phase: _phased(cirq.X, qubits, [phase]),
    "gpi2": lambda qubits, phase: _phased(cirq.XPowGate(exponent=0.5, global_shift=-0.5), qubits, [phase]),
    "ms": _ms,
    "native-zz": _rotation(cirq.ZZPowGate),
}
"""By name: operations from qubits and half turns, numbers or symbols."""

WIDTH = {"cnot": 2, "swap": 2, "xx": 2, "yy": 2, "zz": 2, "ms": 2, "native-zz": 2}
"""Qubits that a gate has without controls, if not one."""

NUM_ANGLES = {"rx": 1, "ry": 1, "rz": 1, "xx": 1, "yy": 1, "zz": 1, "gpi": 1, "gpi2": 1, "ms": 3, "native-zz": 1, "pauliexp": 1}
"""Angles that a gate has, if any."""


def operations(gate: Gate, turns: Sequence[Turn]) -> list[cirq.Operation]:
    """The gate in Cirq, on line qubits, as operations on one or two of them.

    Args:
        gate: what to build.
        turns: its angles in half turns; may be symbols for a gate without controls and terms.
    """
    qubits = [cirq.LineQubit(qubit) for qubit in gate.qubits]
    if gate.terms:
        return [each for term, factor in gate.terms for each in _pauli_exponential(term, factor * turns[0], qubits)]
    controls, targets = qubits[: gate.controls], qubits[gate.controls :]
    built = _BUILDERS[gate.name](targets, *turns)
    if not controls:
        return built
    return _small([each.untagged.controlled_by(*controls) for each in built])


def _pauli_exponential(term: str, turns: Turn, qubits: Sequence[cirq.Qid]) -> list[cirq.Operation]:
    """exp(−i · π · turns · P)."""
    paulis = {qubit: letter for qubit, letter in zip(qubits, reversed(term), strict=True) if letter != "I"}
    if not paulis:
        return []
    string: cirq.PauliString = cirq.PauliString(paulis)
    return _small([cirq.PauliStringPhasor(string, exponent_neg=2 * turns, exponent_pos=0)])


def _small(found: Sequence[cirq.Operation]) -> list[cirq.Operation]:
    """Operations on at most two qubits that are worth the same."""

    def is_small(operation: cirq.Operation) -> bool:
        return len(operation.qubits) <= 2 and not isinstance(operation.gate, cirq.PauliStringPhasorGate)

    return [each for each in cirq.decompose(found, keep=is_small, on_stuck_raise=None) if each.qubits]


def is_symbolic(gate: Gate) -> bool:
    """Whether the angles may be symbols, so that circuits which differ in them alone are simulated together."""
    return not gate.controls and not gate.terms and gate.name in NUM_ANGLES


@lru_cache(maxsize=4096)
def sizes(gate: Gate) -> tuple[int, int]:
    """How many gates on one and on two qubits it is counted as."""
    if len(gate.qubits) <= 2 and not gate.terms:
        return (1, 0) if len(gate.qubits) == 1 else (0, 1)
    widths = [len(each.qubits) for each in operations(gate, [0.3] * NUM_ANGLES.get(gate.name, 0))]
    return widths.count(1), widths.count(2)
