"""Scoring on a real Ray cluster of two nodes, all on this machine."""

from __future__ import annotations

import csv
import threading
import time
from importlib.util import find_spec
from pathlib import Path

import pytest

from tests.scoring.doubles import Checksums, odd_share, slow_checksums, texts, write_csv
from tfq_llm import InputError
from tfq_llm.errors import ServiceError
from tfq_llm.scoring import Job, job, score
from tfq_llm.scoring.cluster import RayWorkers

pytestmark = pytest.mark.skipif(find_spec("ray") is None, reason="the extra [cluster] is not installed")
ROWS = 60


@pytest.fixture
def given(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Texts, and a model that any reader can follow in the place of the one in `tmp_path / "model"`."""
    monkeypatch.setattr(job, "load_scorer", Checksums)
    monkeypatch.setattr("tfq_llm.scoring.cluster.score_texts", slow_checksums)
    (tmp_path / "model").mkdir()
    return write_csv(tmp_path / "texts.csv", ROWS)


@pytest.mark.campaign
def test_a_file_is_scored_though_a_node_is_lost_and_what_cannot_go_on_is_told(nodes, given, tmp_path, monkeypatch):
    wanted = Job(tmp_path / "model", given, tmp_path / "scored.csv", chunk_rows=2, cluster=nodes.address)

    def lose_a_node() -> None:
        while not wanted.working.joinpath("rows").exists() or wanted.working.joinpath("rows").stat().st_size < 200:
            time.sleep(0.02)
        nodes.remove_node(next(iter(nodes.worker_nodes)), allow_graceful=False)

    killer = threading.Thread(target=lose_a_node)
    killer.start()
    assert score(wanted).state.rows == ROWS
    killer.join()
    with (tmp_path / "scored.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [float(row["probability_odd"]) for row in rows] == pytest.approx([odd_share(text) for text in texts(ROWS)], abs=1e-6)
    # A machine that has another model stops it, and so does a chunk that every worker dies of; the same command goes on.
    (tmp_path / "scored.csv").unlink()
    monkeypatch.setattr(Checksums, "fingerprint", "others")
    with pytest.raises(InputError, match="this machine has another model"):
        score(wanted)
    monkeypatch.setattr(Checksums, "fingerprint", "checksums")
    deadly = Job(**{**wanted.__dict__, "output": tmp_path / "deadly.csv"})
    (tmp_path / "model" / "deadly").write_text(texts(ROWS)[0], encoding="utf-8")
    with pytest.raises(ServiceError, match="lost every worker that scored the rows before"):
        score(deadly)
    (tmp_path / "model" / "deadly").unlink()
    assert score(deadly).state.rows == ROWS


def test_an_address_of_no_cluster_is_told_before_the_input_is_read(given, tmp_path, monkeypatch):
    def refuse(ray: object, address: str) -> None:
        raise InputError(f"there is no cluster at {address}")  # as the real one says after 20 s

    monkeypatch.setattr("tfq_llm.scoring.cluster.connect", refuse)
    monkeypatch.setattr(job, "survey", None)
    with pytest.raises(InputError, match=r"127\.0\.0\.1:1"):
        score(Job(tmp_path / "model", given, tmp_path / "scored.csv", cluster="127.0.0.1:1"))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["model", "texts.csv"]


@pytest.mark.slow
def test_a_real_model_on_a_cluster_says_what_it_says_here(nodes, model, tmp_path):
    given = write_csv(tmp_path / "texts.csv", 12)
    score(Job(model, given, tmp_path / "here.csv", chunk_rows=4))
    score(Job(model, given, tmp_path / "there.csv", cluster=nodes.address))  # one chunk, for one worker that loads the model
    here, there = (list(csv.reader((tmp_path / name).read_text().splitlines())) for name in ("here.csv", "there.csv"))
    assert [row[:2] for row in here] == [row[:2] for row in there]
    numbers = [[float(cell) for row in table[1:] for cell in row[2:]] for table in (here, there)]
    assert numbers[0] == pytest.approx(numbers[1], abs=1e-5)
    with RayWorkers(nodes.address, Path("nowhere").absolute(), "") as workers:
        assert "there is no run directory" in workers._ray.get(workers._task.remote("/nowhere", "", ["a"])).reason
