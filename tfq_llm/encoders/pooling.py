"""From one vector per token to one per text: the poolings of sentence-transformers."""

from __future__ import annotations

from collections.abc import Callable

import tensorflow as tf

_LOWEST = -3.4e38


def _first(hidden: tf.Tensor, mask: tf.Tensor) -> tf.Tensor:
    return hidden[:, 0]


def _last(hidden: tf.Tensor, mask: tf.Tensor) -> tf.Tensor:
    place = tf.cast(tf.reduce_sum(mask, axis=[1, 2]), tf.int32) - 1
    return tf.gather(hidden, place, axis=1, batch_dims=1)


def _max(hidden: tf.Tensor, mask: tf.Tensor) -> tf.Tensor:
    return tf.reduce_max(tf.where(mask > 0, hidden, _LOWEST), axis=1)


def _mean(hidden: tf.Tensor, weights: tf.Tensor) -> tf.Tensor:
    return tf.reduce_sum(hidden * weights, axis=1) / tf.reduce_sum(weights, axis=1)


def _mean_by_root_length(hidden: tf.Tensor, mask: tf.Tensor) -> tf.Tensor:
    return tf.reduce_sum(hidden * mask, axis=1) / tf.sqrt(tf.reduce_sum(mask, axis=1))


def _mean_by_place(hidden: tf.Tensor, mask: tf.Tensor) -> tf.Tensor:
    return _mean(hidden, mask * tf.cumsum(mask, axis=1))


# The order is that in which sentence-transformers joins several poolings when the configuration gives a flag for each.
POOLINGS: dict[str, Callable[[tf.Tensor, tf.Tensor], tf.Tensor]] = {
    "cls": _first,
    "max": _max,
    "mean": _mean,
    "mean_sqrt_len_tokens": _mean_by_root_length,
    "weightedmean": _mean_by_place,
    "lasttoken": _last,
}


def pool(hidden: tf.Tensor, lengths: tf.Tensor, poolings: tuple[str, ...], normalize: bool) -> tf.Tensor:
    """Pools token vectors.

    Args:
        hidden: float32 [batch, tokens, hidden].
        lengths: how many of the tokens count, at least one, int32 [batch].
        poolings: keys of `POOLINGS`; the results are joined.
        normalize: scale each result to length 1.

    Returns:
        float32 [batch, hidden × number of poolings].
    """
    mask = tf.sequence_mask(lengths, tf.shape(hidden)[1], tf.float32)[:, :, tf.newaxis]
    pooled = tf.concat([POOLINGS[name](hidden, mask) for name in poolings], axis=-1)
    return tf.math.l2_normalize(pooled, axis=-1, epsilon=1e-24) if normalize else pooled
