from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tfq_llm.config import Config, make_config

TINY_HEAD = {"encoder_layers": 1, "connectivity": 1}


def blobs(rows: int = 60, dim: int = 7, classes: int = 2, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Embeddings of classes that can be told apart, and their labels."""
    rng = np.random.default_rng(seed)
    labels = np.arange(rows) % classes
    centres = rng.normal(size=[classes, dim])
    return (centres[labels] + 0.3 * rng.normal(size=[rows, dim])).astype(np.float32), labels


@pytest.fixture
def embeddings_file(tmp_path: Path) -> Path:
    embeddings, labels = blobs()
    path = tmp_path / "blobs.npz"
    np.savez(path, embeddings=embeddings, labels=labels)
    return path


@pytest.fixture
def config(embeddings_file: Path) -> Config:
    """A run of seconds on given embeddings."""
    off = {"enabled": False}
    data = {"embeddings": str(embeddings_file), "per_class": 15}
    fit = {"epochs": 4, "batch_size": 8, "learning_rate": 0.05}
    return make_config({"data": data, "head": TINY_HEAD, "tuning": off, "joint": off, "head_training": fit})
