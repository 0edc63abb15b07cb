"""Noisy circuits against what IonQ publishes and Cirq's density matrices."""

from __future__ import annotations

import itertools

import cirq
import cirq_ionq
import numpy as np
import pytest
import sympy

from tests.simulation.sampling.oracles import assert_mean, density_values
from tfq_llm import InputError
from tfq_llm.circuits import depolarizing, ionq_noise, noisy_circuit, parse_noise, readout_error, reuploading_circuit
from tfq_llm.simulation.sampling.engine import SamplingEngine

A, B, C = cirq.LineQubit.range(3)
CIRCUIT = cirq.Circuit(cirq.ry(0.7).on(A), cirq.CNOT(A, B), cirq.ry(0.4).on(B), cirq.ISWAP(B, C) ** 0.3, cirq.rx(1.1).on(C))
PUBLISHED = {"aria-1": (0.0005, 0.0133), "forte-1": (0.0002666666666666667, 0.004949333333333333)}


def density(circuit: cirq.Circuit) -> np.ndarray:
    return cirq.DensityMatrixSimulator(dtype=np.complex128).simulate(circuit).final_density_matrix


def superoperator(operation: cirq.Operation) -> np.ndarray:
    return cirq.kraus_to_superoperator(cirq.kraus(operation))


def ionq_kraus(r: float, num_qubits: int) -> list[np.ndarray]:
    """docs.ionq.com/guides/simulation-with-noise-models: √(1 − (4ⁿ−1)·r/4ⁿ)·I, then √(r/4ⁿ) times each other Pauli string."""
    paulis = [cirq.unitary(pauli) for pauli in (cirq.I, cirq.X, cirq.Y, cirq.Z)]
    strings = [cirq.kron(*factors) for factors in itertools.product(paulis, repeat=num_qubits)]
    first, rest = 1 - (4**num_qubits - 1) * r / 4**num_qubits, r / 4**num_qubits
    return [np.sqrt(first) * strings[0], *(np.sqrt(rest) * string for string in strings[1:])]


def channels(circuit: cirq.Circuit) -> list[cirq.Operation]:
    return [operation for operation in circuit.all_operations() if not cirq.has_unitary(operation)]


@pytest.mark.parametrize("machine", PUBLISHED)
@pytest.mark.parametrize("gate", [cirq.X(A), cirq.CNOT(A, B)])
def test_ionq_noise_is_the_published_channel(machine, gate):
    size = len(gate.qubits)
    r = PUBLISHED[machine][size - 1]
    [channel] = channels(noisy_circuit(cirq.Circuit(gate), ionq_noise(machine)))
    assert channel.qubits == gate.qubits
    assert np.allclose(superoperator(channel), cirq.kraus_to_superoperator(ionq_kraus(r, size)), atol=1e-12)

    # In other words: with probability r nothing is left of the gate's qubits.
    prepared = cirq.Circuit(cirq.ry(0.3).on_each(*gate.qubits))
    mixed = np.eye(2**size) / 2**size
    assert np.allclose(density(prepared + channel), (1 - r) * density(prepared) + r * mixed, atol=1e-12)


@pytest.mark.parametrize("machine", PUBLISHED)
def test_a_noisy_circuit_is_the_published_channel_behind_every_gate(machine):
    by_hand = cirq.Circuit()
    for gate in CIRCUIT.all_operations():
        size = len(gate.qubits)
        by_hand += [gate, cirq.KrausChannel(ionq_kraus(PUBLISHED[machine][size - 1], size)).on(*gate.qubits)]
    noisy = noisy_circuit(CIRCUIT, ionq_noise(machine))
    assert np.allclose(density(noisy), density(by_hand), atol=1e-12)
    assert not np.allclose(density(noisy), density(CIRCUIT), atol=1e-4)


@pytest.mark.parametrize("model", [ionq_noise("aria-1"), depolarizing(0.01, 0.02), depolarizing(0.01, 0.02, per_qubit=True)])
def test_every_gate_has_its_noise_and_nothing_else_has(model):
    circuit = reuploading_circuit(3, reuploads=2, connectivity=2).circuit
    noisy = list(noisy_circuit(circuit, model).all_operations())
    assert [operation for operation in noisy if cirq.VirtualTag() not in operation.tags] == list(circuit.all_operations())
    for qubit in circuit.all_qubits():
        on_wire = [operation for operation in noisy if qubit in operation.qubits]
        assert len(on_wire) == 2 * sum(qubit in gate.qubits for gate in circuit.all_operations())
        assert all(isinstance(channel.gate, cirq.DepolarizingChannel) for channel in on_wire[1::2])
        assert not any(isinstance(gate.gate, cirq.DepolarizingChannel) for gate in on_wire[::2])


def test_idle_qubits_and_virtual_gates_have_no_noise():
    virtual = cirq.Z(B).with_tags(cirq.VirtualTag())
    circuit = cirq.Circuit(cirq.Moment(cirq.X(A), virtual), cirq.Moment(cirq.X(A)))
    assert {channel.qubits for channel in channels(noisy_circuit(circuit, depolarizing(0.1, 0.2)))} == {(A,)}


def test_depolarizing_is_cirqs_channel():
    circuit = cirq.Circuit(cirq.X(A), cirq.CNOT(A, B))
    assert [channel.untagged for channel in channels(noisy_circuit(circuit, depolarizing(0.1, 0.2)))] == [
        cirq.depolarize(0.1).on(A),
        cirq.depolarize(0.2, n_qubits=2).on(A, B),
    ]
    assert [channel.untagged for channel in channels(noisy_circuit(circuit, depolarizing(0.1, 0.2, per_qubit=True)))] == [
        cirq.depolarize(0.1).on(A),
        cirq.depolarize(0.2).on(A),
        cirq.depolarize(0.2).on(B),
    ]
    assert noisy_circuit(circuit, depolarizing(0, 0.0)) == circuit


def test_per_qubit_with_four_fifths_is_the_same_to_each_qubit_alone():
    circuit = cirq.Circuit(cirq.ry(0.7).on(A), cirq.CNOT(A, B))
    both = density(noisy_circuit(circuit, depolarizing(0.01, 0.2))).reshape([2] * 4)
    each = density(noisy_circuit(circuit, depolarizing(0.01, 4 * 0.2 / 5, per_qubit=True))).reshape([2] * 4)
    for qubit in (0, 1):
        assert np.allclose(cirq.partial_trace(both, [qubit]), cirq.partial_trace(each, [qubit]), atol=1e-12)
    assert not np.allclose(both, each, atol=1e-3)


def test_cirqs_simulator_takes_the_model_itself():
    model = depolarizing(0.02, 0.05)
    simulator = cirq.DensityMatrixSimulator(dtype=np.complex128, noise=model)
    assert np.allclose(simulator.simulate(CIRCUIT).final_density_matrix, density(noisy_circuit(CIRCUIT, model)), atol=1e-12)
    again = cirq.DensityMatrixSimulator(dtype=np.complex128, noise=cirq.ConstantQubitNoiseModel(cirq.bit_flip(0.1)))
    by_hand = noisy_circuit(CIRCUIT, cirq.ConstantQubitNoiseModel(cirq.bit_flip(0.1)), readout=0.2, measured=[B])
    only_readout = noisy_circuit(CIRCUIT, None, readout=0.2, measured=[B])
    assert np.allclose(again.simulate(only_readout).final_density_matrix, density(by_hand), atol=1e-12)


@pytest.mark.parametrize(
    "model", [None, ionq_noise("forte-1"), depolarizing(0.01, 0.02), cirq.ConstantQubitNoiseModel(cirq.phase_damp(0.1))]
)
def test_symbols_can_be_resolved_before_or_after(model):
    ansatz = reuploading_circuit(3, reuploads=2)
    symbols = [*ansatz.data_symbols, *ansatz.weight_symbols]
    values = dict(zip(symbols, np.random.default_rng(0).uniform(-3, 3, len(symbols)), strict=True))

    def noisy(circuit: cirq.AbstractCircuit) -> cirq.Circuit:
        return noisy_circuit(circuit, model, readout=0.01, measured=ansatz.qubits[:1])

    assert cirq.resolve_parameters(noisy(ansatz.circuit), values) == noisy(cirq.resolve_parameters(ansatz.circuit, values))
    assert noisy(ansatz.circuit.freeze()) == noisy(ansatz.circuit)
    assert cirq.parameter_names(noisy(ansatz.circuit)) == set(map(str, symbols))


def test_an_expression_of_symbols_is_a_gate():
    angle = sympy.Symbol("a") * 2 + sympy.Symbol("b")
    noisy = noisy_circuit(cirq.Circuit(cirq.ZZ(A, B) ** angle), depolarizing(0.1, 0.2))
    assert len(list(noisy.all_operations())) == 2


@pytest.mark.parametrize(
    ("readout", "p01", "p10"), [(0.1, 0.1, 0.1), (1.0, 1, 1), ((0.02, 0.3), 0.02, 0.3), ((0.0, 0.4), 0, 0.4)]
)
def test_readout_errors_are_wrong_readings_of_the_measured_qubits(readout, p01, p10):
    confusion = np.array([[1 - p01, p10], [p01, 1 - p10]])  # columns: what it was; rows: what is read
    was = np.diag(density(CIRCUIT)).real.reshape(2, 2, 2)
    noisy = noisy_circuit(CIRCUIT, None, readout=readout, measured=[C, A])
    read = np.einsum("ia,kc,abc->ibk", confusion, confusion, was)
    assert np.allclose(np.diag(density(noisy)).real.reshape(2, 2, 2), read, atol=1e-12)
    assert noisy[:-1] == CIRCUIT
    assert noisy[-1].qubits == {A, C}


def test_readout_error_channels():
    assert readout_error(0.1) == readout_error(0.1, 0.1) == cirq.bit_flip(0.1)
    assert isinstance(readout_error(0.1, 0.2), cirq.GeneralizedAmplitudeDampingChannel)
    assert noisy_circuit(CIRCUIT, None) == noisy_circuit(CIRCUIT, None, readout=0, measured=[A]) == CIRCUIT


@pytest.mark.parametrize("text", ["aria-1", "forte-1", "depolarizing:0.001,0.01", "depolarizing:1e-05,0.0,per-qubit"])
def test_a_model_is_named_by_a_text(text):
    assert str(parse_noise(text)) == text
    assert parse_noise(text) == parse_noise(f" {text} ")
    assert hash(parse_noise(text)) == hash(parse_noise(text))


def test_models_are_equal_by_value_and_tell_what_they_are():
    assert parse_noise("none") is None
    assert parse_noise("aria-1") == ionq_noise("aria-1") != ionq_noise("forte-1")
    assert parse_noise("depolarizing: 0.1, 0.2") == depolarizing(np.float64(0.1), 0.2) != depolarizing(0.1, 0.2, per_qubit=True)
    assert repr(ionq_noise("aria-1")) == "IonQNoise(machine='aria-1')"
    assert repr(depolarizing(np.float64(0.1), 1)) == "DepolarizingNoise(p1=0.1, p2=1.0, per_qubit=False)"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("aria1", "'depolarizing:P1,P2'.*not 'aria1'. Did you mean 'aria-1'"),
        ("aria-1:0.1", "not 'aria-1:0.1'\\.$"),
        ("none:", "not 'none:'"),
        ("depolarising:0.1,0.2", "Did you mean 'depolarizing'"),
        ("depolarizing", "as in 'depolarizing:0.001,0.01', not 'depolarizing'"),
        ("depolarizing:0.1", "not 'depolarizing:0.1'"),
        ("depolarizing:0.1,0.2,0.3", "is written 'depolarizing:P1,P2'"),
        ("depolarizing:0.1,x", "not 'depolarizing:0.1,x'"),
        ("depolarizing:0.1,nan", "p2 must be a probability from 0 to 1, not nan"),
        (None, "not None"),
    ],
)
def test_a_wrong_text_is_explained(text, message):
    with pytest.raises(InputError, match=message):
        parse_noise(text)


def test_wrong_machines_and_probabilities_are_named():
    with pytest.raises(InputError, match=r"aria-1, forte-1, not 'forte1'. Did you mean 'forte-1'"):
        ionq_noise("forte1")
    for wrong in (-0.1, 1.1, float("nan"), float("inf"), True, "0.1", None):
        with pytest.raises(InputError, match="p1 must be a"):
            depolarizing(wrong, 0.1)
        with pytest.raises(InputError, match="p2 must be a"):
            depolarizing(0.1, wrong)
        with pytest.raises(InputError, match="readout error p01 must be a"):
            noisy_circuit(CIRCUIT, None, readout=wrong, measured=[A])
    with pytest.raises(InputError, match="per_qubit must be True or False"):
        depolarizing(0.1, 0.1, per_qubit="no")
    with pytest.raises(InputError, match=r"give 0\.25 and 0\.5"):
        readout_error(0.75, 0.5)


def test_circuits_that_cannot_be_made_noisy_are_named():
    model = depolarizing(0.1, 0.1)
    with pytest.raises(InputError, match=r"already holds noise, depolarize.* in moment 1"):
        noisy_circuit(noisy_circuit(cirq.Circuit(cirq.X(A)), model), model)
    with pytest.raises(InputError, match=r"already holds a measurement, .* in moment 1"):
        noisy_circuit(cirq.Circuit(cirq.X(A), cirq.measure(A)), model)
    with pytest.raises(InputError, match=r"TOFFOLI.* decompose it first"):
        noisy_circuit(cirq.Circuit(cirq.CCX(A, B, C)), ionq_noise("aria-1"))
    with pytest.raises(InputError, match="unroll_circuit_op"):
        noisy_circuit(cirq.Circuit(cirq.CircuitOperation(cirq.FrozenCircuit(cirq.X(A)), use_repetition_ids=False)), model)
    with pytest.raises(InputError, match=r"must be a cirq.NoiseModel or None, not 'aria-1': .* parse_noise"):
        noisy_circuit(CIRCUIT, "aria-1")
    with pytest.raises(InputError, match=r"ConstantQubitNoiseModel"):
        noisy_circuit(CIRCUIT, cirq.depolarize(0.1))


def test_readout_needs_qubits_of_the_circuit():
    with pytest.raises(InputError, match=r"LineQubit\(7\)\] are not in the circuit"):
        noisy_circuit(CIRCUIT, None, readout=0.1, measured=[A, cirq.LineQubit(7)])
    with pytest.raises(InputError, match="listed twice"):
        noisy_circuit(CIRCUIT, None, readout=0.1, measured=[A, A])
    with pytest.raises(InputError, match="give them as 'measured'"):
        noisy_circuit(CIRCUIT, None, readout=0.1)
    with pytest.raises(InputError, match="one probability or two"):
        noisy_circuit(CIRCUIT, None, readout=(0.1, 0.1, 0.1), measured=[A])


@pytest.mark.parametrize("angle", [0.2, sympy.Symbol("t")], ids=str)
@pytest.mark.parametrize("model", [ionq_noise("aria-1"), depolarizing(0.01, 0.02)], ids=str)
def test_ionqs_own_gates_get_noise_with_symbols_and_without(model, angle):
    """They do not follow Cirq's parameter protocol."""
    gates = [
        cirq_ionq.GPIGate(phi=angle).on(A),
        cirq_ionq.GPI2Gate(phi=angle).on(B),
        cirq_ionq.MSGate(phi0=angle, phi1=0.1).on(A, B),
        cirq_ionq.ZZGate(theta=angle).on(A, B),
    ]
    noisy = noisy_circuit(cirq.Circuit(gates), model)
    assert len(list(noisy.all_operations())) == 2 * len(gates)
    symbols = [] if angle == 0.2 else [angle]
    engine = SamplingEngine(noisy, [cirq.Z(A) * cirq.Z(B)], symbols, trajectories=200, dtype="float64")
    resolved = [
        cirq_ionq.GPIGate(phi=0.2).on(A),
        cirq_ionq.GPI2Gate(phi=0.2).on(B),
        cirq_ionq.MSGate(phi0=0.2, phi1=0.1).on(A, B),
        cirq_ionq.ZZGate(theta=0.2).on(A, B),
    ]
    expected = density_values(noisy_circuit(cirq.Circuit(resolved), model), [cirq.Z(A) * cirq.Z(B)])
    assert_mean(engine.values(np.full([200, len(symbols)], 0.2)), expected)


def test_numbers_of_sympys_are_no_noise():
    assert len(list(noisy_circuit(cirq.Circuit(cirq.rx(sympy.pi / 3).on(A)), depolarizing(0.1, 0.1)).all_operations())) == 2
