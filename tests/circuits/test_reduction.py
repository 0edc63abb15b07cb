"""Reduced circuits against Cirq: the same distribution of the measured qubits, by fewer gates."""

from __future__ import annotations

import cirq
import cirq_ionq
import numpy as np
import pytest
import sympy
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.simulation.circuits_strategy import random_circuits
from tfq_llm import InputError
from tfq_llm.circuits import reuploading_circuit
from tfq_llm.circuits.reduction import reduced, with_own_angles

A, B, C = QUBITS = cirq.LineQubit.range(3)
T, U = sympy.symbols("t u")


def distribution(circuit: cirq.Circuit, measured, qubits) -> np.ndarray:
    """Probabilities of the measured qubits' outcomes, by Cirq."""
    state = cirq.Simulator(dtype=np.complex128).simulate(circuit, qubit_order=qubits).final_state_vector
    shaped = (np.abs(state) ** 2).reshape([2] * len(qubits))
    return shaped.sum(axis=tuple(place for place, qubit in enumerate(qubits) if qubit not in measured)).ravel()


@settings(max_examples=60, deadline=None, derandomize=True)
@given(random_circuits(max_qubits=5, max_gates=25), st.data())
def test_what_is_measured_has_cirqs_distribution(case, draws):
    values = np.random.default_rng(0).uniform(-3, 3, case.num_data + case.num_weights)
    circuit = case.at(values)
    present = sorted(circuit.all_qubits())
    measured = sorted(draws.draw(st.sets(st.sampled_from(present), min_size=1)))
    small = reduced(circuit, measured)
    assert len(list(small.all_operations())) <= len(list(circuit.all_operations()))
    np.testing.assert_allclose(
        distribution(small, measured, case.qubits), distribution(circuit, measured, case.qubits), atol=1e-9
    )


@pytest.mark.parametrize(
    ("operations", "left"),
    [
        ([cirq.ry(0.3)(A), cirq.ry(0.4)(B)], [cirq.ry(0.3)(A)]),
        ([cirq.ry(0.3)(A), cirq.CNOT(A, B)], [cirq.ry(0.3)(A)]),
        ([cirq.ry(0.3)(A), cirq.CZ(A, B), cirq.rz(0.2)(A)], [cirq.ry(0.3)(A)]),
        ([cirq.ry(0.3)(B), cirq.CNOT(B, A)], [cirq.ry(0.3)(B), cirq.CNOT(B, A)]),
        ([cirq.ry(0.3)(B), cirq.CNOT(B, A), cirq.CNOT(B, C)], [cirq.ry(0.3)(B), cirq.CNOT(B, A)]),
        ([cirq.ry(0.3)(A), cirq.ry(0.5)(A)], [cirq.ry(0.8)(A)]),
        ([cirq.ry(0.3)(A), cirq.ry(-0.3)(A), cirq.ry(0.1)(A)], [cirq.ry(0.1)(A)]),
        ([cirq.ry(np.pi)(A), cirq.rx(0.4)(A), cirq.ry(2 * np.pi)(A), cirq.rx(0.5)(A)], [cirq.ry(np.pi)(A), cirq.rx(0.9)(A)]),
        ([cirq.ry(T)(A), cirq.ry(0.5)(B), cirq.ry(2 * U)(A)], [cirq.ry(T + 2 * U)(A)]),
        ([cirq.ry(0.3)(A), cirq.CNOT(B, A), cirq.CNOT(B, A), cirq.ry(0.3)(A)], None),
    ],
)
def test_examples(operations, left):
    small = reduced(cirq.Circuit(operations), [A])
    if left is None:
        assert len(list(small.all_operations())) == len(operations)
    else:
        assert cirq.approx_eq(small, cirq.Circuit(left), atol=1e-9)


@pytest.mark.parametrize("measured", [1, 2, 4])
def test_a_reuploading_circuit_keeps_its_expectation_values(measured):
    ansatz = reuploading_circuit(4, reuploads=2, final_layers=2)
    qubits = ansatz.qubits[:measured]
    small = reduced(ansatz.circuit, qubits)
    assert len(list(small.all_operations())) < len(list(ansatz.circuit.all_operations()))
    symbols = [*ansatz.data_symbols, *ansatz.weight_symbols]
    values = np.random.default_rng(0).uniform(-3, 3, len(symbols))
    resolver = dict(zip(map(str, symbols), values, strict=True))
    expected = distribution(cirq.resolve_parameters(ansatz.circuit, resolver), qubits, ansatz.qubits)
    np.testing.assert_allclose(distribution(cirq.resolve_parameters(small, resolver), qubits, ansatz.qubits), expected, atol=1e-9)
    circuit, own, matrix, shifts = with_own_angles(small, symbols)
    numbers = dict(zip(map(str, own), values @ matrix + shifts, strict=True))
    np.testing.assert_allclose(
        distribution(cirq.resolve_parameters(circuit, numbers), qubits, ansatz.qubits), expected, atol=1e-9
    )


def test_own_angles_are_linear():
    circuit, own, matrix, shifts = with_own_angles(
        cirq.Circuit(cirq.ry(2 * T - U / 2 + 1)(A), cirq.rx(0.3)(B), cirq.rz(U)(B)), [T, U]
    )
    assert list(map(str, own)) == ["angle0", "angle1"]
    np.testing.assert_allclose(matrix, [[2, 0], [-0.5, 1]])
    np.testing.assert_allclose(shifts, [1, 0])
    assert circuit == cirq.Circuit(cirq.ry(own[0])(A), cirq.rx(0.3)(B), cirq.rz(own[1])(B))


@pytest.mark.parametrize(
    ("circuit", "measured", "message"),
    [
        (cirq.Circuit(cirq.H(A)), [B], r"must be some of \[cirq.LineQubit\(0\)\], and \[cirq.LineQubit\(1\)\] were given"),
        (cirq.Circuit(cirq.H(A)), [], "none at all were given"),
        (cirq.Circuit(cirq.H(A), cirq.measure(A)), [A], "only unitary gates can be reduced"),
        (cirq.Circuit(cirq.H(A), cirq.depolarize(0.1)(A)), [A], "only unitary gates can be reduced, and the circuit holds depol"),
    ],
)
def test_what_cannot_be_reduced(circuit, measured, message):
    with pytest.raises(InputError, match=message):
        reduced(circuit, measured)


def test_a_symbol_outside_of_rotations_has_no_angle_of_its_own():
    with pytest.raises(InputError, match="holds a symbol and is not RX, RY or RZ"):
        with_own_angles(cirq.Circuit(cirq.CNOT(A, B) ** T), [T])


def test_a_symbol_may_have_any_value():
    """At t = 1/2 the gate is the identity, which may not count."""
    gates = [cirq.ry(0.3)(B), (cirq.XX ** (4 * T))(A, B)]
    assert list(reduced(cirq.Circuit(gates), [A]).all_operations()) == gates


def test_ionqs_gates_may_stand_in_it_with_symbols_too():
    symbolic = [cirq_ionq.ZZGate(theta=T)(A, B), cirq_ionq.GPI2Gate(phi=T)(C), cirq_ionq.MSGate(phi0=T, phi1=0.2)(A, B)]
    assert list(reduced(cirq.Circuit(symbolic), [A]).all_operations()) == [symbolic[0], symbolic[2]]


def test_ionqs_gates_may_stand_in_it():
    gates = [cirq_ionq.GPIGate(phi=0.1)(A), cirq_ionq.MSGate(phi0=0.1, phi1=0.2)(A, B), cirq_ionq.GPI2Gate(phi=0.3)(C)]
    assert list(reduced(cirq.Circuit(gates), [A]).all_operations()) == gates[:2]
