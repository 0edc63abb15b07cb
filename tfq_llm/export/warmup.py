"""Warm-up requests: a model server runs them before it says that it is ready, so that no user's request waits for first calls."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import tensorflow as tf
from tensorflow_serving.apis.classification_pb2 import ClassificationRequest
from tensorflow_serving.apis.predict_pb2 import PredictRequest
from tensorflow_serving.apis.prediction_log_pb2 import ClassifyLog, PredictionLog, PredictLog

from tfq_llm.exported.signatures import CLASSIFY_SIGNATURE, DEFAULT_SIGNATURE, EMBEDDING, TEXT

FILE = Path("assets.extra") / "tf_serving_warmup_requests"
BATCHES = (1, 8, 32)
TEXTS = (
    "a film to fall in love with",
    "two hours of my life that I will never get back",
    "clever, but it left me cold",
    "",
    "It begins slowly, and nobody in the first half hour says anything that could not have been left out; then the letter comes, "
    "and from there on it is as good as anything that was shown this year.",
)


def write_warmup(directory: Path, name: str, input_dim: int | None) -> None:
    """Writes the warm-up file of a SavedModel: a TFRecord of `PredictionLog`s.

    Args:
        directory: of the SavedModel.
        name: the model's.
        input_dim: length of embeddings, for a head alone; None for texts.
    """
    path = directory / FILE
    path.parent.mkdir()
    with tf.io.TFRecordWriter(str(path)) as writer:
        for log in _text_logs(name) if input_dim is None else _embedding_logs(name, input_dim):
            writer.write(log.SerializeToString())


def _text_logs(name: str) -> Iterator[PredictionLog]:
    for batch in BATCHES:
        texts = [TEXTS[row % len(TEXTS)] for row in range(batch)]
        yield _predict_log(name, TEXT, np.array(texts, dtype=object))
        yield _classify_log(name, texts)


def _embedding_logs(name: str, input_dim: int) -> Iterator[PredictionLog]:
    for batch in BATCHES:
        rows = np.random.default_rng(0).normal(size=[batch, input_dim]).astype(np.float32)
        yield _predict_log(name, EMBEDDING, rows)


def _predict_log(name: str, key: str, rows: np.ndarray) -> PredictionLog:
    request = PredictRequest()
    request.model_spec.name, request.model_spec.signature_name = name, DEFAULT_SIGNATURE
    request.inputs[key].CopyFrom(tf.make_tensor_proto(rows))
    return PredictionLog(predict_log=PredictLog(request=request))


def _classify_log(name: str, texts: Sequence[str]) -> PredictionLog:
    request = ClassificationRequest()
    request.model_spec.name, request.model_spec.signature_name = name, CLASSIFY_SIGNATURE
    for text in texts:
        feature = request.input.example_list.examples.add().features.feature[TEXT]
        feature.bytes_list.value.append(text.encode())
    return PredictionLog(classify_log=ClassifyLog(request=request))
