"""What scores texts: an exported model, a finished run or a saved head."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple, Protocol

import numpy as np
import tensorflow as tf

from tfq_llm import exported
from tfq_llm.cache import file_digest
from tfq_llm.encoders import by_length, encode_uncached
from tfq_llm.errors import InputError
from tfq_llm.exported import ExportedModel
from tfq_llm.exported.manifest import MANIFEST, read_object
from tfq_llm.training.trained import TrainedModel, load_run

Stamps = tuple[tuple[str, int, int, int], ...]


class Scores(NamedTuple):
    """What a model says of texts: float32 [texts, classes], and how many texts are longer than it reads."""

    probabilities: np.ndarray
    truncated: int


class Scorer(Protocol):
    """A model of texts.

    Attributes:
        path: the directory it was loaded from: of a model with versions, that of one version.
        class_names: in the order of the probabilities.
        fingerprint: of all that decides what it says, the same on every machine.
    """

    path: Path
    class_names: tuple[str, ...]
    fingerprint: str

    def score(self, texts: Sequence[str]) -> Scores:
        """Scores texts; any number of them."""


def load_scorer(path: Path) -> Scorer:
    """Loads the model in a directory; the last one is kept for the process, until a newer version is there or it is replaced.

    Raises:
        InputError: there is none, or it was trained on embeddings and reads no texts.
    """
    if exported.is_exported(path):
        version = exported.version_directory(path)
        read_object(version / MANIFEST)  # says what is wrong with it
        return _load(version, file_digest(version / MANIFEST))
    return _load(path, _stamps(path))


@lru_cache(maxsize=1)
def _load(path: Path, state: str | Stamps) -> Scorer:
    return ExportedScorer(exported.load(path), state) if isinstance(state, str) else RunScorer(load_run(path), path)


def _stamps(path: Path) -> Stamps:
    """Name, size, time and inode of the files of a run's model or of a saved head: others, once they were replaced."""
    directory = path / "model" if (path / "model").is_dir() else path
    found = ((file.name, file.stat()) for file in sorted(directory.glob("*")))
    return tuple((name, stat.st_size, stat.st_mtime_ns, stat.st_ino) for name, stat in found)


class RunScorer:
    """A `TrainedModel`; texts are encoded anew, for a cache of their vectors would grow with the input."""

    def __init__(self, trained: TrainedModel, path: Path) -> None:
        if trained.encoder is None:
            raise InputError(
                f"'{path}' was trained on given embeddings, so it cannot score texts: give a model with a sentence encoder."
            )
        self.path, self._head, self._encoder = path, trained, trained.encoder
        self.class_names, self.fingerprint = trained.class_names, _fingerprint(trained)

    def score(self, texts: Sequence[str]) -> Scores:
        probabilities = self._head.probabilities(encode_uncached(self._encoder, texts))
        return Scores(probabilities, self._encoder.count_truncated(texts) or 0)


class ExportedScorer:
    """What `tfq-llm export` wrote; it does not say how much of a text it reads.

    Args:
        model: the model.
        digest: of its manifest, which has the digests of all other files.
    """

    def __init__(self, model: ExportedModel, digest: str) -> None:
        if model.facts.task != "text":
            raise InputError(
                f"the model in '{model.path}' is a head alone, so it cannot score texts: export one without --head-only."
            )
        self.path, self._model = model.path, model
        self.class_names, self.fingerprint = model.class_names, digest

    def score(self, texts: Sequence[str]) -> Scores:
        def probabilities(batch: tf.Tensor) -> np.ndarray:
            return self._model([text.decode() for text in batch.numpy()])["probabilities"]

        if not texts:
            return Scores(np.zeros([0, len(self.class_names)], np.float32), 0)
        return Scores(by_length(probabilities, texts), 0)


def _fingerprint(trained: TrainedModel) -> str:
    settings = [layer.get_config() for layer in trained.head.layers]
    encoder = trained.encoder.state_fingerprint() if trained.encoder else None
    digest = hashlib.sha256(json.dumps([trained.class_names, encoder, settings], default=str).encode())
    for weight in trained.head.get_weights():
        digest.update(weight.tobytes())
    return digest.hexdigest()
