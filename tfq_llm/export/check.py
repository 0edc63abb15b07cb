"""Every export is loaded again and compared with the trained model before it is kept."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import tensorflow as tf

from tfq_llm.encoders import SentenceEncoder
from tfq_llm.export.head import HeadParts
from tfq_llm.export.warmup import TEXTS
from tfq_llm.exported.model import load

TOLERANCE = 1e-4
"""Of probabilities. Rounding in float32 makes less than a tenth of it with the heads of our own runs, and more with larger gains
and weights. A mistake makes far more; an export is not refused for rounding."""


class ExportMismatchError(RuntimeError):
    """The exported model and the trained one disagree: a mistake in this package, or a machine that computes wrongly."""


def check_export(directory: Path, parts: HeadParts, encoder: SentenceEncoder | None) -> None:
    """Raises ExportMismatchError unless the exported model gives the probabilities of the trained one.

    A model that samples is not compared: no two of its answers are alike.
    """
    exported = load(directory)
    if exported.facts.serves != "exact":
        return
    inputs: np.ndarray | list[str]
    if encoder is None:
        inputs = np.random.default_rng(1).normal(size=[len(TEXTS), parts.input_dim]).astype(np.float32)
        embeddings = tf.constant(inputs)
    else:
        inputs, embeddings = list(TEXTS), encoder(tf.constant(TEXTS))
    expected = tf.nn.softmax(parts.exact_logits(embeddings)).numpy()
    difference = float(np.abs(exported(inputs)["probabilities"] - expected).max())
    if not difference < TOLERANCE:
        raise ExportMismatchError(
            f"the exported model's probabilities differ by {difference:.1e} from those of the trained one, and may differ by "
            f"{TOLERANCE:.0e}. Nothing was kept. Please report this with the versions of the packages and the processor's name."
        )
