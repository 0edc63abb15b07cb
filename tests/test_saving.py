"""Models for other processes: written as plain TensorFlow, or refused; never a directory that fails when it is loaded."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf

from tests.lengths import Lengths
from tfq_llm import HeadConfig, InputError, ReuploadingPQC, hybrid_classifier, plain_tensorflow, quantum_head

EMBEDDINGS = np.random.default_rng(0).normal(size=[6, 7]).astype(np.float32)
TEXTS = ["abc", "defgh", "", "a longer one"]
SMALL = {"encoder_layers": 1, "connectivity": 1}
LOAD = """
import sys, numpy as np, tensorflow as tf
from pathlib import Path
for folder in Path(sys.argv[1]).iterdir():
    loaded = tf.saved_model.load(str(folder / "model"))
    case = np.load(folder / "case.npz")
    run = getattr(loaded, "serve", None) or getattr(loaded, "run", None) or loaded
    np.testing.assert_allclose(run(tf.constant(case["inputs"])), case["outputs"], atol=1e-5, err_msg=folder.name)
assert not [name for name in sys.modules if name.startswith(("tfq_llm", "cirq", "tensorflow_quantum", "tf_keras"))]
"""


@pytest.fixture(autouse=True)
def _no_search_for_referrers(monkeypatch):
    """TensorFlow's message names all that refers to what cannot be saved; in a process as large as this the search takes long."""
    monkeypatch.setattr("gc.get_referrers", lambda *_: [])


def head(**settings) -> tf.keras.Model:
    return quantum_head(7, 2, HeadConfig(**SMALL, **settings), seed=0)


def nested_head() -> tf.keras.Model:
    """A model in a model in a model."""
    inputs = tf.keras.Input([7])
    inner = tf.keras.Sequential([tf.keras.layers.Dense(7, "tanh"), head()])
    return tf.keras.Model(inputs, tf.keras.layers.Dense(3)(inner(inputs)))


def traced(model: tf.keras.Model) -> tf.Module:
    """A module that serves the model."""
    module = tf.Module()
    module.model = model
    module.run = tf.function(lambda rows: model(rows), input_signature=[tf.TensorSpec([None, 7])])
    return module


def tfq_circuit() -> tf.keras.Model:
    inputs = tf.keras.Input([3])
    return tf.keras.Model(inputs, ReuploadingPQC(3, executor="tfq")(inputs))


MODELS = {
    "tfq": lambda: (tfq_circuit(), EMBEDDINGS[:, :3]),
    "head": lambda: (head(), EMBEDDINGS),
    "two encoders": lambda: (head(num_encoders=2, num_measured=3), EMBEDDINGS),
    "texts": lambda: (hybrid_classifier(Lengths(), 2, HeadConfig(**SMALL)), np.array(TEXTS)),
    "nested": lambda: (nested_head(), EMBEDDINGS),
}
WAYS = {
    "export": lambda model, path: model.export(path),
    "save": lambda model, path: model.save(path, save_format="tf"),
    "saved_model": lambda model, path: tf.saved_model.save(model, path),
    "traced": lambda model, path: tf.saved_model.save(traced(model), path),
}


def refused(way: str, model: tf.keras.Model, tmp_path) -> None:
    with pytest.raises(Exception, match="plain_tensorflow"):
        WAYS[way](model, str(tmp_path / "model"))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("way", "settings"),
    [*((way, {}) for way in WAYS), ("export", {"shots": 5}), ("saved_model", {"noise": "aria-1", "trajectories": 2})],
)
def test_a_head_that_calls_python_is_refused_and_leaves_nothing(way, settings, tmp_path):
    model = head(**settings)
    model(EMBEDDINGS)
    refused(way, model, tmp_path)
    assert np.isfinite(model(EMBEDDINGS)).all()


@pytest.mark.parametrize(
    ("kind", "way"),
    [("texts", "export"), ("nested", "save"), ("nested", "saved_model"), ("tfq", "export"), ("tfq", "saved_model")],
)
def test_so_are_models_that_hold_one(kind, way, tmp_path):
    refused(way, MODELS[kind]()[0], tmp_path)


def test_a_directory_that_is_there_stays_as_it_was(tmp_path):
    plain_tensorflow(head()).export(str(tmp_path / "model"))
    before = sorted(path.stat().st_mtime_ns for path in tmp_path.rglob("*") if path.is_file())
    with pytest.raises(Exception, match="plain_tensorflow"):
        head().export(str(tmp_path / "model"))
    assert sorted(path.stat().st_mtime_ns for path in tmp_path.rglob("*") if path.is_file()) == before


@pytest.mark.parametrize(
    "cases",
    [
        pytest.param([("tfq", "export"), ("texts", "export")], marks=pytest.mark.slow),
        # Keras and TensorFlow trace a model many times for these.
        pytest.param([("head", "traced"), ("two encoders", "saved_model"), ("nested", "save")], marks=pytest.mark.campaign),
    ],
)
def test_plain_tensorflow_loads_where_nothing_of_ours_is(cases, tmp_path, fresh_process):
    for kind, way in cases:
        model, inputs = MODELS[kind]()
        folder = tmp_path / f"{kind} by {way}"
        folder.mkdir()
        np.savez(folder / "case.npz", inputs=inputs, outputs=model(tf.constant(inputs)))
        WAYS[way](plain_tensorflow(model), str(folder / "model"))
    fresh_process(LOAD, tmp_path, cwd=tmp_path)


@pytest.mark.parametrize("kind", ["texts", "nested"])
def test_plain_tensorflow_is_the_same_model_and_leaves_the_given_one_alone(kind):
    model, inputs = MODELS[kind]()
    inputs = tf.constant(inputs)
    outputs, weights = model(inputs).numpy(), [weight.copy() for weight in model.get_weights()]
    plain = plain_tensorflow(model)
    np.testing.assert_allclose(plain(inputs), outputs, atol=1e-5)
    np.testing.assert_allclose(plain_tensorflow(plain)(inputs), outputs, atol=1e-5)
    np.testing.assert_array_equal(model(inputs), outputs)
    for weight, before, copied in zip(model.get_weights(), weights, plain.get_weights(), strict=True):
        np.testing.assert_array_equal(weight, before)
        np.testing.assert_array_equal(weight, copied)
    assert model.layers[-1].output is not None


def test_a_trained_model_is_saved_as_trained(tmp_path):
    model = head()
    model.fit(EMBEDDINGS, np.arange(6) % 2, epochs=2, verbose=0)
    plain_tensorflow(model).export(str(tmp_path / "model"))
    loaded = tf.saved_model.load(str(tmp_path / "model"))
    np.testing.assert_allclose(loaded.serve(EMBEDDINGS), model(EMBEDDINGS), atol=1e-5)


@pytest.mark.parametrize(
    "settings",
    [{"shots": 5}, {"noise": "aria-1", "trajectories": 2}, {"readout_error": 0.1, "shots": 5, "trajectories": 2}],
    ids=str,
)
def test_a_sampled_model_has_no_plain_form(settings):
    with pytest.raises(InputError, match=r"(?i)plain TensorFlow.*(noise|shots)|(noise|shots).*plain TensorFlow"):
        plain_tensorflow(head(**settings))


@pytest.mark.parametrize("suffix", [".keras", ".weights.h5"])
@pytest.mark.parametrize(
    "settings",
    [
        {"noise": "aria-1", "trajectories": 2},
        {"readout_error": (0.1, 0.2), "shots": 5, "gradient": "spsa", "fixed": True},
    ],
    ids=["noise", "two readout errors"],
)
def test_keras_own_files_hold_any_model(settings, suffix, tmp_path):
    model = head(**settings)
    path = tmp_path / f"model{suffix}"
    if suffix == ".keras":
        model.save(path)
        again = tf.keras.models.load_model(path)
    else:
        model.save_weights(path)
        again = quantum_head(7, 2, HeadConfig(**SMALL, **settings), seed=0)
        again.load_weights(path)
    np.testing.assert_array_equal(again(EMBEDDINGS), model(EMBEDDINGS))
    assert again.get_layer("reuploading_pqc").sampling == model.get_layer("reuploading_pqc").sampling
