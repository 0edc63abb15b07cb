"""Memory is bounded by bytes: wide rows take no more of it than narrow ones."""

from __future__ import annotations

import csv
import json
import multiprocessing
import random
import resource
from multiprocessing.connection import Connection
from pathlib import Path

import pytest

from tests.scoring.doubles import Checksums
from tfq_llm.scoring import Job, chunks, job, score

pa = pytest.importorskip("pyarrow", reason="the extra [parquet] is not installed")
pq = pytest.importorskip("pyarrow.parquet")
parquet = pytest.importorskip("tfq_llm.scoring.parquet")

ROWS, WIDTH = 100, 250_000


def wide_rows() -> list[dict[str, str]]:
    """Of 25 MB together, which cannot be compressed much."""
    generator = random.Random(0)
    return [{"text": f"film {row}", "wide": generator.randbytes(WIDTH // 2).hex()} for row in range(ROWS)]


@pytest.fixture(scope="module")
def inputs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The same rows in every format; the Parquet file is one row group."""
    directory, rows = tmp_path_factory.mktemp("wide"), wide_rows()
    paths = {suffix: directory / f"texts{suffix}" for suffix in (".csv", ".jsonl", ".parquet")}
    with paths[".csv"].open("w", newline="") as file:
        csv.writer(file).writerows([rows[0].keys(), *(row.values() for row in rows)])
    paths[".jsonl"].write_text("".join(json.dumps(row) + "\n" for row in rows))
    pq.write_table(pa.Table.from_pylist(rows), paths[".parquet"], use_dictionary=False, write_batch_size=1)
    return paths


def _grown(wanted: Job, pipe: Connection) -> None:
    """Scores, and sends by how many MB the peak of this process's memory grew meanwhile."""
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    score(wanted)
    pipe.send((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024)


@pytest.mark.parametrize(
    ("source", "output"), [(".csv", ".csv"), (".jsonl", ".jsonl"), (".parquet", ".parquet"), (".csv", ".parquet")]
)
def test_memory_does_not_depend_on_how_wide_rows_are(source, output, inputs, tmp_path, monkeypatch):
    monkeypatch.setattr(job, "load_scorer", lambda path: Checksums())
    for module, name in [(chunks, "MAX_BYTES"), (parquet, "_BATCH_BYTES"), (parquet, "_ROW_GROUP_BYTES")]:
        monkeypatch.setattr(module, name, getattr(module, name) >> 4)
    wanted = Job(Path("model"), inputs[source], tmp_path / f"scored{output}", keep_columns=True)
    context = multiprocessing.get_context("fork")  # its peak begins at what is resident now
    ours, theirs = context.Pipe(duplex=False)
    process = context.Process(target=_grown, args=(wanted, theirs))
    process.start()
    theirs.close()
    grown = ours.recv()
    process.join()
    assert process.exitcode == 0
    assert grown < 20
