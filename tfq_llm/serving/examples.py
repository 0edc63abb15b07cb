"""JSON of TensorFlow Serving's Classify: tf.Examples in, classes with scores out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import tensorflow as tf

from tfq_llm.exported.signatures import CLASSIFY_METHOD, CLASSIFY_SIGNATURE
from tfq_llm.serving import errors
from tfq_llm.serving.errors import RequestError, malformed
from tfq_llm.serving.models import ServedModel
from tfq_llm.serving.settings import Limits
from tfq_llm.serving.signatures import Signature
from tfq_llm.serving.tensors import check_rows, json_type, text_bytes


def check_classifies(signature: Signature, model: ServedModel) -> None:
    """Raises RequestError unless a signature of a model is made for Classify."""
    if signature.method != CLASSIFY_METHOD:
        name = f'Name the signature: "signature_name": "{CLASSIFY_SIGNATURE}".'
        none = "This model takes no texts and has no such signature: use :predict."
        raise malformed(
            f"Expected classification signature method_name to be {CLASSIFY_METHOD}. Was: {signature.method}. "
            f"{name if CLASSIFY_SIGNATURE in model.signatures else none}"
        )


def read_examples(request: Mapping[str, Any], limits: Limits) -> np.ndarray:
    """The examples of a Classify request, serialized: bytes objects [examples].

    Raises:
        RequestError: they are none, or not as tf.Example has them; or they are too many, or too large with their context (413).
    """
    examples = request.get("examples")
    if not isinstance(examples, list) or not examples:
        raise malformed("'examples' must be an array of objects, and not empty.")
    check_rows(examples, limits.request_rows)
    context = _features(request["context"], "context") if "context" in request else {}
    if len(examples) * tf.train.Features(feature=context).ByteSize() > limits.body_bytes:
        raise RequestError(
            errors.TOO_LARGE,
            f"'context' is part of every example, and with it these {len(examples)} would have more than the "
            f"{limits.body_bytes:,} bytes that a request may have: send fewer at once.",
        )
    serialized = np.empty(len(examples), object)
    for index, example in enumerate(examples):
        features = context | _features(example, f"element {index} of 'examples'")
        serialized[index] = tf.train.Example(features=tf.train.Features(feature=features)).SerializeToString()
    return serialized


def results(outputs: Mapping[str, np.ndarray]) -> list[list[tuple[str, Any]]]:
    """For each example its classes with their scores."""
    classes, scores = outputs["classes"], outputs["scores"]
    return [
        [(label.decode("utf-8", "replace"), score) for label, score in zip(row, values, strict=True)]
        for row, values in zip(classes.tolist(), scores, strict=True)
    ]


def _features(value: Any, where: str) -> dict[str, tf.train.Feature]:
    if not isinstance(value, dict):
        raise malformed(f"{where} must be a JSON object of features, not a JSON {json_type(value)}.")
    return {name: _feature(given, where) for name, given in value.items()}


def _feature(given: Any, where: str) -> tf.train.Feature:
    """A feature has values of one kind: strings, whole numbers (and booleans), or decimal ones."""
    values = given if isinstance(given, list) else [given]
    if all(isinstance(value, (str, dict)) for value in values):
        texts = [text_bytes(value, f"a feature of {where}") for value in values]
        return tf.train.Feature(bytes_list=tf.train.BytesList(value=texts))
    if all(isinstance(value, int) for value in values):
        if any(not -(2**63) <= value < 2**63 for value in values):
            raise malformed(f"a feature of {where} has a whole number of more than 64 bits.")
        return tf.train.Feature(int64_list=tf.train.Int64List(value=values))
    if all(isinstance(value, float) for value in values):
        if not np.abs(values).max() <= np.finfo(np.float32).max:
            raise malformed(f"a feature of {where} has a number that is too large for a float.")
        return tf.train.Feature(float_list=tf.train.FloatList(value=values))
    raise malformed(f"a feature of {where} must be strings, whole numbers or decimal numbers, of one kind.")
