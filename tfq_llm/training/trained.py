"""A finished run, or a saved head, as a model to use."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np
import tensorflow as tf

from tfq_llm import encoders
from tfq_llm.cache import former
from tfq_llm.config import SentenceEncoderConfig
from tfq_llm.data import EmbeddingDataset, TextDataset
from tfq_llm.data.duplicates import embedding_keys, text_key
from tfq_llm.encoders import SentenceEncoder
from tfq_llm.errors import InputError
from tfq_llm.model_paths import is_directory, is_saved_head, what_is_at
from tfq_llm.models import hybrid_classifier, predict_logits
from tfq_llm.training.run import RunDirectory
from tfq_llm.training.saved_head import SavedHead

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class TrainedModel:
    """What `load_run` returns.

    Attributes:
        class_names: in the order of the logits.
        head: embeddings → logits.
        encoder: the sentence encoder with the weights it was trained to; None for a run on given embeddings.
        seen: `seen_key`s of what it was trained or validated on, or their beginnings, all equally long.
    """

    class_names: tuple[str, ...]
    head: tf.keras.Model
    encoder: SentenceEncoder | None
    seen: frozenset[str]

    @property
    def model(self) -> tf.keras.Model:
        """The Keras model from strings to logits."""
        return hybrid_classifier(self._encoder(), len(self.class_names), self.head)

    def embed(self, texts: Sequence[str]) -> np.ndarray:
        """Embeddings [texts, dim], from the cache where they are in it."""
        return embed(self._encoder(), texts, "embedding")

    def probabilities(self, embeddings: np.ndarray) -> np.ndarray:
        """Class probabilities [rows, classes] of embeddings [rows, dim]."""
        if not len(embeddings):
            return np.zeros([0, len(self.class_names)], np.float32)
        return np.asarray(tf.nn.softmax(predict_logits(self.head, embeddings)))

    def predict(self, texts: Sequence[str]) -> np.ndarray:
        """Class probabilities [texts, classes] of texts."""
        return self.probabilities(self.embed(texts))

    def unseen_rows(self, dataset: TextDataset | EmbeddingDataset) -> np.ndarray:
        """The rows that were not trained or validated on: scoring the others would flatter the model."""
        if isinstance(dataset, TextDataset):
            keys = [text_key(text).encode() for text in dataset.texts]
        else:
            keys = embedding_keys(dataset.embeddings)
        digits = len(next(iter(self.seen), ""))
        return np.array([row for row, key in enumerate(keys) if seen_key(key)[:digits] not in self.seen], dtype=np.int64)

    def _encoder(self) -> SentenceEncoder:
        if self.encoder is None:
            raise InputError("this run was trained on given embeddings, so it cannot read texts: evaluate it on an .npz file.")
        return self.encoder


def load_run(path: Path | str) -> TrainedModel:
    """Loads the model of a finished run, or a head that `tfq-llm keep-head` saved.

    Raises:
        InputError: there is no run, it is not finished, it is of another version, or its sentence encoder is not on this machine;
            or the run or the saved head is damaged.
    """
    if is_saved_head(Path(path)):
        return _load_saved_head(Path(path))
    run = RunDirectory(Path(path))
    if not is_directory(run.path):
        raise missing(run.path)
    facts = run.model()
    head, encoder = _load_head(run, facts["head"]), _load_encoder(run, facts["encoder"])
    return TrainedModel(tuple(facts["class_names"]), head, encoder, frozenset(facts["seen"]))


def missing(path: Path) -> InputError:
    """What to raise if there is no directory where a run or a saved head should be."""
    if what_is_at(path) == "a file":
        return InputError(
            f"'{path}' is a file, and a model is a directory: give that of a run, a saved head or an exported model."
        )
    if is_saved_head(former(path)):
        return InputError(
            f"there is no saved head '{path}': a 'tfq-llm keep-head --replace' was killed before the new one was there. The old "
            f"one is in '{former(path)}': rename that to '{path}', or give the same 'keep-head' command again."
        )
    return InputError(f"there is no run directory '{path}': train one with 'tfq-llm train', or check the path.")


def _load_saved_head(path: Path) -> TrainedModel:
    saved = SavedHead.read(path)
    encoder = saved.facts["encoder"]
    found = SentenceEncoder.from_config(encoder) if encoder else None
    return TrainedModel(saved.class_names, saved.head(), found, saved.seen)


def seen_key(key: bytes) -> str:
    """What a run remembers of a text or an embedding: a hash, so that the model file tells nobody what it learned from."""
    return hashlib.sha256(key).hexdigest()[:24]


def embed(encoder: SentenceEncoder, texts: Sequence[str], description: str) -> np.ndarray:
    """Embeddings [texts, dim]; says how many texts are longer than the sentence encoder reads."""
    truncated = encoder.count_truncated(texts)
    if truncated:
        message = "%d of %d texts are longer than the %d tokens that the sentence encoder reads; only their beginning counts."
        logger.warning(message, truncated, len(texts), encoder.max_tokens)
    return encoders.encode(encoder, texts, description=description)


def encoder_from_config(config: SentenceEncoderConfig, trainable: bool = False) -> SentenceEncoder:
    """The sentence encoder that a configuration names."""
    return encoders.load(
        config.name,
        trainable,
        config.max_tokens,
        preprocessor=config.preprocessor,
        output_key=config.output_key,
        precision=config.precision,
        name="sentence_encoder",
    )


def describe_encoder(encoder: SentenceEncoder, weights: Path | None) -> dict[str, Any]:
    """What model.json keeps of a sentence encoder: its Keras configuration, which has name and fingerprint and no path."""
    return {"config": encoder.get_config(), "weights": weights.name if weights else None}


def model_facts(
    run: RunDirectory, state: str, class_names: Sequence[str], encoder: dict[str, Any] | None = None, seen: Sequence[str] = ()
) -> dict[str, Any]:
    """What model.json says of a finished model, for `load_run`."""
    return {"head": run.head_file(state).name, "class_names": list(class_names), "encoder": encoder, "seen": list(seen)}


def _load_head(run: RunDirectory, name: str) -> tf.keras.Model:
    file = run.path / "model" / name
    try:
        return tf.keras.models.load_model(file)
    except (OSError, ValueError, KeyError, NotImplementedError, BadZipFile) as error:  # whatever part of the file is damaged
        raise run.damaged(file) from error


def _load_encoder(run: RunDirectory, facts: dict[str, Any] | None) -> SentenceEncoder | None:
    if facts is None:
        return None
    encoder = SentenceEncoder.from_config(facts["config"])
    if facts["weights"]:
        encoder.load_weights_file(run.path / "model" / facts["weights"])
    return encoder
