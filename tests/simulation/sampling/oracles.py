"""Cirq's exact answers, and SciPy's judgement whether what was sampled fits them.

All seeds are fixed, so a test gives the same result every time; for another seed it would fail with a probability of
`FALSE_ALARMS` although nothing is wrong.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import cirq
import numpy as np
import sympy
from scipy import stats

FALSE_ALARMS = 1e-6


def density_values(circuit: cirq.AbstractCircuit, observables: Sequence, resolver: dict | None = None) -> np.ndarray:
    """Expectation values [K] by Cirq's density-matrix simulator, in double precision."""
    simulator = cirq.DensityMatrixSimulator(dtype=np.complex128)
    return np.real(simulator.simulate_expectation_values(circuit, list(observables), resolver))


def density_probabilities(circuit: cirq.AbstractCircuit) -> np.ndarray:
    """Probabilities [2^n] of the basis states, likewise."""
    return np.diag(cirq.DensityMatrixSimulator(dtype=np.complex128).simulate(circuit).final_density_matrix).real


def assert_mean(draws: np.ndarray, expected: np.ndarray, rounding: float = 1e-9) -> None:
    """Student's t-test that independent draws [R, ...] have the means `expected`, Bonferroni-corrected for their number."""
    rows, means = len(draws), draws.mean(axis=0)
    errors = draws.std(axis=0, ddof=1) / np.sqrt(rows)
    bound = stats.t.isf(FALSE_ALARMS / 2 / max(1, means.size), rows - 1)
    np.testing.assert_array_less(np.abs(means - expected), bound * errors + rounding)


def assert_chi_squared(statistic: float, freedom: float) -> None:
    """That a sum of squares is neither too large (another distribution) nor too small (draws that are not independent)."""
    low, high = stats.chi2.ppf([FALSE_ALARMS / 2, 1 - FALSE_ALARMS / 2], freedom)
    assert low < statistic < high


def repeated(row: Sequence[float], times: int) -> np.ndarray:
    """One sample as a batch: its rows are measured independently of each other."""
    return np.tile(np.asarray(row, float), (times, 1))


def projectors(qubits: Sequence[cirq.Qid]) -> list[cirq.PauliSum]:
    """For every basis state of the qubits the observable that is 1 there and 0 elsewhere: their values are shares of shots."""
    found = []
    for state in range(2 ** len(qubits)):
        projector = cirq.PauliSum.from_pauli_strings([cirq.PauliString()])
        for place, qubit in enumerate(qubits):
            sign = 1 - 2 * (state >> (len(qubits) - 1 - place) & 1)
            projector = projector * (0.5 + 0.5 * sign * cirq.Z(qubit))
        found.append(projector)
    return found


def random_circuit(num_qubits: int, seed: int, channels: Sequence[cirq.Gate] = ()) -> cirq.Circuit:
    """Random gates in all planes, with the channels, if any, strewn among them."""
    rng, qubits = np.random.default_rng(seed), cirq.LineQubit.range(num_qubits)
    circuit = cirq.Circuit()
    for _ in range(2):
        for qubit in qubits:
            circuit += cirq.PhasedXPowGate(phase_exponent=rng.uniform(-1, 1), exponent=rng.uniform(0.2, 0.8)).on(qubit)
        for pair in pairwise(qubits):
            circuit += (cirq.CNOT ** rng.uniform(0.4, 1)).on(*pair)
        for channel in channels:
            for _ in range(2):
                circuit += channel.on(*rng.permutation(qubits)[: cirq.num_qubits(channel)])
    return circuit


def symbolic_circuit() -> tuple[cirq.Circuit, list[sympy.Symbol], list[sympy.Symbol]]:
    """Two qubits, two data symbols, two weights; one of them stands twice and one in a gate with three eigenvalues."""
    (a, b), (x, y), (u, v) = cirq.LineQubit.range(2), sympy.symbols("x y"), sympy.symbols("u v")
    gates = [
        cirq.ry(x).on(a),
        cirq.rx(2 * y + 0.3).on(b),
        (cirq.ISWAP**u).on(a, b),
        cirq.rz(-0.7 * x).on(a),
        (cirq.CNOT**v).on(b, a),
        cirq.ry(u - 0.4).on(b),
    ]
    return cirq.Circuit(gates), [x, y], [u, v]
