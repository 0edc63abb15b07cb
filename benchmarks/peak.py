"""What the machine can do at most: multiply-adds a second, and bytes a second through caches of each size.

The kernels use the engine's own vectors, so that both are measured with the same instructions: one row is one machine vector (or
what the compiler makes of 64 bytes). All cores run at once, as in the engine.
"""
# mypy: disable-error-code="no-untyped-def"

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable

import numba
import numpy as np

from benchmarks.machine import cores
from tfq_llm.simulation.compiled.threads import run_parts
from tfq_llm.simulation.compiled.vectors import aligned, lanes_of, load, madd, store, zero

_ROW_BYTES = 64
_LANES = lanes_of(np.float32)
_TURNS, _TURN_SECONDS = 20, 0.005


@numba.njit(nogil=True)
def _multiply_adds(work, lanes, rounds):
    """16 · rounds multiply-adds on registers, in independent chains: as many as hide the instruction's latency."""
    shift, scale = load(work, 0), load(work, lanes)
    a, b, c, d, e, f, g, h = shift, shift, shift, shift, shift, shift, shift, shift
    i, j, k, l, m, n, o, p = shift, shift, shift, shift, shift, shift, shift, shift  # noqa: E741
    for _ in range(rounds):
        a, b, c, d = madd(a, scale, shift), madd(b, scale, shift), madd(c, scale, shift), madd(d, scale, shift)
        e, f, g, h = madd(e, scale, shift), madd(f, scale, shift), madd(g, scale, shift), madd(h, scale, shift)
        i, j, k, l = madd(i, scale, shift), madd(j, scale, shift), madd(k, scale, shift), madd(l, scale, shift)  # noqa: E741
        m, n, o, p = madd(m, scale, shift), madd(n, scale, shift), madd(o, scale, shift), madd(p, scale, shift)
    ends = (a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p)
    for row in range(16):
        store(work, (2 + row) * lanes, ends[row])


@numba.njit(nogil=True)
def _passes(work, lanes, rows, rounds):
    """Reads every row and writes it back, as a gate does, with one multiplication in between; `rows` is a multiple of 4."""
    none, scale = zero(work), load(work, rows * lanes)
    for _ in range(rounds):
        for row in range(0, rows * lanes, 4 * lanes):
            a, b = load(work, row), load(work, row + lanes)
            c, d = load(work, row + 2 * lanes), load(work, row + 3 * lanes)
            store(work, row, madd(a, scale, none))
            store(work, row + lanes, madd(b, scale, none))
            store(work, row + 2 * lanes, madd(c, scale, none))
            store(work, row + 3 * lanes, madd(d, scale, none))


class Peaks:
    """The best that was seen so far, on all cores together; another measurement can only raise it.

    Attributes:
        multiply_adds: a second, vectors of 64 bytes.
        bytes: read and written a second, by the bytes that each core passes over.
    """

    def __init__(self) -> None:
        self.multiply_adds = 0.0
        self.bytes: dict[int, float] = {}

    def measure(self, working_sets: Iterable[int]) -> None:
        """Measures arithmetic, and the bandwidth over each working set."""
        self.multiply_adds = max(self.multiply_adds, _multiply_adds_per_second())
        for size in working_sets:
            self.bytes[size] = max(self.bytes.get(size, 0.0), _bytes_per_second(size))


def _multiply_adds_per_second() -> float:
    rooms = [_room(18) for _ in range(cores())]
    return 16 / _seconds_a_round(lambda core, rounds: _multiply_adds(rooms[core], _LANES, rounds))


def _bytes_per_second(working_set: int) -> float:
    rows = max(4, working_set // _ROW_BYTES // 4 * 4)
    rooms = [_room(rows + 1) for _ in range(cores())]
    return 2 * rows * _ROW_BYTES / _seconds_a_round(lambda core, rounds: _passes(rooms[core], _LANES, rows, rounds))


def _room(rows: int) -> np.ndarray:
    """Ones, which a multiplication by one keeps: no number may become denormal, which would be slow."""
    room = aligned(rows * _LANES, np.float32)
    room[:] = 1
    return room


def _seconds_a_round(run: Callable[[int, int], None]) -> float:
    """Of the fastest turn on all cores, divided by their number: what a round costs the machine."""

    def turn(rounds: int) -> float:
        start = time.perf_counter()
        run_parts(lambda core: run(core, rounds), cores())
        return time.perf_counter() - start

    turn(1)
    rounds = 1
    while (taken := turn(rounds)) < _TURN_SECONDS:
        rounds *= max(2, min(100, math.ceil(_TURN_SECONDS / max(taken, 1e-7))))
    return min(turn(rounds) for _ in range(_TURNS)) / rounds / cores()
