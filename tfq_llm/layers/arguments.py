"""Checks of input shapes that the layers share."""

from __future__ import annotations

import tensorflow as tf

from tfq_llm.errors import InputError


def known_width(layer: tf.keras.layers.Layer, shape: tf.TensorShape) -> int:
    """Returns the last dimension of a layer's input if it is known before the layer runs; otherwise raises InputError."""
    width = shape[-1]
    if width is None:
        raise InputError(
            f"{type(layer).__name__} '{layer.name}' needs an input whose last dimension is known and was given the shape "
            f"{shape}: set it, as in tf.keras.Input([384])."
        )
    return int(width)
