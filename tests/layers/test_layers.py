"""The Keras layers against Cirq's simulator and TensorFlow Quantum's stock layer."""

from __future__ import annotations

import json

import cirq
import numpy as np
import pytest
import sympy
import tensorflow as tf
import tensorflow_quantum as tfq

from tfq_llm import AmplitudeEncoder, AngleScaling, InputError, ReuploadingPQC
from tfq_llm.circuits import angle_encoding
from tfq_llm.execution import EXECUTORS
from tfq_llm.layers.amplitude_encoder import normalised


def amplitude_oracle(layer: AmplitudeEncoder, rows: np.ndarray, encoder: int = 0, angles: np.ndarray | None = None) -> np.ndarray:
    """⟨Z⟩ of each qubit by Cirq, from the states written out by hand; with the layer's angles if no others are given."""
    angles = layer.angles.numpy()[encoder] if angles is None else angles
    circuit = cirq.resolve_parameters(layer.circuit, {f"w{i}": angle for i, angle in enumerate(angles)})
    qubits = cirq.LineQubit.range(layer.num_qubits)
    found = []
    for row in rows / np.linalg.norm(rows, axis=1, keepdims=True):
        state = np.zeros(2**layer.num_qubits)
        state[: len(row)] = row
        if layer.padding == "constant":
            state[len(row)] = layer.padding_value
        state /= np.linalg.norm(state)
        simulator = cirq.Simulator(dtype=np.complex128)
        values = simulator.simulate_expectation_values(
            circuit, [cirq.Z(q) for q in qubits], qubit_order=qubits, initial_state=state
        )
        found.append(np.real(values))
    return np.array(found)


@pytest.mark.parametrize("padding", ["constant", "zero"])
def test_amplitude_encoder_is_cirqs_expectation_of_the_loaded_state(padding):
    layer = AmplitudeEncoder(4, layers=2, connectivity=3, padding=padding, padding_value=0.7)
    rows = np.random.default_rng(0).normal(size=[5, 11])
    np.testing.assert_allclose(layer(rows.astype(np.float32)), amplitude_oracle(layer, rows), atol=1e-5)


def test_parallel_encoders_are_averaged_or_concatenated():
    rows = np.random.default_rng(1).normal(size=[3, 7])
    for merge in ("average", "concatenate"):
        layer = AmplitudeEncoder(3, num_encoders=2, layers=1, merge=merge)
        outputs = layer(rows.astype(np.float32))
        first, second = (amplitude_oracle(layer, rows, encoder) for encoder in (0, 1))
        wanted = (first + second) / 2 if merge == "average" else np.hstack([first, second])
        np.testing.assert_allclose(outputs, wanted, atol=1e-5)
        assert layer.compute_output_shape(tf.TensorShape([3, 7])) == outputs.shape


def test_zero_padding_cannot_see_a_sign_and_constant_padding_can():
    rows = np.random.default_rng(2).normal(size=[4, 8]).astype(np.float32)
    literal = AmplitudeEncoder(4, layers=1, padding="zero")
    np.testing.assert_allclose(literal(rows), literal(-rows), atol=1e-6)
    constant = AmplitudeEncoder(4, layers=1)
    assert np.abs(constant(rows) - constant(-rows)).max() > 0.01


def test_a_row_of_zeros_is_the_padding_constant_alone_or_nothing():
    layer = AmplitudeEncoder(3, layers=1)
    (found,) = layer(tf.zeros([1, 5])).numpy()
    circuit = cirq.resolve_parameters(layer.circuit, {f"w{i}": angle for i, angle in enumerate(layer.angles.numpy()[0])})
    observables = [cirq.Z(qubit) for qubit in cirq.LineQubit.range(3)]
    np.testing.assert_allclose(
        found, np.real(cirq.Simulator().simulate_expectation_values(circuit, observables, initial_state=5)), atol=1e-5
    )
    assert not AmplitudeEncoder(3, layers=1, padding="zero")(tf.zeros([1, 5])).numpy().any()


def test_what_rounding_does_to_the_norm_is_divided_out():
    exact = np.array([[0.5, -0.25, 1.0], [0.1, 1.0, 1.0]])
    np.testing.assert_allclose(normalised(tf.constant(exact * [[1 - 2e-6], [1 + 3e-6]])), exact[:, :2], rtol=1e-12)


def test_amplitude_encoder_is_differentiable_in_input_and_weights():
    layer = AmplitudeEncoder(3, layers=1)
    rows = tf.constant(np.random.default_rng(3).normal(size=[2, 6]), tf.float32)
    layer(rows)
    with tf.GradientTape() as tape:
        tape.watch(rows)
        total = tf.reduce_sum(layer(rows) * [1.0, -2.0, 0.5])
    by_input, by_angles = tape.gradient(total, [rows, layer.angles])

    def value(angles: np.ndarray, inputs: np.ndarray) -> float:
        return float((amplitude_oracle(layer, inputs, angles=angles) * [1.0, -2.0, 0.5]).sum())

    # Differences of float64 numbers: in float32 the rounding of the angles alone is as large as the tolerance.
    angles, inputs, step = layer.angles.numpy()[0].astype(float), rows.numpy().astype(float), 1e-3
    for index in (0, 4, 8):
        shift = np.eye(len(angles))[index] * step
        slope = (value(angles + shift, inputs) - value(angles - shift, inputs)) / (2 * step)
        assert float(by_angles[0, index]) == pytest.approx(slope, abs=1e-4)
    for index in (0, 5):
        shift = np.zeros_like(inputs)
        shift[1, index] = step
        slope = (value(angles, inputs + shift) - value(angles, inputs - shift)) / (2 * step)
        assert float(by_input[1, index]) == pytest.approx(slope, abs=1e-4)


@pytest.mark.parametrize("executor", EXECUTORS)
def test_for_one_upload_it_is_the_stock_pqc_fed_with_data_circuits(executor):
    layer = ReuploadingPQC(4, reuploads=1, layers=1, final_layers=2, connectivity=2, num_measured=2, executor=executor)
    angles = np.random.default_rng(4).uniform(-3, 3, [5, 4]).astype(np.float32)
    outputs = layer(angles)
    ansatz = layer.ansatz
    model = cirq.Circuit(list(ansatz.circuit.all_operations())[4:])
    stock = tfq.layers.PQC(model, ansatz.observables(2))
    encoding = angle_encoding(ansatz.qubits, ansatz.data_symbols)
    data = tfq.convert_to_tensor(
        [cirq.resolve_parameters(encoding, dict(zip(map(str, ansatz.data_symbols), row, strict=True))) for row in angles]
    )
    stock(data)
    by_name = dict(zip(map(str, ansatz.weight_symbols), layer.angles.numpy(), strict=True))
    stock.set_weights([np.array([by_name[str(symbol)] for symbol in stock.symbols])])
    np.testing.assert_allclose(outputs, stock(data), atol=1e-5)


@pytest.mark.parametrize("executor", EXECUTORS)
@pytest.mark.parametrize(
    "options", [{"reuploads": 3}, {"entangling": False}, {"shared": False}, {"connectivity": 3, "layers": 2}]
)
def test_for_several_uploads_values_and_gradients_are_cirqs(executor, options):
    # More than ten parameters, so that t10 would sort before t2 if names decided.
    arguments = {"num_qubits": 4, "reuploads": 2, "num_measured": 2} | options
    start = tf.keras.initializers.RandomUniform(-np.pi, np.pi, seed=5)
    layer = ReuploadingPQC(**arguments, executor=executor, initializer=start)
    angles = tf.constant(np.random.default_rng(5).uniform(-3, 3, [3, 4]), tf.float32)
    layer.build(angles.shape)
    ansatz = layer.ansatz
    names = [str(symbol) for symbol in (*ansatz.data_symbols, *ansatz.weight_symbols)]

    def oracle(row: np.ndarray, weights: np.ndarray) -> np.ndarray:
        resolver = dict(zip(names, [*row, *weights], strict=True))
        simulator = cirq.Simulator(dtype=np.complex128)
        return np.real(simulator.simulate_expectation_values(ansatz.circuit, ansatz.observables(2), resolver))

    with tf.GradientTape() as tape:
        tape.watch(angles)
        values = layer(angles)
        total = tf.reduce_sum(values)
    by_data, by_weights = tape.gradient(total, [angles, layer.angles])
    weights, rows, step = layer.angles.numpy().astype(float), angles.numpy().astype(float), 1e-4
    assert len(weights) > 11
    np.testing.assert_allclose(values, [oracle(row, weights) for row in rows], atol=1e-5)
    for index in (2, 10, len(weights) - 1):
        shift = np.eye(len(weights))[index] * step
        slope = sum((oracle(row, weights + shift) - oracle(row, weights - shift)).sum() for row in rows) / (2 * step)
        assert float(by_weights[index]) == pytest.approx(slope, abs=1e-4)
    shift = np.eye(4)[1] * step
    slope = (oracle(rows[2] + shift, weights) - oracle(rows[2] - shift, weights)).sum() / (2 * step)
    assert float(by_data[2, 1]) == pytest.approx(slope, abs=1e-4)


def test_angle_scaling_starts_at_pi_and_can_be_switched_off():
    values = tf.constant([[1.0, -0.5]])
    layer = AngleScaling()
    np.testing.assert_allclose(layer(values), [[np.pi, -np.pi / 2]], rtol=1e-6)
    assert len(layer.trainable_weights) == 2
    fixed = AngleScaling(trainable_gain=False, bias=False)
    np.testing.assert_allclose(fixed(values), [[np.pi, -np.pi / 2]], rtol=1e-6)
    assert fixed.trainable_weights == []


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: AmplitudeEncoder(0), "num_qubits must be a whole number of at least 2, not 0"),
        (lambda: AmplitudeEncoder(3.0), "num_qubits must be a whole number"),
        (lambda: AmplitudeEncoder(3, connectivity=3), "from 1 to 2"),
        (lambda: AmplitudeEncoder(3, padding="constnat"), "Did you mean 'constant'"),
        (lambda: AmplitudeEncoder(3, padding_value=float("nan")), "finite number"),
        (lambda: AmplitudeEncoder(3)(tf.ones([1, 9])), "9 dimensions and the padding constant do not fit the 8 amplitudes"),
        (lambda: AmplitudeEncoder(3)(tf.ones([1, 8])), "num_qubits=4 or padding='zero'"),
        (lambda: AmplitudeEncoder(3, layers=True), "layers must be a whole number of at least 1, not True"),
        (lambda: AmplitudeEncoder(3, padding_value="3"), "padding_value must be a number, not '3'"),
        (lambda: AmplitudeEncoder(3, padding="zero", padding_value=None), "padding_value must be a number, not None"),
        (lambda: AmplitudeEncoder(3, entangling="no"), "entangling must be True or False, not 'no'"),
        (lambda: AmplitudeEncoder(3)(tf.keras.Input([None])), "AmplitudeEncoder .* last dimension is known"),
        (lambda: AngleScaling(trainable_gain=1), "trainable_gain must be True or False, not 1"),
        (lambda: AngleScaling(bias="zeros"), "bias must be True or False, not 'zeros'"),
        (lambda: AngleScaling()(tf.keras.Input([None])), "AngleScaling .* last dimension is known"),
        (lambda: ReuploadingPQC(3, entangling=None), "entangling must be True or False, not None"),
        (lambda: ReuploadingPQC(3, shared=0), "shared must be True or False, not 0"),
        (lambda: ReuploadingPQC(3)(tf.keras.Input([None])), "ReuploadingPQC .* last dimension is known"),
        (lambda: ReuploadingPQC(3, reuploads=0), "reuploads must be a whole number of at least 1"),
        (lambda: ReuploadingPQC(3, num_measured=4), "cannot measure 4 of 3 qubits"),
        (lambda: ReuploadingPQC(3, executor="tensorflo"), "Did you mean 'tensorflow'"),
        (lambda: ReuploadingPQC(3)(tf.ones([1, 4])), "has 3 qubits and was given 4 angles"),
    ],
)
def test_nonsense_is_refused_with_a_reason(make, message):
    with pytest.raises(InputError, match=message.replace("(", r"\(")):
        make()


def test_numpy_scalars_are_numbers_and_flags():
    encoder = AmplitudeEncoder(np.int64(3), layers=np.int32(1), padding_value=np.float32(2), entangling=np.bool_(False))
    circuit = ReuploadingPQC(np.int64(3), reuploads=np.int8(2), shared=np.bool_(True), executor="tensorflow")
    for layer, plain in (
        (encoder, AmplitudeEncoder(3, layers=1, padding_value=2.0, entangling=False)),
        (circuit, ReuploadingPQC(3, executor="tensorflow")),
    ):
        assert json.dumps(layer.get_config() | {"name": ""}) == json.dumps(plain.get_config() | {"name": ""})


def test_symbols_of_both_circuits_are_told_apart():
    layer = ReuploadingPQC(12, reuploads=1, connectivity=1)
    assert len(set(layer.ansatz.weight_symbols) | set(layer.ansatz.data_symbols)) == len(layer.ansatz.weight_symbols) + 12
    assert sympy.Symbol("x11") in layer.ansatz.data_symbols
