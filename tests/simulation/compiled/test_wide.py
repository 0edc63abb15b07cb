"""Registers of many tiles, against Cirq for one sample."""

from __future__ import annotations

import cirq
import numpy as np
import pytest
import sympy

from tests.simulation.circuits_strategy import IONQ_PAIRS, ONE_QUBIT, PHASED, TWO_QUBITS, RandomCircuit, slope
from tfq_llm import InputError
from tfq_llm.simulation.compiled.engine import CompiledEngine


def random_case(num_qubits: int, num_gates: int, seed: int, real: bool) -> RandomCircuit:
    """Gates between qubits near and far; data and weights, three of each."""
    rng = np.random.default_rng(seed)
    operations = []
    for _ in range(num_gates):
        pair = bool(rng.integers(2))
        on = tuple(int(q) for q in rng.choice(num_qubits, 2 if pair else 1, replace=False))
        if real and pair:
            operations.append((lambda _: cirq.CNOT, None, 1.0, 0.0, on))
            continue
        gates = TWO_QUBITS + IONQ_PAIRS if pair else ([cirq.ry] if real else ONE_QUBIT + PHASED)
        index = int(rng.integers(6)) if rng.integers(2) else None
        operations.append((gates[rng.integers(len(gates))], index, float(rng.uniform(0.3, 1)), float(rng.uniform(-2, 2)), on))
    return RandomCircuit(num_qubits, 3, 3, tuple(operations))


@pytest.mark.parametrize(("num_qubits", "real"), [(12, True), (12, False), (14, True), (14, False)])
def test_many_sweeps_over_many_tiles_have_cirqs_values_and_gradients(num_qubits, real):
    case = random_case(num_qubits, 50, num_qubits, real)
    line = case.qubits
    observables = [
        cirq.Z(line[0]) * cirq.X(line[-1]) * cirq.Z(line[5]),
        cirq.PauliString(cirq.Z(line[7])) - 0.5 * cirq.X(line[3]),
    ]
    engine = CompiledEngine(case.circuit, observables, case.data_symbols, case.weight_symbols, qubits=line, dtype="float64")
    rng = np.random.default_rng(1)
    x, direction, upstream = rng.uniform(-3, 3, 6), rng.uniform(-1, 1, 6), rng.uniform(-1, 1, 2)

    found = engine.gradients([x[:3]], x[3:], upstream=[upstream])

    np.testing.assert_allclose(found.values[0], case.expected(observables, x), rtol=0, atol=1e-10)
    expected = slope(lambda t: upstream @ case.expected(observables, x + t * direction), case.bandwidth)
    np.testing.assert_allclose(np.concatenate([found.data[0], found.weights]) @ direction, expected, rtol=0, atol=1e-9)


@pytest.mark.slow
def test_20_qubits_run():
    line, angle = cirq.LineQubit.range(20), sympy.Symbol("w")
    circuit = cirq.Circuit(
        (cirq.ry(0.1 * place + angle)(qubit) for place, qubit in enumerate(line)),
        (cirq.CNOT(*pair) for pair in zip(line[1:], line, strict=False)),
    )
    observables = [cirq.Z(line[0]) * cirq.Z(line[19]), cirq.Z(line[7]) * cirq.X(line[12])]
    found = CompiledEngine(circuit, observables, weight_symbols=[angle]).gradients(weights=[0.3])

    simulator = cirq.Simulator(dtype=np.complex128)
    values = simulator.simulate_expectation_values(circuit, observables, {"w": 0.3})
    np.testing.assert_allclose(found.values, [np.real(values)], atol=1e-5)
    # The frequencies in one angle are 20 · 1 at most.
    shifted = [sum(np.real(simulator.simulate_expectation_values(circuit, observables, {"w": 0.3 + t}))) for t in (0.01, -0.01)]
    np.testing.assert_allclose(found.weights[0], (shifted[0] - shifted[1]) / 0.02, atol=1e-3)


def test_21_qubits_are_refused():
    line = cirq.LineQubit.range(21)
    with pytest.raises(InputError, match="simulates 1 to 20 qubits and was given 21"):
        CompiledEngine(cirq.Circuit(cirq.H.on_each(*line)), [cirq.PauliString(cirq.Z(line[0]))])
