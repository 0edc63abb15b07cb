"""A trial: one fit of one method with one set of settings on one split, and its score. Its values name its result file."""

from __future__ import annotations

import base64
import hashlib
import json
import re
import zlib
from collections.abc import Generator, Mapping
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

import numpy as np
from pydantic import Field, model_validator

from tfq_llm.sections import Section

Scalar: TypeAlias = "str | int | float | bool | None"
Settings: TypeAlias = Mapping[str, Scalar]
Rows = tuple[np.ndarray, np.ndarray]
"""Embeddings [rows, dim] and class indices [rows]."""
Family = Literal["quantum", "classical", "ablation"]
Role = Literal["candidate", "design", "final"]


class Trial(Section):
    """What is fitted, on which rows, and where it is scored. Equal values are the same trial, in whatever study.

    Attributes:
        data: digest of the embeddings, their labels and bound rows.
        per_class: rows per class that training and validation share; without meaning if the embeddings bind rows.
        validation_fraction: share of them that validates, when there are no folds.
        test_rows: how many test rows are scored; None: all.
        input_dim: principal components of the training rows' embeddings that heads get, scaled to length 1; None: embeddings.
        split: seed of the draw of rows.
        folds: into how many parts the drawn rows are divided for cross-validation; 1: they are not.
        fold: which of them validates, from 0; None: the split's own training and validation rows.
        method: a key of `tfq_llm.studies.arms.METHODS`.
        settings: of the method, all of them.
        init: seed of initial weights, order of batches and solvers.
        scored_on: which rows.
        conditions: under which a trained quantum head is scored, if other than those it was trained under: shots, noise, ….
    """

    data: str
    per_class: int
    validation_fraction: float
    test_rows: int | None
    input_dim: int | None = Field(None, ge=1)
    split: int
    folds: int = Field(1, ge=1)
    fold: int | None = None
    method: str
    settings: dict[str, Scalar]
    init: int = 0
    scored_on: Literal["validation", "test"]
    conditions: dict[str, Scalar] = Field({})

    @model_validator(mode="after")
    def _fits_together(self) -> Trial:
        if self.fold is not None and not 0 <= self.fold < self.folds:
            raise ValueError(f"fold is {self.fold}, but must be from 0 to {self.folds - 1}")
        if self.fold is not None and self.scored_on == "test":
            raise ValueError("a fold is scored on its validation rows, never on the test rows")
        return self

    @property
    def name(self) -> str:
        """Of its result: a part to read, and 16 digits of a SHA-256 of all values."""
        rows = "test" if self.scored_on == "test" else "validation" if self.fold is None else f"fold{self.fold}"
        readable = re.sub(r"[^a-z0-9]+", "-", self.method.lower()).strip("-")
        return f"{readable}-split{self.split}-{rows}-init{self.init}-{_digest(self.canonical())}"

    @property
    def training_name(self) -> str:
        """Of what is trained: the same for trials that differ only in where and under which conditions they are scored."""
        return _digest(self.model_copy(update={"scored_on": "validation", "conditions": {}, "test_rows": None}).canonical())

    def canonical(self) -> str:
        """All values as JSON with sorted names."""
        return json.dumps(self.model_dump(mode="json"), sort_keys=True, ensure_ascii=False)


class Cost(Section):
    """What a trial took; it differs from run to run, so it is kept out of whatever has to be repeatable.

    Attributes:
        fit_seconds: of training.
        score_seconds: of predicting the scored rows.
        host: the name of the machine.
        finished: when, as an ISO date and time in UTC.
    """

    fit_seconds: float
    score_seconds: float
    host: str
    finished: str


class TrialResult(Section):
    """What came of a trial.

    Attributes:
        trial: which.
        accuracy: share of right answers.
        correct: how many were right.
        rows: of how many.
        macro_f1: mean over classes of F1.
        log_loss: mean cross-entropy in nats; None for a method without probabilities.
        parameters: trained numbers of the head.
        epochs: trained; None for a method without epochs.
        confusion: rows of each true class by predicted class.
        calibration: of ten equal bins of the confidence in the predicted class: rows, mean confidence and accuracy.
        predictions: of test rows, compressed; see `predicted`.
        versions: of the packages that numbers depend on.
        cost: seconds, machine and time.
    """

    trial: Trial
    accuracy: float
    correct: int
    rows: int
    macro_f1: float
    log_loss: float | None
    parameters: int
    epochs: int | None
    confusion: tuple[tuple[int, ...], ...]
    calibration: tuple[tuple[int, float, float], ...] | None
    predictions: str | None
    versions: str
    cost: Cost

    def predicted(self) -> np.ndarray:
        """Predicted classes, int64 [rows], in the order of the test rows; empty if they were not kept."""
        if self.predictions is None:
            return np.zeros(0, np.int64)
        return np.frombuffer(zlib.decompress(base64.b64decode(self.predictions)), np.uint8).astype(np.int64)


def packed(predicted: np.ndarray) -> str:
    """Predicted classes below 256 as text, which `TrialResult.predicted` reads back."""
    return base64.b64encode(zlib.compress(predicted.astype(np.uint8).tobytes(), 9)).decode()


@dataclass(frozen=True)
class Entry:
    """A trial and what a study wants of it.

    Attributes:
        trial: which.
        arm: whose.
        family: of the arm.
        role: "candidate" in a selection, "design" at a point of a design, or "final": the arm's score.
        candidate: which candidate, from 0: the arm's default.
        factors: levels that the study varies, by name.
        state: of the embeddings: "frozen", "tuned" or "given".
    """

    trial: Trial
    arm: str
    family: Family
    role: Role
    candidate: int = 0
    factors: Settings = field(default_factory=dict)
    state: str = "frozen"


Procedure: TypeAlias = Generator[list[Entry], "list[TrialResult | None]", None]
"""Yields entries that may run together and is sent their results in order, None for one that failed."""


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:16]
