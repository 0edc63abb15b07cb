"""NumPy functions as differentiable TensorFlow operations, with which the engines stand in a graph."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import tensorflow as tf

with tf.init_scope():
    # A graph that calls back into Python can be saved but not loaded by another process. Every call depends on this resource,
    # which nothing tracks, so that TensorFlow itself refuses to save such a graph; its message shows the name.
    _GUARD = tf.raw_ops.VarHandleOp(
        dtype=tf.float32, shape=[], shared_name="this_model_calls_Python:save_tfq_llm.plain_tensorflow(model)_instead"
    )


def numpy_operation(
    forward: Callable[..., np.ndarray],
    backward: Callable[..., Sequence[np.ndarray]],
    inputs: Sequence[tf.Tensor],
    width: int,
    *,
    repeatable: bool = True,
) -> tf.Tensor:
    """forward(*inputs) as a tensor [batch, width] of the inputs' dtype.

    Args:
        forward: NumPy arrays in, array out.
        backward: takes the inputs and the upstream gradient, and returns a gradient for every input.
        inputs: tensors of one real dtype, the first one with the batch in front.
        width: of the output.
        repeatable: whether the same inputs always give the same result, so that TensorFlow may call once for several uses.
    """

    @tf.custom_gradient
    def operation(*inputs: tf.Tensor) -> tuple[tf.Tensor, Callable[[tf.Tensor], list[tf.Tensor]]]:
        values = _call(forward, inputs, 1, repeatable)[0]
        values.set_shape([inputs[0].shape[0], width])

        def gradient(upstream: tf.Tensor) -> list[tf.Tensor]:
            found = _call(backward, [*inputs, upstream], len(inputs), repeatable)
            for tensor, given in zip(found, inputs, strict=True):
                tensor.set_shape(given.shape)
            return found

        return values, gradient

    return operation(*inputs)


def _call(function: Callable[..., object], inputs: Sequence[tf.Tensor], count: int, repeatable: bool) -> list[tf.Tensor]:
    with tf.control_dependencies([] if tf.executing_eagerly() else [tf.raw_ops.VarIsInitializedOp(resource=_GUARD)]):
        found = tf.numpy_function(function, inputs, [inputs[0].dtype] * count, stateful=not repeatable)
    return list(found) if isinstance(found, (list, tuple)) else [found]
