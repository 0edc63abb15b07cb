"""A quantum head whose re-uploading circuit is replaced, after training, by a classical function of the same angles."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import tensorflow as tf

from tfq_llm.models import predict_logits
from tfq_llm.studies.arms.classical import ScikitHead, logistic_on
from tfq_llm.studies.arms.fourier import features, frequencies
from tfq_llm.studies.arms.names import QUANTUM
from tfq_llm.studies.arms.quantum import fit_quantum
from tfq_llm.studies.arms.settings import AngleSurrogateSettings, QuantumSettings
from tfq_llm.studies.trial import Rows


class AngleSurrogate:
    """Embeddings to angles as the quantum head was trained to, and logistic regression on the angles' Fourier features.

    Attributes:
        parameters: of amplitude encoder, angle scaling and regression.
        epochs: of the quantum head.
    """

    def __init__(self, to_angles: tf.keras.Model, found: np.ndarray, regression: ScikitHead, epochs: int | None) -> None:
        self._to_angles, self._frequencies, self._regression, self.epochs = to_angles, found, regression, epochs
        trained = sum(int(np.prod(weight.shape)) for weight in to_angles.trainable_weights)
        self.parameters = trained + regression.parameters

    def predict(self, embeddings: np.ndarray) -> np.ndarray:
        """See `FittedHead`."""
        return self._regression.predict(self._features(embeddings))

    def probabilities(self, embeddings: np.ndarray) -> np.ndarray | None:
        """See `FittedHead`."""
        return self._regression.probabilities(self._features(embeddings))

    def weights(self) -> None:
        """None: it has no circuit that could be scored under other conditions."""

    def _features(self, embeddings: np.ndarray) -> np.ndarray:
        return angle_features(self._to_angles, embeddings, self._frequencies)


def fit_angle_surrogate(
    settings: AngleSurrogateSettings, train: Rows, validation: Rows, num_classes: int, seed: int, log_dir: Path | None
) -> AngleSurrogate:
    """Trains the quantum head, keeps what makes its angles, and fits the Fourier series of its circuit to the labels directly.

    Of all frequencies that the circuit reaches, those are taken whose absolute values add up to `order` at most.

    Source: Schreiber, Eisert, Meyer, Phys. Rev. Lett. 131, 100803 (2023).
    """
    whole = QuantumSettings.model_validate(settings.model_dump(include=set(QuantumSettings.model_fields)))
    head = fit_quantum(QUANTUM, whole, train, validation, num_classes, seed, log_dir)
    scaled = head.model.get_layer("angle_scaling").output
    to_angles = tf.keras.Model(head.model.inputs, scaled)
    found = frequencies(scaled.shape[-1], settings.reuploads, settings.order)
    regression = logistic_on((angle_features(to_angles, train[0], found), train[1]), settings.C, num_classes, seed)
    return AngleSurrogate(to_angles, found, regression, head.epochs)


def angle_features(to_angles: tf.keras.Model, embeddings: np.ndarray, found: np.ndarray) -> np.ndarray:
    """Fourier features float64 [rows, 2 · frequencies] of the angles of embeddings [rows, dim]."""
    return features(predict_logits(to_angles, np.asarray(embeddings, np.float32)).astype(np.float64), found)
