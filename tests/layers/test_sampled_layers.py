"""Compiled and sampled layers inside Keras: graphs, fit, distribution, shapes, configurations, files."""

from __future__ import annotations

import cirq
import numpy as np
import pytest
import tensorflow as tf

from tests.simulation.sampling.oracles import assert_mean, density_values
from tfq_llm import AmplitudeEncoder, InputError, ReuploadingPQC
from tfq_llm.circuits.noise import ionq_noise, noisy_circuit

DAMPING = cirq.ConstantQubitNoiseModel(cirq.amplitude_damp(0.05))
SAMPLING = {
    "exact": {},
    "shots": {"shots": 20},
    "noise": {"noise": "depolarizing:0.01,0.05", "trajectories": 5},
    "all": {"noise": "aria-1", "readout_error": 0.02, "shots": 20, "trajectories": 5, "seed": 3},
    "damping": {"noise": DAMPING, "shots": 20, "gradient": "spsa", "fixed": True},
    "two readout errors": {"readout_error": (0.02, 0.1), "shots": 20, "gradient": "parameter-shift", "fixed": True},
}
ROWS = np.random.default_rng(0).uniform(-3, 3, [10, 3]).astype(np.float32)


def small_layers(**options) -> list[tf.keras.layers.Layer]:
    return [AmplitudeEncoder(3, layers=1), ReuploadingPQC(3, reuploads=1, connectivity=1, num_measured=2, **options)]


@pytest.mark.parametrize("sampling", SAMPLING)
def test_a_graph_gives_the_values_and_gradients_of_a_call(sampling):
    """With the same inputs, so with the same draws; for batches of any size, of which one must not be traced again."""
    layer = small_layers(**SAMPLING[sampling])[1]
    layer(ROWS)
    traces = []

    def values_and_gradients(rows):
        traces.append(1)
        with tf.GradientTape() as tape:
            tape.watch(rows)
            values = layer(rows)
            total = tf.reduce_sum(values**2)
        return values, *tape.gradient(total, [rows, layer.angles])

    graph = tf.function(values_and_gradients, input_signature=[tf.TensorSpec([None, 3])])
    for rows in (ROWS, ROWS[:7], ROWS[:1]):
        for ours, direct in zip(graph(tf.constant(rows)), values_and_gradients(tf.constant(rows)), strict=True):
            np.testing.assert_array_equal(ours, direct)
            assert np.isfinite(ours).all()
    assert len(traces) == 1 + 3


@pytest.mark.parametrize("sampling", SAMPLING)
def test_shapes_are_known_before_anything_runs(sampling):
    inputs = tf.keras.Input([5])
    encoder, circuit = small_layers(**SAMPLING[sampling])
    values = encoder(inputs)
    outputs = circuit(values)
    assert values.shape.as_list() == [None, 3]
    assert outputs.shape.as_list() == [None, 2]
    assert circuit.compute_output_shape(tf.TensorShape([7, 3])) == [7, 2]
    traced = tf.function(lambda rows: circuit(encoder(rows))).get_concrete_function(tf.TensorSpec([4, 5]))
    assert traced.output_shapes == tf.TensorShape([4, 2])


@pytest.mark.parametrize("sampling", SAMPLING)
def test_fit_evaluate_and_predict_take_a_partial_last_batch(sampling):
    model = tf.keras.Sequential([*small_layers(**SAMPLING[sampling]), tf.keras.layers.Dense(1)])
    model.compile("adam", "mse")
    rows, labels = np.random.default_rng(1).normal(size=[10, 5]), np.zeros(10)
    history = model.fit(rows, labels, batch_size=4, epochs=2, verbose=0).history
    assert np.isfinite(history["loss"]).all()
    assert np.isfinite(model.evaluate(rows, labels, batch_size=3, verbose=0))
    assert model.predict(rows, batch_size=4, verbose=0).shape == (10, 1)


def test_draws_are_fresh_when_the_weights_move_and_fixed_on_request():
    for fixed in (False, True):
        layer = ReuploadingPQC(3, shots=10, fixed=fixed)
        layer(ROWS)
        before = layer(ROWS).numpy()
        np.testing.assert_array_equal(layer(ROWS), before)
        layer.angles.assign(layer.angles * (1 + 1e-6))
        assert np.array_equal(layer(ROWS), before) == fixed


@pytest.mark.parametrize("sampling", [{"shots": 50}, SAMPLING["noise"], SAMPLING["all"], SAMPLING["two readout errors"]], ids=str)
def test_an_estimate_is_a_call_with_its_standard_errors(sampling):
    layer = small_layers(**sampling)[1]
    estimate = layer.estimate(ROWS)
    np.testing.assert_array_equal(estimate.values, layer(ROWS))
    assert estimate.values.dtype == estimate.standard_errors.dtype == np.float32
    assert estimate.standard_errors.shape == (10, 2)


def test_standard_errors_are_how_far_repetitions_spread():
    layers = [ReuploadingPQC(3, shots=100, seed=seed, initializer="ones") for seed in range(40)]
    estimates = [layer.estimate(ROWS) for layer in layers]
    spread = np.std([estimate.values for estimate in estimates], axis=0, ddof=1)
    errors = np.mean([estimate.standard_errors for estimate in estimates], axis=0)
    assert np.mean(spread**2) == pytest.approx(np.mean(errors**2), rel=0.2)


@pytest.mark.parametrize(
    ("options", "angles", "message"),
    [
        ({}, ROWS, "values are exact and have no standard errors: call it"),
        ({"noise": "depolarizing:0,0", "trajectories": 3}, ROWS, "values are exact"),
        ({"executor": "tfq", "shots": 5, "gradient": "parameter-shift"}, ROWS, "TensorFlow Quantum gives no standard errors"),
        ({"executor": "tfq"}, ROWS, "TensorFlow Quantum gives no standard errors"),
        ({"shots": 5}, ROWS[:, :2], r"angles has the shape \(10, 2\); this circuit needs \(batch, 3\)"),
        ({"shots": 5}, ROWS[0], r"angles has the shape \(3,\); this circuit needs \(batch, 3\)"),
        ({"shots": 5}, [[0.1, np.nan, 0.2]], "angles must be finite; row 0, column 1 is nan"),
        ({"shots": 5}, "abc", "angles must be an array of real numbers"),
    ],
)
def test_what_has_no_estimate_is_refused(options, angles, message):
    with pytest.raises(InputError, match=message):
        ReuploadingPQC(3, **options).estimate(angles)


def test_a_noisy_layer_has_the_means_of_cirqs_density_matrix():
    layer = ReuploadingPQC(2, reuploads=1, connectivity=1, num_measured=2, noise="aria-1", readout_error=0.1, trajectories=20)
    row = np.array([0.4, -1.0], np.float32)
    values = layer(np.tile(row, (500, 1))).numpy()
    ansatz = layer.ansatz
    noisy = noisy_circuit(ansatz.circuit, ionq_noise("aria-1"), readout=0.1, measured=ansatz.qubits)
    names = map(str, (*ansatz.data_symbols, *ansatz.weight_symbols))
    resolver = dict(zip(names, [*row, *layer.angles.numpy()], strict=True))
    assert_mean(values, density_values(noisy, ansatz.observables(2), resolver), rounding=1e-5)


@pytest.mark.parametrize("sampling", SAMPLING)
def test_a_layer_is_made_again_from_its_configuration(sampling):
    layer = small_layers(**SAMPLING[sampling])[1]
    again = ReuploadingPQC.from_config(layer.get_config())
    assert again.get_config() == layer.get_config()
    again(ROWS)
    layer(ROWS)
    again.set_weights(layer.get_weights())
    np.testing.assert_array_equal(again(ROWS), layer(ROWS))


def test_a_noise_model_that_cannot_be_written_down_is_named():
    class Unwritable(cirq.NoiseModel):
        def noisy_operation(self, operation):
            return [operation, cirq.bit_flip(0.1).on_each(*operation.qubits)]

    layer = ReuploadingPQC(2, connectivity=1, noise=Unwritable(), trajectories=3)
    assert layer(np.zeros([1, 2], np.float32)).shape == (1, 1)
    with pytest.raises(InputError, match="Unwritable"):
        layer.get_config()


LOAD = """
import sys, numpy as np, tfq_llm.layers, tensorflow as tf
from pathlib import Path
for path in Path(sys.argv[1]).glob("*.keras"):
    case, model = np.load(path.with_suffix(".npz")), tf.keras.models.load_model(path)
    np.testing.assert_allclose(model(case["rows"]), case["outputs"], atol=1e-6, err_msg=path.name)
    print(path.stem)
"""
# Two logical devices must be asked for before TensorFlow computes anything.
DEVICES = """
import tensorflow as tf
cpu = tf.config.list_physical_devices("CPU")[0]
tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
"""
TRAIN = """
from tfq_llm import AmplitudeEncoder, ReuploadingPQC

def weights_after_training(strategy, **sampling):
    with strategy.scope():
        start = [tf.keras.initializers.RandomUniform(-3, 3, seed) for seed in (1, 2)]
        model = tf.keras.Sequential([
            AmplitudeEncoder(3, layers=1, initializer=start[0]),
            ReuploadingPQC(3, reuploads=1, connectivity=1, initializer=start[1], **sampling),
        ])
        model.compile(tf.keras.optimizers.SGD(0.1), "mse")
    rows = np.random.default_rng(0).normal(size=[12, 5]).astype(np.float32)
    data = tf.data.Dataset.from_tensor_slices((rows, rows[:, 0])).batch(8)  # 4 rows for each replica, and at last 2
    model.fit(data, epochs=2, verbose=0)
    return np.concatenate([weight.ravel() for weight in model.get_weights()])

mirrored = tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])
assert mirrored.num_replicas_in_sync == 2
one, two = weights_after_training(tf.distribute.get_strategy()), weights_after_training(mirrored)
np.testing.assert_allclose(one, two, atol=1e-5)
assert np.isfinite(weights_after_training(mirrored, shots=20, noise="aria-1", trajectories=3)).all()
"""


@pytest.mark.slow
def test_a_fresh_process_loads_keras_files_and_trains_two_replicas_as_one(tmp_path, fresh_process):
    """The first thing that it imports are the layers; one process for both, for TensorFlow takes seconds to import."""
    rows = np.random.default_rng(2).normal(size=[4, 5]).astype(np.float32)
    for name, sampling in SAMPLING.items():
        model = tf.keras.Sequential([tf.keras.Input([5]), *small_layers(**sampling)])
        model.save(tmp_path / f"{name}.keras")
        np.savez(tmp_path / f"{name}.npz", rows=rows, outputs=model(rows))
    printed = fresh_process("import tfq_llm.layers\n" + DEVICES + LOAD + TRAIN, tmp_path)
    assert set(printed.splitlines()) >= set(SAMPLING)


@pytest.mark.slow
def test_tensorflow_quantums_noisy_layer_has_the_same_values_and_gradients():
    """Both are estimates from 2,000 trajectories; a slope has a standard error below 2/√2000, and six times that is allowed."""
    options = {"noise": "depolarizing:0.05,0.05,per-qubit", "trajectories": 2000, "initializer": "ones"}
    found = []
    for settings in ({"executor": "compiled"}, {"executor": "tfq", "gradient": "parameter-shift"}):
        layer = ReuploadingPQC(2, reuploads=1, connectivity=1, **options, **settings)
        rows = tf.constant([[0.4, -1.0], [1.2, 0.3]])
        with tf.GradientTape() as tape:
            tape.watch(rows)
            values = layer(rows)
        found.append([values, *tape.gradient(values, [rows, layer.angles])])
    for ours, theirs in zip(*found, strict=True):
        assert np.abs(theirs).max() > 0.2
        np.testing.assert_allclose(ours, theirs, atol=6 * 2 * np.sqrt(len(rows) / 2000))
