"""The demo's head, smaller, trained from one seed by every executor: the same losses."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf

from tests.support import blobs
from tfq_llm import HeadConfig, quantum_head
from tfq_llm.models import compile_classifier
from tfq_llm.simulation.executors import EXECUTORS

EMBEDDINGS, LABELS = blobs(rows=40, dim=7)


def losses(executor: str, epochs: int = 5, **settings) -> np.ndarray:
    """Losses [epochs] of the head from seed 0."""
    head = quantum_head(7, 2, HeadConfig(encoder_layers=2, num_measured=2, executor=executor, **settings), seed=0)
    data = tf.data.Dataset.from_tensor_slices((EMBEDDINGS, LABELS)).batch(16)
    return np.array(compile_classifier(head).fit(data, epochs=epochs, verbose=0).history["loss"])


@pytest.mark.slow
@pytest.mark.parametrize("settings", [{}, {"num_encoders": 2, "reuploads": 3, "shared": False}], ids=["demo", "other"])
def test_loss_curves_of_all_executors_are_the_same(settings):
    curves = np.stack([losses(executor, **settings) for executor in EXECUTORS])
    assert np.all(curves[:, -1] < curves[:, 0] - 0.01)
    np.testing.assert_allclose(curves, np.tile(curves[0], (len(curves), 1)), atol=1e-3)


def test_many_shots_train_as_exact_values_do():
    np.testing.assert_allclose(losses("compiled", shots=100_000), losses("compiled"), atol=0.02)


def test_few_trajectories_of_weak_noise_train_as_exact_values_do():
    noisy = losses("compiled", noise="forte-1", trajectories=4)
    np.testing.assert_allclose(noisy, losses("compiled"), atol=0.05)


def test_a_sampled_run_can_be_repeated():
    sampling = {"noise": "aria-1", "shots": 50, "trajectories": 4}
    np.testing.assert_array_equal(losses("compiled", 2, **sampling), losses("compiled", 2, **sampling))
