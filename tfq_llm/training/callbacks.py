"""Keras callbacks: progress, and the record of every finished epoch."""

from __future__ import annotations

import math
import time
from pathlib import Path
from typing import Any

import tensorflow as tf

from tfq_llm.progress import Progress
from tfq_llm.training.state import TrainingState

Logs = dict[str, Any]


class ProgressCallback(tf.keras.callbacks.Callback):
    """One bar (or log lines) over all epochs of a phase, with rate, time left and the last epoch's metrics."""

    def __init__(self, name: str, epochs: int, steps: int, first_epoch: int = 0) -> None:
        super().__init__()
        self._progress = Progress(name, epochs * steps, "steps", initial=first_epoch * steps)
        self._epochs = epochs

    def on_train_batch_end(self, batch: int, logs: Logs | None = None) -> None:
        self._progress.update()

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        metrics = ", ".join(f"{name} {value:.3f}" for name, value in (logs or {}).items())
        self._progress.update(0, f"epoch {epoch + 1}/{self._epochs}: {metrics}")

    def on_train_end(self, logs: Logs | None = None) -> None:
        self._progress.close()


class PredictionProgress(tf.keras.callbacks.Callback):
    """A bar (or log lines) over the batches of `model.predict`."""

    def __init__(self, name: str, rows: int, batch_size: int) -> None:
        super().__init__()
        self._name, self._rows, self._batch_size = name, rows, batch_size

    def on_predict_begin(self, logs: Logs | None = None) -> None:
        self._progress = Progress(self._name, self._rows, "rows")

    def on_predict_batch_end(self, batch: int, logs: Logs | None = None) -> None:
        self._progress.update(min(self._batch_size, self._rows - batch * self._batch_size))

    def on_predict_end(self, logs: Logs | None = None) -> None:
        self._progress.close()


class EpochKeeper(tf.keras.callbacks.Callback):
    """Records every finished epoch in a `TrainingState`, stops early, and stops when the loss is no longer finite.

    Keras has a callback for each of these, but its early stopping forgets the best epoch when the process ends, and its backup
    does not keep it.
    """

    def __init__(self, state: TrainingState, path: Path | None, patience: int) -> None:
        super().__init__()
        self._state, self._path, self._patience = state, path, patience
        self._clock = time.monotonic()

    def on_train_batch_end(self, batch: int, logs: Logs | None = None) -> None:
        loss = float((logs or {})["loss"])
        if not math.isfinite(loss):
            self._state.diverged = str(loss)
            self.model.stop_training = True

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        state, logs = self._state, logs or {}
        now = time.monotonic()
        state.seconds, self._clock = state.seconds + now - self._clock, now
        if not state.diverged and not math.isfinite(logs["val_loss"]):
            state.diverged = str(float(logs["val_loss"]))
        if state.diverged:
            self.model.stop_training = True
        else:
            self._record(epoch, {name: float(value) for name, value in logs.items()})
        if self._path is not None:
            state.save(self._path)

    def _record(self, epoch: int, metrics: dict[str, float]) -> None:
        state = self._state
        state.history.append({"epoch": epoch + 1} | metrics)
        state.capture(self.model)
        if metrics["val_loss"] < state.best_loss:
            state.best_loss, state.best, state.waited = metrics["val_loss"], state.weights, 0
        else:
            state.waited += 1
        if state.waited >= self._patience:
            state.stopped = True
            self.model.stop_training = True
