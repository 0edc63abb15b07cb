"""The small study of the campaign, and the comparison of one that was killed with one that was not."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tests.kills.attempt import Study, undisturbed
from tests.kills.runner import Killed, killed_until_done
from tests.kills.strikes import Timing, plan
from tests.support import blobs

SETTINGS = (
    "splits=2",
    "data.per_class=30",
    "head.encoder_layers=2",
    "fit.epochs=4",
    "selection.candidates=2",
    "selection.folds=2",
    "arms=[quantum head,logistic regression,SVC,PCA MLP]",
)


@dataclass(frozen=True)
class Outcome:
    """What the campaign found.

    Attributes:
        timing: of the study that was not disturbed.
        killed: what became of the one that was.
        files: CSVs that were compared.
        different: those of them that differ, of the killed study or of the one with other workers, from the undisturbed one's.
        seconds: all of it took.
    """

    timing: Timing
    killed: Killed
    files: tuple[str, ...]
    different: tuple[str, ...]
    seconds: float

    @property
    def passed(self) -> bool:
        """Whether nothing was lost, done twice or left behind, and all results are the same."""
        blows = self.killed.blows
        wrong = self.killed.undone + sum(blow.undone + blow.left_behind for blow in blows)
        return not self.different and not wrong


def write_embeddings(file: Path, seed: int) -> Path:
    """Embeddings of two classes that overlap."""
    vectors, labels = blobs(300, dim=12, seed=seed)
    vectors += np.random.default_rng([seed, 1]).normal(size=vectors.shape).astype(np.float32)
    np.savez(file, embeddings=vectors, labels=labels)
    return file


def study_at(directory: Path, embeddings: Path, workers: int, settings: Sequence[str] = SETTINGS) -> Study:
    """The command of the study in a directory; its trial rows go to rows.csv there."""
    place = directory / "study"
    options = [part for setting in settings for part in ("--set", setting)]
    files = ["--embeddings", str(embeddings), "--study-dir", str(place), "--export", str(directory / "rows.csv")]
    return Study(["study", "compare", *files, "--workers", str(workers), *options], place, directory / "log.txt")


def tables(study: Study) -> dict[str, bytes]:
    """The trial rows, and all tables of the report that have no times in them, as they are on disk."""
    files = [study.place.parent / "rows.csv", *sorted(study.place.glob("report/tables/*.csv"))]
    return {file.name: file.read_bytes() for file in files if "cost" not in file.name}


def run(directory: Path, kills: int, workers: int, seed: int, settings: Sequence[str] = SETTINGS) -> Outcome:
    """Runs the study three times: undisturbed, with another number of workers, and killed.

    Args:
        directory: for embeddings and studies.
        kills: how many.
        workers: of the first and the killed one.
        seed: of the embeddings and the kills.
        settings: of the study.
    """
    began = time.monotonic()
    embeddings = write_embeddings(directory / "embeddings.npz", seed)
    first, other, third = (
        study_at(directory / name, embeddings, count, settings)
        for name, count in (("undisturbed", workers), ("other-workers", 1 if workers > 1 else 2), ("killed", workers))
    )
    timing = undisturbed(first)
    undisturbed(other)
    killed = killed_until_done(third, plan(kills, seed), timing, seed)
    wanted = tables(first)
    different = [f"{study.place.parent.name}/{name}" for study in (other, third) for name in _different(tables(study), wanted)]
    return Outcome(timing, killed, tuple(wanted), tuple(different), time.monotonic() - began)


def _different(found: dict[str, bytes], wanted: dict[str, bytes]) -> list[str]:
    return sorted(name for name in {*found, *wanted} if found.get(name) != wanted.get(name))
