"""Whole models: ordinary Keras models that survive saving, in a process that knows nothing of them."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf

from tests.lengths import Lengths
from tfq_llm import HeadConfig, InputError, hybrid_classifier, quantum_head

EMBEDDINGS = np.random.default_rng(0).normal(size=[6, 7]).astype(np.float32)
SETTINGS = [
    {},
    {"executor": "tensorflow", "num_encoders": 2, "num_measured": 3},
    {"num_qubits": 4, "padding": "zero", "reuploads": 1, "shared": False, "bias": False},
    {"num_qubits": 3, "num_encoders": 2, "merge": "concatenate", "entangling": False, "trainable_gain": False},
]


@pytest.mark.slow
def test_heads_give_equal_outputs_after_loading_in_a_fresh_process(tmp_path, fresh_process):
    heads = [quantum_head(7, 3, HeadConfig(encoder_layers=1, **settings)) for settings in SETTINGS]
    for index, head in enumerate(heads):
        head.save(tmp_path / f"{index}.keras")
    np.save(tmp_path / "embeddings.npy", EMBEDDINGS)
    code = """
import sys, numpy as np, tfq_llm.layers, tensorflow as tf
from pathlib import Path
folder = Path(sys.argv[1])
for path in folder.glob("*.keras"):
    np.save(path.with_suffix(".npy"), tf.keras.models.load_model(path)(np.load(folder / "embeddings.npy")))
"""
    fresh_process(code, tmp_path)
    for index, (head, settings) in enumerate(zip(heads, SETTINGS, strict=True)):
        np.testing.assert_allclose(np.load(tmp_path / f"{index}.npy"), head(EMBEDDINGS), atol=1e-6, err_msg=str(settings))


def test_both_executors_are_the_same_model():
    heads = [quantum_head(7, 2, HeadConfig(encoder_layers=1, executor=name)) for name in ("tfq", "tensorflow")]
    heads[1].set_weights(heads[0].get_weights())
    np.testing.assert_allclose(heads[0](EMBEDDINGS), heads[1](EMBEDDINGS), atol=1e-5)


def test_parameters_are_those_of_the_paper():
    # Encoder 6·8·9 + 9, gain and bias 9 each, two PQCs of 2·9 + 9, linear 1·2 + 2.
    head = quantum_head(384, 2, HeadConfig(executor="tensorflow"))
    assert head.count_params() == 441 + 18 + 54 + 4


def test_the_seed_decides_the_initial_weights():
    first, same, other = (quantum_head(7, 2, HeadConfig(encoder_layers=1), seed) for seed in (1, 1, 2))
    for layer in ("amplitude_encoder", "reuploading_pqc", "logits"):
        weights = [head.get_layer(layer).get_weights()[0] for head in (first, same, other)]
        np.testing.assert_array_equal(weights[0], weights[1])
        assert np.all(weights[0] != weights[2])


def test_more_than_two_classes_measure_every_qubit():
    head = quantum_head(7, 4, HeadConfig(encoder_layers=1))
    assert head.get_layer("reuploading_pqc").num_measured == 3
    assert head(EMBEDDINGS).shape == (6, 4)


def test_a_hybrid_classifier_is_an_ordinary_keras_model(tmp_path):
    model = hybrid_classifier(Lengths(), 2, HeadConfig(encoder_layers=1, connectivity=1), seed=0)
    texts = tf.constant(["a" * length for length in range(1, 33)])
    labels = np.arange(32) // 16
    checkpoint = tf.keras.callbacks.ModelCheckpoint(str(tmp_path / "best.weights.h5"), save_weights_only=True)
    history = model.fit(texts, labels, epochs=3, batch_size=8, verbose=0, callbacks=[checkpoint]).history
    assert history["loss"][-1] < history["loss"][0]
    assert model.predict(texts, verbose=0).shape == (32, 2)
    before = model.evaluate(texts, labels, verbose=0)
    model.load_weights(tmp_path / "best.weights.h5")
    assert model.evaluate(texts, labels, verbose=0) == pytest.approx(before)


def test_any_layer_can_be_the_head():
    model = hybrid_classifier(Lengths(), 2, tf.keras.layers.Dense(2))
    assert model(tf.constant(["abc"])).shape == (1, 2)
    with pytest.raises(InputError, match="puts out 3 values and there are 2 classes"):
        hybrid_classifier(Lengths(), 2, tf.keras.layers.Dense(3))


def test_an_exported_model_serves_strings(tmp_path):
    model = hybrid_classifier(Lengths(), 2, HeadConfig(encoder_layers=1, connectivity=1, executor="tensorflow"))
    model.export(str(tmp_path / "model"))
    loaded = tf.saved_model.load(str(tmp_path / "model"))  # kept, as its functions hold their variables weakly
    served = loaded.serve(tf.constant(["abc", "defgh"]))
    np.testing.assert_allclose(served, model(tf.constant(["abc", "defgh"])), atol=1e-6)


def test_what_does_not_fit_is_refused():
    with pytest.raises(InputError, match="at least 2 classes"):
        quantum_head(7, 1)
    with pytest.raises(InputError, match="300 dimensions and the padding constant do not fit the 256 amplitudes of 8 qubits"):
        quantum_head(300, 2, HeadConfig(num_qubits=8))
