"""Value and gradient against what a user would pick instead, each peer in a process of its own, in turns with the engine."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path

from benchmarks.peer_process import PeerFailedError, PeerProcess, digest_of
from benchmarks.peers import PEERS
from benchmarks.plan import Plan
from benchmarks.reference import Digest, engine_step, reference_work
from benchmarks.report import Mark, Section, milliseconds, number, verdict
from benchmarks.timing import best_of
from tfq_llm.progress import Progress

AT_LEAST, AT_10_32 = 10.0, 20.0
# Seconds that the turns of one peer at one point may take, after its first.
_PATIENCE = 20.0


@dataclass(frozen=True)
class Meeting:
    """One peer at one point: seconds a step of it and of the engine in the same turns; or why there are none.

    Attributes:
        first: seconds until its first result.
        packages: names and versions.
    """

    peer: str
    qubits: int
    batch: int
    seconds: float = float("inf")
    engine: float = float("inf")
    first: float = float("nan")
    packages: tuple[str, ...] = ()
    failed: str = ""

    @property
    def ratio(self) -> float:
        return self.seconds / self.engine

    @property
    def bound(self) -> float:
        return AT_10_32 if (self.qubits, self.batch) == (10, 32) else AT_LEAST


def measure(plan: Plan, python: Path, script: Path, timeout: float) -> list[Meeting]:
    """Every peer at every point; raises MismatchError if results differ."""
    grid = [(qubits, batch, peer) for qubits in plan.peer_qubits for batch in plan.batches for peer in PEERS]
    meetings = []
    with Progress("against peers", len(grid), "runs") as progress:
        for qubits, batch, peer in grid:
            try:
                with PeerProcess(python, script, peer, qubits, batch, timeout) as process:
                    meetings.append(_meet(process, peer, qubits, batch, plan))
            except PeerFailedError as error:
                meetings.append(Meeting(peer, qubits, batch, failed=str(error)))
            said = meetings[-1].failed or f"{number(meetings[-1].ratio)}×"
            progress.update(note=f"{peer}, {qubits} qubits, batch {batch}: {said}")
    return meetings


def _meet(process: PeerProcess, peer: str, qubits: int, batch: int, plan: Plan) -> Meeting:
    line = process.first()
    step = engine_step(reference_work(qubits, batch))
    Digest.of(step()).check(digest_of(line), peer, f"{qubits} qubits, batch {batch}")
    theirs, ours = line["ms"] / 1e3, best_of(step, plan.burst)
    end = time.perf_counter() + _PATIENCE
    for _ in range(plan.rounds - 1):
        turn = process.again() if time.perf_counter() < end else None
        if turn is None:
            break
        theirs, ours = min(theirs, turn / 1e3), min(ours, best_of(step, plan.burst))
    return Meeting(peer, qubits, batch, theirs, ours, line["first_s"], tuple(line.get("packages", ())))


def packages(meetings: list[Meeting]) -> list[str]:
    """Names and versions of all that the peers ran on."""
    return sorted({package for meeting in meetings for package in meeting.packages})


def fastest(meetings: list[Meeting]) -> list[Meeting]:
    """The peer that comes nearest to the engine, at every point where one gave a result."""
    finished = [meeting for meeting in meetings if not meeting.failed]
    points = dict.fromkeys((meeting.qubits, meeting.batch) for meeting in finished)
    return [min((m for m in finished if (m.qubits, m.batch) == point), key=lambda m: m.ratio) for point in points]


def section(meetings: list[Meeting]) -> Section:
    points = fastest(meetings)
    header = ("qubits", "batch", "engine, ms", *(f"{peer}, ms" for peer in PEERS), "× fastest", "mark", "holds")
    rows = tuple(_row(point, meetings) for point in points)
    failures = [f"{m.peer} at {m.qubits} × {m.batch}: {m.failed}" for m in meetings if m.failed]
    compiling = {m.peer: max(o.first for o in meetings if o.peer == m.peer and not o.failed) for m in meetings if not m.failed}
    longest = ", ".join(f"{peer} {number(seconds)} s" for peer, seconds in compiling.items())
    return Section(
        "Against other simulators",
        "The same work, each peer in a process of its own; the engine is measured in turns with each of them, and a ratio is of "
        "times from the same turns (the engine's time shown is that beside the fastest peer). Their compilation is not counted; "
        f"the longest time until a first result was: {longest}."
        + (f" Without a result: {'; '.join(failures)}." if failures else ""),
        header,
        rows,
        _marks(points),
    )


def _row(point: Meeting, meetings: list[Meeting]) -> tuple[str, ...]:
    here = {m.peer: m for m in meetings if (m.qubits, m.batch) == (point.qubits, point.batch)}
    return (
        str(point.qubits),
        str(point.batch),
        milliseconds(point.engine),
        *(milliseconds(here[peer].seconds) for peer in PEERS),
        number(point.ratio),
        f"{point.bound:g}",
        verdict(point.ratio >= point.bound),
    )


def _marks(points: list[Meeting]) -> tuple[Mark, ...]:
    marks = []
    for bound, what in ((AT_LEAST, "fastest peer; lowest ratio"), (AT_10_32, "fastest peer")):
        among = [point for point in points if point.bound == bound]
        if among:
            worst = min(among, key=lambda point: point.ratio)
            marks.append(Mark(f"{what}, {worst.peer} at {worst.qubits} qubits × batch {worst.batch}", worst.ratio, bound))
    return tuple(marks)
