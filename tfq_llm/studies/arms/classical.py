"""Classical heads of scikit-learn. They train on the training rows alone: none of them stops early."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.kernel_approximation import RBFSampler
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.svm import SVC

from tfq_llm.errors import InputError
from tfq_llm.studies.arms.fourier import FourierFeatures
from tfq_llm.studies.arms.settings import (
    FourierSettings,
    LogisticSettings,
    NeighboursSettings,
    SurrogateSettings,
    SVCSettings,
)
from tfq_llm.studies.trial import Rows

_STEPS = 10_000


class ScikitHead:
    """A fitted estimator.

    Attributes:
        estimator: of scikit-learn; it may be a pipeline.
        parameters: see `FittedHead`.
        epochs: None.
    """

    epochs = None

    def __init__(self, estimator: Any, num_classes: int) -> None:
        self.estimator, self._num_classes = estimator, num_classes
        self.parameters = _parameters(estimator)

    def predict(self, embeddings: np.ndarray) -> np.ndarray:
        """See `FittedHead`."""
        return np.asarray(self.estimator.predict(embeddings)).astype(np.int64)

    def probabilities(self, embeddings: np.ndarray) -> np.ndarray | None:
        """See `FittedHead`; a class without training rows has probability 0."""
        if not hasattr(self.estimator, "predict_proba"):
            return None
        probabilities = np.zeros([len(embeddings), self._num_classes])
        probabilities[:, self.estimator.classes_] = self.estimator.predict_proba(embeddings)
        return probabilities

    def weights(self) -> None:
        """None: a fit takes less time than reading its weights back."""


def fit_logistic(settings: LogisticSettings, train: Rows, num_classes: int, seed: int) -> ScikitHead:
    """Logistic regression on embeddings as they are."""
    return logistic_on(train, settings.C, num_classes, seed)


def logistic_on(train: Rows, strength: float, num_classes: int, seed: int) -> ScikitHead:
    """Logistic regression on features [rows, count], with the ridge's inverse strength."""
    return _fitted(_regression(strength, seed), train, num_classes)


def fit_svc(settings: SVCSettings, train: Rows, num_classes: int, seed: int) -> ScikitHead:
    """A support vector machine; it has no probabilities. With `gamma_factor` 1 the kernel is scikit-learn's default."""
    gamma = settings.gamma_factor * _gamma(train[0])
    return _fitted(SVC(C=settings.C, gamma=gamma, random_state=seed), train, num_classes)


def fit_neighbours(settings: NeighboursSettings, train: Rows, num_classes: int, seed: int) -> ScikitHead:
    """k nearest neighbours."""
    if settings.neighbours > len(train[1]):
        raise InputError(f"{settings.neighbours} neighbours were asked for, and there are {len(train[1])} training rows.")
    nearest = KNeighborsClassifier(settings.neighbours, weights=settings.weights, metric=settings.metric)
    return _fitted(nearest, train, num_classes)


def fit_fourier(settings: FourierSettings, train: Rows, num_classes: int, seed: int) -> ScikitHead:
    """Random Fourier features of a Gaussian kernel, drawn by the seed."""
    gamma = settings.gamma_factor * _gamma(train[0])
    features = RBFSampler(gamma=gamma, n_components=settings.components, random_state=seed)
    return _fitted(make_pipeline(features, _regression(settings.C, seed)), train, num_classes)


def fit_surrogate(settings: SurrogateSettings, train: Rows, num_classes: int, seed: int) -> ScikitHead:
    """The Fourier series that a re-uploading circuit can be, its coefficients fitted directly; see `FourierFeatures`."""
    features = FourierFeatures(settings.qubits, settings.reuploads, settings.order, settings.spread)
    return _fitted(make_pipeline(features, _regression(settings.C, seed)), train, num_classes)


def _regression(strength: float, seed: int) -> LogisticRegression:
    return LogisticRegression(C=strength, max_iter=_STEPS, random_state=seed)


def _gamma(embeddings: np.ndarray) -> float:
    """What scikit-learn calls gamma="scale"."""
    variance = float(embeddings.var())
    return 1 / (embeddings.shape[1] * variance) if variance else 1.0


def _fitted(estimator: Any, train: Rows, num_classes: int) -> ScikitHead:
    embeddings, labels = train
    if len(np.unique(labels)) < 2:
        raise InputError(f"the {len(labels)} training rows are all of one class: a classifier needs rows of two at least.")
    # float64: solvers that stop where float32 no longer changes would depend on it.
    return ScikitHead(estimator.fit(embeddings.astype(np.float64), labels), num_classes)


def _parameters(estimator: Any) -> int:
    last = estimator[-1] if hasattr(estimator, "steps") else estimator
    if isinstance(last, KNeighborsClassifier):
        return 0
    trained = last.dual_coef_ if isinstance(last, SVC) else last.coef_
    return int(trained.size + last.intercept_.size)
