"""The sets that come from the package index, and what happens to names that mean nothing."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tfq_llm.cache import MANIFEST
from tfq_llm.data import available, fetch, few_shot_split, load
from tfq_llm.errors import InputError

FILES = {
    "amazonReviewSnippets_GroundTruth.txt",
    "movieReviewSnippets_GroundTruth.txt",
    "nytEditorialSnippets_GroundTruth.txt",
    "tweets_GroundTruth.txt",
}


@pytest.mark.parametrize(
    ("name", "negative", "positive", "neutral", "duplicates"),
    [
        ("movie-reviews", 5061, 4982, "562", 2),
        ("amazon-reviews", 1218, 1725, "765", 8),
        ("tweets", 1062, 2300, "838", 60),
        ("editorials", 1688, 1100, "2,402", 37),
    ],
)
def test_sentiment_sets(cache: Path, name: str, negative: int, positive: int, neutral: str, duplicates: int):
    reviews = load(name)
    assert reviews.rows_per_class() == {"negative": negative, "positive": positive}
    assert reviews.notes == (f"{neutral} neutral texts (mean rating within ±0.5) dropped",)
    assert "MIT licence" in reviews.source
    distinct = reviews.deduplicated()
    assert len(distinct) == len(reviews) - duplicates
    assert distinct.notes[-1] == f"{duplicates} duplicate texts dropped"


def test_texts_are_decoded(cache: Path):
    reviews = load()
    assert reviews.name == "movie-reviews"
    assert any("clichés" in text for text in reviews.texts)
    every = load("domains").texts
    assert any("I <3 #PacificNorthwest" in text for text in every)
    assert any("Meagher & Flom" in text for text in every), "'&amp;amp;' in the file"
    assert not any("&amp;" in text or "&#3" in text for text in every)
    assert all(text == text.strip() != "" for text in every)


def test_domains_have_every_text_of_the_four_sets(cache: Path):
    domains = load("domains")
    assert domains.rows_per_class() == {"movie-reviews": 10605, "amazon-reviews": 3708, "tweets": 4200, "editorials": 5190}
    distinct = domains.deduplicated()
    assert distinct.notes == ("145 duplicate texts dropped", "8 texts with contradictory labels dropped")
    split = few_shot_split(distinct.labels)
    assert (len(split.train), len(split.validation), len(split.test)) == (870, 154, 23_550 - 1024)


def test_the_cache_holds_the_four_files_and_nothing_else(cache: Path):
    directory = fetch("tweets")
    assert directory == fetch("domains")
    assert {path.name for path in directory.iterdir()} == FILES | {MANIFEST}
    assert list(directory.parent.iterdir()) == [directory], "no download and no temporary file is left behind"


@pytest.mark.parametrize("damage", ["altered", "missing", "half-written"])
def test_a_damaged_cache_is_rebuilt(cache: Path, damage: str):
    directory = fetch("tweets")
    tweets = directory / "tweets_GroundTruth.txt"
    whole = tweets.read_bytes()
    if damage == "altered":
        tweets.write_bytes(whole.replace(b"love", b"hate"))
    elif damage == "missing":
        tweets.unlink()
    else:
        (directory / MANIFEST).unlink()
    assert len(load("tweets")) == 3362
    assert tweets.read_bytes() == whole


def test_without_a_network_the_message_says_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("TFQ_LLM_CACHE", str(tmp_path))
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_CONFIG_FILE", "/dev/null")
    with pytest.raises(InputError, match=r"could not download vaderSentiment==3\.3\.2.*copy the cache directory"):
        load("movie-reviews")
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []
    movies = next(entry for entry in available() if entry.name == "movie-reviews")
    assert (movies.fetched, movies.rows) == (False, None)


def test_available_sets_are_listed_with_their_rows_once_fetched(cache: Path):
    fetch("movie-reviews")
    rows = {entry.name: entry.rows for entry in available() if entry.fetched and entry.name != "sst2"}
    assert rows == {"movie-reviews": 10041, "amazon-reviews": 2935, "tweets": 3302, "editorials": 2751, "domains": 23_550}
    assert [entry.name for entry in available()][-1] == "sst2"


def test_columns_of_a_named_set_cannot_be_chosen(cache: Path):
    with pytest.raises(InputError, match="'tweets' has fixed columns"):
        load("tweets", text_column="text")


def test_a_path_cannot_be_fetched(tmp_path: Path):
    with pytest.raises(InputError, match="is a path, there is nothing to fetch; named sets are movie-reviews"):
        fetch(str(tmp_path))


def test_a_name_is_not_shadowed_by_a_file_of_that_name(cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "tweets").mkdir()
    assert len(load("tweets")) == 3362
    with pytest.raises(InputError, match="holds none of"):
        load("./tweets")


def test_importing_the_package_loads_nothing_heavy():
    heavy = "{'tensorflow', 'tensorflow_datasets', 'pandas', 'sklearn'}"
    code = f"import sys, tfq_llm.data; print({heavy} & set(sys.modules))"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "set()"
