"""What the benchmark makes of its measurements; nothing is timed here."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

from benchmarks import sentence_encoder as benchmark
from tfq_llm import InputError


def test_contestants_take_turns_and_the_first_round_does_not_count() -> None:
    calls: list[str] = []
    times = {"a": iter([0.1, 3.0, 2.0]), "b": iter([9.0, 4.0, 5.0])}

    def contestant(name: str) -> float:
        calls.append(name)
        return next(times[name])

    best = benchmark.best_of(2, {name: (lambda name=name: contestant(name)) for name in times})
    assert best == {"a": 2.0, "b": 4.0}
    assert calls == ["a", "b"] * 3


def test_each_side_has_its_best_batch_size() -> None:
    assert benchmark.best_batch_size({"a @ 32": 1.0, "a @ 64": 3.0, "b @ 32": 2.0}) == {"a": 3.0, "b": 2.0}


def test_table_with_ratios() -> None:
    lines = benchmark.table({"encoding": {benchmark.OURS: 300.0, benchmark.PEER: 200.0}}).splitlines()
    assert lines[2:] == ["| encoding | tfq_llm | 300.0 | 1.50 |", "| encoding | sentence-transformers | 200.0 | 1.00 |"]


def test_the_page_has_the_conditions_the_table_and_the_differences() -> None:
    written = benchmark.page(["2 cores", "torch 1"], "| a table |", "1 − cosine at worst: 1e-7")
    assert "- 2 cores\n- torch 1\n\n| a table |\n\n1 − cosine at worst: 1e-7.\n" in written


def test_worst_cosine() -> None:
    first, second = np.array([[1.0, 0.0], [0.0, 2.0]]), np.array([[3.0, 0.0], [1.0, 1.0]])
    assert benchmark.worst_cosine(first, second) == pytest.approx(0.5**0.5)


def test_own_texts_each_once_in_random_order(tmp_path: Path) -> None:
    lines = [f"text {number}" for number in range(20)]
    (tmp_path / "texts.txt").write_text("\n".join([*lines, "", "text 3"]))
    assert sorted(benchmark.read_texts(tmp_path / "texts.txt", 100)) == sorted(lines)
    assert len(benchmark.read_texts(tmp_path / "texts.txt", 5)) == 5


def test_a_python_without_sentence_transformers(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    with (
        pytest.raises(InputError, match="Has its environment sentence-transformers"),
        benchmark.Peer(Path(sys.executable), tmp_path, ["text"], [0]) as peer,
    ):
        peer.call("describe")
    assert "No module named" in capfd.readouterr().err
