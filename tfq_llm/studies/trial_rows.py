"""Which rows a trial is fitted on and scored on. Test rows are handed out to trials that are scored on them, and to no others."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from sklearn.decomposition import PCA
from sklearn.model_selection import StratifiedKFold

from tfq_llm.data import EmbeddingDataset
from tfq_llm.data.sampling import subsample
from tfq_llm.data.splits import Split, embedding_split
from tfq_llm.errors import InputError
from tfq_llm.studies.trial import Rows, Trial


@dataclass(frozen=True, eq=False)
class TrialRows:
    """Embeddings float32 [rows, dim] and labels int64 [rows].

    Attributes:
        train: to fit on.
        validation: to stop on early; no method fits on them.
        scored: to score on: the validation rows, or the test rows.
        num_classes: of the data set.
    """

    train: Rows
    validation: Rows
    scored: Rows
    num_classes: int


def rows_of(dataset: EmbeddingDataset, trial: Trial) -> TrialRows:
    """What a trial gets to see.

    Raises:
        InputError: the data cannot be divided so, or have fewer rows or dimensions than the trial wants components of.
    """
    split = split_of(dataset, trial)
    train, validation = _fold(dataset, trial, split)
    scored = validation if trial.scored_on == "validation" else final_rows(dataset, trial)
    vectors = dataset.embeddings if trial.input_dim is None else _components(dataset.embeddings, train, trial.input_dim)
    seen, judged, tested = ((vectors[rows], dataset.labels[rows]) for rows in (train, validation, scored))
    return TrialRows(seen, judged, tested, len(dataset.class_names))


def split_of(dataset: EmbeddingDataset, trial: Trial) -> Split:
    """The draw of rows that all trials of one split share."""
    return _split(dataset, trial.per_class, trial.validation_fraction, trial.split)


# Trials of one split follow each other, and looking for equal embeddings takes longer than fitting a classical head.
@lru_cache(maxsize=4)
def _split(dataset: EmbeddingDataset, per_class: int, validation_fraction: float, seed: int) -> Split:
    return embedding_split(dataset, per_class, validation_fraction, seed)


def final_rows(dataset: EmbeddingDataset, trial: Trial) -> np.ndarray:
    """Row indices that a finished arm is scored on, int64 ascending."""
    split = split_of(dataset, trial)
    if trial.test_rows is None or trial.test_rows >= len(split.test):
        return split.test
    return np.sort(subsample(split.test, dataset.labels, trial.test_rows, trial.split))


def most_components(rows: int, dim: int) -> int:
    """Principal components that so many training rows of `dim` dimensions have."""
    return min(rows - 1, dim)


def _fold(dataset: EmbeddingDataset, trial: Trial, split: Split) -> tuple[np.ndarray, np.ndarray]:
    """Training and validation rows of a trial."""
    if trial.fold is None:
        return split.train, split.validation
    drawn = np.sort(np.concatenate([split.train, split.validation]))
    fewest = int(np.unique(dataset.labels[drawn], return_counts=True)[1].min())
    if trial.folds > fewest:
        raise InputError(f"{trial.folds} folds need as many drawn rows of each class, and one has {fewest}: set fewer folds.")
    folds = StratifiedKFold(trial.folds, shuffle=True, random_state=trial.split).split(drawn, dataset.labels[drawn])
    train, validation = list(folds)[trial.fold]
    return drawn[train], drawn[validation]


def _components(vectors: np.ndarray, train: np.ndarray, count: int) -> np.ndarray:
    """Principal components of all rows, found on the training rows and scaled to length 1."""
    most = most_components(len(train), vectors.shape[1])
    if count > most:
        raise InputError(
            f"{len(train)} training rows of {vectors.shape[1]} dimensions have {most} principal components, and the trial wants "
            f"{count}."
        )
    found = PCA(count, svd_solver="full").fit(vectors[train]).transform(vectors)
    return (found / np.maximum(np.linalg.norm(found, axis=1, keepdims=True), 1e-12)).astype(np.float32)
