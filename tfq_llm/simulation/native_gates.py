"""Gates whose phases may hold symbols, written as powers of gates with a fixed axis."""

from __future__ import annotations

from collections.abc import Sequence

import cirq
import cirq_ionq


def plain_operations(operation: cirq.Operation) -> Sequence[cirq.Operation]:
    """The operation as a sequence of others, in order, in which every symbol stands in the exponent of an `cirq.EigenGate`.

    A phase φ is a turn about Z before the gate, undone behind it. Operations that need no rewriting are returned as they are.
    IonQ's gates do not follow Cirq's parameter protocol, so nothing is asked of them but their attributes.
    """
    gate, qubits = operation.gate, operation.qubits
    if isinstance(gate, cirq.PhasedXPowGate):
        turned = cirq.XPowGate(exponent=gate.exponent, global_shift=gate.global_shift)
        return _phased(turned, qubits, [gate.phase_exponent])
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
