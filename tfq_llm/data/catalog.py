"""Data sets by name or path."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from tfq_llm.data import tfds, vader
from tfq_llm.data.datasets import TextDataset
from tfq_llm.data.files import SUFFIXES, load_directory, load_file
from tfq_llm.errors import InputError, did_you_mean

DEFAULT = "movie-reviews"
OFFLINE_NAMES = (*vader.DOMAINS, "domains")
NAMES = (*OFFLINE_NAMES, *tfds.ALIASES)


NOT_STATED = "not stated"
"""The licence of what has none that is known."""


@dataclass(frozen=True)
class NamedDataset:
    """What `tfq-llm data list` says of a set.

    Attributes:
        name: the name to load it by.
        class_names: its classes.
        rows: how many there are, without duplicates; None if that is not known before it is fetched or loaded.
        source: one sentence: where the texts come from.
        licence: of the texts.
        fetched: whether it is on this machine.
    """

    name: str
    class_names: tuple[str, ...]
    rows: int | None
    source: str
    licence: str
    fetched: bool


def load(name_or_path: str | Path = DEFAULT, *, text_column: str | None = None, label_column: str | None = None) -> TextDataset:
    """Loads a data set.

    Args:
        name_or_path: one of
            "movie-reviews", "amazon-reviews", "tweets", "editorials" (negative or positive),
            "domains" (which of these four a text comes from),
            "sst2" or any other text classification set of TensorFlow Datasets by its name there,
            a `.csv`, `.tsv` or `.jsonl` file,
            a directory with any of `train.tsv`, `dev.tsv` (or `validation.tsv`) and `test.tsv`.
            A file or directory that is called like a named set is written with a leading "./".
        text_column: the column (or TFDS feature) with the texts; default: the one called "text" or "sentence".
        label_column: the column (or TFDS feature) with the labels; default: the one called "label".

    Returns:
        The data set as its source has it; call `deduplicated()` before splitting.

    Raises:
        InputError: there is no such data set, it cannot be fetched, or a row of it cannot be used.
    """
    name = os.fspath(name_or_path)
    if name in OFFLINE_NAMES:
        if text_column is not None or label_column is not None:
            raise InputError(f"text_column and label_column are for files and TFDS sets; '{name}' has fixed columns.")
        return vader.load_domains() if name == "domains" else vader.load_sentiment(name)
    if name in tfds.ALIASES or not _is_path(name):
        return tfds.load_tfds(name, text_column, label_column, NAMES)
    path = Path(name).expanduser()
    if not _exists(path):
        raise InputError(f"there is no file or directory '{path}'.{_near(path)}")
    return (load_directory if path.is_dir() else load_file)(path, text_column, label_column)


def fetch(name: str) -> Path:
    """Puts a named set on this machine, if it is not there yet, and returns the directory it is in.

    Raises:
        InputError: there is no such set, or it cannot be fetched.
    """
    if name in OFFLINE_NAMES:
        return vader.fetch()
    if name not in tfds.ALIASES and _is_path(name):
        raise InputError(f"'{name}' is a path, there is nothing to fetch; named sets are {', '.join(NAMES)}.")
    return tfds.fetch_tfds(name, NAMES)


def available() -> tuple[NamedDataset, ...]:
    """The sets that have a name here, each with what is known of it without fetching it."""
    fetched = vader.is_fetched()
    sets = []
    for name in OFFLINE_NAMES:
        classes = tuple(vader.DOMAINS) if name == "domains" else vader.SENTIMENTS
        rows = len(load(name).deduplicated()) if fetched else None
        sets.append(NamedDataset(name, classes, rows, vader.source(name), vader.LICENCE, fetched))
    source = "TensorFlow Datasets glue/sst2: phrases of film reviews; needs the extra [tfds] and the internet."
    sets.append(NamedDataset("sst2", ("negative", "positive"), None, source, NOT_STATED, tfds.is_fetched("sst2")))
    return tuple(sets)


def origin(name_or_path: str) -> tuple[str, str]:
    """One sentence on where a data set is from, and the licence of its texts ("not stated" unless it is known)."""
    if name_or_path in OFFLINE_NAMES:
        return vader.source(name_or_path), vader.LICENCE
    if name_or_path in tfds.ALIASES or not _is_path(name_or_path):
        return f"TensorFlow Datasets {tfds.ALIASES.get(name_or_path, name_or_path)}.", NOT_STATED
    return f"The file or directory '{Path(name_or_path).name}' of whoever trained the model.", NOT_STATED


def _is_path(name: str) -> bool:
    """Whether the name can only be meant as a path: it is there, is written like one, or has a table's suffix."""
    written_so = name.startswith((".", "~", os.sep)) or name.lower().endswith(SUFFIXES)
    return written_so or (name != "" and _exists(Path(name)))


def _exists(path: Path) -> bool:
    try:
        return path.exists()
    except OSError:  # a name too long for a file, or a directory that may not be searched
        return False


def _near(path: Path) -> str:
    try:
        return did_you_mean(path.name, [entry.name for entry in path.parent.iterdir()])
    except OSError:
        return ""
