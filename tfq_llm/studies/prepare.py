"""Embeddings of a study's texts: every split of every state in the study's store, each computed once."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from tfq_llm import data
from tfq_llm.data import EmbeddingDataset, TextDataset
from tfq_llm.data.duplicates import text_key
from tfq_llm.data.splits import Split, embedding_split
from tfq_llm.errors import InputError
from tfq_llm.studies.config import StudyConfig
from tfq_llm.studies.desk import Draw
from tfq_llm.studies.embedded import embed_frozen, embed_tuned, name_of, recall, remember
from tfq_llm.studies.store import Store


def draws(config: StudyConfig, store: Store, before: Sequence[Draw] = ()) -> list[Draw]:
    """Puts the study's embeddings into its store, unless they are there, and says what is drawn from them.

    Args:
        config: of the study.
        store: of the study.
        before: what was drawn when the study was begun. Files may have other names or places now, but what is in them must be the
            same.

    Raises:
        InputError: the data cannot be read or divided, or are others than before; or there is not one file for each split, where
            files bind their rows.
    """
    found = []
    for draw in _given(config, store) if config.data.embeddings else _of_texts(config, store, before):
        _check_same(draw, before)
        found.append(draw)
    return found


_OTHER_DATA = (
    "A file may be renamed or moved after a study was begun, but its content may not change, or numbers of different data would "
    "stand side by side: give the first data again, or begin a new study in another directory."
)


def _check_same(draw: Draw, before: Sequence[Draw]) -> None:
    """Refuses a draw whose data are others than those of the same split and state before."""
    for old in before:
        if old.split != draw.split or ("given" not in (old.state, draw.state) and old.state != draw.state):
            continue
        if old.data != draw.data and old.texts is not None and old.texts == draw.texts:
            raise InputError(
                f"the {draw.state} embeddings of split {draw.split} came out with other bits than when the study was begun, and "
                f"the first ones are damaged or were taken away: begin a new study in another directory."
            )
        if old.data != draw.data:
            raise InputError(f"the data of split {draw.split} are not those that the study was begun with. {_OTHER_DATA}")


def _given(config: StudyConfig, store: Store) -> Iterator[Draw]:
    files, seeds = config.data.embeddings, config.split_seeds
    datasets = [data.load_embeddings(file) for file in files]
    bound = [dataset.train is not None for dataset in datasets]
    if len(files) > 1 and len(files) != len(seeds):
        raise InputError(
            f"there are {len(files)} files of embeddings and {len(seeds)} splits: give one file for each split, or one."
        )
    if len(files) == 1 and bound[0] and len(seeds) > 1:
        raise InputError(
            f"'{files[0]}' binds its training rows, the work of one split, and there are {len(seeds)}: set splits to 1, or "
            "give a file for each split."
        )
    if len({dataset.embeddings.shape[1] for dataset in datasets}) > 1 or len({len(each.class_names) for each in datasets}) > 1:
        raise InputError("the files of embeddings differ in dimensions or classes, so they are no splits of one task.")
    digests = [store.keep_embeddings(dataset) for dataset in datasets]
    for number, seed in enumerate(seeds):
        digest, dataset = digests[number % len(files)], datasets[number % len(files)]
        yield _draw(config, digest, dataset, seed, "given", has_seen=dataset.train is not None)


def _of_texts(config: StudyConfig, store: Store, before: Sequence[Draw]) -> Iterator[Draw]:
    texts, test = _texts(config)
    digest_of_texts = texts.digest()
    # Embedding takes long, so texts are compared first.
    if {draw.texts for draw in before} - {None, digest_of_texts}:
        raise InputError(
            f"the texts or labels of '{config.data.name}' are not those that the study was begun with. {_OTHER_DATA}"
        )
    kept = _Kept(store, config, digest_of_texts, None if test is None else len(test))
    frozen_digest, frozen = kept.get("frozen", None, lambda: embed_frozen(texts, config.encoder, test))
    for seed in config.split_seeds:
        for state in config.data.states:
            digest, dataset = frozen_digest, frozen
            if state == "tuned":
                digest, dataset = kept.get(state, seed, functools.partial(_tuned, config, texts, frozen, seed))
            drawn = _draw(config, digest, dataset, seed, state, has_seen=state == "tuned")
            yield dataclasses.replace(drawn, texts=digest_of_texts)


def _tuned(config: StudyConfig, texts: TextDataset, frozen: EmbeddingDataset, seed: int) -> EmbeddingDataset:
    return embed_tuned(texts, frozen, _split(config, frozen, seed), config.encoder, config.tuning)


def _texts(config: StudyConfig) -> tuple[TextDataset, np.ndarray | None]:
    """All texts, and the rows of those to score on if these are a set of their own."""
    settings = config.data
    columns = {"text_column": settings.text_column, "label_column": settings.label_column}
    pool = data.load(settings.name, **columns).deduplicated()
    if settings.test is None:
        return pool, None
    test = data.load(settings.test, **columns).deduplicated()
    if test.class_names != pool.class_names:
        raise InputError(
            f"the test set '{test.name}' has the classes {', '.join(test.class_names)}, and '{pool.name}' has "
            f"{', '.join(pool.class_names)}: both need the same."
        )
    shared = {text_key(text) for text in pool.texts} & {text_key(text) for text in test.texts}
    if shared:
        raise InputError(
            f"{len(shared):,} texts of the test set '{test.name}' are in '{pool.name}' too, such as '{min(shared)[:60]}': a "
            "score on texts that were trained on says nothing. Take them out of one of the two."
        )
    both = dataclasses.replace(pool, texts=pool.texts + test.texts, labels=np.concatenate([pool.labels, test.labels]), parts=None)
    return both, np.arange(len(pool), len(both))


def _draw(config: StudyConfig, digest: str, dataset: EmbeddingDataset, seed: int, state: str, has_seen: bool) -> Draw:
    split = _split(config, dataset, seed)
    shape = dataset.embeddings.shape[1], len(dataset.class_names), len(split.train), len(split.validation)
    return Draw(state, digest, seed, has_seen, *shape)


def _split(config: StudyConfig, dataset: EmbeddingDataset, seed: int) -> Split:
    return embedding_split(dataset, config.data.per_class, config.data.validation_fraction, seed)


@dataclass(frozen=True)
class _Kept:
    """Embeddings that are in the store already are found by what they were made of, and made otherwise.

    Attributes:
        store: of the study.
        config: of the study.
        texts: digest of the texts.
        test: how many of them, the last ones, are to be scored on; None: those that are not drawn.
    """

    store: Store
    config: StudyConfig
    texts: str
    test: int | None

    def get(self, state: str, seed: int | None, make: Callable[[], EmbeddingDataset]) -> tuple[str, EmbeddingDataset]:
        """Digest and embeddings of a state, for a split if they differ by it."""
        encoder, settings = self.config.encoder.model_dump(mode="json"), self.config.data
        made_of: dict[str, Any] = {"texts": self.texts, "encoder": encoder, "state": state, "test": self.test}
        if seed is not None:
            tuning = self.config.tuning.model_dump(mode="json")
            made_of |= {"seed": seed, "tuning": tuning, "rows": [settings.per_class, settings.validation_fraction]}
        name = name_of(made_of)
        found = recall(self.store, name)
        if found is not None:
            return found
        dataset = make()
        return remember(self.store, name, dataset), dataset
