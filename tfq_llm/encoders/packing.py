"""Texts of different lengths in one batch without computing on padding: their tokens packed one behind the other."""

from __future__ import annotations

import tensorflow as tf


class Packing:
    """Where the tokens of a padded batch [batch, tokens] are when packed, and the way there and back.

    All but attention treats each token alone, so it can work on the packed tokens [packed, …]: in a batch of texts in random
    order, up to half of the padded form is padding. Attention gets the padded form, by the gathers that take the place of the
    transpositions it needs anyway.

    Args:
        lengths: how many tokens of each text count, int32 [batch].
        tokens: length of the padded batch, an int32 scalar.

    Attributes:
        tokens: as given.
        columns: each packed token's place in its text, int32 [packed].
    """

    def __init__(self, lengths: tf.Tensor, tokens: tf.Tensor) -> None:
        counts = tf.sequence_mask(lengths, tokens)
        places = tf.cast(tf.where(counts), tf.int32)
        self.tokens = tokens
        self._texts, self.columns = places[:, 0], places[:, 1]
        starts = tf.cumsum(lengths, exclusive=True)[:, tf.newaxis]
        # Padding holds some token's finite values: no weight in attention or pooling is given to it, and it gets no gradient.
        self._packed = tf.where(counts, starts + tf.range(tokens), 0)

    def pack(self, padded: tf.Tensor) -> tf.Tensor:
        """[batch, tokens] to [packed]."""
        return tf.gather(tf.reshape(padded, [-1]), self._texts * self.tokens + self.columns)

    def unpack(self, packed: tf.Tensor) -> tf.Tensor:
        """[packed, size] to [batch, tokens, size]; what stands in the padding is arbitrary, but finite."""
        return tf.gather(packed, self._packed)

    def split_heads(self, packed: tf.Tensor, parts: int, heads: int) -> list[tf.Tensor]:
        """[packed, parts × heads × size] to, for each part, [batch, heads, tokens, size]; the padding is as in `unpack`."""
        size = packed.shape[-1] // (parts * heads)
        within = tf.reshape(tf.range(parts * heads), [parts, 1, heads, 1])
        places = self._packed[:, tf.newaxis, :] * (parts * heads) + within
        return tf.unstack(tf.gather(tf.reshape(packed, [-1, size]), places))

    def join_heads(self, padded: tf.Tensor) -> tf.Tensor:
        """[batch, heads, tokens, size] to [packed, heads × size]."""
        heads, size = padded.shape[1], padded.shape[3]
        head = self._texts[:, tf.newaxis] * heads + tf.range(heads)
        places = head * self.tokens + self.columns[:, tf.newaxis]
        return tf.reshape(tf.gather(tf.reshape(padded, [-1, size]), places), [-1, heads * size])
