"""Gradients of what is sampled: exact, or right on average, against finite differences of Cirq's values."""

from __future__ import annotations

from itertools import product

import cirq
import numpy as np
import pytest

from tests.simulation.circuits_strategy import slope
from tests.simulation.sampling.oracles import assert_mean, density_values, repeated, symbolic_circuit
from tfq_llm.circuits.noise import depolarizing, ionq_noise, noisy_circuit
from tfq_llm.simulation.sampling.engine import SamplingEngine

CIRCUIT, DATA_SYMBOLS, WEIGHT_SYMBOLS = symbolic_circuit()
A, B = cirq.LineQubit.range(2)
OBSERVABLES = [cirq.PauliString(cirq.Z(A)), cirq.X(A) * cirq.Y(B) + 0.5 * cirq.Z(B)]
UPSTREAM = np.array([1.0, -0.6])
ROW, WEIGHTS = np.array([0.4, -1.1]), np.array([0.3, 0.8])
MIXTURES = {
    "weak": noisy_circuit(CIRCUIT, depolarizing(0.01, 0.05), readout=0.02, measured=[A, B]),
    "strong": noisy_circuit(CIRCUIT, depolarizing(0.2, 0.4)),
    "ionq": noisy_circuit(CIRCUIT, ionq_noise("aria-1")),
    "Z errors": noisy_circuit(CIRCUIT, cirq.ConstantQubitNoiseModel(cirq.phase_damp(0.2))),
}
DAMPED = noisy_circuit(CIRCUIT, cirq.ConstantQubitNoiseModel(cirq.amplitude_damp(0.15)))


def loss(circuit: cirq.Circuit, inputs: np.ndarray) -> float:
    names = map(str, (*DATA_SYMBOLS, *WEIGHT_SYMBOLS))
    return float(density_values(circuit, OBSERVABLES, dict(zip(names, inputs, strict=True))) @ UPSTREAM)


def exact_gradient(circuit: cirq.Circuit) -> np.ndarray:
    """By data and weights, [4]."""
    inputs = np.concatenate([ROW, WEIGHTS])
    directions = np.eye(len(inputs))
    return np.array([slope(lambda step, d=d: loss(circuit, inputs + step * d), 2 * np.pi) for d in directions])


def sampled_gradients(circuit: cirq.Circuit, repetitions: int, seeds: int = 1, **options) -> tuple[np.ndarray, np.ndarray]:
    """Gradients by data, one for every repetition and seed, and gradients by weights, one for every seed."""
    by_data, by_weights = [], []
    engine = SamplingEngine(circuit, OBSERVABLES, DATA_SYMBOLS, WEIGHT_SYMBOLS, dtype="float64", **options)
    for seed in range(seeds):
        found = engine.with_seed(seed).gradients(repeated(ROW, repetitions), WEIGHTS, repeated(UPSTREAM, repetitions))
        by_data.append(found.data)
        by_weights.append(found.weights / repetitions)
    return np.concatenate(by_data), np.array(by_weights)


def test_the_adjoint_gradient_of_shots_is_that_of_the_exact_values():
    by_data, by_weights = sampled_gradients(CIRCUIT, 2, shots=3)
    np.testing.assert_allclose([*by_data[1], *by_weights[0]], exact_gradient(CIRCUIT), atol=1e-9)


def test_upstream_is_all_ones_if_not_given():
    engine = SamplingEngine(CIRCUIT, OBSERVABLES, DATA_SYMBOLS, WEIGHT_SYMBOLS, shots=3)
    given = engine.gradients([ROW], WEIGHTS, np.ones([1, 2]))
    np.testing.assert_array_equal(engine.gradients([ROW], WEIGHTS).weights, given.weights)


@pytest.mark.parametrize("circuit", [CIRCUIT, MIXTURES["strong"], DAMPED], ids=["exact gates", "mixtures", "jumps"])
def test_parameter_shift_of_shots_is_right_on_average(circuit):
    wanted = exact_gradient(circuit)
    by_data, by_weights = sampled_gradients(circuit, 40, seeds=25, shots=20, gradient="parameter-shift")
    assert_mean(by_data, wanted[:2])
    assert_mean(by_weights, wanted[2:])


def test_parameter_shift_of_many_shots_comes_close():
    by_data, by_weights = sampled_gradients(CIRCUIT, 1, shots=4_000_000, gradient="parameter-shift")
    np.testing.assert_allclose([*by_data[0], *by_weights[0]], exact_gradient(CIRCUIT), atol=0.02)


@pytest.mark.parametrize("trajectories", [1, 2, 30])
@pytest.mark.parametrize("noise", MIXTURES)
def test_parameter_shift_of_trajectories_is_the_adjoint_gradient_of_the_same_ones(noise, trajectories):
    shifted, adjoint = (
        sampled_gradients(MIXTURES[noise], 5, trajectories=trajectories, gradient=gradient)
        for gradient in ("parameter-shift", "adjoint")
    )
    np.testing.assert_allclose(shifted[0], adjoint[0], atol=1e-9)
    np.testing.assert_allclose(shifted[1], adjoint[1], atol=1e-9)


@pytest.mark.parametrize("trajectories", [1, 2, 3])
@pytest.mark.parametrize("noise", MIXTURES)
def test_adjoint_gradients_of_trajectories_are_the_density_matrix_gradient_on_average(noise, trajectories):
    wanted = exact_gradient(MIXTURES[noise])
    by_data, by_weights = sampled_gradients(MIXTURES[noise], 100, seeds=20, trajectories=trajectories)
    assert_mean(by_data, wanted[:2])
    assert_mean(by_weights, wanted[2:])


def test_parameter_shift_of_quantum_jumps_is_right_on_average():
    wanted = exact_gradient(DAMPED)
    by_data, by_weights = sampled_gradients(DAMPED, 100, seeds=25, trajectories=3, gradient="parameter-shift")
    assert_mean(by_data, wanted[:2])
    assert_mean(by_weights, wanted[2:])


@pytest.mark.parametrize(
    ("circuit", "options"),
    [(CIRCUIT, {"shots": 100}), (MIXTURES["strong"], {"trajectories": 3}), (DAMPED, {"trajectories": 3})],
    ids=["shots", "mixtures", "jumps"],
)
def test_spsa_is_on_average_the_difference_over_all_directions(circuit, options):
    """Cirq's values on both sides of all 2^4 directions, which are equally likely, have SPSA's mean, whatever the step."""
    step, inputs = 0.3, np.concatenate([ROW, WEIGHTS])
    directions = step * np.array(list(product((-1, 1), repeat=4)))
    differences = [(loss(circuit, inputs + move) - loss(circuit, inputs - move)) / (2 * move) for move in directions]
    wanted = np.mean(differences, axis=0)
    by_data, by_weights = sampled_gradients(circuit, 100, seeds=40, gradient="spsa", spsa_step=step, **options)
    assert_mean(by_data, wanted[:2])
    assert_mean(by_weights, wanted[2:])


def test_spsa_has_the_same_trajectories_on_both_sides():
    """With others the difference would be that of the noise, of the order of 1 / step."""
    by_data, _ = sampled_gradients(MIXTURES["strong"], 500, trajectories=1, gradient="spsa", spsa_step=1e-4)
    assert np.abs(by_data).max() < 20
