"""Small things to train on, and directories to work in, shared by tests of several folders."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from filelock import FileLock

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


@contextmanager
def two_ray_nodes() -> Iterator[Any]:
    """A Ray cluster on this machine: a head without CPUs, and two nodes with one each."""
    from tfq_llm import ray_cluster

    # First as a study does it, which keeps Ray quiet.
    ray_cluster.import_ray()
    from ray.cluster_utils import Cluster

    memory = 80 << 20
    head = {"num_cpus": 0, "object_store_memory": memory, "include_dashboard": False}
    # The suite runs in two processes, and two heads on one machine get in each other's way.
    with FileLock(Path(tempfile.gettempdir()) / "tfq-llm-test-ray.lock"):
        made = Cluster(initialize_head=True, head_node_args=head)
        try:
            for _ in range(2):
                made.add_node(num_cpus=1, object_store_memory=memory)
            yield made
        finally:
            made.shutdown()
