"""Training that is interrupted ends as training that is not."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf

from tests.support import TINY_HEAD, blobs
from tfq_llm.config import FitConfig, HeadConfig
from tfq_llm.errors import InputError
from tfq_llm.models import quantum_head
from tfq_llm.training import TrainingDivergedError, contrastive_loss, resumable_fit
from tfq_llm.training.heads import prepared
from tfq_llm.training.state import TrainingState

FIT = FitConfig(epochs=6, batch_size=8, learning_rate=0.05, patience=6)
INPUTS, LABELS = blobs(40)
TRAIN, VALIDATION = (INPUTS[:30], LABELS[:30]), (INPUTS[30:], LABELS[30:])


def new_head(fit: FitConfig = FIT) -> tf.keras.Model:
    return prepared(quantum_head(7, 2, HeadConfig(**TINY_HEAD), seed=3), fit, 30)


class Killed(tf.keras.callbacks.Callback):
    """Ends the training in the middle of an epoch, as a lost process would."""

    def __init__(self, epoch: int) -> None:
        super().__init__()
        self.epoch, self.now = epoch, -1

    def on_epoch_begin(self, epoch, logs=None):
        self.now = epoch

    def on_train_batch_end(self, batch, logs=None):
        if self.now == self.epoch and batch == 1:
            raise KeyboardInterrupt


def test_it_learns_and_keeps_the_best_epoch(tmp_path):
    head = new_head()
    state = resumable_fit(head, TRAIN, VALIDATION, FIT, name="head", seed=0, log_dir=tmp_path)
    assert [record["epoch"] for record in state.history] == [1, 2, 3, 4, 5, 6]
    assert state.history[-1]["loss"] < state.history[0]["loss"]
    loss, _ = head.evaluate(*VALIDATION, verbose=0)
    assert loss == pytest.approx(min(record["val_loss"] for record in state.history), rel=1e-4)
    assert list(tmp_path.rglob("events.out.tfevents.*"))


def test_a_killed_training_ends_with_the_same_weights_and_history(tmp_path):
    undisturbed = new_head()
    wanted = resumable_fit(undisturbed, TRAIN, VALIDATION, FIT, name="head", seed=0)
    file = tmp_path / "state.safetensors"
    for epoch in (0, 2, 3):
        with pytest.raises(KeyboardInterrupt):
            resumable_fit(new_head(), TRAIN, VALIDATION, FIT, name="head", seed=0, state_file=file, callbacks=[Killed(epoch)])
    head = new_head()
    state = resumable_fit(head, TRAIN, VALIDATION, FIT, name="head", seed=0, state_file=file)
    assert state.history == wanted.history
    for weights, expected in zip(head.get_weights(), undisturbed.get_weights(), strict=True):
        np.testing.assert_array_equal(weights, expected)


def test_a_finished_training_is_not_repeated(tmp_path):
    file = tmp_path / "state.safetensors"
    first = new_head()
    resumable_fit(first, TRAIN, VALIDATION, FIT, name="head", seed=0, state_file=file)
    again = new_head()
    resumable_fit(again, TRAIN, VALIDATION, FIT, name="head", seed=0, state_file=file, callbacks=[Killed(0)])
    np.testing.assert_array_equal(first.get_weights()[0], again.get_weights()[0])


def test_the_seed_decides_the_order_of_batches():
    histories = [resumable_fit(new_head(), TRAIN, VALIDATION, FIT, name="head", seed=seed).history for seed in (0, 0, 1)]
    assert histories[0] == histories[1]
    assert histories[0] != histories[2]


def test_early_stopping_counts_epochs_without_a_better_validation_loss():
    fit = FIT.model_copy(update={"learning_rate": 1e-9, "patience": 2})
    state = resumable_fit(new_head(fit), TRAIN, (VALIDATION[0] * 0 + 1, VALIDATION[1]), fit, name="head", seed=0)
    assert state.stopped
    best = int(np.argmin([record["val_loss"] for record in state.history]))
    assert len(state.history) == best + 1 + 2


def test_a_loss_that_is_not_finite_stops_and_keeps_the_last_good_weights(tmp_path):
    head, file = new_head(), tmp_path / "state.safetensors"

    class Broken(tf.keras.callbacks.Callback):
        def on_epoch_begin(self, epoch, logs=None):
            if epoch == 2:
                head.layers[-1].kernel.assign(head.layers[-1].kernel * np.nan)

    with pytest.raises(TrainingDivergedError, match=r"head: the loss became nan in epoch 3.*smaller learning_rate than 0\.05"):
        resumable_fit(head, TRAIN, VALIDATION, FIT, name="head", seed=0, state_file=file, callbacks=[Broken()])
    assert all(np.isfinite(weights).all() for weights in head.get_weights())
    assert len(TrainingState.load(file).history) == 2


def test_a_damaged_state_file_is_named(tmp_path):
    file = tmp_path / "state.safetensors"
    file.write_bytes(b"not a state")
    with pytest.raises(InputError, match="is damaged"):
        resumable_fit(new_head(), TRAIN, VALIDATION, FIT, name="head", seed=0, state_file=file)


def test_contrastive_loss_is_the_mean_over_pairs():
    vectors = np.random.default_rng(0).normal(size=[4, 3]).astype(np.float32)
    labels = np.array([0, 1, 0, 1])
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    pairs = [(float(unit[i] @ unit[j]) - (labels[i] == labels[j])) ** 2 for i in range(4) for j in range(i)]
    assert float(contrastive_loss(labels, vectors)) == pytest.approx(np.mean(pairs), rel=1e-5)
    assert float(contrastive_loss(labels[:1], vectors[:1])) == 0
