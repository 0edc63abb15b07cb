"""How the time of a step grows with qubits, gates, batch, threads and trajectories."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from benchmarks.machine import cores
from benchmarks.noise_and_shots import BATCH, QUBITS, noisy_engine_step, noisy_work
from benchmarks.plan import Plan
from benchmarks.plots import Growth, Line
from benchmarks.reference import engine_step, reference_work
from benchmarks.report import Section
from benchmarks.timing import best_of
from tfq_llm.progress import Progress
from tfq_llm.simulation.compiled.threads import num_threads, set_num_threads

NUM_QUBITS, NUM_SAMPLES = 10, 32
THREAD_QUBITS, THREAD_SAMPLES = (4, 8, 10, 12), 256


def measure(plan: Plan) -> list[Growth]:
    """All five; gates are counted on the circuits."""
    batches = sorted({plan.batches[0], plan.batches[-1]})
    growths: list[tuple[str, str, str, list[Callable[[], Line]]]] = [
        ("qubits", "qubits", "reference circuit", [_by_qubits(plan, batch) for batch in batches]),
        ("gates", "gates", f"{NUM_QUBITS} qubits, batch {NUM_SAMPLES}, more uploads", [_by_gates(plan)]),
        ("batch", "samples in a batch", "reference circuit", [_by_batch(plan, qubits) for qubits in (4, NUM_QUBITS)]),
        (
            "threads",
            "threads",
            f"reference circuit, batch {THREAD_SAMPLES}",
            [_by_threads(plan, qubits) for qubits in THREAD_QUBITS],
        ),
        ("trajectories", "trajectories", f"noisy, {QUBITS} qubits, batch {BATCH}", [_by_trajectories(plan)]),
    ]
    with Progress("growth", len(growths), "plots") as progress:
        found = []
        for name, axis, title, lines in growths:
            found.append(Growth(name, axis, title, tuple(line() for line in lines)))
            progress.update(note=name)
    return found


def section(plots: Sequence[tuple[str, str]]) -> Section:
    """The plots' files and captions under a heading."""
    return Section(
        "Growth",
        "Time of value and gradient, the shortest of some calls at every point. Gates are added by more uploads of the data. "
        "Trajectories are those of the noisy circuit above; the error-free one is run once, however often it is drawn.",
        plots=tuple(plots),
    )


def _line(plan: Plan, label: str, places: Sequence[int], steps: Iterator[Callable[[], Any]]) -> Line:
    seconds = []
    for step in steps:
        step()
        seconds.append(min(best_of(step, plan.burst / 2) for _ in range(2)))
    return Line(label, tuple(places), tuple(seconds))


def _by_qubits(plan: Plan, batch: int) -> Callable[[], Line]:
    steps = (engine_step(reference_work(qubits, batch, connectivity=min(2, qubits - 1))) for qubits in plan.growth_qubits)
    return lambda: _line(plan, f"engine, batch {batch}", plan.growth_qubits, steps)


def _by_gates(plan: Plan) -> Callable[[], Line]:
    def line() -> Line:
        works = [reference_work(NUM_QUBITS, NUM_SAMPLES, blocks) for blocks in plan.growth_blocks]
        return _line(plan, "engine", [work.num_gates for work in works], map(engine_step, works))

    return line


def _by_batch(plan: Plan, qubits: int) -> Callable[[], Line]:
    steps = (engine_step(reference_work(qubits, batch)) for batch in plan.growth_batches)
    return lambda: _line(plan, f"engine, {qubits} qubits", plan.growth_batches, steps)


def _by_threads(plan: Plan, qubits: int) -> Callable[[], Line]:
    def line() -> Line:
        step, counts = engine_step(reference_work(qubits, THREAD_SAMPLES)), range(1, cores() + 1)
        seconds: list[float] = []
        for count in counts:
            with _threads(count):
                seconds += _line(plan, "", [count], iter([step])).seconds
        return Line(f"engine, {qubits} qubits", tuple(counts), tuple(seconds))

    return line


def _by_trajectories(plan: Plan) -> Callable[[], Line]:
    places = plan.growth_trajectories
    return lambda: _line(plan, "engine", places, (noisy_engine_step(noisy_work(), count) for count in places))


@contextmanager
def _threads(count: int) -> Iterator[None]:
    before = num_threads()
    set_num_threads(count)
    try:
        yield
    finally:
        set_num_threads(before)
