"""Layers in double precision and under mixed policies: what they compute in, and what they put out."""

from __future__ import annotations

import math
from collections.abc import Iterator
from functools import cache

import cirq
import numpy as np
import pytest
import tensorflow as tf

from tests.support import blobs
from tfq_llm import AmplitudeEncoder, AngleScaling, HeadConfig, InputError, ReuploadingPQC, plain_tensorflow, quantum_head
from tfq_llm.execution import EXECUTORS

RNG = np.random.default_rng(0)
ROWS = RNG.normal(size=[4, 3])
EMBEDDINGS, LABELS = blobs(rows=24, dim=7)
SMALL = {"encoder_layers": 1, "reuploads": 1, "connectivity": 1}
SETTINGS = [
    *({"executor": name} for name in EXECUTORS),
    {"noise": "aria-1", "trajectories": 3},
    {"executor": "tfq", "shots": 100, "gradient": "parameter-shift"},
]


@pytest.fixture
def floatx_64() -> Iterator[None]:
    tf.keras.backend.set_floatx("float64")
    yield
    tf.keras.backend.set_floatx("float32")


@pytest.fixture
def mixed_float16() -> Iterator[None]:
    tf.keras.mixed_precision.set_global_policy("mixed_float16")
    yield
    tf.keras.mixed_precision.set_global_policy(None)


def uniform(seed: int = 1) -> tf.keras.initializers.Initializer:
    return tf.keras.initializers.RandomUniform(-math.pi, math.pi, seed)


def cirq_values(
    circuit: cirq.Circuit, observables: list, values: dict[str, float], state: np.ndarray | None = None
) -> np.ndarray:
    simulator = cirq.Simulator(dtype=np.complex128)
    order = cirq.LineQubit.range(3)
    found = simulator.simulate_expectation_values(circuit, observables, values, qubit_order=order, initial_state=state)
    return np.real(found)


def assert_cirqs_values_and_slopes(layer: tf.keras.layers.Layer, rows: np.ndarray, oracle) -> None:
    """oracle(row, angles) → values. Every angle stands in one rotation, so shifts by π/2 give the exact slope."""
    rows = tf.constant(rows, tf.float64)
    with tf.GradientTape() as tape:
        values = layer(rows)
        total = tf.reduce_sum(values)
    slopes, angles = tape.gradient(total, layer.angles), layer.angles.numpy().ravel()
    assert (values.dtype, slopes.dtype, layer.angles.dtype) == (tf.float64,) * 3
    np.testing.assert_allclose(values, [oracle(row, angles) for row in rows.numpy()], atol=1e-10)
    for index, slope in enumerate(slopes.numpy().ravel()):
        shift = np.eye(len(angles))[index] * math.pi / 2
        wanted = sum((oracle(row, angles + shift) - oracle(row, angles - shift)).sum() / 2 for row in rows.numpy())
        assert slope == pytest.approx(wanted, abs=1e-10)


@pytest.mark.parametrize("executor", ["compiled", "tensorflow"])
def test_a_float64_circuit_is_cirqs_in_double_precision(executor):
    layer = ReuploadingPQC(3, reuploads=1, num_measured=2, executor=executor, initializer=uniform(), dtype="float64")
    names = [str(symbol) for symbol in (*layer.ansatz.data_symbols, *layer.ansatz.weight_symbols)]
    assert_cirqs_values_and_slopes(
        layer,
        ROWS,
        lambda row, angles: cirq_values(
            layer.ansatz.circuit, layer.ansatz.observables(2), dict(zip(names, [*row, *angles], strict=True))
        ),
    )


@pytest.mark.parametrize("executor", ["compiled", "tensorflow"])
def test_a_float64_amplitude_encoder_is_cirqs_in_double_precision(executor):
    layer = AmplitudeEncoder(3, layers=1, executor=executor, initializer=uniform(), dtype="float64")

    def oracle(row: np.ndarray, angles: np.ndarray) -> np.ndarray:
        state = np.array([*row / np.linalg.norm(row), layer.padding_value, *np.zeros(4)])
        values = {f"w{i}": angle for i, angle in enumerate(angles)}
        return cirq_values(
            layer.circuit, [cirq.Z(qubit) for qubit in cirq.LineQubit.range(3)], values, state / np.linalg.norm(state)
        )

    assert_cirqs_values_and_slopes(layer, ROWS, oracle)


@cache
def encoder_and_pqc(executor: str, dtype: str) -> tuple[list[tf.Tensor], list[tf.Tensor]]:
    """What layers of this dtype with all weights at 0.5 put out, and the gradients by their angles; dtypes are asserted."""
    encoder_executor = "compiled" if executor == "tfq" else executor
    layers = [
        AmplitudeEncoder(3, layers=1, executor=encoder_executor, dtype=dtype),
        ReuploadingPQC(3, reuploads=1, connectivity=1, executor=executor, dtype=dtype),
    ]
    for layer in layers:
        layer.build(tf.TensorShape([None, 3]))
        layer.set_weights([np.full(weight.shape, 0.5) for weight in layer.get_weights()])
    with tf.GradientTape() as tape:
        values = [layer(tf.constant(ROWS, tf.float32)) for layer in layers]
        total = sum(tf.reduce_sum(tf.cast(value, tf.float32)) for value in values)
    gradients = tape.gradient(total, [layer.angles for layer in layers])
    assert [value.dtype for value in values] == [layer.compute_dtype for layer in layers]
    assert [layer.angles.dtype for layer in layers] == [layer.variable_dtype for layer in layers]
    return [tf.cast(value, tf.float32) for value in values], gradients


@pytest.mark.parametrize("dtype", ["float64", "mixed_float16", "mixed_bfloat16", "float16"])
@pytest.mark.parametrize("executor", EXECUTORS)
def test_a_layer_puts_out_its_dtype_and_computes_at_least_in_float32(executor, dtype):
    """So what it puts out differs from a float32 layer's only by the rounding of outputs and, for float16, of weights."""
    rounding = {"float64": 1e-5, "mixed_bfloat16": 4e-3}.get(dtype, 1e-3)
    (outputs, gradients), (wanted, slopes) = (encoder_and_pqc(executor, each) for each in (dtype, "float32"))
    for ours, theirs in zip(outputs, wanted, strict=True):
        np.testing.assert_allclose(ours, theirs, atol=rounding)
    for ours, theirs in zip(gradients, slopes, strict=True):
        np.testing.assert_allclose(ours, theirs, atol=4 * rounding)


@pytest.mark.parametrize("settings", SETTINGS, ids=str)
def test_a_head_trains_in_the_double_precision_that_keras_is_set_to(settings, floatx_64):
    head = quantum_head(7, 2, HeadConfig(**SMALL, **settings), seed=0)
    assert {weight.dtype for weight in head.weights} == {tf.float64}
    assert head(EMBEDDINGS).dtype == tf.float64
    losses = head.fit(EMBEDDINGS, LABELS, batch_size=8, epochs=4, verbose=0).history["loss"]
    assert losses[-1] < losses[0]


@pytest.mark.parametrize("settings", SETTINGS, ids=str)
def test_a_head_trains_under_a_mixed_policy(settings, mixed_float16):
    head = quantum_head(7, 2, HeadConfig(**SMALL, **settings), seed=0)
    assert {weight.dtype for weight in head.weights} == {tf.float32}
    assert (head.get_layer("reuploading_pqc").output.dtype, head.output.dtype) == (tf.float16, tf.float32)
    losses = head.fit(EMBEDDINGS, LABELS, batch_size=8, epochs=4, verbose=0).history["loss"]
    assert losses[-1] < losses[0]


def test_a_float64_model_is_saved_as_one(tmp_path, floatx_64):
    model = tf.keras.Sequential([tf.keras.Input([7]), AmplitudeEncoder(3, layers=1), AngleScaling(), ReuploadingPQC(3)])
    model.save(tmp_path / "model.keras")
    tf.keras.backend.set_floatx("float32")
    again = tf.keras.models.load_model(tmp_path / "model.keras")
    rows = tf.constant(EMBEDDINGS, tf.float64)
    assert again(rows).dtype == tf.float64
    np.testing.assert_array_equal(again(rows), model(rows))
    np.testing.assert_allclose(plain_tensorflow(again)(rows), model(rows), atol=1e-10)


@pytest.mark.parametrize("make", [lambda: AmplitudeEncoder(3, dtype="int32"), lambda: ReuploadingPQC(3, dtype="int32")])
def test_a_dtype_that_is_no_floating_point_number_is_refused(make):
    with pytest.raises(InputError, match="dtype must be a floating-point number such as 'float32', not 'int32'"):
        make()
