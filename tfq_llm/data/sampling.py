"""Seeded random draws of rows that respect the classes."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from tfq_llm.checks import is_whole
from tfq_llm.errors import InputError


def generator(seed: int) -> np.random.Generator:
    """A random generator from a user's seed.

    Raises:
        InputError: the seed is not a whole number or is negative.
    """
    if not is_whole(seed) or seed < 0:
        raise InputError(f"a seed must be a whole number and not negative, got {seed!r}.")
    return np.random.default_rng(int(seed))


def stratified(rows: np.ndarray, labels: np.ndarray, count: int, rng: np.random.Generator) -> np.ndarray:
    """Draws `count` of `rows` so that each class gets its proportional share, rounded up or down.

    Systematic sampling: the rows are put in order of class and at random within a class, and every (rows/count)-th is taken.

    Args:
        rows: int64 row indices.
        labels: integers, one for each row of the data set (not of `rows`).
        count: from 0 to the number of `rows`.
        rng: the source of randomness.
    """
    if not count:
        return rows[:0]
    in_order = rows[np.lexsort((rng.random(len(rows)), labels[rows]))]
    places = (np.arange(count) * len(rows) + rng.integers(len(rows))) // count
    return rng.permutation(in_order[places])


def stratified_order(rows: np.ndarray, labels: np.ndarray, seed: int = 0) -> np.ndarray:
    """Rows in a random order whose every beginning has each class in proportion: a larger part holds every smaller one.

    Args:
        rows: int64 row indices.
        labels: integers, one for each row of the data set (not of `rows`).
        seed: of the order.
    """
    mixed = generator(seed).permutation(rows)
    place = np.empty(len(mixed))
    for label in np.unique(labels[mixed]):
        members = np.flatnonzero(labels[mixed] == label)
        place[members] = (np.arange(len(members)) + 0.5) / len(members)
    return mixed[np.argsort(place, kind="stable")]


def per_class_draw(
    rows: np.ndarray, labels: np.ndarray, per_class: int, rng: np.random.Generator, class_names: Sequence[str] | None
) -> np.ndarray:
    """Draws `per_class` of `rows` for each class.

    Raises:
        InputError: there are fewer than two classes, or fewer rows of one.
    """
    counts = class_counts(rows, labels, class_names)
    short = [f"'{name}' has {count:,}" for name, count in counts.items() if count < per_class]
    if short:
        raise InputError(
            f"per_class is {per_class:,}, but of the different texts the class {' and the class '.join(short)}. "
            f"Set per_class to at most {min(counts.values()):,} or add data."
        )
    of_class = (rows[labels[rows] == label] for label in np.unique(labels[rows]))
    return np.concatenate([rng.permutation(members)[:per_class] for members in of_class])


def class_counts(rows: np.ndarray, labels: np.ndarray, class_names: Sequence[str] | None) -> dict[str, int]:
    """How many of `rows` each class has, by name (by number without names).

    Raises:
        InputError: at most one class has any.
    """
    present, numbers = np.unique(labels[rows], return_counts=True)
    number_of = dict(zip(present.tolist(), numbers.tolist(), strict=True))
    if class_names is None:
        counts = {str(label): number for label, number in number_of.items()}
    else:
        counts = {name: number_of.get(label, 0) for label, name in enumerate(class_names)}
    if len(present) < 2:
        only = next((f"all rows are of the class '{name}'" for name, number in counts.items() if number), "there are no rows")
        raise InputError(f"a classifier needs at least two classes, but {only}.")
    return counts


def hold_out(rows: np.ndarray, labels: np.ndarray, fraction: float, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Divides `rows` at random into training and validation rows, stratified.

    Args:
        rows: int64 row indices.
        labels: integers, one for each row of the data set.
        fraction: the validation share, between 0 and 1; rounded up, and at least one row for each class.
        rng: the source of randomness.

    Raises:
        InputError: the fraction is out of range or leaves a class without training rows.
    """
    if not 0 < fraction < 1:
        raise InputError(f"validation_fraction must be between 0 and 1, got {fraction!r}.")
    classes = np.unique(labels[rows])
    count = max(math.ceil(fraction * len(rows)), len(classes))
    validation = stratified(rows, labels, min(count, len(rows)), rng)
    train = rng.permutation(np.setdiff1d(rows, validation))
    if len(np.unique(labels[train])) < len(classes):
        raise InputError(
            f"validation_fraction={fraction} takes {count} of {len(rows)} rows and leaves a class without training rows; "
            f"lower it or use more rows."
        )
    return train, validation


def subsample(indices: np.ndarray, labels: np.ndarray, rows: int, seed: int = 0) -> np.ndarray:
    """Draws a stratified part of `indices`, such as 2,000 of the test rows.

    Args:
        indices: int64 row indices.
        labels: integers, one for each row of the data set.
        rows: how many to draw; all if there are no more.
        seed: of the draw.

    Returns:
        int64 row indices, sorted.

    Raises:
        InputError: `rows` is not a positive whole number.
    """
    if not is_whole(rows) or rows < 1:
        raise InputError(f"the number of rows to draw must be a whole number of at least 1, got {rows!r}.")
    indices = np.asarray(indices, dtype=np.int64)
    return np.sort(stratified(indices, np.asarray(labels), min(int(rows), len(indices)), generator(seed)))
