"""The first phase: contrastive tuning of the sentence encoder on the few labelled sentences."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import tensorflow as tf

from tfq_llm.adamw import FusedAdamW
from tfq_llm.config import FitConfig
from tfq_llm.training.fit import resumable_fit
from tfq_llm.training.state import TrainingState


@tf.keras.utils.register_keras_serializable("tfq_llm")
def contrastive_loss(labels: tf.Tensor, embeddings: tf.Tensor) -> tf.Tensor:
    """Mean of (cosine − [same label])² over all pairs of a batch.

    The pairs are formed inside the batch: n sentences give n·(n − 1)/2 of them for the cost of encoding n.

    Args:
        labels: [batch] or [batch, 1].
        embeddings: [batch, dim].

    Returns:
        Scalar; 0 for a batch of one.

    Source: the loss of SetFit (arXiv 2209.11055), on in-batch pairs.
    """
    labels = tf.reshape(labels, [-1, 1])
    unit = tf.math.l2_normalize(embeddings, axis=1)
    same = tf.cast(labels == tf.transpose(labels), embeddings.dtype)
    squares = tf.square(tf.matmul(unit, unit, transpose_b=True) - same)
    size = tf.cast(tf.shape(embeddings)[0], embeddings.dtype)
    others = tf.linalg.set_diag(squares, tf.zeros_like(squares[0]))
    return tf.math.divide_no_nan(tf.reduce_sum(others), size * (size - 1))


def tune_sentence_encoder(
    encoder: tf.keras.layers.Layer,
    train: tuple[np.ndarray, np.ndarray],
    validation: tuple[np.ndarray, np.ndarray],
    config: FitConfig,
    *,
    name: str = "tuning the sentence encoder",
    seed: int = 0,
    state_file: Path | None = None,
    log_dir: Path | None = None,
) -> TrainingState:
    """Trains the sentence encoder's weights in place so that sentences of one class come close and others become orthogonal.

    Args:
        encoder: a layer from `tfq_llm.encoders.load`; it is left as trainable as it was.
        train: sentences and integer labels.
        validation: likewise; its loss decides the best epoch.
        config: epochs, batch size, learning rate, weight decay, patience.
        name, seed, state_file, log_dir: as for `resumable_fit`.
    """
    was_trainable, encoder.trainable = encoder.trainable, True
    texts = tf.keras.Input([], dtype=tf.string, name="text")
    model = tf.keras.Model(texts, encoder(texts), name="contrastive")
    steps = config.epochs * math.ceil(len(train[1]) / config.batch_size)
    rate = tf.keras.optimizers.schedules.CosineDecay(config.learning_rate, steps)
    model.compile(optimizer=FusedAdamW(rate, weight_decay=config.weight_decay), loss=contrastive_loss)
    try:
        return resumable_fit(model, train, validation, config, name=name, seed=seed, state_file=state_file, log_dir=log_dir)
    finally:
        encoder.trainable = was_trainable
