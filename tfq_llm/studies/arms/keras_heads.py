"""Heads that Keras trains: what they have in common, and the multi-layer perceptrons."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import tensorflow as tf
from scipy.special import softmax

from tfq_llm.config import FitConfig
from tfq_llm.errors import InputError
from tfq_llm.models import predict_logits
from tfq_llm.studies.arms.components import projection
from tfq_llm.studies.arms.parameters import hidden_units
from tfq_llm.studies.arms.settings import MLPSettings, PCAMLPSettings, fit_config
from tfq_llm.studies.trial import Rows
from tfq_llm.training.fit import resumable_fit
from tfq_llm.training.heads import prepared


class KerasHead:
    """A trained Keras model from embeddings to logits.

    Attributes:
        model: with its trained weights.
        parameters: trained numbers.
        epochs: trained, those after the best one included; None if that is not known.
    """

    def __init__(self, model: tf.keras.Model, epochs: int | None, restorable: bool = False) -> None:
        self.model, self.epochs, self._restorable = model, epochs, restorable
        self.parameters = sum(int(np.prod(weight.shape)) for weight in model.trainable_weights)

    def predict(self, embeddings: np.ndarray) -> np.ndarray:
        """See `FittedHead`."""
        return self._logits(embeddings).argmax(axis=1)

    def probabilities(self, embeddings: np.ndarray) -> np.ndarray:
        """See `FittedHead`."""
        return np.asarray(softmax(self._logits(embeddings), axis=1))

    def weights(self) -> list[np.ndarray] | None:
        """All weights of the model, those that were not trained included; None unless `restored` knows the method."""
        return list(self.model.get_weights()) if self._restorable else None

    def _logits(self, embeddings: np.ndarray) -> np.ndarray:
        return predict_logits(self.model, np.asarray(embeddings, np.float32)).astype(np.float64)


def trained(
    model: tf.keras.Model,
    name: str,
    fit: FitConfig,
    train: Rows,
    validation: Rows,
    seed: int,
    log_dir: Path | None,
    restorable: bool = False,
) -> KerasHead:
    """Trains a model with early stopping on the validation rows; the weights are those of the best epoch.

    Raises:
        InputError: there are no validation rows.
        TrainingDivergedError: the loss is not finite.
    """
    if not len(validation[1]):
        raise InputError(f"'{name}' stops early on validation rows, and there are none.")
    state = resumable_fit(prepared(model, fit, len(train[1])), train, validation, fit, name=name, seed=seed, log_dir=log_dir)
    return KerasHead(model, state.epochs_done, restorable)


def fit_mlp(settings: MLPSettings, train: Rows, validation: Rows, num_classes: int, seed: int, log_dir: Path | None) -> KerasHead:
    """A perceptron on embeddings as they are, or standardised."""
    inputs = tf.keras.Input([train[0].shape[1]], name="embedding")
    values = _standardised(train[0])(inputs) if settings.standardise else inputs
    model = tf.keras.Model(inputs, _perceptron(values, settings.hidden, num_classes, seed), name="mlp")
    return trained(model, "MLP", fit_config(settings), train, validation, seed, log_dir)


def fit_pca_mlp(
    settings: PCAMLPSettings, train: Rows, validation: Rows, num_classes: int, seed: int, log_dir: Path | None
) -> KerasHead:
    """Principal components of the training rows, and a perceptron of as many parameters as the settings say."""
    inputs = tf.keras.Input([train[0].shape[1]], name="embedding")
    components = projection_layer(settings.components, "components")
    hidden = hidden_units(settings.budget, settings.components, num_classes)
    model = tf.keras.Model(inputs, _perceptron(components(inputs), hidden, num_classes, seed), name="pca_mlp")
    components.set_weights(projection(train[0], settings.components, "variance"))
    return trained(model, "PCA MLP", fit_config(settings), train, validation, seed, log_dir)


def projection_layer(width: int, name: str) -> tf.keras.layers.Layer:
    """A linear layer that is not trained; its weights are to be set."""
    return tf.keras.layers.Dense(width, kernel_initializer="zeros", trainable=False, name=name)


def _perceptron(values: tf.Tensor, hidden: int, num_classes: int, seed: int) -> tf.Tensor:
    first, last = np.random.SeedSequence(seed).generate_state(2)
    if hidden:
        start = tf.keras.initializers.GlorotUniform(int(first))
        values = tf.keras.layers.Dense(hidden, "relu", kernel_initializer=start, name="hidden")(values)
    start = tf.keras.initializers.GlorotUniform(int(last))
    return tf.keras.layers.Dense(num_classes, kernel_initializer=start, name="logits")(values)


def _standardised(embeddings: np.ndarray) -> tf.keras.layers.Layer:
    variance = embeddings.var(axis=0)
    return tf.keras.layers.Normalization(mean=embeddings.mean(axis=0), variance=np.where(variance > 0, variance, 1))
