"""Bitstrings of circuits against the distributions of Cirq's simulators."""

from __future__ import annotations

import cirq
import numpy as np
import pytest
import sympy
from scipy.stats import chisquare

from tfq_llm.circuits.noise import depolarizing, ionq_noise, noisy_circuit
from tfq_llm.errors import InputError
from tfq_llm.simulation.sampling.bitstrings import BitstringSampler

QUBITS = cirq.LineQubit.range(3)
SYMBOLS = sympy.symbols("a b c")
# With fixed seeds a test that passes once always does; at this level a right sampler fails one seed in a thousand.
LEVEL = 1e-3


def template() -> cirq.Circuit:
    """Nothing in it is symmetric under an exchange of qubits."""
    first, second, third = QUBITS
    return cirq.Circuit(
        cirq.ry(SYMBOLS[0])(first),
        cirq.rx(SYMBOLS[1])(second),
        cirq.CNOT(first, third),
        cirq.XX(second, third) ** 0.3,
        cirq.ry(SYMBOLS[2])(third),
    )


def expected(circuit: cirq.Circuit, row: np.ndarray) -> np.ndarray:
    resolved = cirq.resolve_parameters(circuit, dict(zip(SYMBOLS, row, strict=True)))
    result = cirq.DensityMatrixSimulator(dtype=np.complex128).simulate(resolved, qubit_order=QUBITS)
    return np.real(np.diag(result.final_density_matrix))


def p_value(states: np.ndarray, counts: np.ndarray, probabilities: np.ndarray) -> float:
    seen = np.zeros(len(probabilities))
    seen[states] = counts
    return float(chisquare(seen, probabilities / probabilities.sum() * counts.sum()).pvalue)


@pytest.mark.parametrize("model", [None, ionq_noise("aria-1"), depolarizing(0.1, 0.2)], ids=str)
def test_counts_follow_the_density_matrix(model: cirq.NoiseModel | None) -> None:
    circuit = noisy_circuit(template(), model)
    data = np.random.default_rng(1).uniform(0.5, 2.5, [5, 3])
    for row, (states, counts) in zip(data, BitstringSampler(circuit, SYMBOLS).counts(data, 20_000, seed=7), strict=True):
        assert counts.sum() == 20_000
        assert np.all(np.diff(states) > 0)
        assert p_value(states, counts, expected(circuit, row)) > LEVEL


def test_counts_with_quantum_jumps_follow_the_density_matrix() -> None:
    circuit = template() + cirq.Circuit(cirq.amplitude_damp(0.3)(QUBITS[0]), cirq.amplitude_damp(0.1)(QUBITS[2]))
    row = np.array([2.0, 1.0, 0.4])
    ((states, counts),) = BitstringSampler(circuit, SYMBOLS).counts(row[None], 5_000, seed=3)
    assert p_value(states, counts, expected(circuit, row)) > LEVEL


def test_the_register_says_which_qubit_is_the_most_significant() -> None:
    sampler = BitstringSampler(cirq.Circuit(cirq.X(QUBITS[0]), cirq.I(QUBITS[2])), qubits=QUBITS[::-1])
    ((states, counts),) = sampler.counts(None, 10)
    assert (states.tolist(), counts.tolist()) == ([1], [10])


def test_equal_samples_are_measured_independently_and_the_same_twice() -> None:
    data = np.tile([1.0, 2.0, 0.5], [2, 1])
    sampler = BitstringSampler(noisy_circuit(template(), ionq_noise("aria-1")), SYMBOLS)
    first, again = (list(sampler.counts(data, 1000, seed=5)) for _ in range(2))
    assert str(first) == str(again)
    assert str(first[0]) != str(first[1])
    assert str(first) != str(list(sampler.counts(data, 1000, seed=6)))


def test_many_shots_come_in_pieces() -> None:
    data = np.random.default_rng(2).uniform(0, 3, [3, 3])
    found = list(BitstringSampler(template(), SYMBOLS).counts(data, 1_500_000))
    assert [counts.sum() for _, counts in found] == [1_500_000] * 3


@pytest.mark.parametrize("shots", [0, 1.5, -3])
def test_shots_are_whole_numbers(shots: float) -> None:
    with pytest.raises(InputError, match="shots must be a whole number"):
        list(BitstringSampler(template(), SYMBOLS).counts(np.zeros([1, 3]), shots))  # type: ignore[arg-type]
