"""Packed tokens: nothing is lost on the way there and back, and padding has no part in values or gradients."""

from __future__ import annotations

import numpy as np
import tensorflow as tf

from tfq_llm.encoders import SentenceEncoder
from tfq_llm.encoders.packing import Packing

LENGTHS = np.array([2, 4, 1], np.int32)
COUNTS = np.arange(4) < LENGTHS[:, np.newaxis]


def packing() -> Packing:
    return Packing(tf.constant(LENGTHS), tf.constant(4))


def test_there_and_back() -> None:
    padded = np.arange(12).reshape(3, 4)
    packed = packing().pack(tf.constant(padded)).numpy()
    np.testing.assert_array_equal(packed, [0, 1, 4, 5, 6, 7, 8])
    np.testing.assert_array_equal(packing().columns, [0, 1, 0, 1, 2, 3, 0])
    back = packing().unpack(tf.constant(packed[:, np.newaxis])).numpy()[..., 0]
    np.testing.assert_array_equal(back[COUNTS], padded[COUNTS])


def test_heads_are_those_of_reshape_and_transpose() -> None:
    values = np.random.default_rng(0).normal(size=[7, 2 * 3 * 5]).astype(np.float32)  # 2 parts, 3 heads, 5 numbers each
    parts = packing().split_heads(tf.constant(values), 2, 3)
    padded = packing().unpack(tf.constant(values)).numpy().reshape(3, 4, 2, 3, 5)
    for number, part in enumerate(parts):
        np.testing.assert_array_equal(part, padded[:, :, number].transpose(0, 2, 1, 3))
    np.testing.assert_array_equal(packing().join_heads(parts[1]), values[:, 15:])


def test_an_empty_batch() -> None:
    empty = Packing(tf.zeros([0], tf.int32), tf.constant(0))
    assert empty.pack(tf.zeros([0, 0])).shape == [0]
    assert empty.unpack(tf.zeros([0, 5])).shape == [0, 0, 5]


def test_gradients_of_a_batch_are_those_of_its_texts_alone(tiny: SentenceEncoder) -> None:
    texts = ["a great movie", "un able", "the dog " * 15]

    def gradients(batch: list[str], rows: tf.Tensor) -> list[np.ndarray]:
        with tf.GradientTape() as tape:
            loss = tf.reduce_sum(tiny(tf.constant(batch), training=True) * rows)
        return [tf.convert_to_tensor(gradient).numpy() for gradient in tape.gradient(loss, tiny.trainable_weights)]

    rows = tf.random.stateless_normal([3, 32], [1, 2])
    alone = [gradients([text], rows[place : place + 1]) for place, text in enumerate(texts)]
    for together, apart in zip(gradients(texts, rows), zip(*alone, strict=True), strict=True):
        np.testing.assert_allclose(together, np.sum(apart, axis=0), rtol=1e-3, atol=1e-4)
