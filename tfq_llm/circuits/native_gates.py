"""Gates whose phases may hold symbols, written as powers of gates with a fixed axis."""

from __future__ import annotations

import sys
from collections.abc import Sequence

import cirq


def plain_operations(operation: cirq.Operation) -> Sequence[cirq.Operation]:
    """The operation as a sequence of others, in order, in which every symbol stands in the exponent of an `cirq.EigenGate`.

    A phase φ is a turn about Z before the gate, undone behind it. Operations that need no rewriting are returned as they are.
    """
    gate, qubits = operation.gate, operation.qubits
    if isinstance(gate, cirq.PhasedXPowGate):
        turned = cirq.XPowGate(exponent=gate.exponent, global_shift=gate.global_shift)
        return _phased(turned, qubits, [gate.phase_exponent])
    # cirq_ionq takes long to import; as long as nobody has done so, nobody has one of its gates.
    return _plain_ionq_operations(operation) if "cirq_ionq" in sys.modules else [operation]


def is_gate(operation: cirq.Operation) -> bool:
    """Whether an operation is unitary, whatever values the symbols in it have."""
    return all(
        cirq.has_unitary(cirq.resolve_parameters(with_numbers(plain), dict.fromkeys(cirq.parameter_names(plain), 0.5)))
        for plain in plain_operations(operation)
    )


def with_numbers(operation: cirq.Operation) -> cirq.Operation:
    """The operation with expressions without symbols, such as sympy.pi, as numbers; Cirq takes these for parameters."""
    if cirq.is_parameterized(operation) and not cirq.parameter_names(operation):
        return cirq.resolve_parameters(operation, {"": 0.0})  # an empty resolver would change nothing
    return operation


def symbol_names(circuit: cirq.AbstractCircuit) -> set[str]:
    """The symbols in a circuit, those in IonQ's gates among them, which `cirq.parameter_names` does not see."""
    plain = (each for operation in circuit.all_operations() for each in plain_operations(operation))
    return {name for each in plain for name in cirq.parameter_names(each)}


def _plain_ionq_operations(operation: cirq.Operation) -> Sequence[cirq.Operation]:
    """The same for IonQ's gates. They do not follow Cirq's parameter protocol: nothing is asked of them but their attributes."""
    import cirq_ionq

    gate, qubits = operation.gate, operation.qubits
    if isinstance(gate, cirq_ionq.GPIGate):
        return _phased(cirq.X, qubits, [2 * gate.phi])
    if isinstance(gate, cirq_ionq.GPI2Gate):
        return _phased(cirq.XPowGate(exponent=0.5, global_shift=-0.5), qubits, [2 * gate.phi])
    if isinstance(gate, cirq_ionq.MSGate):
        return _phased(cirq.XXPowGate(exponent=2 * gate.theta, global_shift=-0.5), qubits, [2 * gate.phi0, 2 * gate.phi1])
    if isinstance(gate, cirq_ionq.ZZGate):
        return [cirq.ZZPowGate(exponent=2 * gate.theta, global_shift=-0.5).on(*qubits)]
    return [operation]


def _phased(gate: cirq.Gate, qubits: Sequence[cirq.Qid], phases: Sequence[cirq.TParamVal]) -> list[cirq.Operation]:
    before = [cirq.Z(qubit) ** -phase for qubit, phase in zip(qubits, phases, strict=True)]
    behind = [cirq.Z(qubit) ** phase for qubit, phase in zip(qubits, phases, strict=True)]
    return [*before, gate.on(*qubits), *behind]
