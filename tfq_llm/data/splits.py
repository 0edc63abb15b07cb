"""Dividing a data set into training, validation and test rows."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from tfq_llm.checks import is_whole
from tfq_llm.data.datasets import EmbeddingDataset, TextDataset
from tfq_llm.data.duplicates import distinct_rows, embedding_keys
from tfq_llm.data.sampling import class_counts, generator, hold_out, per_class_draw
from tfq_llm.errors import InputError


@dataclass(frozen=True, eq=False)
class Split:
    """Which rows of a data set are for what; no row is in two parts.

    Attributes:
        train: int64 row indices, in the order drawn or given.
        validation: int64 row indices, in random order.
        test: int64 row indices, sorted.
        seed: of the draw.
    """

    train: np.ndarray
    validation: np.ndarray
    test: np.ndarray
    seed: int

    def to_dict(self) -> dict[str, Any]:
        """The split as plain lists and numbers, for JSON."""
        parts = {"train": self.train, "validation": self.validation, "test": self.test}
        return {"seed": self.seed, **{name: rows.tolist() for name, rows in parts.items()}}

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Split:
        """The split that `to_dict` wrote."""
        train, validation, test = (np.array(values[name], dtype=np.int64) for name in ("train", "validation", "test"))
        return cls(train, validation, test, int(values["seed"]))


def few_shot_split(
    labels: np.ndarray,
    per_class: int = 256,
    validation_fraction: float = 0.15,
    seed: int = 0,
    *,
    keys: Sequence[Hashable] | None = None,
    class_names: Sequence[str] | None = None,
) -> Split:
    """The paper's protocol: few rows of each class for training and validation, everything else for the test.

    Two classes of 256 rows make 435 training and 77 validation rows.

    Args:
        labels: integers [rows].
        per_class: rows drawn of each class, training and validation together.
        validation_fraction: the validation share of the drawn rows, rounded up; stratified, and at least one row a class.
        seed: of the draw; not negative.
        keys: one a row; of rows with equal keys at most one is used. Not needed for a data set that is `deduplicated()`.
        class_names: the names of the classes, for messages; a class without any row is then an error too.

    Raises:
        InputError: one class only, too few rows of a class, nothing left for the test, or an impossible number.
    """
    if not is_whole(per_class) or per_class < 2:
        raise InputError(f"per_class must be a whole number of at least 2 (to train on and to validate on), got {per_class!r}.")
    labels = np.asarray(labels)
    rng = generator(seed)
    usable = np.arange(len(labels)) if keys is None else distinct_rows(keys, labels.tolist()).kept
    drawn = per_class_draw(usable, labels, per_class, rng, class_names)
    train, validation = hold_out(drawn, labels, validation_fraction, rng)
    return _split(train, validation, np.setdiff1d(usable, drawn), seed)


def given_split(dataset: TextDataset, validation_fraction: float = 0.15, seed: int = 0) -> Split:
    """Takes the parts of a set that came divided as they are; of equal texts one row is used, as in `TextDataset.deduplicated`.

    Without a validation part, a stratified share of the training part is held out for validation. Without a test part (GLUE hides
    the labels of its own) the validation part is the test, and validation rows are held out of the training part.

    Validation rows are put in random order: a source that lists class after class would make validation batches of one class,
    whose contrastive loss says nothing of how the classes are told apart.

    Args:
        dataset: a data set with `parts`.
        validation_fraction: the share of the training part to hold out, if any is.
        seed: of the draw, if there is one, and of the order of the validation rows.

    Raises:
        InputError: the set did not come divided, has only one class, or a class of it is not in the training part.
    """
    if dataset.parts is None or "train" not in dataset.parts:
        raise InputError(f"the data set '{dataset.name}' did not come divided, with a training part; use the few-shot split.")
    usable = dataset.distinct_rows().kept
    train, validation, test = (usable[dataset.parts[usable] == part] for part in ("train", "validation", "test"))
    _require_trained_classes(dataset, usable, train)
    if not test.size:
        validation, test = test, validation
    rng = generator(seed)
    if validation.size:
        validation = rng.permutation(validation)
    else:
        train, validation = hold_out(train, dataset.labels, validation_fraction, rng)
    return _split(train, validation, test, seed)


def embedding_split(dataset: EmbeddingDataset, per_class: int = 256, validation_fraction: float = 0.15, seed: int = 0) -> Split:
    """Divides precomputed embeddings: by the rows they bind if there are any, else by `few_shot_split`.

    Bound training rows without validation rows give up a stratified share. Where only test rows are bound, the others are drawn
    from; where they are not, all others are test rows. A test row whose embedding equals that of a training or validation row is
    the same text and is left out.

    Args:
        dataset: embeddings and labels, and the rows that they bind.
        per_class, validation_fraction, seed: as for `few_shot_split`; `per_class` means nothing where training rows are bound.

    Raises:
        InputError: as `few_shot_split`.
    """
    keys, names = embedding_keys(dataset.embeddings), dataset.class_names
    if dataset.train is None:
        if dataset.test is None:
            return few_shot_split(dataset.labels, per_class, validation_fraction, seed, keys=keys, class_names=names)
        others = np.setdiff1d(np.arange(len(keys)), dataset.test)
        own = [keys[row] for row in others]
        # What is left over is no test row here, but the draw is that of any few-shot split.
        drawn = few_shot_split(dataset.labels[others], per_class, validation_fraction, seed, keys=own, class_names=names)
        train, validation = others[drawn.train], others[drawn.validation]
    else:
        class_counts(dataset.train, dataset.labels, names)
        train, validation = dataset.train, dataset.validation
        if validation is None:
            train, validation = hold_out(train, dataset.labels, validation_fraction, generator(seed))
    seen = {keys[row] for row in [*train, *validation]}
    test = range(len(keys)) if dataset.test is None else dataset.test
    return _split(train, validation, np.array([row for row in test if keys[row] not in seen], dtype=np.int64), seed)


def _split(train: np.ndarray, validation: np.ndarray, test: np.ndarray, seed: int) -> Split:
    if not test.size:
        raise InputError(f"nothing is left for the test: {len(train):,} rows train and {len(validation):,} validate. Use fewer.")
    return Split(train, validation, np.sort(test), int(seed))


def _require_trained_classes(dataset: TextDataset, rows: np.ndarray, train: np.ndarray) -> None:
    class_counts(rows, dataset.labels, dataset.class_names)
    missing = [dataset.class_names[label] for label in np.setdiff1d(dataset.labels[rows], dataset.labels[train])]
    if missing:
        raise InputError(f"the training part of '{dataset.name}' has no rows of the class {', '.join(map(repr, missing))}.")
