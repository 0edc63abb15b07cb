"""Folded circuits against Cirq: the same unitary, by more two-qubit gates, and as much more noise."""

from __future__ import annotations

import cirq
import cirq_ionq
import numpy as np
import pytest
import sympy
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.simulation.circuits_strategy import random_circuits
from tfq_llm import InputError
from tfq_llm.circuits import ionq_noise, noisy_circuit, reuploading_circuit
from tfq_llm.circuits.folding import folded, reached

A, B, C = QUBITS = cirq.LineQubit.range(3)
T = sympy.Symbol("t")


def pairs(circuit: cirq.AbstractCircuit) -> list[cirq.Operation]:
    return [operation for operation in circuit.all_operations() if len(operation.qubits) == 2]


@settings(max_examples=60, deadline=None, derandomize=True)
@given(random_circuits(max_qubits=4, max_gates=20), st.floats(1, 7))
def test_the_unitary_stays_and_the_gates_multiply(case, scale):
    circuit = case.at(np.random.default_rng(0).uniform(-3, 3, case.num_data + case.num_weights))
    more, before = folded(circuit, scale), len(pairs(circuit))
    np.testing.assert_allclose(more.unitary(case.qubits), circuit.unitary(case.qubits), atol=1e-7)
    assert len(pairs(more)) == pytest.approx(reached(circuit, scale) * before)
    assert len(list(more.all_operations())) - len(pairs(more)) == len(list(circuit.all_operations())) - before
    if before:
        assert abs(reached(circuit, scale) - scale) <= 1 / before + 1e-9


@pytest.mark.parametrize("scale", [1, 3, 5, 7])
def test_odd_scales_are_reached_exactly_by_every_gate(scale):
    circuit = cirq.Circuit(cirq.ry(T)(A), cirq.CNOT(A, B), cirq.SWAP(B, C), cirq.CZ(A, C))
    assert reached(circuit, scale) == scale
    assert pairs(folded(circuit, scale)) == [gate for gate in pairs(circuit) for _ in range(scale)]


def test_other_scales_are_spread_evenly():
    cnots = [cirq.CNOT(A, B), cirq.CNOT(B, C), cirq.CNOT(C, A), cirq.CNOT(B, A)]
    circuit = cirq.Circuit(cnots)
    assert reached(circuit, 2) == 2
    assert pairs(folded(circuit, 2)) == [cnots[0], *[cnots[1]] * 3, cnots[2], *[cnots[3]] * 3]
    assert reached(circuit, 1.2) == 1
    assert reached(circuit, 1.3) == 1.5
    assert reached(circuit, 4.5) == 4.5
    assert reached(cirq.Circuit(cirq.H(A)), 3) == 1
    assert folded(cirq.Circuit(cirq.H(A)), 3) == cirq.Circuit(cirq.H(A))


def test_what_is_not_its_own_inverse_is_undone_by_its_inverse():
    circuit = cirq.Circuit(cirq.ISWAP(A, B), (cirq.CNOT**T)(A, B))
    assert pairs(folded(circuit, 3)) == [
        cirq.ISWAP(A, B),
        cirq.ISWAP_INV(A, B),
        cirq.ISWAP(A, B),
        (cirq.CNOT**T)(A, B),
        (cirq.CNOT**-T)(A, B),
        (cirq.CNOT**T)(A, B),
    ]


def test_symbols_and_tags_stay():
    ansatz = reuploading_circuit(3)
    symbols = [*ansatz.data_symbols, *ansatz.weight_symbols]
    values = dict(zip(symbols, np.random.default_rng(0).uniform(-3, 3, len(symbols)), strict=True))
    more = folded(ansatz.circuit, 3)
    assert cirq.parameter_names(more) == set(map(str, symbols))
    np.testing.assert_allclose(
        cirq.resolve_parameters(more, values).unitary(), cirq.resolve_parameters(ansatz.circuit, values).unitary(), atol=1e-7
    )
    tagged = cirq.Circuit(cirq.ISWAP(A, B).with_tags("mine"), cirq.CNOT(A, B).with_tags("mine"))
    assert all(operation.tags == ("mine",) for operation in folded(tagged, 3).all_operations())


def test_noise_multiplies():
    """IonQ's channel replaces two qubits by noise with probability r2, so ⟨Z⟩ of n CNOTs is that of none times (1 − r2)^n."""
    r2 = 0.0133
    circuit = cirq.Circuit(cirq.ry(0.7)(A), [cirq.CNOT(A, B), cirq.ry(0.4)(A), cirq.CNOT(B, A)])
    simulator = cirq.DensityMatrixSimulator(dtype=np.complex128)
    z = cirq.Z(A) + 0.0
    exact = simulator.simulate_expectation_values(circuit, z)[0].real
    for scale in (1, 2, 3, 5):
        more = folded(circuit, scale)
        # The model without its noise on one qubit, which folding does not touch.
        noisy = cirq.Circuit(
            [operation, cirq.depolarize(15 * r2 / 16, n_qubits=2)(*operation.qubits)] if len(operation.qubits) == 2 else operation
            for operation in more.all_operations()
        )
        assert simulator.simulate_expectation_values(noisy, z)[0].real == pytest.approx(exact * (1 - r2) ** (2 * scale), abs=1e-9)
        channels = noisy_circuit(more, ionq_noise("aria-1")).all_operations()
        assert sum(len(operation.qubits) == 2 and not cirq.has_unitary(operation) for operation in channels) == 2 * scale


@pytest.mark.parametrize(
    "circuit",
    [
        cirq.Circuit(cirq.ry(0.3)(A), cirq.CNOT(A, B), cirq.SWAP(A, B)),
        cirq.Circuit(cirq_ionq.MSGate(phi0=0.1, phi1=0.2)(A, B), cirq_ionq.GPI2Gate(phi=0.3)(A)),
        cirq.Circuit(cirq_ionq.ZZGate(theta=0.1)(A, B)),
    ],
    ids=["abstract", "Aria's", "Forte's"],
)
def test_the_clients_serializer_takes_folded_circuits(circuit):
    more = folded(circuit, 3) + cirq.measure(A, B, key="m")
    body = cirq_ionq.Serializer().serialize_single_circuit(more).body
    assert len(body["circuit"]) == len(list(circuit.all_operations())) + 2 * len(pairs(circuit))


@pytest.mark.parametrize(
    ("circuit", "scale", "message"),
    [
        (cirq.Circuit(cirq.CNOT(A, B)), 0.99, "finite number of at least 1, not 0.99"),
        (cirq.Circuit(cirq.CNOT(A, B)), float("nan"), "finite number of at least 1, not nan"),
        (cirq.Circuit(cirq.CNOT(A, B)), float("inf"), "finite number of at least 1, not inf"),
        (cirq.Circuit(cirq.CNOT(A, B)), "3", "must be a number, not '3'"),
        (cirq.Circuit(cirq.CCX(A, B, C)), 3, "only unitary gates on one or two qubits are folded"),
        (cirq.Circuit(cirq.depolarize(0.1)(A)), 3, "only unitary gates on one or two qubits are folded"),
        (cirq.Circuit(cirq.measure(A, key="m")), 3, "only unitary gates on one or two qubits are folded"),
    ],
)
def test_what_cannot_be_folded(circuit, scale, message):
    for function in (folded, reached):
        with pytest.raises(InputError, match=message):
            function(circuit, scale)
