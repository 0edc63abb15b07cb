"""The fused AdamW does what Keras' AdamW does."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf

from tfq_llm.adamw import FusedAdamW


def trained(optimizer: tf.keras.optimizers.Optimizer) -> list[np.ndarray]:
    """The weights and the optimizer's state after steps with a dense gradient and a sparse one that touches a row twice."""
    random = np.random.default_rng(0)
    matrix, table = (tf.Variable(random.normal(size=[5, 3]).astype(np.float32)) for _ in range(2))
    for _ in range(4):
        dense, rows = (tf.constant(random.normal(size=[5, 3]), tf.float32) for _ in range(2))
        sparse = tf.IndexedSlices(rows[:3], tf.constant([1, 3, 1]), tf.constant([5, 3]))
        optimizer.apply_gradients([(dense, matrix), (sparse, table)])
    return [matrix.numpy(), table.numpy(), *(variable.numpy() for variable in optimizer.variables)]


@pytest.mark.parametrize("weight_decay", [0.0, 0.1])
def test_same_weights_and_state_as_keras(weight_decay: float) -> None:
    rate = tf.keras.optimizers.schedules.CosineDecay(0.1, 6)
    fused, keras = (trained(kind(rate, weight_decay=weight_decay)) for kind in (FusedAdamW, tf.keras.optimizers.AdamW))
    for ours, theirs in zip(fused, keras, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=1e-6)


def test_saved_with_a_model() -> None:
    config = tf.keras.optimizers.serialize(FusedAdamW(1e-3, weight_decay=0.02))
    again = tf.keras.optimizers.deserialize(config)
    assert isinstance(again, FusedAdamW)
    assert again.weight_decay == 0.02


def test_amsgrad_is_refused() -> None:
    with pytest.raises(ValueError, match="no amsgrad"):
        FusedAdamW(amsgrad=True)
