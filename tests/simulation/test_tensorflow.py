"""The TensorFlow executor against Cirq's simulator and finite differences."""

from __future__ import annotations

import cirq
import numpy as np
import pytest
import sympy
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.simulation.circuits_strategy import random_circuits, random_states
from tfq_llm import InputError
from tfq_llm.circuits import reuploading_circuit
from tfq_llm.simulation.gate_blocks import plan
from tfq_llm.simulation.program import compile_circuit
from tfq_llm.simulation.tensorflow import TensorFlowExecutor

A, B = sympy.symbols("a b")


def observables_on(qubits: list[cirq.Qid]) -> list[cirq.PauliString | cirq.PauliSum]:
    mixed = cirq.PauliString(0.5, *(pauli(qubit) for pauli, qubit in zip([cirq.X, cirq.Y, cirq.Z], qubits, strict=False)))
    return [cirq.PauliString(cirq.Z(qubits[-1])), mixed, mixed + 2.0 * cirq.Y(qubits[0]) - 0.7]


@pytest.mark.slow
@settings(max_examples=8, deadline=None, derandomize=True)
@given(random_circuits(max_qubits=7, max_gates=15), st.integers(1, 5), st.integers(0, 2**32 - 1), st.booleans())
def test_values_and_gradients_are_cirqs(case, batch, seed, with_state):
    rng = np.random.default_rng(seed)
    observables = observables_on(case.qubits)
    executor = TensorFlowExecutor(case.circuit, observables, case.data_symbols, case.weight_symbols, dtype="float64")
    data, weights = rng.uniform(-3, 3, [batch, case.num_data]), rng.uniform(-3, 3, [case.num_weights])
    state = random_states(rng, batch, case.num_qubits, "real")
    inputs = [tf.constant(data), tf.constant(weights)] + ([tf.constant(state)] if with_state else [])

    direction = [rng.normal(size=each.shape) for each in inputs]
    step = 1e-5

    # On the tape all of them, so that the executor is traced once.
    with tf.GradientTape() as tape:
        tape.watch(inputs)
        values = executor(*inputs)
        total = tf.reduce_sum(values * tf.cos(values))
        ahead, behind = (
            tf.reduce_sum(moved * tf.cos(moved))
            for moved in (
                executor(*(each + sign * step * d for each, d in zip(inputs, direction, strict=True))) for sign in (1, -1)
            )
        )
    gradients = tape.gradient(total, inputs)

    states = state if with_state else [None] * batch
    rows = [case.expected(observables, [*row, *weights], each) for row, each in zip(data, states, strict=True)]
    np.testing.assert_allclose(values, rows, atol=1e-7)
    slope = sum(tf.reduce_sum(gradient * d) for gradient, d in zip(gradients, direction, strict=True) if gradient is not None)
    np.testing.assert_allclose(slope, (ahead - behind) / (2 * step), rtol=1e-6, atol=1e-6)


def test_a_circuit_of_many_blocks_keeps_qubits_and_symbols_in_order():
    ansatz = reuploading_circuit(8, reuploads=3, layers=2, final_layers=1, connectivity=5)
    rng = np.random.default_rng(1)
    data, weights = rng.uniform(-3, 3, [2, 8]), rng.uniform(-3, 3, len(ansatz.weight_symbols))
    executor = TensorFlowExecutor(
        ansatz.circuit, ansatz.observables(8), ansatz.data_symbols, ansatz.weight_symbols, dtype="float64"
    )
    simulator = cirq.Simulator(dtype=np.complex128)
    names = [str(symbol) for symbol in (*ansatz.data_symbols, *ansatz.weight_symbols)]
    resolvers = [dict(zip(names, [*row, *weights], strict=True)) for row in data]
    rows = [np.real(simulator.simulate_expectation_values(ansatz.circuit, ansatz.observables(8), each)) for each in resolvers]
    np.testing.assert_allclose(executor(data, weights), rows, atol=1e-9)


def test_our_ansatz_runs_in_real_arithmetic_and_in_few_blocks():
    ansatz = reuploading_circuit(10)
    program = compile_circuit(ansatz.circuit, ansatz.qubits, ansatz.data_symbols, ansatz.weight_symbols)
    assert program.is_real
    shared = [segment for segment in plan(program) if not segment.per_sample]
    assert sum(len(segment.gates) for segment in shared) <= len(program.gates) / 5


def test_gradient_flows_through_a_tf_function_and_sizes_may_change():
    ansatz = reuploading_circuit(3)
    executor = TensorFlowExecutor(ansatz.circuit, ansatz.observables(2), ansatz.data_symbols, ansatz.weight_symbols)
    weights = tf.Variable(tf.linspace(-1.0, 1.0, len(ansatz.weight_symbols)))

    @tf.function(input_signature=[tf.TensorSpec([None, 3])])
    def gradient(data):
        with tf.GradientTape() as tape:
            total = tf.reduce_sum(executor(data, weights))
        return tape.gradient(total, weights)

    rows = tf.random.stateless_uniform([7, 3], [1, 2])
    parts = [gradient(rows[:4]), gradient(rows[4:])]
    np.testing.assert_allclose(gradient(rows), tf.add_n(parts), atol=1e-5)
    assert isinstance(gradient(rows), tf.Tensor)


def test_the_graph_does_not_grow_with_the_circuit():
    def nodes(layers):
        ansatz = reuploading_circuit(6, reuploads=2, layers=layers, final_layers=layers, connectivity=5)
        executor = TensorFlowExecutor(ansatz.circuit, ansatz.observables(), ansatz.data_symbols, ansatz.weight_symbols)
        weights = tf.zeros([len(ansatz.weight_symbols)])
        graph = tf.function(lambda data: executor(data, weights)).get_concrete_function(tf.TensorSpec([None, 6])).graph
        return sum(len(function.node_def) for function in graph.as_graph_def().library.function)

    assert nodes(12) < 1.5 * nodes(2)


@pytest.mark.parametrize(
    ("operation", "message"),
    [
        (cirq.CCX(*cirq.LineQubit.range(3)), "moment 0 is not supported"),
        (cirq.depolarize(0.1).on(cirq.LineQubit(0)), "holds noise, depolarize.* in moment 0"),
        (cirq.measure(cirq.LineQubit(0)), "moment 0 is not supported"),
        (cirq.ry(A * B).on(cirq.LineQubit(0)), "linear expression of one symbol"),
        (cirq.ry(A**2).on(cirq.LineQubit(0)), "linear expression of one symbol"),
        (cirq.PhasedXPowGate(phase_exponent=A * B).on(cirq.LineQubit(0)), "linear expression of one symbol"),
        (cirq.ry(sympy.Symbol("unknown")).on(cirq.LineQubit(0)), "neither in data_symbols nor in weight_symbols"),
    ],
)
def test_what_is_not_supported_is_named(operation, message):
    with pytest.raises(InputError, match=message):
        TensorFlowExecutor(cirq.Circuit(operation), [cirq.Z(cirq.LineQubit(0)) * 1.0], [A], [B])


def test_wrong_shapes_and_observables_are_refused():
    a, b = cirq.LineQubit.range(2)
    circuit = cirq.Circuit(cirq.ry(A).on(a))
    with pytest.raises(InputError, match="which the circuit lacks"):
        TensorFlowExecutor(circuit, [cirq.PauliString(cirq.Z(b))], [A])
    with pytest.raises(InputError, match="only real ones"):
        TensorFlowExecutor(circuit, [1j * cirq.Z(a)], [A])
    with pytest.raises(InputError, match="which the list of qubits lacks"):
        TensorFlowExecutor(circuit, [cirq.PauliString(cirq.Z(b))], [A], qubits=[b])
    with pytest.raises(InputError, match=r"data has the shape \(5, 2\)"):
        TensorFlowExecutor(circuit, [cirq.PauliString(cirq.Z(a))], [A])(tf.zeros([5, 2]))
