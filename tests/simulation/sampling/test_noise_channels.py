"""Gate noise as trajectories, against Cirq's density matrices."""

from __future__ import annotations

import cirq
import numpy as np
import pytest
from scipy import stats

from tests.simulation.sampling.oracles import assert_mean, density_values, random_circuit
from tfq_llm.circuits.noise import depolarizing, ionq_noise, noisy_circuit
from tfq_llm.simulation.sampling.engine import SamplingEngine

A, B, C = QUBITS = cirq.LineQubit.range(3)
OBSERVABLES = [
    cirq.PauliString(cirq.Z(A)),
    cirq.Z(A) * cirq.Z(B) * cirq.Z(C),
    cirq.X(A) * cirq.Y(B) + 0.5 * cirq.Z(C) - cirq.Y(C),
]
MIXTURES = {
    "depolarizing": [cirq.depolarize(0.1)],
    "two-qubit depolarizing": [cirq.depolarize(0.15, n_qubits=2)],
    "bit flip": [cirq.bit_flip(0.2)],
    "bit flip, more often than not": [cirq.bit_flip(0.8)],
    "phase flip": [cirq.phase_flip(0.2)],
    "asymmetric": [cirq.asymmetric_depolarize(0.05, 0.2, 0.1)],
    "asymmetric on two": [cirq.asymmetric_depolarize(error_probabilities={"II": 0.7, "XY": 0.2, "ZI": 0.1})],
    "phase damping": [cirq.phase_damp(0.3)],
    "several": [cirq.depolarize(0.05), cirq.phase_damp(0.1), cirq.depolarize(0.1, n_qubits=2)],
}
JUMPS = {
    "amplitude damping": [cirq.amplitude_damp(0.3)],
    "generalized amplitude damping": [cirq.generalized_amplitude_damp(0.7, 0.3)],
    "reset": [cirq.ResetChannel()],
    "two-qubit Kraus operators": [
        cirq.KrausChannel([np.kron(a, b) for a in cirq.kraus(cirq.amplitude_damp(0.2)) for b in cirq.kraus(cirq.bit_flip(0.1))])
    ],
    "jumps and mixtures": [cirq.amplitude_damp(0.2), cirq.depolarize(0.1), cirq.bit_flip(0.1)],
}


def draws(circuit: cirq.Circuit, rows: int, dtype: str = "float64", **options) -> np.ndarray:
    """Independent estimates [rows, K]."""
    engine = SamplingEngine(circuit, OBSERVABLES, gradient="parameter-shift", qubits=QUBITS, dtype=dtype, **options)
    return engine.values(np.zeros([rows, 0]))


@pytest.mark.parametrize("options", [{"trajectories": 1}, {"trajectories": 2}, {"trajectories": 3}, {"shots": 4}], ids=str)
@pytest.mark.parametrize("noise", MIXTURES | JUMPS)
def test_estimates_have_the_mean_of_the_density_matrix(noise, options):
    circuit = random_circuit(3, 11, (MIXTURES | JUMPS)[noise])
    assert_mean(draws(circuit, 2000, **options), density_values(circuit, OBSERVABLES))


@pytest.mark.parametrize("model", [ionq_noise("aria-1"), ionq_noise("forte-1"), depolarizing(0.02, 0.1, per_qubit=True)], ids=str)
@pytest.mark.parametrize("readout", [0.0, 0.1, (0.05, 0.2)])
def test_noise_models_and_readout_errors_have_the_mean_of_the_density_matrix(model, readout):
    circuit = noisy_circuit(random_circuit(3, 12), model, readout=readout, measured=QUBITS)
    for options in ({"trajectories": 40}, {"shots": 100}):
        assert_mean(draws(circuit, 1000, **options), density_values(circuit, OBSERVABLES))


@pytest.mark.parametrize("noise", ["several", "jumps and mixtures"])
def test_random_circuits_in_single_precision(noise):
    for seed in range(5):
        circuit = random_circuit(3, seed, (MIXTURES | JUMPS)[noise])
        assert_mean(draws(circuit, 1000, "float32", trajectories=5), density_values(circuit, OBSERVABLES), rounding=1e-5)


@pytest.mark.parametrize("noise", ["several", "jumps and mixtures"])
def test_trajectories_converge_at_one_over_the_root_of_their_number(noise):
    """Root mean squares of 3 · 300 errors are good to about 4 %, and slopes over a factor of 64 to 0.01: six times that is
    allowed (false alarms below 1e-6), and a little more on the side of too good, for the stratification."""
    circuit = random_circuit(3, 13, (MIXTURES | JUMPS)[noise])
    exact, counts = density_values(circuit, OBSERVABLES), np.array([8, 32, 128, 512])
    errors = [np.sqrt(np.mean((draws(circuit, 300, trajectories=count) - exact) ** 2)) for count in counts]
    assert -0.6 < stats.linregress(np.log(counts), np.log(errors)).slope < -0.44


@pytest.mark.parametrize("noise", ["depolarizing", "several"])
def test_a_mean_of_trajectories_is_better_than_that_of_as_many_random_ones(noise):
    """One trajectory is drawn at random; of several one is free of errors, and the others are stratified."""
    circuit = random_circuit(3, 14, MIXTURES[noise])
    one, many = (draws(circuit, 2000, trajectories=count).var(axis=0).sum() for count in (1, 16))
    assert many < 0.75 * one / 16


def test_rare_errors_cost_few_trajectories():
    circuit = noisy_circuit(random_circuit(3, 15), ionq_noise("forte-1"))
    one, many = (draws(circuit, 4000, trajectories=count).var(axis=0).sum() for count in (1, 16))
    assert many < 0.1 * one / 16


@pytest.mark.parametrize(
    ("noise", "most"), [("amplitude damping", 1.15), ("depolarizing", 10), ("several", 10), ("jumps and mixtures", 10)]
)
def test_standard_errors_of_trajectories_are_not_too_small(noise, most):
    """They are the spread where nothing is stratified, and leave aside what stratification gains elsewhere."""
    circuit = random_circuit(3, 16, (MIXTURES | JUMPS)[noise])
    engine = SamplingEngine(circuit, OBSERVABLES, trajectories=20, gradient="spsa", dtype="float64")
    estimate = engine.estimate(np.zeros([2000, 0]))
    stated, spread = np.mean(estimate.standard_errors**2, axis=0), estimate.values.var(axis=0)
    assert np.all(stated > 0.85 * spread)
    assert np.all(stated < most * spread)


def test_noise_that_never_or_always_strikes_leaves_nothing_to_chance():
    plain = random_circuit(3, 17)
    never = plain + cirq.bit_flip(0.0).on_each(*QUBITS) + cirq.amplitude_damp(0.0).on(A)
    always = plain + cirq.bit_flip(1.0).on(A) + cirq.phase_flip(1.0).on(B) + cirq.amplitude_damp(0.0).on(C)
    for circuit in (never, always):
        found = draws(circuit, 3, trajectories=2)
        np.testing.assert_allclose(found, np.tile(density_values(circuit, OBSERVABLES), (3, 1)), atol=1e-9)


def test_damping_and_reset_leave_the_ground_state():
    circuit = random_circuit(3, 18) + cirq.amplitude_damp(1.0).on(B) + cirq.reset(C)
    engine = SamplingEngine(circuit, [cirq.Z(B) + cirq.Z(C)], trajectories=2, gradient="spsa", dtype="float64")
    np.testing.assert_allclose(engine.values(np.zeros([50, 0])), 2)


def test_many_sites_of_noise_and_more_trajectories_than_fit_at_once():
    """Hundreds of sites, so that no trajectory is free of errors; and a batch in several pieces."""
    circuit = cirq.Circuit(cirq.H(A), cirq.CNOT(A, B))
    for _ in range(150):
        circuit += cirq.depolarize(0.01).on_each(A, B)
    observables = [cirq.X(A) * cirq.X(B), cirq.Z(A) * cirq.Z(B)]
    engine = SamplingEngine(circuit, observables, trajectories=300, dtype="float64")
    assert_mean(engine.values(np.zeros([50, 0])), density_values(circuit, observables))


def test_damping_of_a_register_of_one_qubit():
    circuit = cirq.Circuit(cirq.ry(2.0).on(A), cirq.amplitude_damp(0.3).on(A), cirq.ry(0.4).on(A))
    observables = [cirq.PauliString(cirq.Z(A)), cirq.PauliString(cirq.X(A))]
    for options in ({"trajectories": 5}, {"shots": 5}):
        engine = SamplingEngine(circuit, observables, gradient="spsa", dtype="float64", **options)
        assert_mean(engine.values(np.zeros([1000, 0])), density_values(circuit, observables))
