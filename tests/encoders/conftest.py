"""What the tests of sentence encoders share: the recorded texts, and sentence-transformers directories to convert."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

import tfq_llm
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


def write_sentence_transformers(target: Path, kind: str, pooling: str = "mean", normalize: bool = True) -> Path:
    """Writes a tiny sentence-transformers directory of the kind "bert" or "mpnet"."""
    shutil.copytree(REFERENCE / f"tiny-{kind}", target)
    names = ["Transformer", "Pooling", *(["Normalize"] if normalize else [])]
    paths = ["", "1_Pooling", "2_Normalize"]
    modules = [{"idx": i, "type": f"sentence_transformers.models.{name}", "path": paths[i]} for i, name in enumerate(names)]
    (target / "modules.json").write_text(json.dumps(modules), encoding="utf-8")
    (target / "1_Pooling").mkdir()
    (target / "1_Pooling" / "config.json").write_text(json.dumps({"pooling_mode": pooling}), encoding="utf-8")
    return target


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


@pytest.fixture(scope="session")
def _loaded_tiny(tiny_directory: Path, tiny_cache: Path) -> SentenceEncoder:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TFQ_LLM_CACHE", str(tiny_cache))
        return tfq_llm.encoders.load(tiny_directory, trainable=True, max_tokens=48)


@pytest.fixture
def tiny(_loaded_tiny: SentenceEncoder, tiny_cache: Path, monkeypatch: pytest.MonkeyPatch) -> SentenceEncoder:
    """A sentence encoder with 32 dimensions that reads 48 tokens, trainable and with its original weights."""
    monkeypatch.setenv("TFQ_LLM_CACHE", str(tiny_cache))
    _loaded_tiny.reset_weights()
    _loaded_tiny.trainable = True
    return _loaded_tiny
