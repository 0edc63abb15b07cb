"""What circuits give, against Cirq's simulators and cirq-ionq's own gates."""

from __future__ import annotations

import json
import time
from typing import Any

import cirq
import cirq_ionq
import numpy as np
import pytest
from scipy.stats import chisquare

from tests.ionq.emulator.wire import single
from tfq_llm.circuits.noise import ionq_noise, noisy_circuit
from tfq_llm.ionq.emulator.gates import Gate
from tfq_llm.ionq.emulator.machine import Circuit, Conditions, run
from tfq_llm.ionq.emulator.submissions import read_v04

QUBITS = cirq.LineQubit.range(3)
LEVEL = 1e-3


def circuit_of(gates: list[dict[str, Any]], gateset: str = "qis", qubits: int = 3) -> Circuit:
    body = single(input={"gateset": gateset, "qubits": qubits, "circuit": gates})
    return read_v04(json.dumps(body).encode()).circuits[0]


def distribution(circuit: Circuit, conditions: Conditions | None = None, seed: int = 0) -> np.ndarray:
    """Weights [2^qubits] by the basis state with qubit 0 as the lowest bit."""
    ((_, histogram),) = run([circuit], conditions or Conditions(), seed)
    found = np.zeros(2**circuit.qubits)
    found[histogram.states] = histogram.weights
    return found


def cirq_distribution(operations: Any, noise: str = "none") -> np.ndarray:
    circuit = noisy_circuit(cirq.Circuit(operations), None if noise == "none" else ionq_noise(noise))
    result = cirq.DensityMatrixSimulator(dtype=np.complex128).simulate(circuit, qubit_order=QUBITS[::-1])
    return np.real(np.diag(result.final_density_matrix))


A, B, C = QUBITS
# Every gate between rotations that show its phases, on qubits that cannot be exchanged.
SPREAD = [{"gate": "ry", "target": 0, "rotation": 0.7}, {"gate": "rx", "target": 1, "rotation": 1.1}]
SPREAD += [{"gate": "h", "target": 2}, {"gate": "cnot", "control": 0, "target": 2}, {"gate": "rz", "target": 2, "rotation": 0.3}]
IN_CIRQ = [cirq.ry(0.7)(A), cirq.rx(1.1)(B), cirq.H(C), cirq.CNOT(A, C), cirq.rz(0.3)(C)]
MIX = [{"gate": "v", "target": 0}, {"gate": "h", "target": 1}, {"gate": "ry", "target": 2, "rotation": 0.5}]
MIX_IN_CIRQ = [cirq.X(A) ** 0.5, cirq.H(B), cirq.ry(0.5)(C)]

QIS: list[tuple[dict[str, Any], Any]] = [
    ({"gate": "x", "target": 1}, cirq.X(B)),
    ({"gate": "not", "targets": [1]}, cirq.X(B)),
    ({"gate": "y", "target": 1}, cirq.Y(B)),
    ({"gate": "z", "target": 1}, cirq.Z(B)),
    ({"gate": "h", "target": 1}, cirq.H(B)),
    ({"gate": "s", "target": 1}, cirq.S(B)),
    ({"gate": "si", "target": 1}, cirq.S(B) ** -1),
    ({"gate": "t", "target": 1}, cirq.T(B)),
    ({"gate": "ti", "target": 1}, cirq.T(B) ** -1),
    ({"gate": "v", "target": 1}, cirq.X(B) ** 0.5),
    ({"gate": "vi", "target": 1}, cirq.X(B) ** -0.5),
    ({"gate": "rx", "target": 1, "rotation": 0.9}, cirq.rx(0.9)(B)),
    ({"gate": "ry", "targets": [1], "rotation": -0.9}, cirq.ry(-0.9)(B)),
    ({"gate": "rz", "target": 1, "rotation": 5.0}, cirq.rz(5.0)(B)),
    ({"gate": "cnot", "control": 2, "target": 0}, cirq.CNOT(C, A)),
    ({"gate": "cnot", "controls": [2], "targets": [0]}, cirq.CNOT(C, A)),
    ({"gate": "swap", "targets": [2, 1]}, cirq.SWAP(C, B)),
    ({"gate": "xx", "targets": [0, 2], "rotation": 0.4}, cirq.XXPowGate(exponent=0.4 / np.pi)(A, C)),
    ({"gate": "yy", "targets": [0, 2], "rotation": 0.4}, cirq.YYPowGate(exponent=0.4 / np.pi)(A, C)),
    ({"gate": "zz", "targets": [0, 2], "rotation": 0.4}, cirq.ZZPowGate(exponent=0.4 / np.pi)(A, C)),
    ({"gate": "rz", "controls": [0], "targets": [1], "rotation": 0.8}, cirq.rz(0.8)(B).controlled_by(A)),
    ({"gate": "x", "controls": [0, 2], "targets": [1]}, cirq.CCNOT(A, C, B)),
    ({"gate": "swap", "controls": [1], "targets": [0, 2]}, cirq.CSWAP(B, A, C)),
    (
        # The last letter is the first target's.
        {"gate": "pauliexp", "targets": [0, 1, 2], "terms": ["IZX", "YII"], "coefficients": [0.5, -1.0], "time": 0.6},
        [
            (cirq.X(A) * cirq.Z(B)) ** (2 * 0.5 * 0.6 / np.pi),
            cirq.ry(-2 * 0.6)(C),
        ],
    ),
]


@pytest.mark.parametrize(("gate", "operation"), QIS, ids=lambda each: each.get("gate") if isinstance(each, dict) else "")
def test_a_gate_does_what_its_name_says(gate: dict[str, Any], operation: Any) -> None:
    found = distribution(circuit_of([*SPREAD, gate, *MIX]))
    np.testing.assert_allclose(found, cirq_distribution([*IN_CIRQ, operation, *MIX_IN_CIRQ]), atol=1e-9)


NATIVE: list[tuple[dict[str, Any], cirq.Operation]] = [
    ({"gate": "gpi", "target": 1, "phase": 0.2}, cirq_ionq.GPIGate(phi=0.2)(B)),
    ({"gate": "gpi2", "target": 1, "phase": 0.2}, cirq_ionq.GPI2Gate(phi=0.2)(B)),
    ({"gate": "ms", "targets": [0, 2], "phases": [0.1, 0.3]}, cirq_ionq.MSGate(phi0=0.1, phi1=0.3)(A, C)),
    (
        {"gate": "ms", "targets": [0, 2], "phases": [0.1, 0.3], "angle": 0.15},
        cirq_ionq.MSGate(phi0=0.1, phi1=0.3, theta=0.15)(A, C),
    ),
    ({"gate": "zz", "targets": [2, 1], "phase": 0.1}, cirq_ionq.ZZGate(theta=0.1)(C, B)),
    ({"gate": "zz", "targets": [2, 1], "angle": 0.1}, cirq_ionq.ZZGate(theta=0.1)(C, B)),
]


@pytest.mark.parametrize(("gate", "operation"), NATIVE)
def test_a_native_gate_does_what_cirq_ionq_says(gate: dict[str, Any], operation: cirq.Operation) -> None:
    wire = [{"gate": "gpi2", "target": qubit, "phase": 0.1 * (qubit + 1)} for qubit in range(3)]
    turns = [cirq_ionq.GPI2Gate(phi=0.1 * (qubit + 1))(QUBITS[qubit]) for qubit in range(3)]
    found = distribution(circuit_of([*wire, gate, {"gate": "nop"}, *wire], "native"))
    np.testing.assert_allclose(found, cirq_distribution([*turns, operation, *turns]), atol=1e-9)


@pytest.mark.parametrize("noise", ["none", "aria-1", "forte-1"])
def test_shots_follow_cirqs_density_matrix(noise: str) -> None:
    gates = [*SPREAD * 4, *MIX]
    counts = distribution(circuit_of(gates), Conditions(noise, shots=50_000))
    expected = cirq_distribution([*IN_CIRQ * 4, *MIX_IN_CIRQ], noise)
    assert counts.sum() == 50_000
    assert chisquare(counts, expected / expected.sum() * 50_000).pvalue > LEVEL


def test_a_native_gate_is_as_noisy_as_one_gate() -> None:
    """Although it is simulated as several."""
    gates = [{"gate": "gpi2", "target": 0, "phase": 0.1}, {"gate": "ms", "targets": [0, 1], "phases": [0.1, 0.3]}] * 15
    operations = [cirq_ionq.GPI2Gate(phi=0.1)(A), cirq_ionq.MSGate(phi0=0.1, phi1=0.3)(A, B)] * 15
    found = distribution(circuit_of(gates, "native", 2), Conditions("aria-1", shots=50_000))
    expected = cirq_distribution(operations, "aria-1").reshape(2, 4).sum(axis=0)
    assert chisquare(found, expected / expected.sum() * 50_000).pvalue > LEVEL


def test_readout_errors_strike_all_qubits_by_their_two_probabilities() -> None:
    """Qubit 1 is 1, the others 0; no gate acts on qubit 2, and it is misread all the same."""
    found = distribution(circuit_of([{"gate": "x", "target": 1}]), Conditions(readout=(0.1, 0.3), shots=40_000))
    low, high = np.array([0.9, 0.1]), np.array([0.3, 0.7])
    expected = np.kron(np.kron(low, high), low)
    assert chisquare(found, expected * 40_000).pvalue > LEVEL


def test_circuits_of_different_structures_keep_their_places() -> None:
    circuits = [circuit_of([{"gate": "x", "target": index % 3}] * (1 + index // 6 * 2)) for index in range(12)]
    found = dict(run(circuits, Conditions(shots=10), seed=0))
    assert [found[index].counts() for index in range(12)] == [{str(2 ** (index % 3)): 10} for index in range(12)]


def test_circuits_of_one_structure_keep_their_angles() -> None:
    circuits = [circuit_of([{"gate": "rx", "target": 2, "rotation": angle}]) for angle in (0.0, np.pi, 0.5)]
    found = dict(run(circuits, Conditions(), seed=0))
    assert found[0].probabilities() == {"0": 1.0}
    assert found[1].probabilities() == {"4": 1.0}
    assert found[2].probabilities() == pytest.approx({"0": np.cos(0.25) ** 2, "4": np.sin(0.25) ** 2})


def test_a_circuit_without_gates_reads_zero() -> None:
    ((_, found),) = run([circuit_of([])], Conditions(shots=7), seed=0)
    assert found.counts() == {"0": 7}


def test_the_same_seed_draws_the_same_shots() -> None:
    circuit = circuit_of(SPREAD)
    first, again, other = (distribution(circuit, Conditions("aria-1", shots=500), seed).tolist() for seed in (1, 1, 2))
    assert first == again != other


@pytest.mark.parametrize(
    ("count", "seconds"), [pytest.param(300, 9, marks=pytest.mark.slow), pytest.param(2000, 60, marks=pytest.mark.campaign)]
)
def test_two_thousand_circuits_take_less_than_a_minute(count: int, seconds: int) -> None:
    """And some of them as many seconds fewer."""
    rng = np.random.default_rng(0)
    layer = [Gate("ry", (qubit,)) for qubit in range(10)] + [Gate("cnot", (qubit, qubit + 1)) for qubit in range(9)]
    gates = tuple((layer * 7)[:120])
    turns = sum(gate.name == "ry" for gate in gates)
    circuits = [Circuit(10, gates, rng.uniform(-1, 1, turns)) for _ in range(count)]
    start = time.monotonic()
    found = dict(run(circuits, Conditions("aria-1", shots=1000), seed=0))
    assert all(found[index].weights.sum() == 1000 for index in range(count))
    assert time.monotonic() - start < seconds
