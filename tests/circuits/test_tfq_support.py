"""What `unsupported_by_tfq` says, against what TensorFlow Quantum does."""

from __future__ import annotations

import cirq
import numpy as np
import pytest
import tensorflow as tf
import tensorflow_quantum as tfq
from tensorflow_quantum.core.serialize import serializer

from tfq_llm.circuits import depolarizing, ionq_noise, noisy_circuit, reuploading_circuit, unsupported_by_tfq
from tfq_llm.circuits.tfq_support import TFQ_CHANNELS, TFQ_ONE_QUBIT, TFQ_TWO_QUBITS

A, B, C = cirq.LineQubit.range(3)
TRAJECTORIES = 20_000
FIVE_SIGMA = 5 / np.sqrt(TRAJECTORIES)  # a trajectory's ⟨Pauli string⟩ lies in [−1, 1], so its deviation is at most 1
BASE = cirq.Circuit(cirq.ry(0.7).on(A), cirq.ry(0.4).on(B), cirq.CNOT(A, B), cirq.H(C))
OBSERVABLES = [cirq.PauliString(cirq.Z(A)), cirq.PauliString(cirq.Z(B)), cirq.X(B) * 1.0, cirq.Z(A) * cirq.Z(B)]


def by_tfq(circuit: cirq.Circuit, observables: list, values: dict[str, float] | None = None) -> np.ndarray:
    names, numbers = list(values or {}), [list((values or {}).values())]
    inputs = tfq.convert_to_tensor([circuit]), tf.constant(names, tf.string), tf.constant(numbers, tf.float32)
    trajectories = [[TRAJECTORIES] * len(observables)]
    return tfq.noise.expectation(*inputs, tfq.convert_to_tensor([observables]), trajectories).numpy()[0]


def by_cirq(circuit: cirq.Circuit, observables: list, values: dict[str, float] | None = None) -> np.ndarray:
    simulator = cirq.DensityMatrixSimulator(dtype=np.complex128)
    return np.real(simulator.simulate_expectation_values(circuit, observables, values))


def test_the_lists_are_tensorflow_quantums():
    assert {*TFQ_ONE_QUBIT, *TFQ_TWO_QUBITS} == {known.gate_type for known in serializer.SERIALIZERS}
    assert len(TFQ_CHANNELS) == 8


@pytest.mark.parametrize(
    "channel",
    [
        cirq.amplitude_damp(0.4),
        cirq.asymmetric_depolarize(0.1, 0.2, 0.3),
        cirq.bit_flip(0.3),
        cirq.depolarize(0.5),
        cirq.generalized_amplitude_damp(0.3, 0.4),
        cirq.phase_damp(0.4),
        cirq.phase_flip(0.3),
        cirq.ResetChannel(),
    ],
)
def test_the_eight_channels_run(channel):
    circuit = BASE + channel.on(B).with_tags(cirq.VirtualTag())
    assert unsupported_by_tfq(circuit) is None
    assert np.allclose(by_tfq(circuit, OBSERVABLES), by_cirq(circuit, OBSERVABLES), atol=FIVE_SIGMA)


@pytest.mark.parametrize("readout", [0.1, (0.02, 0.3)])
def test_a_noisy_reuploading_circuit_runs(readout):
    ansatz = reuploading_circuit(3, reuploads=2, connectivity=1)
    symbols = [*ansatz.data_symbols, *ansatz.weight_symbols]
    angles = np.random.default_rng(1).uniform(-1, 1, len(symbols))
    values = {str(symbol): float(angle) for symbol, angle in zip(symbols, angles, strict=True)}
    model = depolarizing(0.03, 0.06, per_qubit=True)
    circuit = noisy_circuit(ansatz.circuit, model, readout=readout, measured=ansatz.qubits[:2])
    assert unsupported_by_tfq(circuit) is None
    noisy, ideal = (by_cirq(each, ansatz.observables(2), values) for each in (circuit, ansatz.circuit))
    assert np.allclose(by_tfq(circuit, ansatz.observables(2), values), noisy, atol=FIVE_SIGMA)
    assert np.all(np.abs(noisy - ideal) > 2 * FIVE_SIGMA)


def test_the_two_qubit_channel_is_named_because_tensorflow_quantum_runs_it_wrongly():
    circuit = BASE + cirq.depolarize(0.5, n_qubits=2).on(A, B)
    assert unsupported_by_tfq(circuit) == cirq.depolarize(0.5, n_qubits=2).on(A, B)
    one_qubit = by_cirq(BASE + cirq.depolarize(0.5).on(A), OBSERVABLES)
    assert np.allclose(by_tfq(circuit, OBSERVABLES), one_qubit, atol=FIVE_SIGMA)
    assert np.abs(one_qubit - by_cirq(circuit, OBSERVABLES)).max() > 0.3
    r2 = 0.0133
    assert unsupported_by_tfq(noisy_circuit(BASE, ionq_noise("aria-1"))) == cirq.depolarize(15 * r2 / 16, n_qubits=2).on(A, B)


@pytest.mark.parametrize(
    "operation",
    [
        cirq.CCX(A, B, C),
        cirq.MatrixGate(np.eye(2)).on(A),
        cirq.IdentityGate(2).on(A, B),
        cirq.X(A).with_probability(0.3),
        cirq.KrausChannel(cirq.kraus(cirq.bit_flip(0.1))).on(A),
        cirq.asymmetric_depolarize(error_probabilities={"II": 0.5, "XX": 0.5}).on(A, B),
        cirq.X(cirq.NamedQubit("a")),
        cirq.global_phase_operation(1j),
    ],
)
def test_what_tensorflow_quantum_refuses_is_named(operation):
    assert unsupported_by_tfq(cirq.Circuit(cirq.X(A), operation)) == operation
    with pytest.raises(ValueError, match=r"."):
        tfq.convert_to_tensor([cirq.Circuit(operation)])
