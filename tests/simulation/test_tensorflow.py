"""The TensorFlow executor against Cirq's simulator and finite differences."""

from __future__ import annotations

import cirq
import numpy as np
import pytest
import sympy
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from tfq_llm import InputError
from tfq_llm.circuits import reuploading_circuit
from tfq_llm.simulation.blocks import plan
from tfq_llm.simulation.program import compile_circuit
from tfq_llm.simulation.tensorflow import TensorFlowExecutor

A, B = sympy.symbols("a b")
ONE_QUBIT = [cirq.rx, cirq.ry, cirq.rz, lambda t: cirq.X**t, lambda t: cirq.Y**t, lambda t: cirq.Z**t, lambda t: cirq.H**t]
TWO_QUBITS = [cirq.CNOT, cirq.CZ, cirq.SWAP, cirq.ISWAP, cirq.XX, cirq.YY, cirq.ZZ]


@st.composite
def circuits(draw: st.DrawFn) -> tuple[cirq.Circuit, int, int]:
    """A random circuit of every supported gate, with its number of data and weight symbols."""
    qubits = cirq.LineQubit.range(draw(st.integers(1, 7)))
    data, weights = draw(st.integers(0, 3)), draw(st.integers(0, 3))
    symbols = [sympy.Symbol(f"x{i}") for i in range(data)] + [sympy.Symbol(f"w{i}") for i in range(weights)]
    operations = []
    for _ in range(draw(st.integers(1, 25))):
        number = draw(st.floats(-2, 2, allow_subnormal=False))
        angle = draw(st.sampled_from([number, *(number * symbol + 0.3 for symbol in symbols if number)]))
        if len(qubits) > 1 and draw(st.booleans()):
            pair = draw(st.permutations(qubits))[:2]
            operations.append((draw(st.sampled_from(TWO_QUBITS)) ** angle).on(*pair))
        else:
            operations.append(draw(st.sampled_from(ONE_QUBIT))(angle).on(draw(st.sampled_from(qubits))))
    return cirq.Circuit(operations, (cirq.I(qubit) for qubit in qubits)), data, weights


def observables_on(qubits: list[cirq.Qid]) -> list[cirq.PauliString | cirq.PauliSum]:
    mixed = cirq.PauliString(0.5, *(pauli(qubit) for pauli, qubit in zip([cirq.X, cirq.Y, cirq.Z], qubits, strict=False)))
    return [cirq.PauliString(cirq.Z(qubits[-1])), mixed, mixed + 2.0 * cirq.Y(qubits[0]) - 0.7]


def expected(circuit, observables, names, values, state=None):
    """Cirq's answer for one row of values."""
    resolver = dict(zip(names, values, strict=True))
    simulator = cirq.Simulator(dtype=np.complex128)
    initial = 0 if state is None else state.astype(np.complex128)
    return np.real(simulator.simulate_expectation_values(circuit, observables, resolver, initial_state=initial))


@pytest.mark.slow
@settings(max_examples=15, deadline=None, derandomize=True)
@given(circuits(), st.integers(1, 5), st.integers(0, 2**32 - 1), st.booleans())
def test_values_and_gradients_are_cirqs(case, batch, seed, with_state):
    circuit, num_data, num_weights = case
    rng = np.random.default_rng(seed)
    qubits = sorted(circuit.all_qubits())
    observables = observables_on(qubits)
    names = [f"x{i}" for i in range(num_data)] + [f"w{i}" for i in range(num_weights)]
    symbols = [sympy.Symbol(name) for name in names]
    executor = TensorFlowExecutor(circuit, observables, symbols[:num_data], symbols[num_data:], dtype="float64")
    data, weights = rng.uniform(-3, 3, [batch, num_data]), rng.uniform(-3, 3, [num_weights])
    state = rng.normal(size=[batch, 2 ** len(qubits)])
    state /= np.linalg.norm(state, axis=1, keepdims=True)
    inputs = [tf.constant(data), tf.constant(weights)] + ([tf.constant(state)] if with_state else [])

    with tf.GradientTape() as tape:
        tape.watch(inputs)
        values = executor(*inputs)
        total = tf.reduce_sum(values * tf.cos(values))
    gradients = tape.gradient(total, inputs)

    states = state if with_state else [None] * batch
    rows = [expected(circuit, observables, names, [*row, *weights], each) for row, each in zip(data, states, strict=True)]
    np.testing.assert_allclose(values, rows, atol=1e-7)
    direction = [rng.normal(size=each.shape) for each in inputs]
    step = 1e-5
    ahead, behind = (
        tf.reduce_sum(moved * tf.cos(moved))
        for moved in (executor(*(each + sign * step * d for each, d in zip(inputs, direction, strict=True))) for sign in (1, -1))
    )
    slope = sum(tf.reduce_sum(gradient * d) for gradient, d in zip(gradients, direction, strict=True) if gradient is not None)
    np.testing.assert_allclose(slope, (ahead - behind) / (2 * step), rtol=1e-6, atol=1e-6)


def test_a_circuit_of_many_blocks_keeps_qubits_and_symbols_in_order():
    ansatz = reuploading_circuit(8, reuploads=3, layers=2, final_layers=1, connectivity=5)
    rng = np.random.default_rng(1)
    data, weights = rng.uniform(-3, 3, [2, 8]), rng.uniform(-3, 3, len(ansatz.weight_symbols))
    executor = TensorFlowExecutor(
        ansatz.circuit, ansatz.observables(8), ansatz.data_symbols, ansatz.weight_symbols, dtype="float64"
    )
    names = [str(symbol) for symbol in (*ansatz.data_symbols, *ansatz.weight_symbols)]
    rows = [expected(ansatz.circuit, ansatz.observables(8), names, [*row, *weights]) for row in data]
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

    @tf.function
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
        (cirq.depolarize(0.1).on(cirq.LineQubit(0)), "moment 0 is not supported"),
        (cirq.measure(cirq.LineQubit(0)), "moment 0 is not supported"),
        (cirq.ry(A * B).on(cirq.LineQubit(0)), "linear expression of one symbol"),
        (cirq.ry(A**2).on(cirq.LineQubit(0)), "linear expression of one symbol"),
        (cirq.PhasedXPowGate(phase_exponent=A).on(cirq.LineQubit(0)), "moment 0 is not supported"),
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
