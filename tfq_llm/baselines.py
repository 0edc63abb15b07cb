"""Classical heads on embeddings, with scikit-learn: what the quantum head is compared with."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.svm import SVC

from tfq_llm.errors import InputError

NAMES = ("logistic regression", "SVC")


@dataclass(frozen=True)
class FittedBaseline:
    """A fitted classical head.

    Attributes:
        name: one of `NAMES`.
        estimator: the scikit-learn estimator.
        parameters: coefficients and intercepts; for the SVC dual coefficients and intercepts, without the support vectors
            themselves. For two classes that is one per support vector, as the paper counts, and one intercept.
    """

    name: str
    estimator: LogisticRegression | SVC
    parameters: int

    def predict(self, embeddings: np.ndarray) -> np.ndarray:
        """Class indices [rows] of embeddings [rows, dim]."""
        return np.asarray(self.estimator.predict(embeddings))


def fit_baseline(name: str, embeddings: np.ndarray, labels: np.ndarray, seed: int = 0) -> FittedBaseline:
    """Fits one classical head with scikit-learn's defaults (C = 1; RBF kernel for the SVC).

    Args:
        name: "logistic regression" or "SVC".
        embeddings: [rows, dim].
        labels: class indices [rows].
        seed: for the solver's random numbers.

    Raises:
        InputError: the name is neither.
    """
    if name == "logistic regression":
        regression = LogisticRegression(max_iter=2000, random_state=seed).fit(embeddings, labels)
        return FittedBaseline(name, regression, regression.coef_.size + regression.intercept_.size)
    if name == "SVC":
        machine = SVC(random_state=seed).fit(embeddings, labels)
        return FittedBaseline(name, machine, machine.dual_coef_.size + machine.intercept_.size)
    raise InputError(f"there is no classical head '{name}': choose from {', '.join(NAMES)}.")
