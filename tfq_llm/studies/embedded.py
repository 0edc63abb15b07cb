"""Embeddings of texts by a sentence encoder, as it came or tuned on the rows of a draw, and finding them again."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from contextlib import suppress
from typing import Any

import numpy as np

from tfq_llm.cache import cache_dir
from tfq_llm.config import PhaseConfig, SentenceEncoderConfig
from tfq_llm.data import EmbeddingDataset, Split, TextDataset
from tfq_llm.errors import InputError
from tfq_llm.studies.store import Store
from tfq_llm.studies.versions import versions


def embed_frozen(texts: TextDataset, encoder: SentenceEncoderConfig, test: np.ndarray | None = None) -> EmbeddingDataset:
    """Embeddings by a sentence encoder as it came.

    Args:
        texts: deduplicated.
        encoder: which sentence encoder.
        test: rows to score on, where these are bound.

    Raises:
        InputError: the sentence encoder cannot be loaded.
    """
    from tfq_llm.training.trained import embed, encoder_from_config

    vectors = embed(encoder_from_config(encoder), texts.texts, "embedding, sentence encoder frozen")
    return EmbeddingDataset(texts.name, vectors, texts.labels, texts.class_names, test=test)


def embed_tuned(
    texts: TextDataset, frozen: EmbeddingDataset, split: Split, encoder: SentenceEncoderConfig, tuning: PhaseConfig
) -> EmbeddingDataset:
    """Embeddings by a sentence encoder that is tuned contrastively on the training rows of a split; they bind its rows.

    They are kept in this machine's cache directory: tuning takes long, and others who ask for these texts tune on the same rows.
    A tuning that was killed goes on from its last finished epoch.

    Args:
        texts: deduplicated.
        frozen: their embeddings by the sentence encoder as it came.
        split: of these embeddings; its seed is that of the tuning, too.
        encoder: which sentence encoder.
        tuning: epochs, batch size, learning rate.

    Raises:
        InputError: the sentence encoder cannot be loaded or trained.
    """
    from tfq_llm.training.contrastive import tune_sentence_encoder
    from tfq_llm.training.trained import embed, encoder_from_config

    rows = [part.tolist() for part in (split.train, split.validation)]
    # The frozen embeddings tell which sentence encoder it is, whatever is at its path now.
    name = name_of([frozen.digest(), rows, tuning.model_dump(), encoder.model_dump(), split.seed, versions()])
    kept = Store(cache_dir("study-embeddings"))
    found = recall(kept, name)
    if found is not None:
        return dataclasses.replace(found[1], name=frozen.name, class_names=frozen.class_names, test=frozen.test)
    layer = encoder_from_config(encoder, trainable=True)
    strings = np.array(texts.texts, dtype=object)
    train, validation = [(strings[rows], texts.labels[rows]) for rows in (split.train, split.validation)]
    state_file = cache_dir("study-tuning") / f"{name}.state"
    title = f"tuning the sentence encoder on split {split.seed}"
    tune_sentence_encoder(layer, train, validation, tuning, name=title, seed=split.seed, state_file=state_file)
    vectors = embed(layer, texts.texts, f"embedding, sentence encoder tuned on split {split.seed}")
    tuned = dataclasses.replace(frozen, embeddings=vectors, train=split.train, validation=split.validation)
    remember(kept, name, tuned)
    state_file.unlink(missing_ok=True)
    return tuned


def name_of(made_of: Any) -> str:
    """16 hexadecimal digits that name embeddings by what they were made of, anything that JSON can say."""
    return hashlib.sha256(json.dumps(made_of, sort_keys=True).encode()).hexdigest()[:16]


def recall(store: Store, name: str) -> tuple[str, EmbeddingDataset] | None:
    """Digest and embeddings that a store remembers by a name; None if it does not, or if they are damaged."""
    digest = store.digest_of(name)
    if digest is not None:
        with suppress(InputError):  # they are damaged, or were taken away
            return digest, store.embeddings(digest)
    return None


def remember(store: Store, name: str, dataset: EmbeddingDataset) -> str:
    """Keeps embeddings in a store, to be recalled by a name, and returns their digest."""
    digest = store.keep_embeddings(dataset)
    store.keep_digest(name, digest)
    return digest
