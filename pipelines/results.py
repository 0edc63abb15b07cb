"""The tables of docs/results.md: several seeds of the main job, every test row scored, mean and standard deviation."""

from __future__ import annotations

import logging
import statistics
from collections.abc import Sequence
from pathlib import Path

from tfq_llm.config import Config, load_config
from tfq_llm.errors import InputError
from tfq_llm.metrics import HeadResult, markdown_table
from tfq_llm.pipelines.configs import find
from tfq_llm.pipelines.train import train
from tfq_llm.training.run import RunDirectory
from tfq_llm.yaml_settings import text_setting

logger = logging.getLogger(__name__)


def results(name: str | None, embeddings: Sequence[Path], seeds: int, settings: Sequence[str], run_dir: Path) -> str:
    """Runs what is not there yet and returns one table per data set or embeddings file, as Markdown.

    Args:
        name: a data set; the default data if neither this nor embeddings are given.
        embeddings: .npz files; one that binds its training rows is the work of one seed, so such files that differ only in
            "seed" and a number form one table.
        seeds: how many seeds; the seed decides split, initial weights and order of batches.
        settings: overrides, "section.key=value".
        run_dir: where the runs are kept, by the last part of the name and the seed.

    Raises:
        InputError: data and embeddings are both given; or as the main job raises it.
    """
    if name and embeddings:
        raise InputError("give either a data set or embeddings: they are separate tables.")
    if embeddings:
        return _embedding_tables(embeddings, seeds, settings, run_dir)
    chosen = [*settings, *([text_setting("data.name", name)] if name else [])]
    runs = {seed: _config(seed, chosen) for seed in range(seeds)}
    title = Path(next(iter(runs.values())).data.name).resolve().name
    return _table(title, [_run(config, run_dir / title / f"seed-{seed}") for seed, config in runs.items()])


def _embedding_tables(files: Sequence[Path], seeds: int, settings: Sequence[str], run_dir: Path) -> str:
    fixed = [*settings, "tuning.enabled=false", "joint.enabled=false"]
    groups: dict[str, list[tuple[int, Path]]] = {}
    for file in files:
        stem, _, number = file.stem.rpartition("-seed")
        if stem and number.isdigit():
            groups.setdefault(stem, []).append((int(number), file))
        else:
            groups.setdefault(file.stem, []).extend((seed, file) for seed in range(seeds))
    tables = []
    for title, members in groups.items():
        configs = [(seed, _config(seed, [*fixed, text_setting("data.embeddings", str(file))])) for seed, file in members]
        tables.append(_table(title, [_run(config, run_dir / title / f"seed-{seed}") for seed, config in configs]))
    return "\n\n".join(tables)


def _config(seed: int, settings: Sequence[str]) -> Config:
    return load_config(find("results"), (*settings, f"seed={seed}"))


def _run(config: Config, directory: Path) -> list[HeadResult]:
    logger.info("== %s", directory)
    train(config, directory)
    return RunDirectory(directory).results()


def _table(title: str, runs: Sequence[Sequence[HeadResult]]) -> str:
    """One row per head: accuracies of the seeds, mean ± standard deviation, and the difference to logistic regression."""
    rows = []
    for results in zip(*runs, strict=True):
        accuracies = [100 * result.accuracy for result in results]
        reference = [100 * _logistic(run, results[0].embeddings).accuracy for run in runs]
        rows.append(
            (
                results[0].embeddings,
                results[0].head,
                ", ".join(f"{accuracy:.1f}" for accuracy in accuracies),
                _mean_sd(accuracies),
                _mean_sd([own - other for own, other in zip(accuracies, reference, strict=True)], signed=True),
                f"{statistics.mean(result.macro_f1 for result in results):.3f}",
                f"{round(statistics.mean(result.parameters for result in results)):,}",
                f"{statistics.mean(result.seconds for result in results):.1f}",
            )
        )
    header = (
        "embeddings",
        "head",
        "test accuracy, %",
        "mean ± sd",
        "against logistic regression",
        "macro-F1",
        "parameters",
        "seconds",
    )
    scored = " or ".join(f"{count:,}" for count in sorted({run[0].test_rows for run in runs}))
    return f"**{title}**, {len(runs)} seeds, {scored} test rows\n\n{markdown_table(header, rows)}"


def _logistic(run: Sequence[HeadResult], embeddings: str) -> HeadResult:
    return next(result for result in run if result.embeddings == embeddings and result.head == "logistic regression")


def _mean_sd(values: Sequence[float], *, signed: bool = False) -> str:
    mean = f"{statistics.mean(values):+.1f}" if signed else f"{statistics.mean(values):.1f}"
    return f"{mean} ± {statistics.stdev(values):.1f}" if len(values) > 1 else mean
