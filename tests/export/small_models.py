"""Small models as training leaves them: a tiny sentence encoder with a head of random weights, and what a card is told of it."""

from __future__ import annotations

from pathlib import Path

import numpy as np

import tfq_llm
from tests.tiny_models import write_sentence_transformers
from tfq_llm import HeadConfig, quantum_head
from tfq_llm.encoders import SentenceEncoder
from tfq_llm.export import Provenance
from tfq_llm.metrics import score
from tfq_llm.training import TrainedModel

CLASSES = ("negative", "positive")
SMALL = {"encoder_layers": 2, "connectivity": 2, "encoder_connectivity": 2}


def tiny_encoder(folder: Path) -> SentenceEncoder:
    """A sentence encoder with 32 dimensions that reads 48 tokens; its files are written into a folder."""
    return tfq_llm.encoders.load(write_sentence_transformers(folder / "tiny-bert", "bert"), max_tokens=48)


def small_text_model(encoder: SentenceEncoder) -> TrainedModel:
    """Strings in: the sentence encoder and a head of 6 qubits."""
    return TrainedModel(CLASSES, quantum_head(encoder.dim, 2, HeadConfig(**SMALL), seed=3), encoder, frozenset())


def small_origin() -> Provenance:
    """What a card is told of models that were never trained."""
    labels, predicted = np.arange(40) % 2, np.arange(40) // 5 % 2
    results = [score("frozen", head, labels, predicted, 100, 1.0) for head in ("logistic regression", "SVC", "quantum head")]
    rows = {"train": 50, "validation": 10, "test": 40}
    return Provenance("few-reviews", "Reviews by nobody.", "MIT", results, rows, {"seed": 0}, {"tfq_llm": "0.1.0"})
