"""`model.fit` that can be killed at any moment and goes on from its last finished epoch, to the same result."""

from __future__ import annotations

import logging
import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import tensorflow as tf

from tfq_llm.config import FitConfig
from tfq_llm.errors import InputError
from tfq_llm.training.callbacks import EpochKeeper, ProgressCallback
from tfq_llm.training.state import TrainingState

logger = logging.getLogger(__name__)


class TrainingDivergedError(InputError):
    """The loss became NaN or infinite; the weights of the best epoch before that are kept."""


def resumable_fit(
    model: tf.keras.Model,
    train: tuple[np.ndarray, np.ndarray],
    validation: tuple[np.ndarray, np.ndarray],
    config: FitConfig,
    *,
    name: str,
    seed: int,
    state_file: Path | None = None,
    log_dir: Path | None = None,
    callbacks: Sequence[tf.keras.callbacks.Callback] = (),
) -> TrainingState:
    """Trains a compiled model and leaves it with the weights of its best epoch.

    The order of batches in an epoch depends on the seed and the number of the epoch alone, and after every epoch weights,
    optimizer, early stopping and history go into one file in one step. So a resumed training ends as an undisturbed one does.

    Args:
        model: compiled, with its optimizer's schedule over `config.epochs`.
        train: inputs (embeddings [rows, dim] or strings [rows]) and integer labels [rows].
        validation: likewise; its loss decides the best epoch and when to stop.
        config: epochs, batch size, patience.
        name: of the phase, for the progress bar.
        seed: decides the order of batches.
        state_file: where the state of an unfinished training is kept; None keeps nothing.
        log_dir: for TensorBoard; None for none.
        callbacks: more Keras callbacks.

    Returns:
        History, seconds and best loss.

    Raises:
        TrainingDivergedError: the loss is not finite. The model then has the weights of its best epoch before that, or those it
            came with.
    """
    steps = math.ceil(len(train[1]) / config.batch_size)
    state = TrainingState.load(state_file) if state_file else TrainingState()
    state.restore(model)
    initial = model.get_weights()
    keeper = EpochKeeper(state, state_file, config.patience)
    boards = [tf.keras.callbacks.TensorBoard(str(log_dir), write_graph=False)] if log_dir else []
    if state.epochs_done < config.epochs and not state.stopped and not state.diverged:
        progress = ProgressCallback(name, config.epochs, steps, first_epoch=state.epochs_done)
        if state.epochs_done:
            logger.info("%s: going on after epoch %d of %d", name, state.epochs_done, config.epochs)
        model.fit(
            _epochs(train, config, seed, state.epochs_done),
            epochs=config.epochs,
            initial_epoch=state.epochs_done,
            steps_per_epoch=steps,
            validation_data=tf.data.Dataset.from_tensor_slices(validation).batch(config.batch_size),
            callbacks=[keeper, progress, *boards, *callbacks],
            verbose=0,
        )
    model.set_weights(state.best or initial)
    if state.diverged:
        kept = "The weights of the best epoch before it are kept" if state.best else "The weights are the initial ones again"
        raise TrainingDivergedError(
            f"{name}: the loss became {state.diverged} in epoch {state.epochs_done + 1}. {kept}; use a smaller learning_rate "
            f"than {config.learning_rate:g}."
        )
    return state


def _epochs(train: tuple[np.ndarray, np.ndarray], config: FitConfig, seed: int, first_epoch: int) -> tf.data.Dataset:
    """Batches of all epochs still to come, one after the other, each epoch in an order of its own."""
    inputs, labels = tf.constant(train[0]), tf.constant(train[1])
    rows = len(train[1])

    def epoch(number: tf.Tensor) -> tf.data.Dataset:
        order = tf.random.experimental.stateless_shuffle(tf.range(rows), seed=tf.stack([tf.constant(seed, tf.int64), number]))
        return tf.data.Dataset.from_tensor_slices(order).batch(config.batch_size)

    batches = tf.data.Dataset.range(first_epoch, config.epochs).flat_map(epoch)
    return batches.map(lambda order: (tf.gather(inputs, order), tf.gather(labels, order))).prefetch(2)
