"""How long a new process takes until it has its first gradient, when an earlier one has compiled the kernels."""

from __future__ import annotations

import subprocess
import sys
import time
from dataclasses import dataclass

from benchmarks.plan import Plan
from benchmarks.report import Mark, Section, number
from tfq_llm.progress import Progress

QUBITS, BATCH, AT_MOST = 4, 32, 2.0
# What a process does before it tells the time. The second is the part that no user of Cirq can do without.
_GRADIENT = f"from benchmarks.reference import engine_step, reference_work; engine_step(reference_work({QUBITS}, {BATCH}))()"
_CIRQ = "import cirq"


@dataclass(frozen=True)
class StartUp:
    """Seconds to the first gradient of a fresh process, and to the end of `import cirq` in another; the shortest of `runs`."""

    runs: int
    gradient: float
    cirq: float


def measure(plan: Plan) -> StartUp:
    """Both processes in turns, behind one that leaves the kernels on disk."""
    _seconds_until(_GRADIENT)
    with Progress("start of a process", plan.starts, "rounds") as progress:
        rounds = []
        for _ in range(plan.starts):
            rounds.append((_seconds_until(_GRADIENT), _seconds_until(_CIRQ)))
            progress.update()
    return StartUp(plan.starts, *map(min, zip(*rounds, strict=True)))


def _seconds_until(code: str) -> float:
    """From just before a fresh process starts to the moment it is done with the code; what it does at its end is not counted."""
    command = [sys.executable, "-c", f"{code}; import time; print(time.time())"]
    start = time.time()
    result = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    return float(result.stdout) - start


def section(found: StartUp) -> Section:
    return Section(
        "Start of a process",
        "A fresh process, behind one that compiled the kernels and left them on disk, imports the engine, builds the reference "
        f"circuit on {QUBITS} qubits and computes value and gradient at batch {BATCH}. Counted from before the process is there, "
        f"Python's own start included; the least of {found.runs} runs, in turns with a process that does nothing but "
        "`import cirq`.",
        ("first gradient, s", "`import cirq` alone, s", "all else, s"),
        ((number(found.gradient), number(found.cirq), number(found.gradient - found.cirq)),),
        (Mark("second process to its first gradient", found.gradient, AT_MOST, " s", at_least=False),),
    )
