"""Checks of constructor arguments and input shapes that the layers share."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from tfq_llm.checks import is_real, is_whole
from tfq_llm.errors import InputError, did_you_mean


def whole_number(name: str, value: Any, least: int) -> int:
    """Returns `value` if it is an integer (Python's or NumPy's) of at least `least`; otherwise raises InputError."""
    if not is_whole(value) or value < least:
        raise InputError(f"{name} must be a whole number of at least {least}, not {value!r}.")
    return int(value)


def real_number(name: str, value: Any) -> float:
    """Returns `value` if it is a number (Python's or NumPy's); otherwise raises InputError."""
    if not is_real(value):
        raise InputError(f"{name} must be a number, not {value!r}.")
    return float(value)


def flag(name: str, value: Any) -> bool:
    """Returns `value` if it is True or False (Python's or NumPy's); otherwise raises InputError."""
    if not isinstance(value, (bool, np.bool_)):
        raise InputError(f"{name} must be True or False, not {value!r}.")
    return bool(value)


def one_of(name: str, value: Any, valid: Sequence[str]) -> str:
    """Returns `value` if it is one of the valid names; otherwise raises InputError."""
    if value not in valid:
        raise InputError(f"{name} must be one of {', '.join(valid)}, not {value!r}.{did_you_mean(str(value), valid)}")
    return str(value)


def known_width(layer: tf.keras.layers.Layer, shape: tf.TensorShape) -> int:
    """Returns the last dimension of a layer's input if it is known before the layer runs; otherwise raises InputError."""
    width = shape[-1]
    if width is None:
        raise InputError(
            f"{type(layer).__name__} '{layer.name}' needs an input whose last dimension is known and was given the shape "
            f"{shape}: set it, as in tf.keras.Input([384])."
        )
    return int(width)
