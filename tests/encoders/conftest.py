"""What the tests of sentence encoders share: the recorded texts, and sentence-transformers directories to convert."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import tfq_llm
from tests.tiny_models import write_sentence_transformers
from tfq_llm.encoders import SentenceEncoder

REFERENCE = Path(__file__).parent / "reference"


@pytest.fixture(scope="session")
def reference() -> Path:
    """The folder that `record_reference.py` wrote."""
    return REFERENCE


@pytest.fixture(scope="session")
def texts() -> list[str]:
    """The texts whose vectors were recorded."""
    listed = json.loads((REFERENCE / "texts.json").read_text(encoding="utf-8"))
    return [item["text"] * item.get("times", 1) for item in listed]


@pytest.fixture(scope="session")
def minilm() -> SentenceEncoder:
    """The default sentence encoder, from the machine's own cache; left frozen and untuned by every test."""
    return tfq_llm.encoders.load("minilm")


@pytest.fixture
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache for this test and the processes it starts."""
    monkeypatch.setenv("TFQ_LLM_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def sentence_transformers(tmp_path: Path) -> Callable[..., Path]:
    """Makes tiny sentence-transformers directories: arguments as in `write_sentence_transformers`, without the target."""
    return lambda kind, **options: write_sentence_transformers(tmp_path / f"tiny-{kind}", kind, **options)


@pytest.fixture(scope="session")
def tiny_cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cache that the tests of `tiny` share, so that the tiny encoder is converted only once."""
    return tmp_path_factory.mktemp("tiny-cache")


@pytest.fixture(scope="session")
def tiny_directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny BERT as sentence-transformers directory."""
    return write_sentence_transformers(tmp_path_factory.mktemp("tiny") / "tiny-bert", "bert")


@dataclass(frozen=True)
class _Restorable:
    """A sentence encoder that several tests share, and the weights it had at first."""

    encoder: SentenceEncoder
    weights: list[np.ndarray]

    def restored(self, trainable: bool) -> SentenceEncoder:
        for variable, original in zip(self.encoder.hub_layer.weights, self.weights, strict=True):
            variable.assign(original)
        self.encoder.trainable = trainable
        return self.encoder


def _loaded(directory: Path, cache: Path, **options: Any) -> _Restorable:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TFQ_LLM_CACHE", str(cache))
        encoder = tfq_llm.encoders.load(directory, **options)
    return _Restorable(encoder, [variable.numpy() for variable in encoder.hub_layer.weights])


@pytest.fixture(scope="session")
def _loaded_tiny(tiny_directory: Path, tiny_cache: Path) -> _Restorable:
    return _loaded(tiny_directory, tiny_cache, trainable=True, max_tokens=48)


@pytest.fixture(scope="session")
def _loaded_twin(tiny_directory: Path, tiny_cache: Path) -> _Restorable:
    return _loaded(tiny_directory, tiny_cache, max_tokens=48)


@pytest.fixture(scope="session")
def shorter(tiny_directory: Path, tiny_cache: Path) -> SentenceEncoder:
    """As `tiny`, but it reads 4 tokens; left frozen and untuned by every test."""
    return _loaded(tiny_directory, tiny_cache, max_tokens=4).encoder


@pytest.fixture
def tiny(_loaded_tiny: _Restorable, tiny_cache: Path, monkeypatch: pytest.MonkeyPatch) -> SentenceEncoder:
    """A sentence encoder with 32 dimensions that reads 48 tokens, trainable and with its original weights."""
    monkeypatch.setenv("TFQ_LLM_CACHE", str(tiny_cache))
    return _loaded_tiny.restored(trainable=True)


@pytest.fixture
def twin(_loaded_twin: _Restorable) -> SentenceEncoder:
    """The same sentence encoder as `tiny`, loaded a second time and not trainable."""
    return _loaded_twin.restored(trainable=False)
