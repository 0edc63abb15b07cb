"""A wide register: time a gate, and the memory of a step in a process that does nothing else.

    python -m benchmarks.wide --qubits 18 --batch 32

prints a line of JSON.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import psutil

from benchmarks.plan import Plan
from benchmarks.reference import engine_step, reference_work
from benchmarks.report import Mark, Section, milliseconds, number
from benchmarks.timing import seconds_of

BATCH, MEMORY_AT_MOST, TIME_AT_MOST = 32, 1024.0, 3.0
_MIB = 2**20


@dataclass(frozen=True)
class Wide:
    """Seconds a step, gates of the circuit, and MiB above the imported process at the step's peak."""

    qubits: int
    gates: int
    seconds: float
    memory: float

    @property
    def per_gate(self) -> float:
        return self.seconds / self.gates


def measure(plan: Plan) -> list[Wide]:
    """The wide step and the one it is compared with, in turns, each time in a fresh process."""
    found: dict[int, Wide] = {}
    for _ in range(min(2, plan.rounds)):
        for qubits in plan.wide_qubits:
            again = _in_process(qubits)
            before = found.get(qubits, again)
            found[qubits] = Wide(qubits, again.gates, min(before.seconds, again.seconds), min(before.memory, again.memory))
    return [found[qubits] for qubits in plan.wide_qubits]


def _in_process(qubits: int) -> Wide:
    command = [sys.executable, "-m", "benchmarks.wide", "--qubits", str(qubits), "--batch", str(BATCH)]
    result = subprocess.run(command, capture_output=True, text=True, check=True)
    return Wide(**json.loads(result.stdout))


def section(found: list[Wide]) -> Section:
    wide, narrow = found
    factor = 2 ** (wide.qubits - narrow.qubits)
    growth = wide.per_gate / (factor * narrow.per_gate)
    return Section(
        f"{wide.qubits} qubits",
        f"Value and gradient of the reference circuit at batch {BATCH}, each in a fresh process. Memory is the highest resident "
        "size of the process over its life, less its size when the engine was imported and nothing had been computed; the lower "
        "of two runs, for the first may compile the kernels.",
        ("qubits", "gates", "step, ms", "µs a gate", f"against {factor} × {narrow.qubits} qubits", "memory above import, MiB"),
        tuple(
            (
                str(each.qubits),
                str(each.gates),
                milliseconds(each.seconds),
                number(each.per_gate * 1e6),
                number(growth) if each is wide else "",
                number(each.memory),
            )
            for each in found
        ),
        (
            Mark(f"memory of {wide.qubits} qubits × batch {BATCH}", wide.memory, MEMORY_AT_MOST, " MiB", at_least=False),
            Mark(
                f"time a gate, {wide.qubits} qubits, against {factor} × that of {narrow.qubits}",
                growth,
                TIME_AT_MOST,
                at_least=False,
            ),
        ),
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--qubits", type=int, default=18)
    parser.add_argument("--batch", type=int, default=BATCH)
    given = parser.parse_args()
    imported = psutil.Process().memory_info().rss
    work = reference_work(given.qubits, given.batch)
    step = engine_step(work)
    seconds = min(seconds_of(step) for _ in range(3))
    print(json.dumps(vars(Wide(given.qubits, work.num_gates, seconds, (_peak_memory() - imported) / _MIB))))


def _peak_memory() -> int:
    """Bytes, of this program alone: what `getrusage` says includes the process that started it."""
    status = Path("/proc/self/status").read_text(encoding="utf-8")
    return 1024 * next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmHWM:"))


if __name__ == "__main__":
    main()
