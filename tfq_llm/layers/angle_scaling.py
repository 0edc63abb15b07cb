"""From expectation values to rotation angles."""

from __future__ import annotations

import math
from typing import Any

import tensorflow as tf

from tfq_llm.checks import flag
from tfq_llm.layers.arguments import known_width


@tf.keras.utils.register_keras_serializable("tfq_llm")
class AngleScaling(tf.keras.layers.Layer):
    """angle = gain · ⟨Z⟩ + bias, per qubit: the paper does not say how ⟨Z⟩ in [−1, 1] becomes an angle.

    Args:
        trainable_gain: train the gains, which start at π; False keeps them there.
        bias: add a trainable bias, which starts at 0.

    Input shape: [batch, qubits]. Output shape: the same, in radians.

    Raises:
        InputError: an argument is neither True nor False, or the number of qubits is unknown.
    """

    def __init__(self, trainable_gain: bool = True, bias: bool = True, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.trainable_gain, self.use_bias = flag("trainable_gain", trainable_gain), flag("bias", bias)

    def build(self, input_shape: tf.TensorShape) -> None:
        width = [known_width(self, input_shape)]
        if self.trainable_gain:
            self.gain = self.add_weight("gain", width, initializer=tf.keras.initializers.Constant(math.pi))
        if self.use_bias:
            self.bias = self.add_weight("bias", width, initializer="zeros")
        super().build(input_shape)

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        angles = inputs * (self.gain if self.trainable_gain else math.pi)
        return angles + self.bias if self.use_bias else angles

    def get_config(self) -> dict[str, Any]:
        return super().get_config() | {"trainable_gain": self.trainable_gain, "bias": self.use_bias}
