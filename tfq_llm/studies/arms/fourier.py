"""Fourier features of angles: all functions that a re-uploading circuit can be, and more."""

from __future__ import annotations

import math

import numpy as np
from sklearn.base import BaseEstimator, TransformerMixin

from tfq_llm.errors import InputError
from tfq_llm.studies.arms.components import projection

MOST_FEATURES = 20_000


class FourierFeatures(TransformerMixin, BaseEstimator):
    """cos(ω·x) and sin(ω·x) of angles x, for the frequencies that a re-uploading circuit reaches.

    A circuit in which every angle stands in N rotations about Y is f(x) = Σ c_ω exp(i ω·x) with whole frequencies −N … N of every
    angle: the linear model on these features contains it. All of them are (2N + 1)^Q, so the sum of their absolute values is
    bounded.

    Angles are principal components of the embeddings that it is fitted on, each scaled so that its largest absolute value is
    `spread` · π.

    Args:
        qubits: Q, how many angles.
        reuploads: N ≥ 1, the highest frequency of an angle.
        order: the most that |ω_1| + … + |ω_Q| may be; with Q · N the features are complete.
        spread: the largest angle, in units of π.

    Raises:
        InputError: the embeddings have fewer components, or there would be more than `MOST_FEATURES` features.

    Source: Schuld, Sweke, Meyer, Phys. Rev. A 103, 032430 (2021), for the spectrum; Schreiber, Eisert, Meyer, Phys. Rev. Lett.
    131, 100803 (2023), for the surrogate.
    """

    def __init__(self, qubits: int, reuploads: int = 2, order: int = 2, spread: float = 1.0) -> None:
        self.qubits, self.reuploads, self.order, self.spread = qubits, reuploads, order, spread

    def fit(self, embeddings: np.ndarray, labels: np.ndarray | None = None) -> FourierFeatures:
        """Takes the principal components of embeddings [rows, dim]."""
        self.frequencies_ = frequencies(self.qubits, self.reuploads, self.order)
        self.kernel_, self.bias_ = projection(embeddings, self.qubits, "largest", self.spread * math.pi)
        return self

    def transform(self, embeddings: np.ndarray) -> np.ndarray:
        """Features float64 [rows, 2 · frequencies] of embeddings [rows, dim]."""
        return features(embeddings @ self.kernel_.astype(np.float64) + self.bias_, self.frequencies_)


def features(angles: np.ndarray, found: np.ndarray) -> np.ndarray:
    """cos(ω·x) for every frequency, then sin(ω·x): [rows, 2 · frequencies] of angles [rows, Q] in radians."""
    phases = angles @ found.T
    return np.concatenate([np.cos(phases), np.sin(phases)], axis=1)


def frequencies(qubits: int, reuploads: int, order: int) -> np.ndarray:
    """The frequencies other than 0, [count, qubits], of ω and −ω one, in a fixed order.

    Raises:
        InputError: there are more than half of `MOST_FEATURES`.
    """
    count = feature_count(qubits, reuploads, order)
    if count > MOST_FEATURES:
        raise InputError(
            f"{qubits} angles with frequencies up to {reuploads} and a sum of up to {order} have {count:,} Fourier features; "
            f"{MOST_FEATURES:,} are the most: use a smaller order."
        )
    found = [np.zeros([1, 0], np.int64)]
    points = found[0]
    for _ in range(qubits):
        steps = np.arange(-reuploads, reuploads + 1)
        points = np.concatenate([np.repeat(points, len(steps), axis=0), np.tile(steps, len(points))[:, None]], axis=1)
        points = points[np.abs(points).sum(axis=1) <= order]
    # The points are in lexical order, in which −ω is as far from the end as ω from the start, and 0 is in the middle.
    return points[len(points) // 2 + 1 :].astype(np.float64)


def feature_count(qubits: int, reuploads: int, order: int) -> int:
    """How many features there are: as many as whole vectors but 0 with |entries| up to N that sum to the order at most."""
    of_one = np.array([1] + [2] * min(reuploads, order), dtype=object)
    ways = np.array([1], dtype=object)
    for _ in range(qubits):
        ways = np.convolve(ways, of_one)[: order + 1]
    return int(ways.sum()) - 1
