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

ACTIVATIONS: dict[str, Callable[[tf.Tensor], tf.Tensor]] = {
    "gelu": functools.partial(tf.nn.gelu, approximate=False),
    "gelu_new": functools.partial(tf.nn.gelu, approximate=True),
    "gelu_pytorch_tanh": functools.partial(tf.nn.gelu, approximate=True),
    "relu": tf.nn.relu,
}
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
    """

    def __init__(self, architecture: Architecture, weights: Mapping[str, np.ndarray], max_tokens: int) -> None:
        super().__init__()
        self.architecture = architecture
        self._weights = {name: tf.Variable(value, name=name) for name, value in sorted(weights.items())}
        self._activation = ACTIVATIONS[architecture.activation]
        if architecture.relative_buckets:
            self._bucket_of = relative_buckets(max_tokens, architecture.relative_buckets)

    def __call__(self, ids: tf.Tensor, lengths: tf.Tensor) -> tf.Tensor:
        """Reads int32 ids [batch, tokens], of which int32 `lengths` [batch] count; returns float32 [batch, tokens, hidden]."""
        batch, tokens = tf.unstack(tf.shape(ids))
        hidden = self._norm("norm", self._embed(ids))
        bias = self._score_bias(tokens, lengths)
        size = hidden.shape[-1]
        # Two dimensions from here on: every dense layer is then one plain matrix product, with its bias fused in.
        hidden = tf.reshape(hidden, [-1, size])
        for index in range(self.architecture.num_layers):
            hidden = self._layer(f"layer_{index}", hidden, bias, batch, tokens)
        return tf.reshape(hidden, [batch, tokens, size])

    def _embed(self, ids: tf.Tensor) -> tf.Tensor:
        embedded = tf.gather(self._weights["word"], ids)
        padding_id = self.architecture.padding_id
        if padding_id is None:
            return embedded + self._weights["position"][: tf.shape(ids)[1]] + self._weights["token_type"]
        counted = tf.cast(ids != padding_id, tf.int32)
        positions = tf.cumsum(counted, axis=1) * counted + padding_id
        return embedded + tf.gather(self._weights["position"], positions)

    def _score_bias(self, tokens: tf.Tensor, lengths: tf.Tensor) -> tf.Tensor:
        """What is added to attention scores, float32 [batch, 1 or heads, 1 or tokens, tokens]."""
        masked = _MASKED * (1.0 - tf.sequence_mask(lengths, tokens, tf.float32))[:, tf.newaxis, tf.newaxis, :]
        if not self.architecture.relative_buckets:
            return masked
        places = tf.range(tokens)
        distance = places[tf.newaxis, :] - places[:, tf.newaxis]
        bucket = tf.gather(self._bucket_of, distance + len(self._bucket_of) // 2)
        return masked + tf.transpose(tf.gather(self._weights["relative"], bucket), [2, 0, 1])

    def _layer(self, name: str, hidden: tf.Tensor, bias: tf.Tensor, batch: tf.Tensor, tokens: tf.Tensor) -> tf.Tensor:
        attended = self._attention(f"{name}/attention", hidden, bias, batch, tokens)
        hidden = self._norm(f"{name}/attention/norm", hidden + attended)
        inner = self._activation(self._dense(f"{name}/inner", hidden))
        return self._norm(f"{name}/norm", hidden + self._dense(f"{name}/outer", inner))

    def _attention(self, name: str, hidden: tf.Tensor, bias: tf.Tensor, batch: tf.Tensor, tokens: tf.Tensor) -> tf.Tensor:
        heads, size = self.architecture.num_heads, hidden.shape[-1]
        parts = tf.split(self._dense(f"{name}/qkv", hidden), 3, axis=-1)
        query, key, value = (
            tf.transpose(tf.reshape(part, [batch, tokens, heads, size // heads]), [0, 2, 1, 3]) for part in parts
        )
        scores = tf.matmul(query * (size // heads) ** -0.5, key, transpose_b=True) + bias
        context = tf.matmul(tf.nn.softmax(scores), value)
        return self._dense(f"{name}/out", tf.reshape(tf.transpose(context, [0, 2, 1, 3]), [-1, size]))

    def _dense(self, name: str, inputs: tf.Tensor) -> tf.Tensor:
        return tf.nn.bias_add(tf.matmul(inputs, self._weights[f"{name}/kernel"]), self._weights[f"{name}/bias"])

    def _norm(self, name: str, inputs: tf.Tensor) -> tf.Tensor:
        mean, variance = tf.nn.moments(inputs, axes=[-1], keepdims=True)
        scale, offset = self._weights[f"{name}/scale"], self._weights[f"{name}/offset"]
        return tf.nn.batch_normalization(inputs, mean, variance, offset, scale, self.architecture.epsilon)


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
