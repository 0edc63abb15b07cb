"""A trained run on embeddings, and the local stand-in for IonQ's service."""

from __future__ import annotations

import numpy as np
import pytest

from tests.support import TINY_HEAD, blobs
from tfq_llm.config import make_config
from tfq_llm.pipelines.train import train


@pytest.fixture(scope="session")
def run(tmp_path_factory):
    """A trained run, and the file of others to be scored; both are shared, so copy the run before you write to it."""
    folder = tmp_path_factory.mktemp("ionq")
    for name, seed, rows in (("train", 0, 60), ("new", 1, 60), ("many", 2, 2100)):
        embeddings, labels = blobs(rows)
        noise = np.random.default_rng(seed).normal(size=embeddings.shape)
        np.savez(folder / f"{name}.npz", embeddings=(embeddings + 0.2 * noise).astype(np.float32), labels=labels)
    off = {"enabled": False}
    data = {"embeddings": str(folder / "train.npz"), "per_class": 15}
    fit = {"epochs": 4, "batch_size": 8, "learning_rate": 0.05}
    train(make_config({"data": data, "head": TINY_HEAD, "tuning": off, "joint": off, "head_training": fit}), folder / "run")
    return folder / "run", str(folder / "new.npz")
