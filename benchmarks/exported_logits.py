"""How far an exported model's logits are from those of the model that it was made of."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from scipy.special import softmax

from benchmarks.stock_process import PREAMBLE
from tfq_llm import InputError, exported
from tfq_llm.exported.signatures import DEFAULT_SIGNATURE, TEXT
from tfq_llm.models import predict_logits
from tfq_llm.training import TrainedModel

BATCH = 64

_ANSWER = f"""
serve = tf.saved_model.load(sys.argv[1]).signatures["{DEFAULT_SIGNATURE}"]
texts = np.load(sys.argv[2])
parts = [serve({TEXT}=tf.constant(texts[start : start + {BATCH}]))["logits"] for start in range(0, len(texts), {BATCH})]
np.save(sys.argv[3], np.concatenate(parts))
"""


class Differences(NamedTuple):
    """The largest |exported − trained| of all logits, and of all probabilities."""

    logits: float
    probabilities: float


def largest_differences(trained: TrainedModel, directory: Path, texts: Sequence[str]) -> Differences:
    """How far an exported model is from what it was exported from; the exported one is in a stock process.

    Args:
        trained: the model before it was exported.
        directory: of the exported model, or of a version of it.
        texts: one at least.

    Raises:
        InputError: there is no exported model, or none that can be compared: of operators of TensorFlow and TF-Text alone, texts
            in, trained on exact expectation values.
    """
    path = exported.version_directory(directory)
    exported.verify_manifest(path)
    facts = exported.read_facts(path)
    if facts.task != "text" or facts.signature != "plain" or facts.trained_with is not None:
        raise InputError(
            f"'{path}' cannot be compared: give a model that was trained without shots and noise, and exported with neither "
            "--head-only nor --signature tfq."
        )
    pair = np.stack([_stock_logits(path, texts), predict_logits(trained.head, trained.embed(texts))])
    return Differences(*(float(np.abs(a - b).max()) for a, b in (pair, softmax(pair.astype(np.float64), axis=-1))))


def _stock_logits(path: Path, texts: Sequence[str]) -> np.ndarray:
    """The exported model's logits [texts, classes] in a process of its own."""
    with tempfile.TemporaryDirectory() as temporary:
        given, found = Path(temporary) / "texts.npy", Path(temporary) / "logits.npy"
        np.save(given, np.array([text.encode() for text in texts]))
        environment = {name: value for name, value in os.environ.items() if name != "TF_USE_LEGACY_KERAS"}
        command = [sys.executable, "-c", PREAMBLE + _ANSWER, str(path), str(given), str(found)]
        subprocess.run(command, check=True, env=environment | {"TF_CPP_MIN_LOG_LEVEL": "3"})
        logits: np.ndarray = np.load(found)
        return logits
