"""Shots: how many there are, which observables share them, and what decides them."""

from __future__ import annotations

import cirq
import numpy as np
import pytest
import sympy

from tests.simulation.sampling.oracles import assert_mean, density_values, projectors, random_circuit, repeated
from tfq_llm.simulation.compiled import runner
from tfq_llm.simulation.compiled.threads import num_threads, set_num_threads
from tfq_llm.simulation.pauli import pauli_terms
from tfq_llm.simulation.sampling.engine import SamplingEngine
from tfq_llm.simulation.sampling.measurement import bases

A, B, C = QUBITS = cirq.LineQubit.range(3)
X = sympy.Symbol("x")
Z_OF_EACH = [cirq.PauliString(cirq.Z(qubit)) for qubit in QUBITS]
# H, a phase that no Z sees, H of another qubit: half of the shots are 1 whatever the symbol is.
COIN = cirq.Circuit(cirq.H(A), cirq.rz(X).on(A))
NO_DATA = np.zeros([400, 0])


@pytest.mark.parametrize("shots", [1, 2, 7, 50, 1001])
def test_the_state_is_measured_exactly_so_many_times(shots):
    engine = SamplingEngine(random_circuit(3, 0), Z_OF_EACH + projectors(QUBITS), shots=shots, dtype="float64")
    values = engine.values(NO_DATA)
    ones = (1 - values[:, :3]) / 2 * shots
    counts = values[:, 3:] * shots
    np.testing.assert_allclose(ones, np.round(ones), atol=1e-9)
    np.testing.assert_allclose(counts, np.round(counts), atol=1e-9)
    np.testing.assert_allclose(counts.sum(axis=1), shots)
    # Every Z is read off the same shots as the outcomes are.
    bits = np.array([[1 - 2 * (state >> place & 1) for place in (2, 1, 0)] for state in range(8)])
    np.testing.assert_allclose(values[:, 3:] @ bits, values[:, :3], atol=1e-9)


def test_diagonal_observables_share_their_shots():
    pair = cirq.Circuit(cirq.ry(0.8).on(A), cirq.CNOT(A, B))
    observables = [cirq.Z(A) * cirq.Z(B), cirq.PauliString(cirq.Z(A)), cirq.PauliString(cirq.Z(B)), cirq.Z(A) - 2 * cirq.Z(B) + 3]
    both, first, second, total = SamplingEngine(pair, observables, shots=20, dtype="float64").values(NO_DATA).T
    assert np.all(both == 1)
    assert np.all(first == second)
    assert len(np.unique(first)) > 5
    np.testing.assert_allclose(total, first - 2 * second + 3)


def test_observables_that_agree_on_every_qubit_share_a_basis_and_others_have_their_own():
    bell = cirq.Circuit(cirq.H(A), cirq.CNOT(A, B))
    observables = [pauli(qubit) * 1.0 for pauli in (cirq.X, cirq.Y, cirq.Z) for qubit in (A, B)]
    observables += [pauli(A) * pauli(B) for pauli in (cirq.X, cirq.Y, cirq.Z)]
    x, x2, y, y2, z, z2, xx, yy, zz = SamplingEngine(bell, observables, shots=30, dtype="float64").values(NO_DATA).T
    for both, first, second, wanted in ((xx, x, x2, 1), (yy, y, y2, -1), (zz, z, z2, 1)):
        assert np.all(both == wanted)
        assert np.all(first == wanted * second)
    # Independent coins: their products have the mean 0.
    assert_mean(np.stack([x * y, y * z, x * z], axis=1), np.zeros(3))


@pytest.mark.parametrize("shots", [1, 100])
def test_means_are_cirqs_in_every_basis(shots):
    circuit = random_circuit(3, 1)
    observables = [
        *(pauli(qubit) * 1.0 for pauli in (cirq.X, cirq.Y, cirq.Z) for qubit in QUBITS),
        0.5 * cirq.X(A) * cirq.Y(B) * cirq.Z(C) + 2 * cirq.Z(A) * cirq.Z(C) - cirq.Y(C) + 0.25,
        cirq.X(A) * cirq.X(C) - cirq.Y(A) * cirq.Y(C) + cirq.Z(B),
    ]
    engine = SamplingEngine(circuit, observables, shots=shots, dtype="float64")
    assert_mean(engine.values(np.zeros([4000, 0])), density_values(circuit, observables))


def test_the_seed_and_the_inputs_decide_the_draws():
    engine, same, other = (SamplingEngine(COIN, Z_OF_EACH[:1], [X], shots=1000, seed=seed) for seed in (1, 1, 2))
    data = np.linspace(-1, 1, 6)[:, None]
    values = engine.values(data)
    np.testing.assert_array_equal(engine.values(data), values)
    np.testing.assert_array_equal(same.values(data), values)
    np.testing.assert_array_equal(engine.gradients(data).values, values)
    assert np.any(other.values(data) != values)
    assert np.any(engine.values(data + 1e-9) != values)
    assert len(np.unique(engine.values(repeated([0.3], 6)))) > 1


def test_weights_decide_the_draws_too():
    engine = SamplingEngine(COIN, Z_OF_EACH[:1], (), [X], shots=1000)
    assert engine.values(None, [0.1]) == engine.values(None, [0.1]) != engine.values(None, [0.2])


def test_fixed_draws_are_the_same_at_every_step():
    engine = SamplingEngine(COIN, Z_OF_EACH[:1], [X], shots=1000, fixed=True)
    np.testing.assert_array_equal(engine.values([[0.1], [0.2]]), engine.values([[0.3], [0.4]]))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_results_have_the_dtype_asked_for(dtype):
    engine = SamplingEngine(COIN, Z_OF_EACH[:1], [X], shots=3, dtype=dtype)
    estimate, gradients = engine.estimate([[0.1]]), engine.gradients([[0.1]])
    arrays = (estimate.values, estimate.standard_errors, gradients.values, gradients.data, gradients.weights)
    assert {array.dtype.name for array in arrays} == {dtype}


@pytest.mark.parametrize("options", [{"shots": 40}, {"trajectories": 9}, {"shots": 40, "trajectories": 9}])
@pytest.mark.parametrize("gradient", ["adjoint", "parameter-shift", "spsa"])
def test_results_do_not_depend_on_the_number_of_threads(monkeypatch, options, gradient):
    monkeypatch.setattr(runner, "_WORTH_A_THREAD", 1.0)
    channels = [cirq.depolarize(0.1)] if "trajectories" in options else []
    circuit = cirq.Circuit(cirq.ry(X).on_each(*QUBITS)) + random_circuit(3, 2, channels)
    data, before, found = np.random.default_rng(0).uniform(-3, 3, [900, 1]), num_threads(), []
    try:
        for threads in (1, 2, 5):
            set_num_threads(threads)
            engine = SamplingEngine(circuit, Z_OF_EACH, [X], gradient=gradient, **options)
            found.append(engine.gradients(data))
    finally:
        set_num_threads(before)
    for each in found[1:]:
        np.testing.assert_array_equal(each.values, found[0].values)
        np.testing.assert_array_equal(each.data, found[0].data)


def test_a_constant_needs_no_shots_of_its_own():
    terms = pauli_terms([cirq.X(A) + 0.5, cirq.PauliSum() + 2.0], QUBITS)
    assert len(bases(terms, 3, 2)) == 1
    assert len(bases(pauli_terms([cirq.PauliSum() + 2.0], QUBITS), 3, 1)) == 1
    engine = SamplingEngine(cirq.Circuit(cirq.H(A)), [cirq.X(A) + 0.5, cirq.PauliSum() + 2.0], shots=5, dtype="float64")
    np.testing.assert_allclose(engine.values(), [[1.5, 2.0]])


@pytest.mark.parametrize("plus", [[], [cirq.T(A)]], ids=["real", "complex"])
def test_swapped_qubits_are_measured_in_their_places(plus):
    """SWAPs only rename qubits, and with noise shots are drawn from the state as it lies."""
    circuit = cirq.Circuit(cirq.X(A), plus, cirq.SWAP(A, B), cirq.SWAP(B, C), cirq.bit_flip(0.5).on(A))
    engine = SamplingEngine(circuit, Z_OF_EACH, shots=100, gradient="spsa", dtype="float64")
    values = engine.values(NO_DATA)
    np.testing.assert_array_equal(values[:, 1:], np.tile([1.0, -1.0], (len(values), 1)))
    assert_mean(values[:, :1], np.zeros(1))


@pytest.mark.parametrize(
    "options",
    [{"shots": 20}, {"shots": 20, "gradient": "spsa"}, {"shots": 20, "trajectories": 3}, {"trajectories": 3}],
    ids=str,
)
def test_an_engine_with_another_seed_is_one_that_was_made_with_it(options):
    circuit = cirq.Circuit(cirq.ry(X).on(A), cirq.CNOT(A, B))
    if "trajectories" in options:
        circuit += cirq.depolarize(0.3).on_each(A, B)
    first, made = (SamplingEngine(circuit, [cirq.X(A) * cirq.X(B)], [X], seed=seed, **options) for seed in (1, 2))
    rows = np.full([50, 1], 0.7)
    expected, before, found = (engine.gradients(rows) for engine in (made, first, first.with_seed(2)))
    np.testing.assert_array_equal(found.values, expected.values)
    np.testing.assert_array_equal(found.data, expected.data)
    assert not np.array_equal(found.values, before.values)
    np.testing.assert_array_equal(first.gradients(rows).data, before.data)
