"""Times programs in turns, so that whatever else the machine does meets them alike."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any


def seconds_of(run: Callable[[], Any]) -> float:
    """How long one call takes."""
    start = time.perf_counter()
    run()
    return time.perf_counter() - start


def best_of(run: Callable[[], Any], burst: float) -> float:
    """The shortest of the calls that fit into `burst` seconds; at least one."""
    end = time.perf_counter() + burst
    best = seconds_of(run)
    while time.perf_counter() < end:
        best = min(best, seconds_of(run))
    return best


def in_turns(runs: Sequence[Callable[[], Any]], rounds: int, burst: float) -> list[float]:
    """Seconds of the shortest call of each program; each gets one burst in every round. Their first calls are not counted."""
    for run in runs:
        run()
    times = [[best_of(run, burst) for run in runs] for _ in range(rounds)]
    return [min(column) for column in zip(*times, strict=True)]
