"""From labels as they are written to class numbers, and from one set's classes to another's."""

from __future__ import annotations

import re
from collections.abc import Sequence
from decimal import Decimal

import numpy as np

from tfq_llm.data.datasets import EmbeddingDataset, TextDataset
from tfq_llm.errors import InputError, did_you_mean

_NUMBER = re.compile(r"[+-]?\d+(\.\d+)?", re.ASCII)


def number_classes(written: Sequence[str]) -> tuple[np.ndarray, tuple[str, ...]]:
    """Numbers the classes of a column of labels.

    Class names are the labels as written, sorted; if every one is a number, in numerical order and in shortest form ("1" for
    "1.0").

    Returns:
        labels, int64 [rows]; class names.
    """
    names = list(written)
    distinct = set(names)
    if all(_NUMBER.fullmatch(name) for name in distinct):
        shortest = {name: format(Decimal(name).normalize() + 0, "f") for name in distinct}
        names = [shortest[name] for name in names]
        class_names = tuple(sorted(set(names), key=Decimal))
    else:
        class_names = tuple(sorted(distinct))
    place = {name: index for index, name in enumerate(class_names)}
    return np.array([place[name] for name in names], dtype=np.int64), class_names


def encode_labels(dataset: TextDataset | EmbeddingDataset, class_names: Sequence[str]) -> np.ndarray:
    """Writes a data set's labels as places in a trained model's class names.

    Args:
        dataset: the new data; its classes may be fewer and in another order.
        class_names: the classes the model was trained on, in its order.

    Returns:
        int64 [rows].

    Raises:
        InputError: the data has labels the model was not trained on.
    """
    place = {name: index for index, name in enumerate(class_names)}
    present = [dataset.class_names[label] for label in np.unique(dataset.labels)]
    unknown = [name for name in present if name not in place]
    if unknown:
        raise InputError(
            f"the data set '{dataset.name}' has labels that are not in the training set: {', '.join(map(repr, unknown))}; "
            f"valid are {', '.join(map(repr, class_names))}.{did_you_mean(unknown[0], class_names)}"
        )
    return np.array([place.get(name, -1) for name in dataset.class_names], dtype=np.int64)[dataset.labels]
