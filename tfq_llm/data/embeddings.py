"""Precomputed sentence embeddings in a `.npz` file."""

from __future__ import annotations

import itertools
import zipfile
from pathlib import Path

import numpy as np

from tfq_llm.data.datasets import PARTS, EmbeddingDataset
from tfq_llm.data.labels import number_classes
from tfq_llm.errors import InputError

Arrays = dict[str, np.ndarray]


def load_embeddings(path: str | Path) -> EmbeddingDataset:
    """Loads embeddings and their labels from an `.npz` file.

    Args:
        path: a file with the arrays `embeddings` (floating point [rows, dim]) and `labels` (integers or strings [rows]);
            optionally `train`, `validation` and `test` (row indices, which then bind every split) and `class_names` (strings).
            Others are ignored.

    Raises:
        InputError: the file cannot be read, or an array is missing or does not fit the others.
    """
    path = Path(path).expanduser()
    arrays = _read(path)
    embeddings = _embeddings(path, arrays["embeddings"])
    labels, class_names = _labels(path, arrays["labels"], arrays.get("class_names"), len(embeddings))
    bound = {name: _indices(path, name, arrays.get(name), len(embeddings)) for name in PARTS}
    if bound["train"] is None and bound["validation"] is not None:
        raise _bad(path, "has 'validation' rows but no 'train' rows")
    given = {name: rows for name, rows in bound.items() if rows is not None}
    for one, other in itertools.combinations(given, 2):
        if np.intersect1d(given[one], given[other]).size:
            raise _bad(path, f"has rows that are both in '{one}' and in '{other}'")
    return EmbeddingDataset(path.stem, embeddings, labels, class_names, **bound)


def arrays_of(dataset: EmbeddingDataset) -> Arrays:
    """The arrays of a file from which `load_embeddings` makes the same data set, but for its name."""
    bound = {name: getattr(dataset, name) for name in PARTS}
    return {
        "embeddings": dataset.embeddings,
        "labels": np.asarray(dataset.labels, np.int64),
        "class_names": np.array(dataset.class_names, dtype=np.str_),
        **{name: rows for name, rows in bound.items() if rows is not None},
    }


def _bad(path: Path, problem: str) -> InputError:
    return InputError(f"'{path}' {problem}.")


def _read(path: Path) -> Arrays:
    try:
        file = np.load(path, allow_pickle=False)
        if not isinstance(file, np.lib.npyio.NpzFile):
            raise ValueError("it holds a single array")
        with file:
            arrays = {name: file[name] for name in file.files}
    except OSError as error:
        raise InputError(f"cannot read '{path}': {error.strerror or error}.") from error
    except (ValueError, EOFError, AttributeError, zipfile.BadZipFile) as error:
        raise _bad(path, f"is not a .npz file of plain arrays ({error})") from error
    for name in ("embeddings", "labels"):
        if name not in arrays:
            raise _bad(path, f"has no array '{name}'; it holds: {', '.join(arrays) or 'nothing'}")
    return arrays


def _embeddings(path: Path, array: np.ndarray) -> np.ndarray:
    if array.ndim != 2 or 0 in array.shape or array.dtype.kind != "f":
        raise _bad(path, f"must have 'embeddings' of floating point [rows, dim], found {array.dtype} {list(array.shape)}")
    with np.errstate(over="ignore"):
        embeddings = array.astype(np.float32)
    bad_rows = np.flatnonzero(~np.isfinite(embeddings).all(axis=1))
    if bad_rows.size:
        raise _bad(path, f"has NaN or infinite values in {bad_rows.size} rows of 'embeddings', the first is index {bad_rows[0]}")
    return embeddings


def _labels(path: Path, array: np.ndarray, names: np.ndarray | None, rows: int) -> tuple[np.ndarray, tuple[str, ...]]:
    if array.shape != (rows,) or array.dtype.kind not in "iubU":
        raise _bad(path, f"must have 'labels' of integers or strings [{rows}], found {array.dtype} {list(array.shape)}")
    if names is None:
        return number_classes([str(int(label)) if array.dtype.kind != "U" else str(label) for label in array])
    if names.ndim != 1 or names.dtype.kind != "U" or len(set(names.tolist())) < len(names):
        raise _bad(path, f"must have 'class_names' of different strings [classes], found {names.dtype} {list(names.shape)}")
    class_names = tuple(names.tolist())
    if array.dtype.kind == "U":
        place = {name: index for index, name in enumerate(class_names)}
        array = np.array([place.get(label, -1) for label in array.tolist()])
    labels = array.astype(np.int64)
    if labels.min() < 0 or labels.max() >= len(class_names):
        raise _bad(path, f"has labels outside its {len(class_names)} 'class_names'")
    return labels, class_names


def _indices(path: Path, name: str, array: np.ndarray | None, rows: int) -> np.ndarray | None:
    if array is None:
        return None
    if array.ndim != 1 or array.dtype.kind not in "iu" or not array.size:
        raise _bad(path, f"must have '{name}' of row indices, found {array.dtype} {list(array.shape)}")
    if array.min() < 0 or array.max() >= rows or len(np.unique(array)) < len(array):
        raise _bad(path, f"must have in '{name}' each row index once and between 0 and {rows - 1}")
    return array.astype(np.int64)
