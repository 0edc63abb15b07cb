"""The optional bfloat16 matrix products: near the exact vectors, told apart from them, and found again."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from tfq_llm import InputError
from tfq_llm.encoders import SentenceEncoder, load

TEXTS = ["a great movie", "the dog , un able", "naive cafe !", "long " * 40]


@pytest.fixture(scope="module")
def bfloat16(tiny_directory: Path, tiny_cache: Path) -> SentenceEncoder:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TFQ_LLM_CACHE", str(tiny_cache))
        return load(tiny_directory, max_tokens=48, precision="bfloat16")


def test_near_the_exact_vectors(tiny: SentenceEncoder, bfloat16: SentenceEncoder) -> None:
    exact, near = tiny(tf.constant(TEXTS)).numpy(), bfloat16(tf.constant(TEXTS)).numpy()
    assert near.dtype == np.float32
    assert np.sum(exact * near, axis=1).min() >= 0.9999  # both are of length 1
    assert np.abs(exact - near).max() > 1e-6


def test_float32_is_the_default_and_the_fingerprints_differ(tiny: SentenceEncoder, bfloat16: SentenceEncoder) -> None:
    assert (tiny.precision, bfloat16.precision) == ("float32", "bfloat16")
    assert tiny.fingerprint != bfloat16.fingerprint


def test_found_again(bfloat16: SentenceEncoder, tiny: SentenceEncoder) -> None:
    again = SentenceEncoder.from_config(json.loads(json.dumps(bfloat16.get_config())))
    assert (again.precision, again.fingerprint) == ("bfloat16", bfloat16.fingerprint)


def test_models_saved_before_there_was_a_choice(tiny: SentenceEncoder) -> None:
    config = tiny.get_config()
    del config["precision"]
    assert SentenceEncoder.from_config(config).fingerprint == tiny.fingerprint


def test_weights_stay_float32_and_are_trained(bfloat16: SentenceEncoder) -> None:
    weights = bfloat16.hub_layer.weights
    assert {weight.dtype for weight in weights} == {tf.float32}
    with tf.GradientTape(watch_accessed_variables=False) as tape:
        tape.watch(weights)
        loss = tf.reduce_sum(bfloat16(tf.constant(TEXTS)) ** 3)
    assert all(np.any(tf.convert_to_tensor(gradient).numpy()) for gradient in tape.gradient(loss, weights))


def test_a_wrong_precision(tiny_directory: Path) -> None:
    with pytest.raises(InputError, match=r"no precision 'bfloat'; known: float32, bfloat16\. Did you mean 'bfloat16'"):
        load(tiny_directory, precision="bfloat")


def test_a_saved_model_has_its_own(bfloat16: SentenceEncoder) -> None:
    with pytest.raises(InputError, match="leave out precision 'bfloat16'"):
        load(bfloat16._located.directory, precision="bfloat16")
