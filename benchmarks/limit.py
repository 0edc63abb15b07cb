"""How near a step comes to what the machine allows."""

from __future__ import annotations

from dataclasses import dataclass

from benchmarks.cost import Cost, cost_of
from benchmarks.peak import Peaks
from benchmarks.plan import Plan
from benchmarks.reference import engine_of, engine_step, reference_work
from benchmarks.report import Mark, Section, milliseconds, number
from benchmarks.timing import in_turns
from tfq_llm.progress import Progress

AT_MOST, MARKED_QUBITS = 4.0, 10
_FLOPS_PER_VECTOR = 2 * 16


@dataclass(frozen=True)
class Bound:
    """Seconds a step takes, and takes at least: for its arithmetic, its bytes within tiles, those to and from the register."""

    qubits: int
    batch: int
    cost: Cost
    measured: float
    arithmetic: float
    tile: float
    register: float

    @property
    def limit(self) -> float:
        return max(self.arithmetic, self.tile, self.register)

    @property
    def ratio(self) -> float:
        return self.measured / self.limit


def measure(plan: Plan) -> tuple[list[Bound], Peaks]:
    """Steps of the engine and the machine's peaks, in turns."""
    grid = [(qubits, batch) for qubits in plan.tfq_qubits for batch in plan.batches]
    peaks, found = Peaks(), []
    with Progress("against the machine's limit", len(grid), "points") as progress:
        for qubits, batch in grid:
            work = reference_work(qubits, batch)
            cost = cost_of(engine_of(work), work)
            peaks.measure({cost.tile_size, cost.register_size})
            (seconds,) = in_turns([engine_step(work)], plan.rounds, plan.burst)
            found.append((qubits, batch, cost, seconds))
            progress.update()
    return [_bound(*each, peaks) for each in found], peaks


def _bound(qubits: int, batch: int, cost: Cost, seconds: float, peaks: Peaks) -> Bound:
    arithmetic = cost.multiply_adds / peaks.multiply_adds
    tile, register = cost.tile_bytes / peaks.bytes[cost.tile_size], cost.register_bytes / peaks.bytes[cost.register_size]
    return Bound(qubits, batch, cost, seconds, arithmetic, tile, register)


def section(bounds: list[Bound], peaks: Peaks) -> Section:
    counted = ("qubits", "batch", "passes", "Gflop", "MB in tiles", "MB to registers")
    timed = ("arithmetic, ms", "tiles, ms", "registers, ms", "measured, ms", "measured / limit")
    rows = tuple(
        (
            str(bound.qubits),
            str(bound.batch),
            str(bound.cost.passes),
            number(bound.cost.multiply_adds * _FLOPS_PER_VECTOR / 1e9),
            number(bound.cost.tile_bytes / 1e6),
            number(bound.cost.register_bytes / 1e6),
            *(milliseconds(seconds) for seconds in (bound.arithmetic, bound.tile, bound.register, bound.measured)),
            number(bound.ratio),
        )
        for bound in bounds
    )
    return Section(
        "How near to the machine's limit",
        "Passes over the state, arithmetic and bytes are counted on the engine's fused program: a pass reads and writes the "
        "state, and on the way back state and co-state; a multiplication counts as a multiply-add, the instruction it takes. The "
        "limit is the longest of three times: the arithmetic at the machine's peak, and the bytes at its bandwidth over as much "
        "memory as a tile, and as a register, of state and co-state holds. Measured on all cores at once: "
        f"{_described(peaks)}. Building the gates' matrices, starting threads and Python are not in the limit; at few qubits "
        "they are what a step costs.",
        (*counted, *timed),
        rows,
        tuple(
            Mark(f"measured time / limit, {bound.qubits} qubits × batch {bound.batch}", bound.ratio, AT_MOST, at_least=False)
            for bound in bounds
            if bound.qubits == MARKED_QUBITS
        ),
    )


def _described(peaks: Peaks) -> str:
    arithmetic = f"{number(peaks.multiply_adds * _FLOPS_PER_VECTOR / 1e9)} Gflop/s in single precision"
    return ", ".join(
        [arithmetic, *(f"{number(rate / 1e9)} GB/s over {size // 1024} kB" for size, rate in sorted(peaks.bytes.items()))]
    )
