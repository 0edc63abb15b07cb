"""What the tests of exporting share: small trained models, a process that knows nothing of ours, and one exported model."""

from __future__ import annotations

import functools
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.export.small_models import CLASSES, SMALL, small_origin, small_text_model, tiny_encoder
from tests.training.conftest import config, embeddings_file  # noqa: F401  (fixtures)
from tfq_llm import HeadConfig, quantum_head
from tfq_llm.encoders import SentenceEncoder
from tfq_llm.export import Provenance, export_model
from tfq_llm.training import TrainedModel


@pytest.fixture(scope="session")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where these tests keep tiny sentence encoders and their embeddings."""
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(autouse=True)
def _own_cache(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TFQ_LLM_CACHE", str(cache))


@pytest.fixture(scope="session")
def tiny(cache: Path, tmp_path_factory: pytest.TempPathFactory) -> SentenceEncoder:
    """A sentence encoder with 32 dimensions that reads 48 tokens."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TFQ_LLM_CACHE", str(cache))
        return tiny_encoder(tmp_path_factory.mktemp("tiny"))


@pytest.fixture(scope="session")
def origin() -> Provenance:
    """What a card is told of models that were never trained."""
    return small_origin()


@pytest.fixture(scope="session")
def head_model() -> Callable[..., TrainedModel]:
    """A head on embeddings, with random weights: dimensions, number of classes, settings. No test alters it."""

    @functools.cache
    def make(dim: int = 7, classes: int = 2, **settings) -> TrainedModel:
        head = quantum_head(dim, classes, HeadConfig(**(SMALL | settings)), seed=3)
        names = CLASSES if classes == 2 else tuple(f"class {n}" for n in range(classes))
        return TrainedModel(names, head, None, frozenset())

    return make


@pytest.fixture(scope="session")
def text_model(tiny: SentenceEncoder) -> TrainedModel:
    """Strings in: the tiny sentence encoder and a head of 6 qubits."""
    return small_text_model(tiny)


@pytest.fixture(scope="session")
def exported_text(text_model: TrainedModel, origin: Provenance, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The text model exported as version 1; no test alters it."""
    to = tmp_path_factory.mktemp("saved_models") / "few-reviews"
    return export_model(text_model, origin, to, command="tfq-llm export runs/few --to saved_models/few-reviews")
