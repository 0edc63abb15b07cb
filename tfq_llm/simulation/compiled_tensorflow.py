"""The compiled engine in TensorFlow graphs: `tf.function`, `model.fit`, `tf.distribute`."""

from __future__ import annotations

import numpy as np
import tensorflow as tf

from tfq_llm.simulation.callbacks import numpy_operation
from tfq_llm.simulation.compiled.engine import CompiledEngine


class CompiledExecutor:
    """A `CompiledEngine` as a TensorFlow operation, differentiable once in data, weights and the initial state.

    Called as `TensorFlowExecutor` is: `executor(data, weights, initial_state)` with data [batch, num_data], weights [num_weights]
    and real initial_state [batch, 2^n] returns values [batch, K] of the engine's dtype.

    A graph that holds this executor calls back into Python, so TensorFlow refuses to save it as a SavedModel:
    `tfq_llm.plain_tensorflow(model)` is the same model in a form that can be saved.
    """

    def __init__(self, engine: CompiledEngine) -> None:
        self.engine = engine

    def __call__(
        self, data: tf.Tensor | None = None, weights: tf.Tensor | None = None, initial_state: tf.Tensor | None = None
    ) -> tf.Tensor:
        dtype = tf.as_dtype(self.engine.dtype)
        if data is None:
            data = tf.zeros([1 if initial_state is None else tf.shape(initial_state)[0], 0], dtype)
        if weights is None:
            weights = tf.zeros([0], dtype)
        inputs = [tf.cast(data, dtype), tf.cast(weights, dtype)]
        if initial_state is not None:
            inputs.append(tf.cast(initial_state, dtype))
        return numpy_operation(self.engine.values, self._gradients, inputs, self.engine.num_observables)

    def _gradients(self, *arguments: np.ndarray) -> list[np.ndarray]:
        data, weights, *state, upstream = arguments
        found = self.engine.gradients(data, weights, state[0] if state else None, upstream)
        return [found.data, found.weights, *([] if found.initial_state is None else [found.initial_state])]
