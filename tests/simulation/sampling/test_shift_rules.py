"""Parameter-shift rules: exact for every gate that may hold a symbol, against finite differences of Cirq's values."""

from __future__ import annotations

import cirq
import cirq_ionq
import numpy as np
import pytest
import sympy

from tests.simulation.circuits_strategy import slope
from tests.simulation.sampling.oracles import random_circuit
from tfq_llm import InputError
from tfq_llm.simulation.program import compile_circuit
from tfq_llm.simulation.sampling.engine import SamplingEngine
from tfq_llm.simulation.sampling.occurrences import shift_rule

A, B = QUBITS = cirq.LineQubit.range(2)
T = sympy.Symbol("t")
OBSERVABLES = [0.3 * cirq.Z(A) * cirq.X(B) + cirq.Y(A), cirq.X(A) - 0.7 * cirq.Y(B) * cirq.Z(A)]
TWO_TERMS = {
    "rx": cirq.rx,
    "ry": cirq.ry,
    "rz": cirq.rz,
    "X": lambda t: cirq.X**t,
    "Y": lambda t: cirq.Y**t,
    "Z": lambda t: cirq.Z**t,
    "H": lambda t: cirq.H**t,
    "PhasedX": lambda t: cirq.PhasedXPowGate(phase_exponent=0.3, exponent=t),
    "CNOT": lambda t: cirq.CNOT**t,
    "CZ": lambda t: cirq.CZ**t,
    "SWAP": lambda t: cirq.SWAP**t,
    "XX": lambda t: cirq.XX**t,
    "YY": lambda t: cirq.YY**t,
    "ZZ": lambda t: cirq.ZZ**t,
    "IonQ ZZ": lambda t: cirq_ionq.ZZGate(theta=t),
    "IonQ MS": lambda t: cirq_ionq.MSGate(phi0=0, phi1=0, theta=t),
}
FOUR_TERMS = {"ISWAP": lambda t: cirq.ISWAP**t, "PhasedISWAP": lambda t: cirq.PhasedISwapPowGate(phase_exponent=0.2, exponent=t)}
PHASES = {
    "PhasedX": lambda t: cirq.PhasedXPowGate(phase_exponent=t, exponent=0.6),
    "GPI": lambda t: cirq_ionq.GPIGate(phi=t),
    "GPI2": lambda t: cirq_ionq.GPI2Gate(phi=t),
    "MS": lambda t: cirq_ionq.MSGate(phi0=t, phi1=-2 * t, theta=0.2),
}


def circuit_with(make, angle) -> cirq.Circuit:
    gate = make(angle)
    return random_circuit(2, 0) + gate.on(*QUBITS[: cirq.num_qubits(gate)]) + random_circuit(2, 1)


def total(make, angle: float) -> float:
    values = cirq.Simulator(dtype=np.complex128).simulate_expectation_values(circuit_with(make, angle), OBSERVABLES)
    return float(np.real(values).sum())


@pytest.mark.parametrize(
    ("make", "terms"), [*((make, 2) for make in TWO_TERMS.values()), *((make, 4) for make in FOUR_TERMS.values())]
)
def test_the_rule_of_a_gate_is_exact(make, terms):
    """In units of the gate's own exponent, in which Cirq writes rx(t) = X^(t/π)."""
    program = compile_circuit(circuit_with(make, T), QUBITS, [T], [])
    (gate,) = (gate for gate in program.gates if gate.source == "data")
    rule = shift_rule(gate)
    assert len(rule.shifts) == len(rule.coefficients) == terms
    for angle in (-1.3, 0.0, 0.4):
        shifted = [total(make, angle + shift / gate.scale) for shift in rule.shifts]
        assert gate.scale * rule.coefficients @ shifted == pytest.approx(
            slope(lambda step, angle=angle: total(make, angle + step), 4 * np.pi), abs=1e-9
        )


@pytest.mark.parametrize("make", [*TWO_TERMS.values(), *FOUR_TERMS.values(), *PHASES.values()])
def test_gradients_without_sampling_error_are_exact(make):
    """A channel that strikes with certainty leaves nothing to chance: what the engine returns is exact."""
    circuit = circuit_with(make, 0.8 * T - 0.3)
    circuit += cirq.bit_flip(1.0).on(A)
    data = np.array([[-1.3], [0.4]])
    wanted = [slope(lambda step, x=x: -total_flipped(make, 0.8 * (x + step) - 0.3), 8 * np.pi) for x in data[:, 0]]
    for gradient in ("parameter-shift", "adjoint"):
        engine = SamplingEngine(circuit, OBSERVABLES, [T], trajectories=1, gradient=gradient, dtype="float64")
        np.testing.assert_allclose(engine.gradients(data).data[:, 0], wanted, atol=1e-9)


def total_flipped(make, angle: float) -> float:
    """What the observables add up to behind an X on the first qubit, with the sign turned."""
    flipped = circuit_with(make, angle) + cirq.X(A)
    return -float(np.real(cirq.Simulator(dtype=np.complex128).simulate_expectation_values(flipped, OBSERVABLES)).sum())


class UnevenGate(cirq.EigenGate):
    """Eigenvalues in the ratio 0 : 1 : 4, whose differences 1, 3 and 4 are not the rungs of a ladder."""

    def _num_qubits_(self) -> int:
        return 2

    def _eigen_components(self) -> list[tuple[float, np.ndarray]]:
        return [(half_turns, np.diag(np.eye(4)[place])) for place, half_turns in enumerate((0, 0.1, 0.4, 0.4))]


def test_a_gate_without_a_rule_is_refused_by_parameter_shift_and_taken_by_spsa():
    circuit = cirq.Circuit(cirq.H.on_each(A, B), UnevenGate(exponent=T).on(A, B))
    observables = [cirq.PauliString(cirq.X(A))]
    with pytest.raises(InputError, match=r"has no parameter-shift rule here: use gradient='spsa'"):
        SamplingEngine(circuit, observables, [T], shots=10, gradient="parameter-shift")
    engine = SamplingEngine(circuit, observables, [T], shots=10, gradient="spsa")
    assert np.isfinite(engine.gradients([[0.3]]).data).all()
