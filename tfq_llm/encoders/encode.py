"""Encodes many texts: batched by length, with progress, each text once and never again."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import nullcontext
from typing import Any

import numpy as np
import tensorflow as tf

from tfq_llm.cache import cache_dir
from tfq_llm.encoders.embedding_cache import EmbeddingCache
from tfq_llm.encoders.sentence_encoder import SentenceEncoder, as_string_tensor
from tfq_llm.errors import InputError
from tfq_llm.progress import Progress

_BATCHES_PER_CHUNK = 8
# While one batch is in a step that runs on one core, the other uses the rest.
_BATCHES_AT_ONCE = 2
# The others wait, so that no thread does while a batch takes longer than the one behind it.
_BATCHES_AHEAD = 2 * _BATCHES_AT_ONCE


def encode(
    encoder: SentenceEncoder,
    texts: Sequence[str],
    *,
    batch_size: int = 64,
    cache: bool = True,
    description: str = "encoding texts",
) -> np.ndarray:
    """Encodes texts, in the order given.

    Args:
        encoder: the sentence encoder, frozen or tuned.
        texts: any number of strings.
        batch_size: texts encoded at once.
        cache: keep the vectors on disk, by the encoder's `state_fingerprint` and text, and take from there those already known.
            A killed encoding then continues where it was.
        description: what the progress bar says.

    Returns:
        float32 [texts, dim].

    Raises:
        InputError: an item is not a string, or the cache cannot be written or stays locked.
    """
    unique = list(dict.fromkeys(_strings(texts)))
    if not unique:
        return np.zeros((0, encoder.dim), np.float32)
    path = cache_dir("embeddings") / f"{encoder.state_fingerprint()}.sqlite" if cache else None
    with EmbeddingCache(path, encoder.dim) if path else nullcontext() as store:
        vectors = store.get(unique) if store else {}
        missing = [text for text in unique if text not in vectors]
        with Progress(description, len(unique), "texts", initial=len(vectors)) as progress:
            for chunk in _chunks_by_length(_vectors_of(encoder), missing, batch_size):
                vectors.update(chunk)
                progress.update(len(chunk))
                if store:
                    store.put(chunk)
    return np.stack([vectors[text] for text in texts])


def by_length(function: Callable[[tf.Tensor], np.ndarray], texts: Sequence[str], batch_size: int = 64) -> np.ndarray:
    """function(batch) of all texts, in the order given: batched by length, equal texts once; nothing is cached or shown.

    Args:
        function: string [batch] to [batch, …]; two threads may be in it at once.
        texts: one at least.
        batch_size: texts of a batch.

    Returns:
        [texts, …].
    """
    rows: dict[str, np.ndarray] = {}
    for chunk in _chunks_by_length(function, list(dict.fromkeys(texts)), batch_size):
        rows.update(chunk)
    return np.stack([rows[text] for text in texts])


def encode_uncached(encoder: SentenceEncoder, texts: Sequence[str], batch_size: int = 64) -> np.ndarray:
    """What `encode` returns, for a part of a stream: float32 [texts, dim] by `by_length`."""
    return by_length(_vectors_of(encoder), texts, batch_size) if texts else np.zeros((0, encoder.dim), np.float32)


def _vectors_of(encoder: SentenceEncoder) -> Callable[[tf.Tensor], np.ndarray]:
    return lambda batch: np.asarray(encoder(batch, training=False))


def _strings(texts: Sequence[str]) -> Sequence[str]:
    if isinstance(texts, str):
        raise InputError("expected a list of texts, got a single string.")
    for row, text in enumerate(texts):
        if not isinstance(text, str):
            raise InputError(f"text {row} is not a string but {type(text).__name__}: {text!r}.")
    return texts


def _chunks_by_length(
    function: Callable[[tf.Tensor], np.ndarray], texts: Sequence[str], batch_size: int
) -> Iterator[dict[str, np.ndarray]]:
    """Yields rows of function(batch) by text, a few batches at a time.

    Texts of like length share a batch, so that attention spends little on padding; the longest come first: memory is then at its
    peak at once, and the progress bar's time left errs to the safe side.
    """
    if not texts:
        return
    ordered = sorted(texts, key=len, reverse=True)
    batches = tf.data.Dataset.from_tensor_slices(as_string_tensor(ordered)).batch(batch_size).prefetch(1)
    chunk_size = batch_size * _BATCHES_PER_CHUNK
    encoded: list[np.ndarray] = []
    done = 0
    for vectors in _mapped(function, batches):
        encoded.extend(vectors)
        if len(encoded) >= chunk_size or done + len(encoded) == len(ordered):
            yield dict(zip(ordered[done : done + len(encoded)], encoded, strict=True))
            done, encoded = done + len(encoded), []


def _mapped(function: Callable[[Any], np.ndarray], batches: Iterable[Any]) -> Iterator[np.ndarray]:
    """function(batch) of every batch, in their order; it reads only a few batches ahead of what was taken from it."""
    pool = ThreadPoolExecutor(_BATCHES_AT_ONCE)
    waiting: deque[Future[np.ndarray]] = deque()
    try:
        for batch in batches:
            waiting.append(pool.submit(function, batch))
            if len(waiting) == _BATCHES_AHEAD:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        pool.shutdown(cancel_futures=True)
