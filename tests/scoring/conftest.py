from __future__ import annotations

from pathlib import Path

import pytest

from tests.support import write_reviews
from tests.tiny_models import write_sentence_transformers
from tfq_llm.config import make_config
from tfq_llm.pipelines.train import train
from tfq_llm.training.keep import keep_head


@pytest.fixture(scope="session")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A saved head on a tiny sentence encoder, for "good" and "bad"."""
    directory = tmp_path_factory.mktemp("scoring")
    off = {"enabled": False}
    data = {"name": str(write_reviews(directory / "reviews.csv")), "per_class": 12}
    encoder = {"name": str(write_sentence_transformers(directory / "tiny-bert", "bert")), "max_tokens": 48}
    head = {"encoder_layers": 1, "connectivity": 1}
    settings = {"data": data, "encoder": encoder, "head": head, "tuning": off, "joint": off, "head_training": {"epochs": 2}}
    train(make_config(settings), directory / "run")
    keep_head([directory / "run"], directory / "head")
    return directory / "head"
