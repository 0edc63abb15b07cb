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
    state = TrainingState.load(state_file) if state_file else TrainingState()
    state.restore(model)
    inputs, labels = tf.constant(train[0]), tf.constant(train[1])
    rows = epoch_rows(len(train[1]), config, seed, state.epochs_done)
    return train_from(
        state,
        model,
        rows.map(lambda batch: (tf.gather(inputs, batch), tf.gather(labels, batch))).prefetch(2),
        tf.data.Dataset.from_tensor_slices(validation).batch(config.batch_size),
        config,
        name=name,
        steps=math.ceil(len(train[1]) / config.batch_size),
        state_file=state_file,
        log_dir=log_dir,
        callbacks=callbacks,
    )


def train_from(
    state: TrainingState,
    model: tf.keras.Model,
    batches: tf.data.Dataset,
    validation: tf.data.Dataset,
    config: FitConfig,
    *,
    name: str,
    steps: int,
    validation_steps: int | None = None,
    state_file: Path | None = None,
    log_dir: Path | None = None,
    callbacks: Sequence[tf.keras.callbacks.Callback] = (),
    quiet: bool = False,
) -> TrainingState:
    """What is left of `resumable_fit` when the model has the state's weights and the batches are made.

    Args:
        state: the weights of `model` and what was done before; it is changed in place.
        model: compiled.
        batches: of all epochs still to come, one after the other.
        validation: batches; all of them, or `validation_steps`, are an epoch's.
        steps: batches of an epoch.
        quiet: show no progress.
        config, name, state_file, log_dir, callbacks: as for `resumable_fit`.

    Raises:
        TrainingDivergedError: as `resumable_fit`.
    """
    initial = model.get_weights()
    if state.epochs_done < config.epochs and not state.stopped and not state.diverged:
        ours: list[tf.keras.callbacks.Callback] = [EpochKeeper(state, state_file, config.patience)]
        if not quiet:
            ours.append(ProgressCallback(name, config.epochs, steps, first_epoch=state.epochs_done))
        if log_dir:
            ours.append(tf.keras.callbacks.TensorBoard(str(log_dir), write_graph=False))
        if state.epochs_done:
            logger.info("%s: going on after epoch %d of %d", name, state.epochs_done, config.epochs)
        # If the step of a training makes the optimizer's variables, TensorFlow makes its graph twice.
        with model.distribute_strategy.scope():
            model.optimizer.build(model.trainable_variables)
        model.fit(
            batches,
            epochs=config.epochs,
            initial_epoch=state.epochs_done,
            steps_per_epoch=steps,
            validation_data=validation,
            validation_steps=validation_steps,
            callbacks=[*ours, *callbacks],
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


def epoch_rows(rows: int, config: FitConfig, seed: int, first_epoch: int) -> tf.data.Dataset:
    """Row numbers of every batch of all epochs still to come, one after the other, each epoch in an order of its own."""

    def epoch(number: tf.Tensor) -> tf.data.Dataset:
        order = tf.random.experimental.stateless_shuffle(tf.range(rows), seed=tf.stack([tf.constant(seed, tf.int64), number]))
        return tf.data.Dataset.from_tensor_slices(order).batch(config.batch_size)

    return tf.data.Dataset.range(first_epoch, config.epochs).flat_map(epoch)
