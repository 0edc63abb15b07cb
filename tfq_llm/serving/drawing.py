"""The circuit for the page to draw: its moments of gates, each with its trained angle or the datum that is its angle."""

from __future__ import annotations

import math
from collections.abc import Sequence

import cirq

from tfq_llm.serving.replies import CircuitGate

_NAMES = {cirq.Rx: "Rx", cirq.Ry: "Ry", cirq.Rz: "Rz"}


def moments(circuit: cirq.AbstractCircuit, data_symbols: Sequence[str]) -> list[list[CircuitGate]]:
    """The gates of every moment of a circuit on line qubits.

    Args:
        circuit: with trained angles.
        data_symbols: names of the symbols that are left, in the order of the data.
    """
    places = {name: index for index, name in enumerate(data_symbols)}
    return [[_gate(operation, places) for operation in moment] for moment in circuit]


def _gate(operation: cirq.Operation, places: dict[str, int]) -> CircuitGate:
    gate, qubits = operation.gate, [int(qubit.x) for qubit in operation.qubits if isinstance(qubit, cirq.LineQubit)]
    if isinstance(gate, (cirq.Rx, cirq.Ry, cirq.Rz)):
        name = _NAMES[type(gate)]
        if data := cirq.parameter_names(gate):
            return CircuitGate(name=name, qubits=qubits, data=places[next(iter(data))])
        return CircuitGate(name=name, qubits=qubits, angle=float(gate.exponent) * math.pi)
    return CircuitGate(name=str(gate), qubits=qubits)
