"""What a circuit costs: the arithmetic that is chosen for it, and how many passes over the state it becomes."""

from __future__ import annotations

import cirq
import numpy as np
import pytest
import sympy

from tfq_llm.circuits import reuploading_circuit
from tfq_llm.simulation.compiled.engine import CompiledEngine
from tfq_llm.simulation.compiled.tables import build_tables, state_type
from tfq_llm.simulation.program import compile_circuit

A, B, C = cirq.LineQubit.range(3)
X, W = sympy.symbols("x w")


def program_of(*operations):
    return compile_circuit(cirq.Circuit(operations), [A, B, C], [X], [W])


def steps_of(*operations) -> int:
    program = program_of(*operations)
    tables, _ = build_tables(program, state_type(program, "float32"))
    return len(tables.step_gate)


@pytest.mark.parametrize(
    ("operations", "expected"),
    [
        ([cirq.ry(X)(A), cirq.CNOT(A, B), cirq.H(B), cirq.CZ(B, C), cirq.Z(A), cirq.SWAP(A, C)], np.float32),
        ([cirq.ry(2 * W + 0.1)(A), cirq.X(B), cirq.CNOT(A, B)], np.float32),
        ([cirq.rz(X)(A)], np.complex64),
        ([cirq.ry(X)(A), cirq.Y(B) ** 0.5, cirq.S(B)], np.complex64),
        ([cirq.rx(0.1)(A)], np.complex64),
        ([cirq.ISWAP(A, B)], np.complex64),
    ],
)
def test_arithmetic_is_real_if_every_matrix_is(operations, expected):
    program = program_of(*operations)
    assert state_type(program, "float32") is expected
    assert np.dtype(state_type(program, "float64")).itemsize == 2 * np.dtype(expected).itemsize


def test_a_real_circuit_takes_complex_amplitudes_and_returns_a_gradient_of_their_kind():
    engine = CompiledEngine(cirq.Circuit(cirq.ry(X)(A)), [cirq.PauliString(cirq.Y(A))], [X])
    assert engine.gradients([[0.3]], initial_state=[[0.6, 0.8]]).initial_state.dtype == np.float32
    found = engine.gradients([[0.3]], initial_state=[[0.6, 0.8j]])
    assert found.initial_state.dtype == np.complex64
    np.testing.assert_allclose(found.values, [[2 * 0.6 * 0.8]], atol=1e-6)


def test_a_constant_swap_costs_nothing_and_moves_what_follows_it():
    assert steps_of(cirq.SWAP(A, B)) == 0
    assert steps_of(cirq.ry(X)(A), cirq.SWAP(A, B), cirq.SWAP(B, C)) == 1
    circuit = cirq.Circuit(cirq.ry(0.3)(A), cirq.SWAP(A, B), cirq.ry(0.5)(A), cirq.SWAP(B, C))
    observables = [cirq.PauliString(cirq.Z(qubit)) for qubit in (A, B, C)]
    np.testing.assert_allclose(CompiledEngine(circuit, observables).values(), np.cos([[0.5, 0.0, 0.3]]), atol=1e-6)


@pytest.mark.parametrize(
    ("operations", "steps"),
    [
        ([cirq.CNOT(A, B), cirq.ry(W)(B)], 1),
        ([cirq.ry(X)(B), cirq.CNOT(A, B), cirq.ry(W)(B)], 1),
        ([cirq.CNOT(A, B), cirq.CNOT(A, B)], 1),
        ([cirq.rz(X)(A), cirq.ry(W)(A), cirq.H(A), cirq.T(A)], 1),
        ([cirq.CZ(A, B), cirq.CNOT(A, B), cirq.rx(X)(B)], 1),
        ([cirq.ISWAP(A, B), cirq.XX(B, A) ** X, cirq.ry(W)(A), cirq.ry(X)(B)], 1),
        ([cirq.CNOT(A, B), cirq.CNOT(B, A)], 2),
        ([cirq.ry(W)(A), cirq.ry(W)(B)], 2),
        ([cirq.CNOT(A, B), cirq.ry(X)(A), cirq.CNOT(A, B)], 3),
    ],
)
def test_gates_on_the_same_qubits_share_a_pass(operations, steps):
    assert steps_of(*operations) == steps


def test_the_reference_circuit_takes_about_half_as_many_passes_as_it_has_gates():
    ansatz = reuploading_circuit(10)
    program = compile_circuit(ansatz.circuit, ansatz.qubits, ansatz.data_symbols, ansatz.weight_symbols)
    tables, _ = build_tables(program, state_type(program, "float32"))
    assert len(tables.step_gate) <= 0.55 * len(program.gates)
    assert sorted(set(tables.step_gate)) == list(range(len(tables.step_gate)))
