"""The two transformer architectures of sentence encoders, BERT and MPNet, as one TensorFlow module.

There is no dropout, in training either: tuning is then repeatable. (Contrastive tuning here makes its pairs of different texts,
not of two dropout masks of one text.)
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import tensorflow as tf

from tfq_llm.encoders.packing import Packing

ACTIVATIONS: dict[str, Callable[[tf.Tensor], tf.Tensor]] = {
    "gelu": functools.partial(tf.nn.gelu, approximate=False),
    "gelu_new": functools.partial(tf.nn.gelu, approximate=True),
    "gelu_pytorch_tanh": functools.partial(tf.nn.gelu, approximate=True),
    "relu": tf.nn.relu,
}
# What matrices are multiplied in. With bfloat16, 8 bits of each factor count in the dense layers; sums, weights and all else stay
# float32.
PRECISIONS = ("float32", "bfloat16")
# Added to the score of a padded place: its weight after the softmax is exactly zero in float32.
_MASKED = -1e9


@dataclass(frozen=True)
class Architecture:
    """The sizes and choices of one transformer.

    Args:
        num_layers, num_heads: transformer layers, and attention heads in each.
        epsilon: added to the variance in layer normalisation.
        activation: a key of `ACTIVATIONS`.
        padding_id: for MPNet, the token id that has no position of its own; None for BERT, which numbers all places from 0.
        relative_buckets: for MPNet, the number of relative-position buckets; 0 for BERT.
    """

    num_layers: int
    num_heads: int
    epsilon: float
    activation: str
    padding_id: int | None = None
    relative_buckets: int = 0


class Transformer(tf.Module):
    """Token ids to one vector per token.

    Args:
        architecture: sizes and choices.
        weights: initial values by name: `word`, `position`, `norm/…`, for BERT `token_type`, for MPNet `relative`, and for each
            layer i `layer_i/` with `attention/qkv/…`, `attention/out/…`, `attention/norm/…`, `inner/…`, `outer/…` and `norm/…`;
            a dense layer … has a `kernel` [inputs, outputs] and a `bias`, a norm a `scale` and an `offset`.
        max_tokens: the most tokens there will be.
        precision: one of `PRECISIONS`.
    """

    def __init__(
        self, architecture: Architecture, weights: Mapping[str, np.ndarray], max_tokens: int, precision: str = "float32"
    ) -> None:
        super().__init__()
        self.architecture, self.precision = architecture, precision
        self._weights = {name: tf.Variable(value, name=name) for name, value in sorted(weights.items())}
        self._activation = ACTIVATIONS[architecture.activation]
        if architecture.relative_buckets:
            self._bucket_of = relative_buckets(max_tokens, architecture.relative_buckets)

    def __call__(self, ids: tf.Tensor, lengths: tf.Tensor) -> tf.Tensor:
        """Reads int32 ids [batch, tokens], of which int32 `lengths` [batch] count; returns float32 [batch, tokens, hidden].

        What it returns for the other places is arbitrary, but finite.
        """
        packing = Packing(lengths, tf.shape(ids)[1])
        hidden = self._norm("norm", self._embed(ids, packing))
        bias = self._score_bias(lengths, packing)
        for index in range(self.architecture.num_layers):
            hidden = self._layer(f"layer_{index}", hidden, bias, packing)
        return packing.unpack(hidden)

    def _embed(self, ids: tf.Tensor, packing: Packing) -> tf.Tensor:
        embedded = tf.gather(self._weights["word"], packing.pack(ids))
        padding_id = self.architecture.padding_id
        if padding_id is None:
            return embedded + tf.gather(self._weights["position"], packing.columns) + self._weights["token_type"]
        counted = tf.cast(ids != padding_id, tf.int32)
        positions = tf.cumsum(counted, axis=1) * counted + padding_id
        return embedded + tf.gather(self._weights["position"], packing.pack(positions))

    def _score_bias(self, lengths: tf.Tensor, packing: Packing) -> tf.Tensor:
        """What is added to attention scores, float32 [batch, 1 or heads, 1 or tokens, tokens]."""
        masked = _MASKED * (1.0 - tf.sequence_mask(lengths, packing.tokens, tf.float32))[:, tf.newaxis, tf.newaxis, :]
        if not self.architecture.relative_buckets:
            return masked
        places = tf.range(packing.tokens)
        distance = places[tf.newaxis, :] - places[:, tf.newaxis]
        bucket = tf.gather(self._bucket_of, distance + len(self._bucket_of) // 2)
        return masked + tf.transpose(tf.gather(self._weights["relative"], bucket), [2, 0, 1])

    def _layer(self, name: str, hidden: tf.Tensor, bias: tf.Tensor, packing: Packing) -> tf.Tensor:
        attended = self._attention(f"{name}/attention", hidden, bias, packing)
        hidden = self._norm(f"{name}/attention/norm", hidden + attended)
        inner = self._activation(self._dense(f"{name}/inner", hidden))
        return self._norm(f"{name}/norm", hidden + self._dense(f"{name}/outer", inner))

    def _attention(self, name: str, hidden: tf.Tensor, bias: tf.Tensor, packing: Packing) -> tf.Tensor:
        heads, size = self.architecture.num_heads, hidden.shape[-1]
        query, key, value = packing.split_heads(self._dense(f"{name}/qkv", hidden), 3, heads)
        scores = tf.matmul(query * (size // heads) ** -0.5, key, transpose_b=True) + bias
        context = tf.matmul(tf.nn.softmax(scores), value)
        return self._dense(f"{name}/out", packing.join_heads(context))

    def _dense(self, name: str, inputs: tf.Tensor) -> tf.Tensor:
        kernel, bias = self._weights[f"{name}/kernel"], self._weights[f"{name}/bias"]
        if self.precision == "float32":
            return tf.nn.bias_add(tf.matmul(inputs, kernel), bias)
        # The bias is added in float32: in bfloat16, the fused operation does not reach the processor's matrix units.
        product = tf.matmul(tf.cast(inputs, self.precision), tf.cast(kernel, self.precision))
        return tf.nn.bias_add(tf.cast(product, tf.float32), bias)

    def _norm(self, name: str, inputs: tf.Tensor) -> tf.Tensor:
        # Written as Keras writes it: TensorFlow's graph optimizer makes one operation of this (oneDNN's layer normalisation), and
        # of mean, difference, square and so on nine, each of which goes through memory. Each row is one "channel".
        rows, size = tf.shape(inputs)[0], inputs.shape[-1]
        channels = tf.reshape(inputs, [1, rows, size, 1])
        ones, zeros = tf.fill([rows], 1.0), tf.fill([rows], 0.0)
        epsilon = self.architecture.epsilon
        normed, *_ = tf.compat.v1.nn.fused_batch_norm(channels, ones, zeros, epsilon=epsilon, data_format="NCHW")
        return tf.reshape(normed, [rows, size]) * self._weights[f"{name}/scale"] + self._weights[f"{name}/offset"]


def relative_buckets(max_tokens: int, num_buckets: int, max_distance: int = 128) -> np.ndarray:
    """MPNet's bucket of each distance between two tokens (as in T5: exact when near, logarithmic when far).

    Returns:
        int32 [2 max_tokens - 1]: the bucket of the distance key − query = −(max_tokens − 1) … max_tokens − 1.
    """
    distance = np.arange(1 - max_tokens, max_tokens)
    half = num_buckets // 2
    exact = half // 2
    size = np.abs(distance)
    # float32 and this order of operations, as in the reference: boundaries fall on whole numbers.
    scaled = np.log(np.maximum(size, 1).astype(np.float32) / np.float32(exact)) / np.float32(math.log(max_distance / exact))
    far = np.minimum(exact + (scaled * np.float32(half - exact)).astype(np.int32), half - 1)
    return (np.where(size < exact, size, far) + half * (distance > 0)).astype(np.int32)
