"""What a worker does: loads a trial's rows, fits, scores, and keeps the result."""

from __future__ import annotations

import socket
import time
from datetime import datetime, timezone
from functools import lru_cache

import numpy as np
import tensorflow as tf
from sklearn.metrics import confusion_matrix, log_loss

from tfq_llm.errors import InputError
from tfq_llm.metrics import macro_f1
from tfq_llm.studies import arms
from tfq_llm.studies.store import Store
from tfq_llm.studies.trial import Cost, Trial, TrialResult, packed
from tfq_llm.studies.trial_rows import TrialRows, rows_of
from tfq_llm.studies.versions import as_text, versions

BINS = 10
"""Of the confidence in a calibration diagram."""


def perform(trial: Trial, store_url: str) -> TrialResult:
    """Fits and scores a trial, unless its result is there, and keeps it.

    Args:
        trial: what to do.
        store_url: of the study's store, which has the embeddings.

    Raises:
        InputError: the trial cannot be run so.
    """
    store = _store(store_url)
    if (known := store.result(trial)) is not None:
        return known
    rows = rows_of(store.embeddings(trial.data), trial)
    # Every trial builds a model of its own, which TensorFlow warns of and would keep.
    tf.get_logger().setLevel("ERROR")
    try:
        start = time.perf_counter()
        fitted = _fitted(trial, rows, store)
        fit_seconds = time.perf_counter() - start
        result = scored(trial, fitted, rows, fit_seconds)
    finally:
        tf.keras.backend.clear_session()
    store.keep(result)
    return result


def scored(trial: Trial, fitted: arms.FittedHead, rows: TrialRows, fit_seconds: float) -> TrialResult:
    """The score of a fitted head on the rows that the trial is scored on."""
    start = time.perf_counter()
    vectors, labels = rows.scored
    probabilities = fitted.probabilities(vectors)
    predicted = fitted.predict(vectors) if probabilities is None else probabilities.argmax(axis=1)
    right = predicted == labels
    classes = range(rows.num_classes)
    return TrialResult(
        trial=trial,
        accuracy=float(right.mean()),
        correct=int(right.sum()),
        rows=len(labels),
        macro_f1=round(macro_f1(labels, predicted), 6),
        log_loss=None if probabilities is None else round(float(log_loss(labels, probabilities, labels=list(classes))), 5),
        parameters=fitted.parameters,
        epochs=fitted.epochs,
        confusion=tuple(tuple(row) for row in confusion_matrix(labels, predicted, labels=list(classes)).tolist()),
        calibration=None if probabilities is None else calibration(probabilities, right),
        predictions=packed(predicted) if trial.scored_on == "test" else None,
        versions=as_text(versions()),
        cost=Cost(
            fit_seconds=round(fit_seconds, 3),
            score_seconds=round(time.perf_counter() - start, 3),
            host=socket.gethostname(),
            finished=datetime.now(timezone.utc).isoformat(timespec="seconds"),
        ),
    )


def calibration(probabilities: np.ndarray, right: np.ndarray) -> tuple[tuple[int, float, float], ...]:
    """Of equal bins of the confidence: rows, mean confidence and accuracy.

    Args:
        probabilities: [rows, classes].
        right: bool [rows].
    """
    confidence = probabilities.max(axis=1).astype(float)
    bins = np.minimum((confidence * BINS).astype(int), BINS - 1)
    found = []
    for number in range(BINS):
        inside = bins == number
        count = int(inside.sum())
        means = (float(confidence[inside].mean()), float(right[inside].mean())) if count else (0.0, 0.0)
        found.append((count, round(means[0], 4), round(means[1], 6)))
    return tuple(found)


def _fitted(trial: Trial, rows: TrialRows, store: Store) -> arms.FittedHead:
    """The trial's head; one that is to be scored under other conditions than it was trained under is trained once and kept."""
    dim = rows.train[0].shape[1]
    if trial.conditions and (kept := store.weights(trial)) is not None:
        return arms.restored(trial.method, trial.settings, kept, dim, rows.num_classes, trial.init, trial.conditions)
    fitted = arms.fit(trial.method, trial.settings, rows.train, rows.validation, rows.num_classes, trial.init)
    weights = fitted.weights()
    if weights is not None and trial.scored_on == "test":
        store.keep_weights(trial, weights)
    if not trial.conditions:
        return fitted
    if weights is None:
        raise InputError(f"'{trial.method}' has no quantum circuit to be scored under {', '.join(trial.conditions)}.")
    return arms.restored(trial.method, trial.settings, weights, dim, rows.num_classes, trial.init, trial.conditions)


@lru_cache(maxsize=4)
def _store(url: str) -> Store:
    return Store(url)
