"""What the layers share: checks of their input's shape, and the precision in which they simulate."""

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


def simulation_dtype(layer: tf.keras.layers.Layer) -> str:
    """The dtype in which a layer's circuits run: float64 for a float64 layer, else float32.

    Mixed policies too run in float32: amplitudes in half precision are of no use, and the engine has none.

    Raises:
        InputError: the layer's dtype is not a floating-point number.
    """
    dtype = tf.as_dtype(layer.compute_dtype)
    if not dtype.is_floating:
        raise InputError(f"dtype must be a floating-point number such as 'float32', not '{dtype.name}'.")
    return "float64" if dtype == tf.float64 else "float32"
