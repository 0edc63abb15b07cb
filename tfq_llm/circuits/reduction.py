"""Fewer gates for the same expectation values: on hardware every gate costs money and fidelity."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Any

import cirq
import numpy as np
import sympy

from tfq_llm.circuits.native_gates import is_gate, plain_operations
from tfq_llm.errors import InputError

_TOLERANCE = 1e-9
_ROTATIONS = (cirq.Rx, cirq.Ry, cirq.Rz)


def reduced(circuit: cirq.AbstractCircuit, measured: Sequence[cirq.Qid]) -> cirq.Circuit:
    """The circuit without what no reading of Z on the measured qubits depends on, and with neighbouring rotations merged.

    The joint distribution of the measured qubits stays the same. Gates outside of their light cone are dropped, and so are gates
    at its rim that commute with every product of Zs that is left of the measurement there: diagonal gates, and CNOTs whose target
    nobody reads. RX, RY and RZ that follow another of their kind on a qubit become one, and those by a multiple of 2π none.

    Args:
        circuit: unitary gates, without measurements; symbols may stand in it. A merged rotation's angle is the sum of two.
        measured: the qubits that are read, at least one.

    Raises:
        InputError: a measured qubit is not in the circuit, or there is none; or the circuit holds noise or a measurement.
    """
    missing = sorted(set(measured) - circuit.all_qubits())
    if missing or not measured:
        raise InputError(
            f"the measured qubits must be some of {sorted(circuit.all_qubits())}, and {missing or 'none at all'} were given."
        )
    operations = list(circuit.all_operations())
    for operation in operations:
        if cirq.is_measurement(operation) or not is_gate(operation):
            raise InputError(f"only unitary gates can be reduced, and the circuit holds {operation}: give it without.")
    before = -1
    while len(operations) != before:
        before = len(operations)
        operations = _merged(_light_cone(operations, measured))
    return cirq.Circuit(operations)


def _light_cone(operations: Sequence[cirq.Operation], measured: Iterable[cirq.Qid]) -> list[cirq.Operation]:
    """What a product of Zs on the measured qubits, carried backwards through the circuit, depends on.

    `diagonal` holds the qubits on which that observable is made of I and Z, `other` those on which it may be anything.
    """
    diagonal: set[cirq.Qid] = set(measured)
    other: set[cirq.Qid] = set()
    kept = []
    for operation in reversed(operations):
        qubits = set(operation.qubits)
        touched = qubits & (diagonal | other)
        if not touched or (touched <= diagonal and _keeps_zs(operation, touched)):
            continue
        kept.append(operation)
        if touched <= diagonal and _permutes(operation):
            diagonal |= qubits
        else:
            diagonal -= qubits
            other |= qubits
    return kept[::-1]


def _keeps_zs(operation: cirq.Operation, qubits: set[cirq.Qid]) -> bool:
    """Whether the gate commutes with Z on each of some of its qubits."""
    unitary = _unitary(operation)
    z = np.diag([1.0, -1.0])
    for place, qubit in enumerate(operation.qubits):
        if qubit in qubits:
            whole = np.kron(np.kron(np.eye(2**place), z), np.eye(2 ** (len(operation.qubits) - place - 1)))
            if not np.allclose(unitary @ whole, whole @ unitary, atol=_TOLERANCE):
                return False
    return True


def _permutes(operation: cirq.Operation) -> bool:
    """Whether the gate only permutes basis states, up to phases, so that diagonal observables stay diagonal."""
    sizes = np.abs(_unitary(operation))
    return bool(np.all(np.isclose(sizes, 0, atol=_TOLERANCE) | np.isclose(sizes, 1, atol=_TOLERANCE)))


def _unitary(operation: cirq.Operation) -> np.ndarray:
    """The gate's matrix; with symbols, that for values at which only what always holds holds."""
    plain = cirq.Circuit(plain_operations(operation))
    values = {name: 0.37454012 + 0.1 * place for place, name in enumerate(sorted(cirq.parameter_names(plain)))}
    return cirq.resolve_parameters(plain, values).unitary(
        qubit_order=operation.qubits, qubits_that_should_be_present=operation.qubits
    )


def _merged(operations: Iterable[cirq.Operation]) -> list[cirq.Operation]:
    """Rotations about one axis that follow each other on a qubit as one; none by a multiple of 2π."""
    kept: dict[int, cirq.Operation] = {}
    last: dict[cirq.Qid, int] = {}
    for number, given in enumerate(operations):
        operation, before = given, last.get(given.qubits[0])
        if isinstance(given.gate, _ROTATIONS) and before is not None and type(kept[before].gate) is type(given.gate):
            operation = type(given.gate)(rads=_angle(kept.pop(before)) + _angle(given)).on(*given.qubits)
            last = {qubit: place for qubit, place in last.items() if place != before}
            last |= _neighbours(kept, operation.qubits)
        if isinstance(operation.gate, _ROTATIONS) and _is_nothing(_angle(operation)):
            continue
        kept[number] = operation
        last |= dict.fromkeys(operation.qubits, number)
    return list(kept.values())


def _neighbours(kept: dict[int, cirq.Operation], qubits: Sequence[cirq.Qid]) -> dict[cirq.Qid, int]:
    """The last operation on each of some qubits."""
    return {qubit: number for number, operation in kept.items() for qubit in qubits if qubit in operation.qubits}


def _angle(operation: cirq.Operation) -> Any:
    """Of RX, RY or RZ, in radians: a number or an expression."""
    gate: Any = operation.gate
    return gate._rads


def _is_nothing(angle: Any) -> bool:
    """A rotation by 2π is a global phase."""
    return not cirq.is_parameterized(angle) and abs(math.remainder(float(angle), 2 * math.pi)) < _TOLERANCE


def with_own_angles(
    circuit: cirq.AbstractCircuit, symbols: Sequence[sympy.Symbol]
) -> tuple[cirq.Circuit, tuple[sympy.Symbol, ...], np.ndarray, np.ndarray]:
    """A circuit in which every rotation by an expression has a symbol of its own, for simulators that know no sums of symbols.

    Args:
        circuit: whose symbols stand in RX, RY and RZ only, in linear expressions.
        symbols: of the circuit.

    Returns:
        The circuit, its symbols `angle0`…, and the matrix and shifts with which their values are values @ matrix + shifts.
    """
    own: list[sympy.Symbol] = []
    columns, shifts = [], []

    def renamed(operation: cirq.Operation) -> cirq.Operation:
        if not cirq.is_parameterized(operation):
            return operation
        if not isinstance(operation.gate, _ROTATIONS):
            raise InputError(f"{operation} holds a symbol and is not RX, RY or RZ.")
        angle = sympy.sympify(_angle(operation))
        columns.append([float(angle.coeff(symbol)) for symbol in symbols])
        shifts.append(float(angle.subs(dict.fromkeys(symbols, 0))))
        own.append(sympy.Symbol(f"angle{len(own)}"))
        return type(operation.gate)(rads=own[-1]).on(*operation.qubits)

    renamed_circuit = cirq.Circuit([renamed(operation) for operation in circuit.all_operations()])
    return renamed_circuit, tuple(own), np.reshape(columns, [len(own), len(symbols)]).T, np.array(shifts)
