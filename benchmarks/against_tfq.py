"""Value and gradient against TensorFlow Quantum's adjoint method, over qubits and batches."""

from __future__ import annotations

from dataclasses import dataclass

from benchmarks.plan import Plan
from benchmarks.plots import Line
from benchmarks.reference import Digest, engine_step, reference_work
from benchmarks.report import Mark, Section, milliseconds, number, verdict
from benchmarks.tfq_steps import layer_step, operation_step
from benchmarks.timing import in_turns
from tfq_llm.progress import Progress

AT_LEAST, AT_10_32 = 15.0, 50.0


@dataclass(frozen=True)
class Point:
    """Seconds a step of the engine, of TensorFlow Quantum's operation and of its layer."""

    qubits: int
    batch: int
    engine: float
    operation: float
    layer: float

    @property
    def ratio(self) -> float:
        return min(self.operation, self.layer) / self.engine

    @property
    def bound(self) -> float:
        return AT_10_32 if (self.qubits, self.batch) == (10, 32) else AT_LEAST


def measure(plan: Plan) -> list[Point]:
    """Every point of the grid; raises MismatchError if results differ."""
    grid = [(qubits, batch) for qubits in plan.tfq_qubits for batch in plan.batches]
    points = []
    with Progress("against TensorFlow Quantum", len(grid), "points") as progress:
        for qubits, batch in grid:
            points.append(_point(qubits, batch, plan))
            progress.update(note=f"{qubits} qubits, batch {batch}: {number(points[-1].ratio)}×")
    return points


def _point(qubits: int, batch: int, plan: Plan) -> Point:
    work = reference_work(qubits, batch)
    engine, operation, layer = engine_step(work), operation_step(work), layer_step(work)
    ours = Digest.of(engine())
    for name, step in (("TensorFlow Quantum's operation", operation), ("its layer", layer)):
        ours.check(Digest.of(step()), name, f"{qubits} qubits, batch {batch}")
    return Point(qubits, batch, *in_turns([engine, operation, layer], plan.rounds, plan.burst))


def section(points: list[Point]) -> Section:
    header = ("qubits", "batch", "engine, ms", "TFQ operation, ms", "TFQ layer, ms", "× operation", "× layer", "mark", "holds")
    rows = tuple(
        (
            str(point.qubits),
            str(point.batch),
            *(milliseconds(seconds) for seconds in (point.engine, point.operation, point.layer)),
            number(point.operation / point.engine),
            number(point.layer / point.engine),
            f"{point.bound:g}",
            verdict(point.ratio >= point.bound),
        )
        for point in points
    )
    return Section(
        "Against TensorFlow Quantum",
        "Value and gradient of ⟨Z0⟩ by all data angles and all weights. *Layer* is `tfq.layers.ControlledPQC` with the adjoint "
        "differentiator, called as its documentation does; *operation* is the TensorFlow operation below it, with circuits "
        "turned into strings beforehand and inside a `tf.function`, the fastest way we found. The marks are held against the "
        "faster one. First value and lengths of both gradients agree at every point, or there would be no page.",
        header,
        rows,
        _marks(points),
    )


def _marks(points: list[Point]) -> tuple[Mark, ...]:
    worst = min(points, key=lambda point: point.ratio / point.bound if point.bound == AT_LEAST else float("inf"))
    marks = [Mark(f"TFQ adjoint; lowest ratio, at {worst.qubits} qubits × batch {worst.batch}", worst.ratio, AT_LEAST)]
    marks += [Mark("TFQ adjoint at 10 qubits × batch 32", point.ratio, AT_10_32) for point in points if point.bound == AT_10_32]
    return tuple(marks)


def lines(points: list[Point]) -> tuple[Line, ...]:
    """The operation's times by qubits, to be drawn beside the engine's."""
    found = []
    for batch in sorted({point.batch for point in points}):
        along = [point for point in points if point.batch == batch]
        places, seconds = tuple(point.qubits for point in along), tuple(point.operation for point in along)
        found.append(Line(f"TFQ operation, batch {batch}", places, seconds, dashed=True))
    return tuple(found)
