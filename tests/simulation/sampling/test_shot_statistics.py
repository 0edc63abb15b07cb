"""The distribution of what is measured, and the errors that an estimate states, by SciPy's tests."""

from __future__ import annotations

import cirq
import numpy as np
import pytest
from scipy import stats

from tests.simulation.sampling.oracles import (
    FALSE_ALARMS,
    assert_chi_squared,
    assert_mean,
    density_probabilities,
    density_values,
    projectors,
    random_circuit,
)
from tfq_llm.simulation.sampling.engine import SamplingEngine
from tfq_llm.simulation.sampling.measurement import Basis

A, B, C = QUBITS = cirq.LineQubit.range(3)
NOISE = [cirq.depolarize(0.1), cirq.depolarize(0.2, n_qubits=2), cirq.amplitude_damp(0.2)]
NOISES = {"none": [], "mixtures": NOISE[:2], "jumps": NOISE}


def counts_of(circuit: cirq.Circuit, shots: int, rows: int, seeds: int = 1) -> np.ndarray:
    """Counts [seeds · rows, 8] of the basis states."""
    engine = SamplingEngine(circuit, projectors(QUBITS), shots=shots, gradient="parameter-shift", qubits=QUBITS, dtype="float64")
    values = [engine.with_seed(seed).values(np.zeros([rows, 0])) for seed in range(seeds)]
    return np.round(np.concatenate(values) * shots)


@pytest.mark.parametrize("noise", NOISES)
@pytest.mark.parametrize(("shots", "rows"), [(1, 20_000), (5, 4000), (20_000, 1)])
def test_outcomes_follow_the_density_matrix(noise, shots, rows):
    """One shot of eight outcomes is looked up; many are counted."""
    circuit = random_circuit(3, 3, NOISES[noise])
    counts = counts_of(circuit, shots, rows).sum(axis=0)
    expected = density_probabilities(circuit) * shots * rows
    assert stats.chisquare(counts, expected).pvalue > FALSE_ALARMS


@pytest.mark.parametrize("shots", [3, 4096])
def test_both_ways_to_measure_many_outcomes_are_right(shots):
    """Eight qubits: fewer than 64 shots are looked up, outcome by outcome."""
    probabilities = np.random.default_rng(0).dirichlet(np.ones(256), size=1)
    basis, rows = Basis((), np.eye(256)), 30_000 // shots
    sums, squares = basis.sums(np.repeat(probabilities, rows, axis=0), np.full(rows, shots), np.random.default_rng(1))
    assert np.all(sums.sum(axis=1) == shots)
    np.testing.assert_array_equal(sums, squares)  # an outcome is worth 0 or 1
    expected = probabilities[0] * shots * rows
    often = expected > 5  # as the χ² test asks for
    counts = np.append(sums.sum(axis=0)[often], sums.sum(axis=0)[~often].sum())
    assert stats.chisquare(counts, np.append(expected[often], expected[~often].sum())).pvalue > FALSE_ALARMS


@pytest.mark.parametrize("shots", [np.array([0, 3, 0, 0, 2, 0]), np.array([0, 500, 0, 0, 400, 0])])
def test_samples_without_shots_stay_without(shots):
    certain = np.eye(256)[[5, 9, 7, 7, 255, 0]]
    sums, squares = Basis((), np.arange(256.0)[:, None]).sums(certain, shots, np.random.default_rng(0))
    np.testing.assert_array_equal(sums[:, 0], shots * [5, 9, 7, 7, 255, 0])
    np.testing.assert_array_equal(squares[:, 0], shots * np.square([5, 9, 7, 7, 255, 0]))


@pytest.mark.parametrize("noise", NOISES)
def test_shots_are_independent_of_each_other(noise):
    """χ² of every row's counts, added up: too large if shots of a row share a trajectory, too small if they avoid each other."""
    circuit, shots, rows = random_circuit(3, 4, NOISES[noise]), 200, 500
    expected = density_probabilities(circuit) * shots
    counts = counts_of(circuit, shots, rows)
    assert_chi_squared(np.sum((counts - expected) ** 2 / expected), rows * 7)


@pytest.mark.parametrize("noise", NOISES)
def test_means_of_shots_spread_as_independent_readings_of_one_or_minus_one(noise):
    """Noise with a few big errors: shots that shared trajectories would spread more than the binomial distribution does."""
    circuit, shots, rows = random_circuit(3, 5, NOISES[noise]), 100, 3000
    observables = [cirq.PauliString(cirq.Z(A)), cirq.X(B) * cirq.Y(C)]
    engine = SamplingEngine(circuit, observables, shots=shots, gradient="parameter-shift", dtype="float64")
    exact = density_values(circuit, observables)
    deviations = engine.values(np.zeros([rows, 0])) - exact
    for deviation, variance in zip(deviations.T, (1 - exact**2) / shots, strict=True):
        assert_chi_squared(np.sum(deviation**2) / variance, rows)


@pytest.mark.parametrize("noise", NOISES)
def test_standard_errors_are_the_spread_of_repetitions(noise):
    circuit, rows = random_circuit(3, 6, NOISES[noise]), 4000
    observables = [cirq.PauliString(cirq.Z(A)), cirq.X(B) * cirq.Y(C) - 0.5 * cirq.Z(A) + 2]
    engine = SamplingEngine(circuit, observables, shots=50, gradient="parameter-shift", dtype="float64")
    estimate = engine.estimate(np.zeros([rows, 0]))
    exact = density_values(circuit, observables)
    # Squares of errors as stated and as they are have the same mean.
    assert_mean((estimate.values - exact) ** 2 - estimate.standard_errors**2, np.zeros(2))
    within = np.mean(np.abs(estimate.values - exact) < 2 * estimate.standard_errors, axis=0)
    np.testing.assert_allclose(within, stats.norm.cdf(2) - stats.norm.cdf(-2), atol=0.02)


def test_a_single_shot_has_no_standard_error():
    estimate = SamplingEngine(random_circuit(3, 7), [cirq.PauliString(cirq.Z(A))], shots=1).estimate(np.zeros([5, 0]))
    assert np.all(np.abs(estimate.values) == 1)
    assert np.isnan(estimate.standard_errors).all()


def test_seeds_are_independent_draws():
    circuit = random_circuit(3, 8)
    counts = counts_of(circuit, 100, 1, seeds=300)
    expected = density_probabilities(circuit) * 100
    assert_chi_squared(np.sum((counts - expected) ** 2 / expected), 300 * 7)
