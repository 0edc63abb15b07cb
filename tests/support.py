"""Small things to train on, and directories to work in, shared by tests of several folders."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

TINY_HEAD = {"encoder_layers": 1, "connectivity": 1}
GOOD = ("fine", "warm", "moving", "bright", "clever", "tender")
BAD = ("dull", "cold", "tired", "clumsy", "loud", "empty")


def blobs(rows: int = 60, dim: int = 7, classes: int = 2, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Embeddings of classes that can be told apart, and their labels."""
    rng = np.random.default_rng(seed)
    labels = np.arange(rows) % classes
    centres = rng.normal(size=[classes, dim])
    return (centres[labels] + 0.3 * rng.normal(size=[rows, dim])).astype(np.float32), labels


def write_reviews(path: Path, rows: int = 60) -> Path:
    """A .csv of short reviews, half of them "good" and half "bad", no two alike."""
    words = {"good": GOOD, "bad": BAD}
    lines = ["text,label"]
    for row in range(rows):
        label = ("good", "bad")[row % 2]
        lines.append(f"a {words[label][row % 6]} and {words[label][(row // 6) % 6]} film number {row},{label}")
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


@contextmanager
def kept_or_temporary(kept: Path | None, prefix: str) -> Iterator[Path]:
    """A directory to keep, made if need be; or one that is deleted in the end."""
    if kept is not None:
        kept.mkdir(parents=True, exist_ok=True)
        yield kept
        return
    made = Path(tempfile.mkdtemp(prefix=prefix))
    try:
        yield made
    finally:
        shutil.rmtree(made, ignore_errors=True)
