from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tests.support import TINY_HEAD, blobs
from tfq_llm.config import Config, make_config


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
