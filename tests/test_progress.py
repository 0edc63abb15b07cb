"""Progress off a terminal: log lines with rate, time left and a note."""

from __future__ import annotations

import logging

from tfq_llm.progress import Progress


def test_it_says_how_far_how_fast_and_how_long(caplog, monkeypatch):
    now = [0.0]
    monkeypatch.setattr("tfq_llm.progress.time.monotonic", lambda: now[0])
    with caplog.at_level(logging.INFO), Progress("training", 10, "steps", interval=5) as progress:
        for _ in range(10):
            now[0] += 2.0
            progress.update(1, "loss 0.5")
    assert caplog.messages == [
        "training: 3/10 steps, 0.5/s, 14 s left | loss 0.5",
        "training: 6/10 steps, 0.5/s, 8 s left | loss 0.5",
        "training: 9/10 steps, 0.5/s, 2 s left | loss 0.5",
        "training: 10/10 steps, 0.5/s | loss 0.5",
    ]


def test_the_last_line_is_not_said_twice(caplog):
    with caplog.at_level(logging.INFO), Progress("encoding", 2, "texts", interval=0) as progress:
        progress.update(2)
    assert caplog.messages == ["encoding: 2/2 texts"]
