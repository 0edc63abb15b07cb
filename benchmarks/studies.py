"""Trials an hour of a study with one worker and with two, and what a study's one scheduler and one store can take."""

from __future__ import annotations

import tempfile
import time
from concurrent.futures import Future
from pathlib import Path
from typing import Annotated

import numpy as np
import typer

from benchmarks import machine
from benchmarks.report import milliseconds, number, table
from tfq_llm.progress import Progress
from tfq_llm.studies.config import StudyConfig, make_study_config
from tfq_llm.studies.local import LocalWorkers
from tfq_llm.studies.monitor import Monitor
from tfq_llm.studies.schedule import run
from tfq_llm.studies.store import Store
from tfq_llm.studies.study import Study
from tfq_llm.studies.trial import Cost, Entry, Procedure, Scalar, Trial, TrialResult
from tfq_llm.studies.versions import as_text, versions
from tfq_llm.studies.worker import Failure, Unfit

ROWS, DIMENSIONS = 8_000, 768
NODES = (1, 10, 100, 1_000)
HOUR = 3600.0


class AtOnce:
    """Workers that need no time, so that what is left is the scheduler's own."""

    busy = capacity = 64

    def __init__(self) -> None:
        self.retries = 0
        self.deaths: tuple[type[BaseException], ...] = ()
        self._versions = as_text(versions())

    def __enter__(self) -> AtOnce:
        return self

    def __exit__(self, *_error: object) -> None: ...

    def submit(self, trial: Trial) -> Future[TrialResult | Failure | Unfit]:
        future: Future[TrialResult | Failure | Unfit] = Future()
        future.set_result(made_up(trial, self._versions))
        return future

    def check(self) -> None: ...

    def close(self) -> None: ...


def made_up(trial: Trial, made_with: str) -> TrialResult:
    """A result of the usual size."""
    cost = Cost(fit_seconds=5.0, score_seconds=0.1, host="here", finished="2026-01-01T00:00:00+00:00")
    bins = tuple((17, 0.95, 0.941176) for _ in range(10))
    return TrialResult(
        trial=trial, accuracy=0.9, correct=153, rows=170, macro_f1=0.9, log_loss=0.3, parameters=634, epochs=40,
        confusion=((80, 5), (12, 73)), calibration=bins, predictions=None, versions=made_with, cost=cost,
    )  # fmt: skip


def embeddings(path: Path) -> None:
    """Two classes that overlap, as many rows and dimensions as the mpnet embeddings of SST-2 have."""
    random = np.random.default_rng(0)
    labels = random.integers(0, 2, ROWS)
    vectors = random.normal(size=(ROWS, DIMENSIONS)) + 0.1 * (2 * labels[:, None] - 1)
    np.savez(path, embeddings=(vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32), labels=labels)


def search(file: Path, candidates: int) -> StudyConfig:
    """A search for the quantum head's settings on one fold of one split: quantum trials alone, all of them needed."""
    selection = {"candidates": candidates, "folds": 1, "sampler": "random", "batch": candidates}
    data = {"embeddings": [str(file)]}
    return make_study_config({"kind": "tune", "arms": ["quantum head"], "splits": 1, "data": data, "selection": selection})


def trials_per_second(file: Path, workers: int, candidates: int) -> tuple[float, float]:
    """Trials a second when all workers run, and seconds until the first result is there."""
    with tempfile.TemporaryDirectory() as directory:
        study = Study.begun(search(file, candidates), directory)
        ended: list[float] = []
        monitor = Clock(ended)
        start = time.monotonic()
        with LocalWorkers(workers, study.store.url) as running:
            run([make() for make in study.plan.procedures], study.store, running, monitor)
    # The first trial of every worker pays for its start; what comes after these is the rate.
    return (len(ended) - workers) / (ended[-1] - ended[workers - 1]), ended[0] - start


class Clock(Monitor):
    """Notes when trials end."""

    def __init__(self, ended: list[float]) -> None:
        super().__init__("trials")
        self._ended = ended

    def finished(self, entry: Entry, result: TrialResult) -> None:
        self._ended.append(time.monotonic())
        super().finished(entry, result)


def scheduler(count: int) -> tuple[float, float, float]:
    """Seconds that a trial costs the scheduler, keeping a result a worker, and reading all of them a resumed study."""
    trials = [_trial(init) for init in range(count)]
    entries = [Entry(trial, "quantum head", "quantum", "design") for trial in trials]

    def procedure() -> Procedure:
        yield entries

    with tempfile.TemporaryDirectory() as directory:
        store = Store(directory)
        start = time.monotonic()
        run([procedure()], store, AtOnce(), Monitor("trials"))
        each = (time.monotonic() - start) / count
        made_with = as_text(versions())
        results = [made_up(trial, made_with) for trial in trials]
        start = time.monotonic()
        for result in results:
            store.keep(result)
        keep = (time.monotonic() - start) / count
        start = time.monotonic()
        found = Store(directory).found(trials)
        read = time.monotonic() - start
    assert len(found) == count
    return each, keep, read


def _trial(init: int) -> Trial:
    settings: dict[str, Scalar] = {f"setting_{place}": 0.5 * place for place in range(30)}
    return Trial(
        data="0" * 16, per_class=256, validation_fraction=0.15, test_rows=None, split=0, method="quantum head", settings=settings,
        init=init, scored_on="validation",
    )  # fmt: skip


def main(
    trials: Annotated[int, typer.Option(min=4, help="Quantum trials for each number of workers.")] = 32,
    results: Annotated[int, typer.Option(min=100, help="Made-up results for scheduler and store.")] = 20_000,
) -> None:
    """Measure and print tables."""
    rows = machine.describe(f"python -m benchmarks.studies --trials {trials} --results {results}")
    rates: dict[int, float] = {}
    begins: dict[int, float] = {}
    with tempfile.TemporaryDirectory() as directory, Progress("studies", 3, "measurements") as progress:
        file = Path(directory) / "embeddings.npz"
        embeddings(file)
        for workers in (1, 2):
            rates[workers], begins[workers] = trials_per_second(file, workers, trials)
            progress.update()
        each, keep, read = scheduler(results)
        progress.update()
    print(table(("", ""), rows) + "\n")
    print(
        table(
            ("workers", "trials an hour", "times as many", "seconds to the first result"),
            [(str(count), number(HOUR * rate), number(rate / rates[1]), number(begins[count])) for count, rate in rates.items()],
        )
    )
    parts = [
        ("the scheduler, a trial", f"{milliseconds(each)} ms"),
        ("a worker, to keep a result", f"{milliseconds(keep)} ms"),
        (f"a resumed study, to read {results:,} results", f"{number(read)} s"),
    ]
    print("\n" + table(("what", "takes"), parts) + "\n")
    lines = []
    for nodes in NODES:
        rate = nodes * rates[2]
        lines.append((f"{nodes:,}", f"{2 * nodes:,}", number(HOUR * rate), f"{number(100 * rate * each)} %"))
    print(table(("nodes of 2 cores", "workers", "trials an hour, by arithmetic", "the scheduler is busy"), lines))
    print(f"\nThe scheduler is busy all the time at {number(1 / each / rates[2])} nodes.")


if __name__ == "__main__":
    typer.run(main)
