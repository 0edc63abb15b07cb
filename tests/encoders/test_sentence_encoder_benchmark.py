"""The benchmark of the sentence encoder: that it runs, and what it makes of its measurements."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import numpy as np
import pytest

from benchmarks import sentence_encoder as benchmark
from benchmarks.report import page
from tfq_llm import InputError
from tfq_llm.encoders import SentenceEncoder


def test_each_side_has_its_best_batch_size() -> None:
    assert benchmark.best_batch_size({"a @ 32": 1.0, "a @ 64": 3.0, "b @ 32": 2.0}) == {"a": 3.0, "b": 2.0}


def test_a_faster_and_a_slower_encoder() -> None:
    section = benchmark.encoding_section({benchmark.OURS: 300.0, benchmark.PEER: 200.0}, 10)
    assert section.rows == (("tfq_llm", "300", "1.50"), ("sentence-transformers", "200", "1.00"))
    assert [mark.holds for mark in section.marks] == [True]
    assert not benchmark.tuning_section({benchmark.OURS: 199.0, benchmark.PEER: 200.0}, 10).marks[0].holds


def test_bfloat16_may_differ_a_little() -> None:
    exact = np.array([[1.0, 0.0], [0.0, 1.0]])
    for angle, holds in ((0.01, True), (0.02, False)):  # 1 − cos of them: 0.00005 and 0.0002
        turned = exact.copy()
        turned[0] = np.cos(angle), np.sin(angle)
        (mark,) = benchmark.agreement_section(exact, turned, exact).marks
        assert mark.holds == holds


# A peer whose vectors are ones; it answers as the real script does.
FAKE_PEER = """
import json, sys
import numpy as np
texts = json.loads(sys.stdin.readline())["texts"]
for line in sys.stdin:
    request = json.loads(line)
    if request["do"] == "vectors":
        np.save(request["file"], np.ones([len(texts), 32], np.float32))
    print("null", flush=True)
"""


def test_a_run(tiny: SentenceEncoder, twin: SentenceEncoder, tmp_path: Path) -> None:
    texts, labels = [f"text {number}" for number in range(32)], [0, 1] * 16
    twin.trainable = True
    script = tmp_path / "fake.py"
    script.write_text(FAKE_PEER)
    with benchmark.Peer(Path(sys.executable), script, tmp_path, texts, labels) as peer:
        ours, ours_bfloat16 = benchmark.Ours(tiny, texts, labels), benchmark.Ours(twin, texts, labels)
        sections = benchmark.run(ours, ours_bfloat16, peer, len(texts), 32, repeats=1)
    written = page("Title", [("date", "today")], "Notes.", sections)
    assert re.search(r"## What must hold: \d of 3 do", written)
    for heading, contestants in (("Encoding", 3), ("Tuning", 4), ("Agreement", 2)):
        assert f"## {heading}\n" in written
        assert [len(section.rows) for section in sections if section.title == heading] == [contestants]


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
        benchmark.Peer(Path(sys.executable), benchmark.PEER_SCRIPT, tmp_path, ["text"], [0]) as peer,
    ):
        peer.call("describe")
    assert "No module named" in capfd.readouterr().err
