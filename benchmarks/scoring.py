"""Batch scoring against encoding alone, on the same texts and cores, in one run.

    python -m benchmarks.scoring saved_models/movie-reviews --exported DIR --cluster ADDRESS

Prints a table of rows a second and their ratio to encoding. Texts come in random order; nothing is taken from a cache.
"""

from __future__ import annotations

import csv
import os
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Annotated

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np
import typer

import tfq_llm
from benchmarks.report import number, table
from benchmarks.timing import in_turns
from tfq_llm.encoders import encode_uncached
from tfq_llm.scoring import Job, score

CHUNKS = (512, 2048, 8192)
Runs = dict[str, Callable[[], object]]


def scored(job: Job) -> None:
    """Scores a file from the beginning."""
    job.output.unlink(missing_ok=True)
    score(job)


def contestants(model: Path, exported: Path | None, cluster: str | None, given: Path, texts: list[str]) -> list[Runs]:
    """What is measured, by what it is called in the table; encoding alone is the first of each group.

    A process keeps the last model that it scored with, so what uses another one is a group of its own: loading is no part of it.
    """
    trained = tfq_llm.load_run(model)
    encoder = trained.encoder
    if encoder is None:
        raise tfq_llm.InputError(f"'{model}' has no sentence encoder to compare with.")
    output = given.with_name("scored.csv")
    alone: Runs = {"encoding alone": partial(encode_uncached, encoder, texts)}
    runs = alone | {"model in process": lambda: trained.probabilities(encode_uncached(encoder, texts))}
    runs |= {f"score, chunks of {rows:,}": partial(scored, Job(model, given, output, chunk_rows=rows)) for rows in CHUNKS}
    runs["score, columns kept, to .parquet"] = partial(
        scored, Job(model, given, output.with_suffix(".parquet"), keep_columns=True)
    )
    if cluster is not None:
        runs["score, on the cluster"] = partial(scored, Job(model, given, output, chunk_rows=CHUNKS[0], cluster=cluster))
    if exported is None:
        return [runs]
    return [runs, alone | {"score, exported model": partial(scored, Job(exported, given, output))}]


def main(
    model: Annotated[Path, typer.Argument(help="A saved head, or a run.")],
    exported: Annotated[Path | None, typer.Option(help="The same, exported.")] = None,
    cluster: Annotated[str | None, typer.Option(help="A Ray cluster.")] = None,
    data: Annotated[str, typer.Option(help="Whose texts.")] = "movie-reviews",
    rows: Annotated[int, typer.Option(help="How many of them.")] = 4096,
    rounds: Annotated[int, typer.Option(min=2, help="How often everything is measured; the best counts.")] = 3,
) -> None:
    """Prints the table."""
    found = tfq_llm.data.load(data).deduplicated().texts
    texts = [found[row] for row in np.random.default_rng(0).permutation(len(found))[:rows]]
    with tempfile.TemporaryDirectory() as temporary:
        given = Path(temporary) / "texts.csv"
        with given.open("w", encoding="utf-8", newline="") as file:
            csv.writer(file).writerows([["text"], *([text] for text in texts)])
        lines = []
        for runs in contestants(model, exported, cluster, given, texts):
            seconds = in_turns(list(runs.values()), rounds, 0.0)
            rates = [(f"{len(texts) / each:,.0f}", f"{number(seconds[0] / each)}×") for each in seconds]
            lines += [(name, *rate) for name, rate in zip(runs, rates, strict=True)]
    print(table(("", "rows/s", "of encoding alone"), lines))


if __name__ == "__main__":
    typer.run(main)
