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
from tfq_llm.studies.cluster import RayWorkers
from tfq_llm.studies.config import StudyConfig, make_study_config
from tfq_llm.studies.local import LocalWorkers
from tfq_llm.studies.monitor import Monitor
from tfq_llm.studies.schedule import run
from tfq_llm.studies.store import Store
from tfq_llm.studies.study import Study
from tfq_llm.studies.trial import Cost, Entry, Trial, TrialResult
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
        self.made: list[TrialResult] = []

    def __enter__(self) -> AtOnce:
        return self

    def __exit__(self, *_error: object) -> None: ...

    def submit(self, trial: Trial) -> Future[TrialResult | Failure | Unfit]:
        future: Future[TrialResult | Failure | Unfit] = Future()
        self.made.append(made_up(trial, self._versions))
        future.set_result(self.made[-1])
        return future

    def check(self) -> None: ...

    def close(self) -> None: ...


def made_up(trial: Trial, made_with: str) -> TrialResult:
    """A result of the usual size, whose score follows from the trial's name."""
    correct = 130 + int(trial.name[-2:], 16) % 32
    cost = Cost(fit_seconds=5.0, score_seconds=0.1, host="here", finished="2026-01-01T00:00:00+00:00")
    bins = tuple((17, 0.95, 0.941176) for _ in range(10))
    return TrialResult(
        trial=trial, accuracy=correct / 170, correct=correct, rows=170, macro_f1=0.9, log_loss=0.3, parameters=634, epochs=40,
        confusion=((80, 5), (165 - correct, correct - 80)), calibration=bins, predictions=None, versions=made_with, cost=cost,
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


def comparison(file: Path, splits: int) -> StudyConfig:
    """All arms with eight candidates on three folds, as in docs/results.md."""
    selection = {"candidates": 8, "folds": 3}
    return make_study_config({"kind": "compare", "splits": splits, "data": {"embeddings": [str(file)]}, "selection": selection})


def scheduler(file: Path, splits: int) -> tuple[int, float, float, float]:
    """Trials of a comparison; seconds of one for the scheduler (CPU) and to keep; seconds to go on when all are there."""
    with tempfile.TemporaryDirectory() as directory:
        study = Study.begun(comparison(file, splits), directory)
        start = time.process_time()
        workers = AtOnce()
        done = run([make() for make in study.plan.procedures], study.store, workers, Monitor("trials")).done
        each = (time.process_time() - start) / done
        start = time.monotonic()
        for result in workers.made:
            study.store.keep(result)
        keep = (time.monotonic() - start) / done
        start = time.monotonic()
        again = run([make() for make in study.plan.procedures], Store(directory), AtOnce(), Monitor("trials"))
        resume = time.monotonic() - start
    assert (again.found, again.done) == (done, 0)
    return done, each, keep, resume


def through_ray(file: Path, splits: int) -> float:
    """CPU seconds of the scheduler's process, Ray's threads in it included, for a trial on a Ray cluster of this machine."""
    import ray
    from ray.cluster_utils import Cluster

    nodes = Cluster(initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False})
    try:
        with tempfile.TemporaryDirectory() as directory:
            study = Study.begun(comparison(file, splits), directory)
            with RayWorkers(nodes.address, study.store.url, perform="benchmarks.studies:at_once") as workers:
                start = time.process_time()
                done = run([make() for make in study.plan.procedures], study.store, workers, Monitor("trials")).done
                return (time.process_time() - start) / done
    finally:
        ray.shutdown()
        nodes.shutdown()


def at_once(trial: Trial, _store_url: str) -> TrialResult:
    """A worker's part that needs no time."""
    return made_up(trial, as_text(versions()))


def main(
    trials: Annotated[int, typer.Option(min=4, help="Quantum trials for each number of workers.")] = 32,
    splits: Annotated[int, typer.Option(min=1, help="Of the comparison whose results are made up.")] = 10,
    ray: Annotated[bool, typer.Option(help="Hand made-up trials to a Ray cluster of this machine, too.")] = True,
) -> None:
    """Measure and print tables."""
    rows = machine.describe(f"python -m benchmarks.studies --trials {trials} --splits {splits}")
    rates: dict[int, float] = {}
    begins: dict[int, float] = {}
    with tempfile.TemporaryDirectory() as directory, Progress("studies", 4, "measurements") as progress:
        file = Path(directory) / "embeddings.npz"
        embeddings(file)
        for workers in (1, 2):
            rates[workers], begins[workers] = trials_per_second(file, workers, trials)
            progress.update()
        done, each, keep, resume = scheduler(file, splits)
        progress.update()
        handed = through_ray(file, splits) if ray else None
        progress.update()
    print(table(("", ""), rows) + "\n")
    print(
        table(
            ("workers", "trials an hour", "times as many", "seconds to the first result"),
            [(str(count), number(HOUR * rate), number(rate / rates[1]), number(begins[count])) for count, rate in rates.items()],
        )
    )
    parts = [
        (f"the scheduler, a trial of {done:,}, with searches, claims and display", f"{milliseconds(each)} ms"),
        *([("the same, with handing it to Ray", f"{milliseconds(handed)} ms")] if handed else []),
        ("a worker, to keep a result", f"{milliseconds(keep)} ms"),
        (f"a study that is given again when all {done:,} are there", f"{number(resume)} s"),
    ]
    print("\n" + table(("what", "takes"), parts) + "\n")
    lines = []
    for nodes in NODES:
        rate = nodes * rates[2]
        lines.append((f"{nodes:,}", f"{2 * nodes:,}", number(HOUR * rate), f"{number(100 * rate * (handed or each))} %"))
    print(table(("nodes of 2 cores", "workers", "trials an hour, by arithmetic", "the scheduler is busy"), lines))
    print(f"\nThe scheduler is busy all the time at {number(1 / (handed or each) / rates[2])} nodes.")


if __name__ == "__main__":
    typer.run(main)
