"""More noise on purpose: two-qubit gates folded to U U† U, for extrapolation to none (`tfq_llm.ionq.mitigation.zero_noise`).

Mitiq is the library for this, but no release that was tried can be installed beside the versions this package is tied to.

Folding multiplies the noise of the two-qubit gates alone. That of one-qubit gates and of the reading stays as it is, and is not
extrapolated away.

It takes a machine that runs the gates it is given, and IonQ says so of its native gates only. Circuits of abstract gates, CNOT
among them, go through the service's optimizing compiler, which may cancel U† U: the circuit then runs at scale 1 whatever was
asked, and the extrapolation amplifies shot noise for nothing. The published document of API v0.4 has a number
`settings.compilation.opt` and says neither what it does nor what its default is; cirq-ionq 1.7 names 0 as the default. So opt = 0
is worth sending, but nothing published says that it keeps folded pairs. What was run shows in a finished job's compiled circuit
(format `ionq.native.v1`), where the service gives one: count its two-qubit gates before trusting an extrapolation.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Iterator

import cirq

from tfq_llm.checks import real_number
from tfq_llm.circuits.native_gates import is_gate
from tfq_llm.errors import InputError


def folded(circuit: cirq.AbstractCircuit, scale: float) -> cirq.Circuit:
    """The circuit with about `scale` times as many two-qubit gates, and the same unitary.

    A gate U becomes U (U† U)^k: three times a CNOT is a CNOT. At scale 1, 3, 5 … every gate is folded alike; in between some
    have one pair more, evenly spread in the order of the circuit and always the same ones. What is really reached for N gates is
    the multiple of 2/N nearest to it, see `reached`.

    Fold what `reduced` left, not the other way round: it drops gates that nothing depends on, folded ones too.

    Args:
        circuit: unitary gates on one or two qubits, without measurements; symbols may stand in it.
        scale: at least 1.

    Raises:
        InputError: the scale is less than 1; the circuit holds noise, a measurement or a wider gate; or a gate has no inverse.
    """
    pairs = _pairs(circuit, scale)

    def operations() -> Iterator[cirq.Operation]:
        for operation in circuit.all_operations():
            yield operation
            if len(operation.qubits) == 2:
                more = next(pairs)
                yield from (_inverse(operation), operation) * more if more else ()

    return cirq.Circuit(operations())


def reached(circuit: cirq.AbstractCircuit, scale: float) -> float:
    """How many times as many two-qubit gates `folded` makes; 1 for a circuit without any.

    Raises:
        InputError: as by `folded`.
    """
    pairs = list(_pairs(circuit, scale))
    return 1 + 2 * sum(pairs) / len(pairs) if pairs else 1.0


def _pairs(circuit: cirq.AbstractCircuit, scale: float) -> Iterator[int]:
    """How many pairs follow each two-qubit gate."""
    scale = real_number("the scale of folding", scale)
    if not 1 <= scale < math.inf:
        raise InputError(f"the scale of folding must be a finite number of at least 1, not {scale}: noise can only be added.")
    for operation in circuit.all_operations():
        if cirq.is_measurement(operation) or not is_gate(operation) or len(operation.qubits) > 2:
            raise InputError(f"only unitary gates on one or two qubits are folded, and the circuit holds {operation}.")
    gates = sum(len(operation.qubits) == 2 for operation in circuit.all_operations())
    total = round(gates * (scale - 1) / 2)
    # The whole numbers between neighbouring multiples of total / gates: as even as can be, and they add up to the total.
    return (total * (gate + 1) // gates - total * gate // gates for gate in range(gates))


def _inverse(operation: cirq.Operation) -> cirq.Operation:
    """Its inverse; itself if it is its own, so that CNOT stays the gate that services know."""
    inverse = _inverse_ms(operation) or cirq.inverse(operation.untagged, None)
    if inverse is None:
        raise InputError(f"{operation} has no inverse that is a gate: decompose it before folding.")
    return operation if inverse == operation.untagged else inverse.with_tags(*operation.tags)


def _inverse_ms(operation: cirq.Operation) -> cirq.Operation | None:
    """Of IonQ's MS gate, whose own inverse forgets the angle in cirq-ionq 1.5; None for others."""
    if "cirq_ionq" not in sys.modules:  # it takes long to import; as long as nobody has done so, nobody has one of its gates
        return None
    import cirq_ionq

    gate = operation.gate
    if not isinstance(gate, cirq_ionq.MSGate):
        return None
    return cirq_ionq.MSGate(phi0=gate.phi0 + 0.5, phi1=gate.phi1, theta=gate.theta).on(*operation.qubits)
