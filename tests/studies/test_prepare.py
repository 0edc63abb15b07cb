"""Embeddings of a study's texts: each state of each split once, also for other studies, and never of test rows seen before."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest

from tests.tiny_models import write_sentence_transformers
from tfq_llm.errors import InputError
from tfq_llm.studies.config import StudyConfig, make_study_config
from tfq_llm.studies.prepare import draws
from tfq_llm.studies.store import Store

pytestmark = pytest.mark.usefixtures("module_cache")

GOOD, BAD = ("good", "great", "fine"), ("bad", "awful", "poor")


def texts(path: Path, first: int, count: int) -> str:
    with path.open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["text", "label"])
        for number in range(first, first + count):
            words = GOOD if number % 2 else BAD
            rows.writerow([f"the film number {number} was {words[number % 3]}", "positive" if number % 2 else "negative"])
    return str(path)


def config(tmp_path: Path, **data: object) -> StudyConfig:
    encoder = tmp_path / "tiny"
    if not encoder.exists():
        write_sentence_transformers(encoder, "bert")
    settings = {"per_class": 8, "validation_fraction": 0.25, **data}
    tuning = {"epochs": 1, "batch_size": 4}
    return make_study_config(
        {"kind": "compare", "splits": 2, "encoder": {"name": str(encoder), "max_tokens": 32}, "tuning": tuning, "data": settings}
    )


def test_tuned_embeddings_are_of_the_rows_of_their_split_and_are_made_once(tmp_path, monkeypatch):
    settings = config(tmp_path, name=texts(tmp_path / "all.csv", 0, 60), states=["frozen", "tuned"])
    store = Store(tmp_path / "s")
    found = draws(settings, store)
    assert [(draw.state, draw.split, draw.has_seen) for draw in found] == [
        ("frozen", 0, False), ("tuned", 0, True), ("frozen", 1, False), ("tuned", 1, True),
    ]  # fmt: skip
    assert len({draw.data for draw in found}) == 3
    frozen, tuned = (store.embeddings(draw.data) for draw in found[:2])
    assert tuned.train is not None
    assert len(tuned.train) == 12
    assert len(tuned.validation) == 4
    assert not np.allclose(frozen.embeddings, tuned.embeddings, atol=1e-4)

    def never(*_arguments: object, **_more: object) -> None:
        raise AssertionError("they were made already")

    monkeypatch.setattr("tfq_llm.training.trained.embed", never)
    assert draws(settings, store) == found
    monkeypatch.undo()
    for made_by in ("training.contrastive.tune_sentence_encoder", "encoders.embedding_cache.EmbeddingCache.put"):
        monkeypatch.setattr(f"tfq_llm.{made_by}", never)
    assert draws(settings, Store(tmp_path / "another study")) == found
    monkeypatch.setattr("tfq_llm.studies.embedded.versions", lambda: {"tensorflow": "another"})
    with pytest.raises(AssertionError, match="made already"):
        draws(settings, Store(tmp_path / "of other versions"))


def test_texts_are_compared_before_anything_is_embedded(tmp_path, monkeypatch):
    settings = config(tmp_path, name=texts(tmp_path / "all.csv", 0, 60))
    store = Store(tmp_path / "s")
    found = draws(settings, store)

    def never(*_arguments: object, **_more: object) -> None:
        raise AssertionError("texts are compared first")

    monkeypatch.setattr("tfq_llm.training.trained.embed", never)
    (tmp_path / "all.csv").rename(tmp_path / "renamed.csv")
    assert draws(config(tmp_path, name=str(tmp_path / "renamed.csv")), store, found) == found
    with pytest.raises(InputError, match=r"the texts or labels of '.*all.csv' are not those .*begun with.*new study"):
        draws(config(tmp_path, name=texts(tmp_path / "all.csv", 1, 60)), store, found)


def test_a_test_set_of_its_own_is_scored_alone_and_shares_no_text(tmp_path):
    pool = texts(tmp_path / "pool.csv", 0, 60)
    apart = config(tmp_path, name=pool, test=texts(tmp_path / "apart.csv", 100, 10))
    store = Store(tmp_path / "s")
    dataset = store.embeddings(draws(apart, store)[0].data)
    assert dataset.test is not None
    assert dataset.test.tolist() == list(range(60, 70))
    shared = config(tmp_path, name=pool, test=texts(tmp_path / "shared.csv", 55, 10))
    with pytest.raises(InputError, match="5 texts of the test set"):
        draws(shared, Store(tmp_path / "t"))
