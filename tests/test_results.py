"""The tables of several seeds, against the results that the runs left."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from tests.support import blobs
from tfq_llm import InputError
from tfq_llm.pipelines.results import results

SETTINGS = ["head.encoder_layers=1", "head.connectivity=1", "head.reuploads=1", "head_training.epochs=2", "data.per_class=15"]
SETTINGS += ["head.executor=compiled"]  # TensorFlow takes seconds for the graph of each of the other one's heads
HEADS = ["logistic regression", "SVC", "quantum head"]


@pytest.fixture
def files(tmp_path: Path) -> list[Path]:
    """The embeddings of two seeds, each with its own training rows, and a file without."""
    embeddings, labels = blobs(rows=90)
    embeddings += np.random.default_rng(1).normal(scale=1.0, size=embeddings.shape).astype(np.float32)  # so that heads err
    paths = []
    for seed in range(2):
        rows = np.random.default_rng(seed).permutation(90)
        paths.append(tmp_path / f"x-seed{seed}.npz")
        np.savez(paths[-1], embeddings=embeddings, labels=labels, train=rows[:25], validation=rows[25:30])
    paths.append(tmp_path / "y.npz")
    np.savez(paths[-1], embeddings=embeddings, labels=labels)
    return paths


def rows_of(table: str) -> list[list[str]]:
    return [[cell.strip() for cell in line.split("|")[1:-1]] for line in table.splitlines() if line.startswith("| given")]


@pytest.mark.slow
def test_the_tables_are_mean_and_standard_deviation_of_the_runs(files, tmp_path):
    first, second = results(None, files, 2, SETTINGS, tmp_path / "runs").split("\n\n**y**")
    assert first.startswith("**x**, 2 seeds, 60 test rows")
    assert second.startswith(", 2 seeds, 60 test rows")
    for name, table in (("x", first), ("y", second)):
        runs = [json.loads((tmp_path / "runs" / name / f"seed-{seed}" / "results.json").read_text()) for seed in range(2)]
        accuracies = 100 * np.array([[result["accuracy"] for result in run] for run in runs])
        against = accuracies - accuracies[:, :1]
        assert [row[1] for row in rows_of(table)] == HEADS
        for head, row in enumerate(rows_of(table)):
            own, difference = accuracies[:, head], against[:, head]
            assert row[2] == f"{own[0]:.1f}, {own[1]:.1f}"
            assert row[3] == f"{own.mean():.1f} ± {own.std(ddof=1):.1f}"
            assert row[4] == f"{difference.mean():+.1f} ± {difference.std(ddof=1):.1f}"
            assert row[5] == f"{np.mean([run[head]['macro_f1'] for run in runs]):.3f}"
    for seed in range(2):
        split = json.loads((tmp_path / "runs" / "x" / f"seed-{seed}" / "splits.json").read_text())
        with np.load(files[seed]) as file:
            assert split["train"] == file["train"].tolist()
            assert split["validation"] == file["validation"].tolist()
    assert results(None, files, 2, SETTINGS, tmp_path / "runs") == f"{first}\n\n**y**{second}"


def test_either_a_data_set_or_embeddings(files, tmp_path):
    with pytest.raises(InputError, match="give either a data set or embeddings"):
        results("movie-reviews", files, 1, SETTINGS, tmp_path / "runs")
    assert not (tmp_path / "runs").exists()
