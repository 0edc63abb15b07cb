"""The compiled engine's values and gradients against Cirq's simulator and finite differences of what it returns."""

from __future__ import annotations

from itertools import pairwise

import cirq
import numpy as np
import pytest
import sympy
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.simulation.circuits_strategy import random_circuits, random_observables, random_states, slope
from tfq_llm.simulation.compiled import readout
from tfq_llm.simulation.compiled.engine import CompiledEngine

A, B = cirq.LineQubit.range(2)
BATCHES = [1, 2, 3, 7, 8, 9, 16, 17, 35]
STATES = ["zero", "real", "complex"]
TOLERANCE = {"float32": 1e-5, "float64": 1e-9}


def check_against_cirq(case, observables, dtype, batch, kind, seed):
    """Values of some rows, and the gradients of a random sum of these rows' values, along random directions."""
    rng = np.random.default_rng(seed)
    engine = CompiledEngine(case.circuit, observables, case.data_symbols, case.weight_symbols, qubits=case.qubits, dtype=dtype)
    data, weights = rng.uniform(-3, 3, [batch, case.num_data]), rng.uniform(-3, 3, case.num_weights)
    states = random_states(rng, batch, case.num_qubits, kind)
    rows = sorted({0, batch - 1})
    upstream = np.zeros([batch, len(observables)])
    upstream[rows] = rng.uniform(-1, 1, [len(rows), len(observables)])

    found = engine.gradients(data, weights, states, upstream)

    def expected(row, by_data=0, by_weights=0, by_state=0):
        state = None if states is None else states[row] + by_state
        return case.expected(observables, [*(data[row] + by_data), *(weights + by_weights)], state)

    tolerance = TOLERANCE[dtype]
    np.testing.assert_array_equal(found.values, engine.values(data, weights, states))
    np.testing.assert_allclose(
        found.values[rows], [expected(row) for row in rows], rtol=0, atol=tolerance / 10 if dtype == "float64" else tolerance
    )

    by_data, by_weights = rng.uniform(-1, 1, data.shape), rng.uniform(-1, 1, weights.shape)
    by_angles = slope(
        lambda t: sum(upstream[row] @ expected(row, t * by_data[row], t * by_weights) for row in rows), case.bandwidth
    )
    size = max(1.0, np.linalg.norm(found.data), np.linalg.norm(found.weights))
    along = np.sum(found.data * by_data) + np.sum(found.weights * by_weights)
    np.testing.assert_allclose(along, by_angles, rtol=0, atol=tolerance * size)
    if batch > 2:
        assert not found.data[1 : batch - 1].any()
    if states is None:
        assert found.initial_state is None
        return
    by_state = random_states(rng, batch, case.num_qubits, kind)
    along = np.sum((np.conj(found.initial_state) * by_state).real)
    # Values are quadratic in the amplitudes: the plain difference is exact.
    difference = (
        sum(upstream[row] @ (expected(row, by_state=by_state[row]) - expected(row, by_state=-by_state[row])) for row in rows) / 2
    )
    np.testing.assert_allclose(along, difference, rtol=0, atol=tolerance)
    assert np.iscomplexobj(found.initial_state) == (kind == "complex")


@pytest.mark.slow
@pytest.mark.parametrize(("dtype", "examples"), [("float64", 60), ("float32", 30)])
def test_random_circuits_have_cirqs_values_and_gradients(dtype, examples):
    @settings(max_examples=examples, deadline=None, derandomize=True)
    @given(st.data(), random_circuits(), st.sampled_from(BATCHES), st.sampled_from(STATES), st.integers(0, 2**32 - 1))
    def check(draws, case, batch, kind, seed):
        check_against_cirq(case, draws.draw(random_observables(case.num_qubits)), dtype, batch, kind, seed)

    check()


@pytest.mark.slow
@settings(max_examples=10, deadline=None, derandomize=True)
@given(st.data(), random_circuits(min_qubits=9, max_qubits=10, max_gates=40), st.sampled_from(STATES), st.integers(0, 2**32 - 1))
def test_registers_wider_than_a_tile_have_cirqs_values_and_gradients(draws, case, kind, seed):
    check_against_cirq(case, draws.draw(random_observables(case.num_qubits)), "float64", 3, kind, seed)


@settings(max_examples=15, deadline=None, derandomize=True)
@given(random_circuits(max_qubits=6), st.integers(1, 40), st.sampled_from(STATES), st.integers(0, 2**32 - 1))
def test_a_batch_is_its_rows_one_by_one(case, batch, kind, seed):
    rng = np.random.default_rng(seed)
    observables = [cirq.PauliString(cirq.Z(case.qubits[0])), cirq.PauliString(0.5, cirq.X(case.qubits[-1]))]
    engine = CompiledEngine(
        case.circuit, observables, case.data_symbols, case.weight_symbols, qubits=case.qubits, dtype="float64"
    )
    data, weights = rng.uniform(-3, 3, [batch, case.num_data]), rng.uniform(-3, 3, case.num_weights)
    states = random_states(rng, batch, case.num_qubits, kind)
    upstream = rng.normal(size=[batch, 2])

    whole = engine.gradients(data, weights, states, upstream)
    parts = [
        engine.gradients(data[[row]], weights, None if states is None else states[[row]], upstream[[row]]) for row in range(batch)
    ]

    np.testing.assert_array_equal(whole.values, np.concatenate([part.values for part in parts]))
    np.testing.assert_array_equal(whole.data, np.concatenate([part.data for part in parts]))
    np.testing.assert_allclose(whole.weights, sum(part.weights for part in parts), rtol=0, atol=1e-11)
    if states is not None:
        np.testing.assert_array_equal(whole.initial_state, np.concatenate([part.initial_state for part in parts]))


def test_normalising_a_state_is_part_of_what_is_differentiated():
    a, b = cirq.LineQubit.range(2)
    circuit = cirq.Circuit(cirq.ry(0.4)(a), cirq.CNOT(a, b), cirq.rx(0.7)(b))
    observables = [cirq.Z(a) * cirq.Y(b) + 0.3 * cirq.X(a) + 0.2]
    engine = CompiledEngine(circuit, observables, dtype="float64", unnormalised="normalise")
    rng = np.random.default_rng(0)
    state, direction = (rng.normal(size=[1, 4]) + 1j * rng.normal(size=[1, 4]) for _ in range(2))

    def expected(t):
        moved = (state + t * direction)[0]
        simulator = cirq.Simulator(dtype=np.complex128)
        return simulator.simulate_expectation_values(circuit, observables, initial_state=moved / np.linalg.norm(moved))[0].real

    np.testing.assert_allclose(engine.values(initial_state=state), [[expected(0)]], atol=1e-10)
    gradient = engine.gradients(initial_state=state).initial_state
    assert np.sum((np.conj(gradient) * direction).real) == pytest.approx(slope(expected, bandwidth=10), abs=1e-9)


def test_amplitudes_may_be_taken_as_they_are():
    qubit = cirq.LineQubit(0)
    engine = CompiledEngine(cirq.Circuit(cirq.H(qubit)), [cirq.PauliString(cirq.X(qubit))], dtype="float64", unnormalised="allow")
    np.testing.assert_allclose(engine.values(initial_state=[[3.0, 4.0], [0.0, 0.0]]), [[9.0 - 16.0], [0.0]])


@settings(max_examples=15, deadline=None, derandomize=True)
@given(random_circuits(max_qubits=6), st.sampled_from(STATES), st.integers(0, 2**32 - 1))
def test_probabilities_are_cirqs(case, kind, seed):
    rng = np.random.default_rng(seed)
    engine = CompiledEngine(
        case.circuit, [cirq.PauliString(cirq.Z(case.qubits[0]))], case.data_symbols, case.weight_symbols, dtype="float64"
    )
    data, weights = rng.uniform(-3, 3, [3, case.num_data]), rng.uniform(-3, 3, case.num_weights)
    states = random_states(rng, 3, case.num_qubits, kind)
    found = engine.probabilities(data, weights, states)
    for row in range(3):
        initial = 0 if states is None else states[row].astype(np.complex128)
        final = cirq.Simulator(dtype=np.complex128).simulate(case.at([*data[row], *weights]), initial_state=initial)
        np.testing.assert_allclose(found[row], abs(final.final_state_vector) ** 2, atol=1e-10)


def test_the_register_may_be_wider_than_the_circuit_and_in_any_order():
    a, b, c = cirq.LineQubit.range(3)
    circuit = cirq.Circuit(cirq.ry(0.3)(a), cirq.CNOT(a, c), cirq.rx(0.2)(c))
    state = random_states(np.random.default_rng(0), 1, 3, "complex")
    engine = CompiledEngine(circuit, [cirq.Z(a) * cirq.X(c), 1.0 * cirq.Z(b)], qubits=[c, b, a], dtype="float64")
    expected = cirq.Simulator(dtype=np.complex128).simulate_expectation_values(
        circuit, [cirq.Z(a) * cirq.X(c), 1.0 * cirq.Z(b)], qubit_order=[c, b, a], initial_state=state[0]
    )
    np.testing.assert_allclose(engine.values(initial_state=state), [np.real(expected)], atol=1e-10)


@pytest.mark.parametrize("observable", [cirq.PauliString(coefficient=0.7), cirq.PauliSum(), cirq.PauliSum() - 1.5])
def test_constants_are_observables(observable):
    qubit = cirq.LineQubit(0)
    circuit = cirq.Circuit(cirq.ry(0.3)(qubit))
    observables = [cirq.PauliString(cirq.Z(qubit)), observable]
    expected = cirq.Simulator(dtype=np.complex128).simulate_expectation_values(circuit, observables)
    np.testing.assert_allclose(CompiledEngine(circuit, observables, dtype="float64").values(), [np.real(expected)], atol=1e-12)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("phase", [[], [cirq.T]], ids=["real", "complex"])
@pytest.mark.parametrize("num_qubits", [1, 2, 5, 10])
def test_observables_of_many_terms_have_cirqs_values_and_gradients(num_qubits, phase, dtype):
    """An Ising model with a transverse field: terms that share a flip are read in one pass."""
    qubits, angles = cirq.LineQubit.range(num_qubits), sympy.symbols(f"a:{num_qubits}")
    pairs = list(pairwise(qubits))
    circuit = cirq.Circuit(
        [cirq.ry(angle).on(qubit) for angle, qubit in zip(angles, qubits, strict=True)],
        [gate.on_each(*qubits) for gate in phase],
        [cirq.CNOT(*pair) for pair in pairs],
        [cirq.SWAP(qubits[0], qubits[-1])] if pairs else [],
        [cirq.ry(0.3 * k).on(qubit) for k, qubit in enumerate(qubits)],
    )
    ising = sum((0.5 * cirq.Z(a) * cirq.Z(b) for a, b in pairs), cirq.PauliSum() + 0.25)
    ising += sum((k + 1) * cirq.Z(qubit) - cirq.X(qubit) for k, qubit in enumerate(qubits))
    observables = [ising, cirq.PauliString(cirq.Z(qubits[0])), cirq.Y(qubits[0]) + 2 * cirq.X(qubits[0])]
    data = np.random.default_rng(0).uniform(-3, 3, [2, num_qubits])
    engine = CompiledEngine(circuit, observables, angles, qubits=qubits, dtype=dtype)
    found = engine.gradients(data, upstream=[[1, 0, 0], [1, 0, 0]])

    def expected(row):
        resolver = cirq.ParamResolver(dict(zip(angles, row, strict=True)))
        return cirq.Simulator(dtype=np.complex128).simulate_expectation_values(circuit, observables, resolver, qubit_order=qubits)

    tolerance = TOLERANCE[dtype] * 10
    np.testing.assert_allclose(found.values, np.real([expected(row) for row in data]), rtol=0, atol=tolerance)
    moves = np.eye(num_qubits) * np.pi / 2
    slopes = [[(expected(row + move)[0] - expected(row - move)[0]).real / 2 for move in moves] for row in data]
    np.testing.assert_allclose(found.data, slopes, rtol=0, atol=tolerance)


@pytest.mark.parametrize("size", [0, 64 * 8, 2 * 64 * 8])
def test_tables_that_would_take_too_much_are_done_without(monkeypatch, size):
    qubits = cirq.LineQubit.range(6)
    circuit = cirq.Circuit(cirq.ry(0.3 * k + 0.2).on(qubit) for k, qubit in enumerate(qubits))
    observables = [sum(cirq.Z(qubit) - 0.5 * cirq.X(A) * cirq.Z(qubit) for qubit in qubits[1:]), cirq.Z(A) + cirq.Z(B) + 1]
    expected = CompiledEngine(circuit, observables, dtype="float64").gradients()
    monkeypatch.setattr(readout, "_TABLE_BYTES", size)
    found = CompiledEngine(circuit, observables, dtype="float64").gradients()
    np.testing.assert_allclose(found.values, expected.values, atol=1e-12)


@pytest.mark.parametrize("string", [cirq.Z(A), cirq.Y(A) * cirq.Y(B), cirq.X(A) * cirq.Z(B), cirq.Y(A)], ids=str)
def test_what_rounding_leaves_of_an_imaginary_part_does_not_count(string):
    circuit = cirq.Circuit(cirq.ry(0.3).on(A), cirq.CNOT(A, B), cirq.ry(0.8).on(A))
    exact = CompiledEngine(circuit, [0.5 * string], dtype="float64").values()
    np.testing.assert_array_equal(CompiledEngine(circuit, [(0.5 + 1e-17j) * string], dtype="float64").values(), exact)
