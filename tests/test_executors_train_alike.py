"""Heads, the demo's among them, trained from one seed by every executor: the same losses."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf

from tests.support import blobs
from tfq_llm import HeadConfig, quantum_head
from tfq_llm.config import load_config
from tfq_llm.execution import EXECUTORS
from tfq_llm.models import compile_classifier
from tfq_llm.pipelines.configs import find

EMBEDDINGS, LABELS = blobs(rows=40, dim=7)
DIMENSIONS = 384  # of minilm, the demo's sentence encoder


def losses(executor: str, epochs: int = 5, **settings) -> np.ndarray:
    """Losses [epochs] of a head smaller than the demo's, from seed 0."""
    head = quantum_head(7, 2, HeadConfig(encoder_layers=2, num_measured=2, executor=executor, **settings), seed=0)
    data = tf.data.Dataset.from_tensor_slices((EMBEDDINGS, LABELS)).batch(16)
    return np.array(compile_classifier(head).fit(data, epochs=epochs, verbose=0).history["loss"])


@pytest.mark.slow
def test_the_demos_head_trains_alike_by_all_executors():
    config, (rows, labels) = load_config(find("demo")), blobs(rows=32, dim=DIMENSIONS)
    curves, logits = [], []
    for executor in EXECUTORS:
        settings = config.head.model_copy(update={"executor": executor})
        head = compile_classifier(quantum_head(DIMENSIONS, 2, settings, seed=0), config.head_training)
        data = tf.data.Dataset.from_tensor_slices((rows, labels)).batch(16)
        curves.append(head.fit(data, epochs=4, verbose=0).history["loss"])
        logits.append(head(rows))
        assert head.get_layer("reuploading_pqc").num_qubits == 9
    assert curves[0][-1] < curves[0][0] - 0.01
    for curve, found in zip(curves[1:], logits[1:], strict=True):
        np.testing.assert_allclose(curve, curves[0], atol=1e-4)
        np.testing.assert_allclose(found, logits[0], atol=1e-3)


@pytest.mark.campaign
def test_so_does_a_head_with_other_settings():
    curves = [losses(executor, num_encoders=2, reuploads=3, shared=False) for executor in EXECUTORS]
    assert curves[0][-1] < curves[0][0] - 0.01
    np.testing.assert_allclose(curves, np.tile(curves[0], (len(curves), 1)), atol=1e-3)


@pytest.mark.parametrize(
    ("settings", "share"),
    [({"shots": 100_000}, 0.1), ({"noise": "forte-1", "trajectories": 4}, 0.25)],
    ids=["many shots", "few trajectories of weak noise"],
)
def test_sampled_heads_train_as_exact_ones_do(settings, share):
    """Losses differ by less than a share of how far the exact ones fall."""
    exact = losses("compiled", epochs=20)
    fall = exact[0] - exact[-1]
    assert fall > 0.05
    np.testing.assert_allclose(losses("compiled", epochs=20, **settings), exact, atol=share * fall)


def test_a_sampled_run_can_be_repeated():
    sampling = {"noise": "aria-1", "shots": 50, "trajectories": 4}
    np.testing.assert_array_equal(losses("compiled", 2, **sampling), losses("compiled", 2, **sampling))
