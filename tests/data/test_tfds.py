"""Sets of TensorFlow Datasets, tried with small ones of our own that TFDS itself writes and reads."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from tfq_llm.data import available, fetch, given_split, load
from tfq_llm.errors import InputError

tfds: Any = pytest.importorskip("tensorflow_datasets")

reads_with_tensorflow = pytest.mark.slow


class TinyReviews(tfds.core.GeneratorBasedBuilder):
    """One text feature, one label feature, hidden test labels and a split without labels of any use."""

    VERSION = tfds.core.Version("1.0.0")

    def _info(self) -> Any:
        labels = tfds.features.ClassLabel(names=["negative", "positive"])
        features = tfds.features.FeaturesDict({"comment": tfds.features.Text(), "verdict": labels, "idx": np.int32})
        return tfds.core.DatasetInfo(builder=self, features=features, homepage="https://example.org/reviews")

    def _split_generators(self, dl_manager: Any) -> dict[str, Any]:
        parts = {"train": 6, "validation": 4, "test": 2, "unsupervised": 3}
        return {part: self._generate_examples(part, rows) for part, rows in parts.items()}

    def _generate_examples(self, part: str, rows: int) -> Iterator[tuple[int, dict[str, Any]]]:
        for row in range(rows):
            label = -1 if part in ("test", "unsupervised") else row % 2
            yield row, {"comment": f"{part} review no. {row}: très bien", "verdict": label, "idx": row}


class TinyNews(tfds.core.GeneratorBasedBuilder):
    """Two text features, and a label that is a plain number."""

    VERSION = tfds.core.Version("1.0.0")

    def _info(self) -> Any:
        features = tfds.features.FeaturesDict({"title": tfds.features.Text(), "body": tfds.features.Text(), "stars": np.int64})
        return tfds.core.DatasetInfo(builder=self, features=features)

    def _split_generators(self, dl_manager: Any) -> dict[str, Any]:
        return {"train": self._generate_examples()}

    def _generate_examples(self) -> Iterator[tuple[int, dict[str, Any]]]:
        for row, stars in enumerate([5, -1, 5]):
            yield row, {"title": f"title {row}", "body": f"body {row}", "stars": stars}


@pytest.fixture(autouse=True)
def data_dir(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path_factory.getbasetemp() / "tfds"
    monkeypatch.setenv("TFDS_DATA_DIR", str(path))
    return path


@reads_with_tensorflow
def test_features_are_found_and_hidden_labels_dropped():
    reviews = load("tiny_reviews")
    assert len(reviews) == 10
    assert set(reviews.texts) >= {"train review no. 0: très bien", "validation review no. 3: très bien"}
    assert reviews.class_names == ("negative", "positive")
    assert all(label == int(text.split("no. ")[1][0]) % 2 for text, label in zip(reviews.texts, reviews.labels, strict=True))
    assert reviews.parts.tolist() == ["train"] * 6 + ["validation"] * 4
    assert reviews.notes == ("2 texts with hidden labels dropped", "split 'unsupervised' not used")
    assert reviews.source == "TensorFlow Datasets tiny_reviews/1.0.0; for its licence see https://example.org/reviews"
    assert len(given_split(reviews).test) == 4


@reads_with_tensorflow
def test_rows_come_in_the_same_order_each_time():
    assert load("tiny_reviews").texts == load("tiny_reviews").texts


@reads_with_tensorflow
def test_fetching_prepares_the_set(data_dir: Path):
    assert fetch("tiny_news") == data_dir / "tiny_news" / "1.0.0"


@reads_with_tensorflow
def test_features_can_be_chosen():
    news = load("tiny_news", text_column="body", label_column="stars")
    assert set(news.texts) == {"body 0", "body 1", "body 2"}
    assert news.class_names == ("-1", "5")
    assert news.parts is None


def test_features_that_are_not_obvious_have_to_be_chosen():
    with pytest.raises(InputError, match=r"holds the texts; its columns are 'title', 'body'\. Name one of them with text_column"):
        load("tiny_news", label_column="stars")
    with pytest.raises(InputError, match=r"has no column 'titel'.* Did you mean 'title'"):
        load("tiny_news", text_column="titel", label_column="stars")
    with pytest.raises(InputError, match="has no column 'title'; its columns are 'stars'"):
        load("tiny_news", text_column="body", label_column="title")


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("movie-reviws", "'movie-reviws' is no data set, file or directory. Did you mean 'movie-reviews'?"),
        ("imdb_review", "Did you mean 'imdb_reviews'?"),
        ("glue/sst3", "'glue/sst3' is no data set, file or directory. TensorFlow Datasets says: "),
        ("", "'' is no data set"),
        ("a long text " * 400, "is no data set"),
    ],
)
def test_names_that_mean_nothing(name: str, message: str):
    with pytest.raises(InputError) as error:
        load(name)
    assert message in str(error.value)


def test_without_a_network_the_message_names_the_offline_way(monkeypatch: pytest.MonkeyPatch):
    for variable in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"):
        monkeypatch.setenv(variable, "http://127.0.0.1:9")
    with pytest.raises(InputError, match=r"cannot download 'sst2': no network connection.*give their directory instead"):
        load("sst2")
    assert not available()[-1].fetched


@pytest.mark.parametrize(
    ("module", "message"),
    [(None, r"Install it with: pip install '.\[tfds\]'"), (ModuleType("tensorflow_datasets"), "installed but broken")],
)
def test_without_tfds_the_message_says_how_to_install_it(
    monkeypatch: pytest.MonkeyPatch, module: ModuleType | None, message: str
):
    monkeypatch.setitem(sys.modules, "tensorflow_datasets", module)
    with pytest.raises(InputError, match=message):
        load("sst2")
