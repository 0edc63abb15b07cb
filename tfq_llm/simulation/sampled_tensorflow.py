"""Finite shots and gate noise in TensorFlow graphs."""

from __future__ import annotations

import numpy as np
import tensorflow as tf

from tfq_llm.simulation.callbacks import numpy_operation
from tfq_llm.simulation.sampling.engine import SamplingEngine


class SampledExecutor:
    """A `SamplingEngine` as a TensorFlow operation, differentiable once in data and weights.

    Called as executor(data, weights): data [batch, num_data], weights [num_weights] → values [batch, K] of the engine's dtype.
    TensorFlow refuses to save a graph that holds it, as it does for the compiled engine.
    """

    def __init__(self, engine: SamplingEngine) -> None:
        self.engine = engine

    def __call__(self, data: tf.Tensor, weights: tf.Tensor) -> tf.Tensor:
        dtype = tf.as_dtype(self.engine.dtype)
        inputs = [tf.cast(data, dtype), tf.cast(weights, dtype)]
        return numpy_operation(self.engine.values, self._gradients, inputs, self.engine.num_observables)

    def _gradients(self, data: np.ndarray, weights: np.ndarray, upstream: np.ndarray) -> list[np.ndarray]:
        return list(self.engine.gradients_alone(data, weights, upstream))
