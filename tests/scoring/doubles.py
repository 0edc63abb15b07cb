"""A model that any reader can follow, and files of texts for it."""

from __future__ import annotations

import csv
import json
import os
import time
import zlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from tfq_llm.scoring.cluster import Unfit
from tfq_llm.scoring.models import Scores


class Checksums:
    """Its probability of "odd" follows from the text's checksum; texts of more than 20 characters are too long for it."""

    class_names = ("even", "odd")
    fingerprint = "checksums"

    def __init__(self, path: Path = Path("model")) -> None:
        self.path = path

    def score(self, texts: Sequence[str]) -> Scores:
        odd = np.array([odd_share(text) for text in texts], np.float32)
        return Scores(np.stack([1 - odd, odd], axis=1), sum(len(text) > 20 for text in texts))


def slow_checksums(model: str, fingerprint: str, given: list[str]) -> Scores | Unfit:
    """A task of a cluster that takes a while, and whose worker dies of the text in the file "deadly" of the model's directory."""
    if fingerprint != Checksums.fingerprint:
        return Unfit("this machine has another model")
    deadly = Path(model, "deadly")
    if deadly.exists() and deadly.read_text(encoding="utf-8") in given:
        os._exit(1)
    time.sleep(0.2)
    return Checksums().score(given)


def odd_share(text: str) -> float:
    return zlib.crc32(text.encode()) % 1000 / 1000


def texts(rows: int) -> list[str]:
    """Some with what files trip over: commas, quotation marks, line breaks, other alphabets."""
    kinds = ["film {}", 'the "best", {}', "two\nlines {}", "фильм {} – très bien", "🎬 {}"]
    return [kinds[row % len(kinds)].format(row) for row in range(rows)]


def write_csv(path: Path, rows: int) -> Path:
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([["id", "text"], *([row, text] for row, text in enumerate(texts(rows)))])
    return path


def write_jsonl(path: Path, rows: int) -> Path:
    lines = [json.dumps({"id": row, "text": text}, ensure_ascii=False) for row, text in enumerate(texts(rows))]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path
