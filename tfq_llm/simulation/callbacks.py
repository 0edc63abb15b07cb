"""NumPy functions as differentiable TensorFlow operations, with which the engines stand in a graph."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import tensorflow as tf

from tfq_llm.errors import InputError
from tfq_llm.simulation.inputs import is_finite

_REFUSAL = "this_model_cannot_leave_its_process:save_tfq_llm.plain_tensorflow(model)_instead"


def numpy_operation(
    forward: Callable[..., np.ndarray], backward: Callable[..., Sequence[np.ndarray]], inputs: Sequence[tf.Tensor], width: int
) -> tf.Tensor:
    """forward(*inputs) as a tensor [batch, width] of the inputs' dtype; the same inputs must always give the same result.

    A sample that is not finite gives NaN, and so does every sample if a weight is not, as in TensorFlow's operations: training
    then sees a loss that is not finite. The functions never see such numbers.

    Args:
        forward: NumPy arrays in, array out.
        backward: takes the inputs and the upstream gradient, and returns a gradient for every input.
        inputs: data [batch, …], weights [P], and perhaps more with the batch in front; of one real dtype.
        width: of the output.

    Raises:
        InputError: in a graph for XLA; or when it is differentiated twice.
    """
    refuse_xla()

    def values(*inputs: np.ndarray) -> np.ndarray:
        if all(map(is_finite, inputs)):
            return forward(*inputs)
        bad, finite = _finite(inputs)
        found = forward(*finite)
        found[bad] = np.nan
        return found

    def gradients(*arguments: np.ndarray) -> Sequence[np.ndarray]:
        *inputs, upstream = arguments
        if all(map(is_finite, inputs)):
            return backward(*inputs, upstream)
        bad, finite = _finite(inputs)
        by_data, by_weights, *by_others = backward(*finite, upstream)
        for gradient in (by_data, *by_others):
            gradient[bad] = np.nan
        return [by_data, np.full_like(by_weights, np.nan), *by_others]

    @tf.custom_gradient
    def operation(*inputs: tf.Tensor) -> tuple[tf.Tensor, Callable[[tf.Tensor], list[tf.Tensor]]]:
        with tf.control_dependencies(refuse_to_be_saved()):
            found = _call(values, inputs, 1)[0]
        found.set_shape([inputs[0].shape[0], width])

        return found, lambda upstream: gradient_operation(*inputs, upstream)

    @tf.custom_gradient
    def gradient_operation(*arguments: tf.Tensor) -> tuple[list[tf.Tensor], Callable[..., None]]:
        found = _call(gradients, arguments, len(inputs))
        for tensor, given in zip(found, arguments, strict=False):
            tensor.set_shape(given.shape)
        return found, _refuse_second_derivatives

    return operation(*inputs)


def refuse_to_be_saved() -> list[tf.Tensor]:
    """What makes a graph that depends on it refuse to become a SavedModel.

    A graph that calls back into Python, or that has TensorFlow Quantum's operations, can be saved, but a process that knows
    neither cannot load it. It therefore gets a resource that nothing tracks: TensorFlow itself does not save such a graph, and
    its message shows the resource's name. Every call has one of its own, for TensorFlow's search for what refers to it would
    otherwise find all graphs of the process.
    """
    if tf.executing_eagerly():
        return []
    with tf.init_scope():
        untracked = tf.raw_ops.VarHandleOp(dtype=tf.float32, shape=[], shared_name=_REFUSAL)
    return [tf.raw_ops.VarIsInitializedOp(resource=untracked)]


def refuse_xla() -> None:
    """Raises InputError in a graph for XLA, whose own message would name an operation that no user has written."""
    if tf.__internal__.get_enclosing_xla_context() is not None:
        raise InputError("XLA cannot compile what runs this circuit: leave jit_compile=True out, or use executor='tensorflow'.")


def _refuse_second_derivatives(*_: tf.Tensor) -> None:
    """TensorFlow would otherwise take them for 0, or give None."""
    raise InputError(
        "the gradient of this circuit is computed outside TensorFlow and cannot be differentiated again: for second derivatives "
        "use executor='tensorflow'."
    )


def _finite(inputs: Sequence[np.ndarray]) -> tuple[np.ndarray, list[np.ndarray]]:
    """Which samples [batch] are not finite, or all if a weight is not; and the inputs with 0 in the place of such numbers."""
    data, weights, *others = inputs
    bad = np.full(len(data), not is_finite(weights))
    for array in (data, *others):
        bad |= ~np.isfinite(array).all(axis=1)
    return bad, [np.nan_to_num(array, posinf=0, neginf=0) for array in inputs]


def _call(function: Callable[..., object], inputs: Sequence[tf.Tensor], count: int) -> list[tf.Tensor]:
    found = tf.numpy_function(function, inputs, [inputs[0].dtype] * count, stateful=False)
    return list(found) if isinstance(found, (list, tuple)) else [found]
