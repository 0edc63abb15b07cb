"""The Keras layer: training, saving, and finding the sentence encoder again."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
import tensorflow_hub as hub

from tfq_llm import InputError
from tfq_llm.encoders import SentenceEncoder, load

TEXTS = np.array(["a great movie", "the dog , un able", "naive [CLS] cafe!", "電影 好"], object)

PREDICT = """
import sys, tfq_llm.encoders, numpy as np, tensorflow as tf
texts = np.load(sys.argv[1], allow_pickle=True)
for path in sys.argv[2:]:
    model = tf.keras.models.load_model(path)
    np.save(path + ".npy", model.predict(texts, verbose=0))
    print(model.layers[1].state_fingerprint())
"""


def classifier(encoder: SentenceEncoder) -> tf.keras.Model:
    texts = tf.keras.Input([], dtype=tf.string)
    model = tf.keras.Model(texts, tf.keras.layers.Dense(2)(encoder(texts)))
    model.compile(tf.keras.optimizers.Adam(1e-2), tf.keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    return model


def test_it_is_a_hub_layer_underneath(tiny: SentenceEncoder) -> None:
    assert isinstance(tiny.hub_layer, hub.KerasLayer)
    assert (tiny.dim, tiny.max_tokens, tiny.encoder_name) == (32, 48, "tiny-bert")
    assert tiny.compute_output_shape([None]).as_list() == [None, 32]


def test_gradients_reach_every_weight(tiny: SentenceEncoder) -> None:
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(tiny(tf.constant(TEXTS), training=True) * tf.random.stateless_normal([4, 32], [1, 2]))
    gradients = tape.gradient(loss, tiny.trainable_weights)
    assert len(gradients) == 5 + 2 * 12  # 3 tables and a norm; per layer, 4 dense layers and 2 norms
    for weight, gradient in zip(tiny.trainable_weights, gradients, strict=True):
        assert np.any(tf.convert_to_tensor(gradient).numpy()), weight.name


def test_trainable_can_be_set_later(twin: SentenceEncoder, tiny: SentenceEncoder) -> None:
    assert not twin.trainable_weights
    twin.trainable = True
    assert len(twin.trainable_weights) == len(tiny.trainable_weights)


def test_training_is_repeatable(tiny: SentenceEncoder) -> None:
    first = tiny(tf.constant(TEXTS), training=True)
    np.testing.assert_array_equal(tiny(tf.constant(TEXTS), training=True), first)


@pytest.mark.slow
def test_same_output_in_a_fresh_process(tiny: SentenceEncoder, tmp_path: Path, fresh_process: Callable[..., str]) -> None:
    np.save(tmp_path / "texts.npy", TEXTS)
    expected, fingerprints = {}, []
    for name in ("frozen", "tuned"):
        tiny.trainable = name == "tuned"
        model = classifier(tiny)
        model.fit(TEXTS, np.array([0, 1, 0, 1]), verbose=0)
        model.save(tmp_path / f"{name}.keras")
        expected[name] = model.predict(TEXTS, verbose=0)
        fingerprints.append(tiny.state_fingerprint())
    assert fingerprints[0] == tiny.fingerprint != fingerprints[1]
    paths = {name: tmp_path / f"{name}.keras" for name in expected}
    assert fresh_process(PREDICT, tmp_path / "texts.npy", *paths.values()).split()[-2:] == fingerprints
    for name, path in paths.items():
        np.testing.assert_allclose(np.load(f"{path}.npy"), expected[name], rtol=0, atol=1e-6)


def test_a_frozen_encoder_takes_no_room_and_names_no_path(tiny: SentenceEncoder, tiny_directory: Path, tmp_path: Path) -> None:
    tiny.trainable = False
    model = classifier(tiny)
    model.save(tmp_path / "frozen.keras")
    assert (tmp_path / "frozen.keras").stat().st_size < 30_000
    with zipfile.ZipFile(tmp_path / "frozen.keras") as archive:
        config = archive.read("config.json").decode()
    assert tiny.fingerprint in config
    assert str(tiny_directory.parent) not in config
    assert "cache" not in config
    tiny.hub_layer.weights[0].assign_add(tf.ones_like(tiny.hub_layer.weights[0]))
    model.save(tmp_path / "tuned.keras")
    assert (tmp_path / "tuned.keras").stat().st_size > 60_000


def test_weights_saved_before_tuning_undo_it(tiny: SentenceEncoder, tmp_path: Path) -> None:
    texts = tf.keras.Input([], dtype=tf.string)
    model = tf.keras.Model(texts, tiny(texts))
    before = tiny(tf.constant(TEXTS))
    model.save_weights(tmp_path / "before.weights.h5")
    tiny.hub_layer.weights[0].assign_add(tf.ones_like(tiny.hub_layer.weights[0]))
    assert tiny.state_fingerprint() != tiny.fingerprint
    model.load_weights(tmp_path / "before.weights.h5")
    assert tiny.state_fingerprint() == tiny.fingerprint
    np.testing.assert_array_equal(tiny(tf.constant(TEXTS)), before)


def test_weights_file(tiny: SentenceEncoder, twin: SentenceEncoder, tmp_path: Path) -> None:
    tiny.hub_layer.weights[0].assign_add(tf.ones_like(tiny.hub_layer.weights[0]))
    tiny.save_weights_file(tmp_path / "tuned.safetensors")
    twin.load_weights_file(tmp_path / "tuned.safetensors")
    assert twin.state_fingerprint() == tiny.state_fingerprint() != tiny.fingerprint
    np.testing.assert_array_equal(twin(tf.constant(TEXTS)), tiny(tf.constant(TEXTS)))


def test_a_weights_file_that_does_not_fit(tiny: SentenceEncoder, shorter: SentenceEncoder, tmp_path: Path) -> None:
    shorter.save_weights_file(tmp_path / "other.safetensors")
    with pytest.raises(InputError, match="weights of another sentence encoder"):
        tiny.load_weights_file(tmp_path / "other.safetensors")
    (tmp_path / "bad.safetensors").write_bytes(b"garbage")
    for name in ("bad.safetensors", "missing.safetensors"):
        with pytest.raises(InputError, match="cannot be read"):
            tiny.load_weights_file(tmp_path / name)


def test_found_again_after_its_source_is_gone(own_cache: Path, sentence_transformers: Callable[..., Path]) -> None:
    directory = sentence_transformers("mpnet")
    encoder = load(directory, max_tokens=16, name="text")
    vectors = encoder(tf.constant(TEXTS))
    for file in directory.glob("*.*"):
        file.unlink()
    again = SentenceEncoder.from_config(json.loads(json.dumps(encoder.get_config())))
    assert (again.name, again.fingerprint, again.max_tokens) == ("text", encoder.fingerprint, 16)
    np.testing.assert_array_equal(again(tf.constant(TEXTS)), vectors)


def test_count_truncated(tiny: SentenceEncoder) -> None:
    assert tiny.count_truncated(["a " * 46, "a " * 47, "", "a" * 100_000]) == 1
    assert tiny.count_truncated([]) == 0
