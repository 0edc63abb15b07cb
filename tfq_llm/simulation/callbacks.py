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
    forward: Callable[..., np.ndarray], backward: Callable[..., Sequence[np.ndarray]], inputs: Sequence[tf.Tensor], width: int
) -> tf.Tensor:
    """forward(*inputs) as a tensor [batch, width] of the inputs' dtype; the same inputs must always give the same result.

    A sample that is not finite gives NaN, and so does every sample if a weight is not, as in TensorFlow's own operations: training
    then sees a loss that is not finite. The functions never see such numbers.

    Args:
        forward: NumPy arrays in, array out.
        backward: takes the inputs and the upstream gradient, and returns a gradient for every input.
        inputs: data [batch, …], weights [P], and perhaps more with the batch in front; of one real dtype.
        width: of the output.
    """

    def values(*inputs: np.ndarray) -> np.ndarray:
        bad, finite = _finite(inputs)
        found = forward(*finite)
        found[bad] = np.nan
        return found

    def gradients(*arguments: np.ndarray) -> list[np.ndarray]:
        *inputs, upstream = arguments
        bad, finite = _finite(inputs)
        by_data, by_weights, *by_others = backward(*finite, upstream)
        for gradient in (by_data, *by_others):
            gradient[bad] = np.nan
        return [by_data, by_weights * (np.nan if bad.any() else 1), *by_others]

    @tf.custom_gradient
    def operation(*inputs: tf.Tensor) -> tuple[tf.Tensor, Callable[[tf.Tensor], list[tf.Tensor]]]:
        found = _call(values, inputs, 1)[0]
        found.set_shape([inputs[0].shape[0], width])

        def gradient(upstream: tf.Tensor) -> list[tf.Tensor]:
            found = _call(gradients, [*inputs, upstream], len(inputs))
            for tensor, given in zip(found, inputs, strict=True):
                tensor.set_shape(given.shape)
            return found

        return found, gradient

    return operation(*inputs)


def _finite(inputs: Sequence[np.ndarray]) -> tuple[np.ndarray, list[np.ndarray]]:
    """Which samples [batch] are not finite, or all if a weight is not; and the inputs with 0 in the place of such numbers."""
    data, weights, *others = inputs
    bad = np.full(len(data), not np.isfinite(weights).all())
    for array in (data, *others):
        if not np.isfinite(array).all():
            bad |= ~np.isfinite(array).all(axis=1)
    return bad, [np.nan_to_num(array, posinf=0, neginf=0) for array in inputs] if bad.any() else list(inputs)


def _call(function: Callable[..., object], inputs: Sequence[tf.Tensor], count: int) -> list[tf.Tensor]:
    with tf.control_dependencies([] if tf.executing_eagerly() else [tf.raw_ops.VarIsInitializedOp(resource=_GUARD)]):
        found = tf.numpy_function(function, inputs, [inputs[0].dtype] * count, stateful=False)
    return list(found) if isinstance(found, (list, tuple)) else [found]
