"""Precomputed embeddings from `.npz` files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tfq_llm.data import load_embeddings
from tfq_llm.data.embeddings import arrays_of
from tfq_llm.errors import InputError

ROWS, DIM = 6, 4


def save(path: Path, **changes: Any) -> Path:
    """Writes a good file; `changes` replaces arrays, or removes those that are None."""
    arrays = {"embeddings": np.random.default_rng(0).normal(size=(ROWS, DIM)), "labels": np.array([0, 1] * 3), **changes}
    np.savez(path, **{name: array for name, array in arrays.items() if array is not None})
    return path


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_embeddings_and_labels(tmp_path: Path, dtype: type):
    given = np.random.default_rng(0).normal(size=(ROWS, DIM)).astype(dtype)
    dataset = load_embeddings(save(tmp_path / "mpnet.npz", embeddings=given, splits=np.array(["train"] * ROWS)))
    assert dataset.name == "mpnet"
    assert dataset.embeddings.dtype == np.float32
    assert np.array_equal(dataset.embeddings, given.astype(np.float32))
    assert dataset.labels.tolist() == [0, 1] * 3
    assert dataset.class_names == ("0", "1")
    assert dataset.train is dataset.validation is None
    assert len(dataset) == ROWS


def test_bound_rows(tmp_path: Path):
    dataset = load_embeddings(save(tmp_path / "x.npz", train=np.array([3, 0], np.int32), validation=np.array([1])))
    assert dataset.train.tolist() == [3, 0]
    assert dataset.validation.tolist() == [1]
    assert dataset.train.dtype == np.int64


def test_what_is_written_is_what_was_read(tmp_path: Path):
    bound = {"train": np.array([3, 0]), "validation": np.array([1])}
    given = load_embeddings(save(tmp_path / "x.npz", labels=np.array(["b", "a"] * 3), **bound))
    np.savez(tmp_path / "y.npz", **arrays_of(given))
    found = load_embeddings(tmp_path / "y.npz")
    assert found.digest() == given.digest()
    assert found.class_names == given.class_names == ("a", "b")
    assert (found.train.tolist(), found.validation.tolist(), found.test) == ([3, 0], [1], None)


@pytest.mark.parametrize(
    ("labels", "names", "class_names", "numbers"),
    [
        (["ham", "spam", "ham"] * 2, None, ("ham", "spam"), [0, 1, 0]),
        (["ham", "spam", "ham"] * 2, ["spam", "ham"], ("spam", "ham"), [1, 0, 1]),
        ([0, 1, 0] * 2, ["ham", "spam"], ("ham", "spam"), [0, 1, 0]),
        ([5, 1, 5] * 2, None, ("1", "5"), [1, 0, 1]),
        ([True, False, True] * 2, None, ("0", "1"), [1, 0, 1]),
    ],
)
def test_class_names(
    tmp_path: Path, labels: list[Any], names: list[str] | None, class_names: tuple[str, ...], numbers: list[int]
):
    path = save(tmp_path / "x.npz", labels=np.array(labels), class_names=None if names is None else np.array(names))
    dataset = load_embeddings(str(path))
    assert dataset.class_names == class_names
    assert dataset.labels.tolist() == numbers * 2


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"embeddings": None}, "has no array 'embeddings'; it holds: labels"),
        ({"labels": None}, "has no array 'labels'; it holds: embeddings"),
        ({"embeddings": np.ones(ROWS)}, r"'embeddings' of floating point \[rows, dim\], found float64 \[6\]"),
        ({"embeddings": np.ones((ROWS, DIM), int)}, r"floating point \[rows, dim\], found int64 \[6, 4\]"),
        ({"embeddings": np.ones((0, DIM)), "labels": np.ones(0, int)}, r"found float64 \[0, 4\]"),
        (
            {"embeddings": np.diag([1.0, np.nan, 1, np.inf, 1, 1])},
            "NaN or infinite values in 2 rows of 'embeddings', the first is index 1",
        ),
        ({"embeddings": np.full((ROWS, DIM), 1e300)}, "NaN or infinite values in 6 rows"),
        ({"labels": np.zeros(ROWS - 1, int)}, r"'labels' of integers or strings \[6\], found int64 \[5\]"),
        ({"labels": np.zeros(ROWS)}, r"'labels' of integers or strings \[6\], found float64 \[6\]"),
        ({"class_names": np.array(["only"])}, "labels outside its 1 'class_names'"),
        ({"class_names": np.array(["a", "a"])}, "'class_names' of different strings"),
        ({"labels": np.array(["a", "b"] * 3), "class_names": np.array(["a", "c"])}, "labels outside its 2 'class_names'"),
        ({"train": np.array([0, 6])}, "each row index once and between 0 and 5"),
        ({"train": np.array([-1, 2])}, "each row index once and between 0 and 5"),
        ({"train": np.array([2, 2])}, "each row index once"),
        ({"train": np.array([], int)}, "must have 'train' of row indices"),
        ({"train": np.array([True, False] * 3)}, "must have 'train' of row indices, found bool"),
        ({"train": np.array([0, 1]), "validation": np.array([1, 2])}, "rows that are both in 'train' and in 'validation'"),
        ({"validation": np.array([1, 2])}, "has 'validation' rows but no 'train' rows"),
        ({"labels": np.array([0, "a", None] * 2, object)}, "is not a .npz file of plain arrays"),
    ],
)
def test_arrays_that_do_not_fit(tmp_path: Path, changes: dict[str, Any], message: str):
    with pytest.raises(InputError, match=message):
        load_embeddings(save(tmp_path / "x.npz", **changes))


def test_a_missing_file(tmp_path: Path):
    with pytest.raises(InputError, match=r"cannot read '.*nowhere.npz': No such file or directory"):
        load_embeddings(tmp_path / "nowhere.npz")


@pytest.mark.parametrize("content", [b"", b"text,label\n", b"PK\x03\x04 and then nothing of a zip file", b"\x93NUMPY\x01\x00"])
def test_files_that_are_something_else(tmp_path: Path, content: bytes):
    path = tmp_path / "x.npz"
    path.write_bytes(content)
    with pytest.raises(InputError, match=r"is not a .npz file of plain arrays"):
        load_embeddings(path)


def test_a_single_array_is_not_enough(tmp_path: Path):
    np.save(tmp_path / "x.npy", np.ones((ROWS, DIM)))
    with pytest.raises(InputError, match="it holds a single array"):
        load_embeddings(tmp_path / "x.npy")


def test_a_damaged_file(tmp_path: Path):
    path = save(tmp_path / "x.npz")
    content = bytearray(path.read_bytes())
    content[200] ^= 0xFF
    path.write_bytes(bytes(content))
    with pytest.raises(InputError, match=r"is not a .npz file of plain arrays"):
        load_embeddings(path)
