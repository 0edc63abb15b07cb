"""The second phase: heads on embeddings, the quantum one and the classical ones, trained and scored alike."""

from __future__ import annotations

import logging
import math
import time
from dataclasses import dataclass

import numpy as np
import tensorflow as tf

from tfq_llm import baselines
from tfq_llm.config import Config, FitConfig
from tfq_llm.metrics import QUANTUM, HeadResult, score
from tfq_llm.models import PREDICTION_BATCH, compile_classifier, predict_logits, quantum_head
from tfq_llm.training.callbacks import PredictionProgress
from tfq_llm.training.fit import TrainingDivergedError, resumable_fit
from tfq_llm.training.run import RunDirectory

logger = logging.getLogger(__name__)

Rows = tuple[np.ndarray, np.ndarray]


@dataclass(frozen=True)
class Parts:
    """Inputs (embeddings or texts) and labels of the three parts."""

    train: Rows
    validation: Rows
    test: Rows


def compare_heads(run: RunDirectory, config: Config, state: str, parts: Parts, num_classes: int) -> None:
    """Trains and scores every head on the same embeddings, but for those that the run has already.

    Args:
        run: where results, histories and the quantum head's weights go.
        config: the head's settings and the seed.
        state: of the embeddings: "frozen", "tuned", "joint" or "given".
        parts: embeddings and labels.
        num_classes: of the task.
    """
    compare_baselines(run, config, state, parts)
    phase = f"head-{state}"
    if (state, QUANTUM) in run.finished_heads():
        return
    head = new_head(config, parts.train[0].shape[1], num_classes)
    try:
        fitted = resumable_fit(
            prepared(head, config.head_training, len(parts.train[1])),
            parts.train,
            parts.validation,
            config.head_training,
            name=f"quantum head on {state} embeddings",
            seed=config.seed,
            state_file=run.state_file(phase),
            log_dir=run.log_dir(phase),
        )
    except TrainingDivergedError as error:
        run.save_head(head, state)
        raise TrainingDivergedError(f"{error} They are in '{run.head_file(state)}'.") from error
    run.save_head(head, state)
    run.keep_phase(phase, fitted)
    run.add_result(score_model(state, head, parts.test, fitted.seconds))


def compare_baselines(run: RunDirectory, config: Config, state: str, parts: Parts) -> None:
    """Fits and scores the classical heads that the run does not have yet."""
    for name in baselines.NAMES:
        if (state, name) not in run.finished_heads():
            logger.info("fitting %s on %s embeddings", name, state)
            start = time.monotonic()
            fitted = baselines.fit_baseline(name, *parts.train, seed=config.seed)
            seconds = time.monotonic() - start
            embeddings, labels = parts.test
            run.add_result(score(state, name, labels, fitted.predict(embeddings), fitted.parameters, seconds))


def new_head(config: Config, input_dim: int, num_classes: int) -> tf.keras.Model:
    """An untrained quantum head whose initial weights depend on the seed alone."""
    return quantum_head(input_dim, num_classes, config.head, config.seed)


def prepared(model: tf.keras.Model, fit: FitConfig, rows: int) -> tf.keras.Model:
    """The model compiled for a training on so many rows."""
    return compile_classifier(model, fit, fit.epochs * math.ceil(rows / fit.batch_size))


def score_model(state: str, head: tf.keras.Model, test: Rows, seconds: float) -> HeadResult:
    """Scores a head that puts out logits."""
    inputs, labels = test
    progress = PredictionProgress(f"scoring the quantum head on {state} embeddings", len(labels), PREDICTION_BATCH)
    logits = predict_logits(head, inputs, [progress])
    return score(state, QUANTUM, labels, logits.argmax(axis=1), head.count_params(), seconds)
