"""Arrays that a study keeps: embeddings, found by what is in them, and the weights of trained heads."""

from __future__ import annotations

import dataclasses
import hashlib
import io
import json
import zipfile
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path

import numpy as np

from tfq_llm.cache import atomic_file, cache_dir
from tfq_llm.data.datasets import EmbeddingDataset
from tfq_llm.data.embeddings import arrays_of, load_embeddings
from tfq_llm.errors import InputError
from tfq_llm.locks import waited_for
from tfq_llm.studies.places import Directory, Place, place


def embeddings_digest(dataset: EmbeddingDataset) -> str:
    """16 hexadecimal digits of a SHA-256 of embeddings, labels, class names and bound rows."""
    digest = hashlib.sha256(dataset.digest().encode())
    digest.update(json.dumps(dataset.class_names).encode())
    for bound in (dataset.train, dataset.validation, dataset.test):
        digest.update(b"none" if bound is None else np.asarray(bound, np.int64).tobytes() + b"rows")
    return digest.hexdigest()[:16]


def write_embeddings(url: str, dataset: EmbeddingDataset) -> str:
    """Writes embeddings to a study unless they are there, and returns their `embeddings_digest`."""
    digest = embeddings_digest(dataset)
    try:
        read_embeddings(url, digest)
    except InputError:
        arrays = {**arrays_of(dataset), "name": np.array(dataset.name)}
        place(url).write(f"embeddings/{digest}.npz", _npz(arrays))
    return digest


# Workers open a store for every trial; trials of one split follow each other.
@lru_cache(maxsize=4)
def read_embeddings(url: str, digest: str) -> EmbeddingDataset:
    """Embeddings of a study by their digest. Those of a remote one are kept in the cache directory, the last ones in memory.

    Raises:
        InputError: there are none, or they are damaged.
    """
    at = place(url)
    path = f"embeddings/{digest}.npz"
    if isinstance(at, Directory):
        return _intact(at.path / path, digest, url)
    cached = cache_dir("study-embeddings", "embeddings") / f"{digest}.npz"
    # All workers of a machine begin at once: one of them fetches.
    with waited_for(cached.with_suffix(".lock")):
        try:
            return _intact(cached, digest, url)
        except InputError:
            data = at.read(path)
            if data is not None:
                with atomic_file(cached) as temporary:
                    temporary.write_bytes(data)
            return _intact(cached, digest, url)


def _intact(path: Path, digest: str, url: str) -> EmbeddingDataset:
    if not path.exists():
        raise InputError(f"the study in {url} has no embeddings {digest}. Start it again with its data: they are put there.")
    dataset = load_embeddings(path)
    with np.load(path, allow_pickle=False) as file:
        dataset = dataclasses.replace(dataset, name=str(file["name"]) if "name" in file.files else dataset.name)
    if embeddings_digest(dataset) != digest:
        raise InputError(f"the embeddings '{path}' are damaged. Start the study again with its data: they are replaced.")
    return dataset


def write_weights(at: Place, name: str, weights: list[np.ndarray]) -> None:
    """Writes the weights of a training."""
    arrays = {f"weight_{index:04d}": weight for index, weight in enumerate(weights)}
    at.write(f"weights/{name}.npz", _npz(arrays))


def read_weights(at: Place, name: str) -> list[np.ndarray] | None:
    """The weights of a training in their order; None if they are not there, or damaged."""
    data = at.read(f"weights/{name}.npz")
    try:
        with np.load(io.BytesIO(data or b""), allow_pickle=False) as file:
            return [file[name] for name in sorted(file.files)]
    except (OSError, ValueError, EOFError, AttributeError, zipfile.BadZipFile):
        return None


def _npz(arrays: Mapping[str, np.ndarray]) -> bytes:
    file = io.BytesIO()
    np.savez(file, **arrays)
    return file.getvalue()
