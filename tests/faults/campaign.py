"""Every fault of the service, in every phase, with and without kills: what must hold is that nothing is lost, doubled or hangs.

`python -m tests.faults.campaign` runs all of it; `make faults` also writes docs/reliability.md.
"""

from __future__ import annotations

import argparse
import functools
import gc
import json
import logging
import os
import re
import select
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

# Before numpy is imported: the runner forks, and threads do not come along.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

from tests.faults import cases as catalogue
from tests.faults.cases import Case
from tests.faults.page import page, summary
from tests.faults.runner import Outcome, Runner, forked
from tests.support import kept_or_temporary
from tfq_llm.ionq.emulator import machine
from tfq_llm.ionq.worker_environment import worker_python
from tfq_llm.progress import Progress

RUNNERS = 10
"""Cases at once: they mostly wait."""

Told = Callable[[Outcome], object]


def run(chosen: Sequence[Case], directory: Path, told: Told, runners: int = RUNNERS) -> list[Outcome]:
    """Runs cases in processes, which take the next one when they are done with one. Call it while no threads run.

    Args:
        chosen: which.
        directory: for their run directories.
        told: is told of every outcome.
        runners: how many at once.

    Returns:
        Outcomes in the order of the cases. One whose runner died is an outcome that did not pass.
    """
    if any(case.version == "v0.4" for case in chosen):
        worker_python()  # made once, not by all at once within their bounds
    if 4 * len(chosen) > _PIPE:
        raise ValueError(f"at most {_PIPE // 4} cases, not {len(chosen)}")
    waiting, outcomes = os.pipe(), os.pipe()
    os.write(waiting[1], b"".join(place.to_bytes(4, "big") for place in range(len(chosen))))
    os.close(waiting[1])
    os.waitpid(forked(_compile_kernels), 0)  # once, not by all stand-ins at once within the bounds; and no threads stay behind
    gc.collect()
    gc.freeze()  # else every process that is forked copies what its collector looks at
    work = functools.partial(_run_waiting, chosen, directory, waiting[0], outcomes[1])
    pids = [forked(work) for _ in range(min(runners, len(chosen)))]
    os.close(waiting[0])
    os.close(outcomes[1])
    found = {}
    try:
        for outcome in _read(outcomes[0], len(chosen), pids):
            found[outcome.number] = outcome
            told(outcome)
    finally:
        os.close(outcomes[0])
        for pid in pids:
            with suppress(ChildProcessError):
                os.waitpid(pid, 0)
    missing = "its runner died"
    return [found.get(case.number) or Outcome(case.number, crashed=1, notes=[missing]) for case in chosen]


def _compile_kernels() -> int:
    machine.prepare()
    return 0


# What a pipe holds at least on Linux.
_PIPE = 65536


def _run_waiting(chosen: Sequence[Case], directory: Path, waiting: int, outcomes: int) -> int:
    """What a runner does: reads a case's place, runs it, writes the outcome."""
    runner = Runner(directory)
    try:
        while place := os.read(waiting, 4):
            outcome = runner.run(chosen[int.from_bytes(place, "big")])
            outcome.notes = [note[:400] for note in outcome.notes[:5]]
            # Shorter than what a pipe takes in one piece.
            os.write(outcomes, json.dumps(outcome.to_json()).encode() + b"\n")
    finally:
        runner.close()
    return 0


def _read(outcomes: int, count: int, pids: Sequence[int]) -> Iterator[Outcome]:
    """Outcomes as they come, until all are there or no runner is left."""
    text, left, running = b"", count, set(pids)
    while left:
        if not select.select([outcomes], [], [], 1.0)[0]:
            running = {pid for pid in running if os.waitpid(pid, os.WNOHANG)[0] == 0}
            if not running:
                return
            continue
        read = os.read(outcomes, _PIPE)
        if not read:
            return
        text += read
        *lines, text = text.split(b"\n")
        for line in lines:
            left -= 1
            yield Outcome(**json.loads(line))


def main(arguments: Sequence[str] | None = None) -> int:
    options = _options(arguments)
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stderr)
    chosen = _chosen(options)
    began = time.monotonic()
    with (
        kept_or_temporary(options.keep, "tfq-llm-faults-") as directory,
        Progress("fault campaign", len(chosen), "cases") as progress,
    ):
        by_number = {case.number: case for case in chosen}
        failures: list[Outcome] = []

        def told(outcome: Outcome) -> None:
            progress.update(1, f"{len(failures)} failed")
            if not outcome.passed:
                failures.append(outcome)
                print(f"{by_number[outcome.number].text}: {'; '.join(outcome.notes)}", file=sys.stderr)

        outcomes = run(chosen, directory, told, options.runners)
    seconds = time.monotonic() - began
    print(summary(chosen, outcomes, seconds))
    if options.report:
        options.report.write_text(json.dumps(_report(chosen, outcomes)), encoding="utf-8")
    if options.write:
        command = f"python -m tests.faults.campaign{' --fast' * options.fast}"
        options.write.write_text(page(chosen, outcomes, seconds, command), encoding="utf-8")
    return 0 if all(outcome.passed for outcome in outcomes) else 1


def _report(chosen: Sequence[Case], outcomes: Sequence[Outcome]) -> list[dict[str, Any]]:
    return [
        {"case": case.to_json(), "text": case.text, "passed": outcome.passed, "outcome": outcome.to_json()}
        for case, outcome in zip(chosen, outcomes, strict=True)
    ]


def _chosen(options: argparse.Namespace) -> list[Case]:
    parts = []
    if options.fast:
        parts += catalogue.fast()
    if options.fast_worker:
        parts += catalogue.fast_worker()
    if options.mutants:
        parts += catalogue.mutants()
    parts = parts or catalogue.whole()
    return [case for case in parts if re.search(options.only, case.text)]


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--fast", action="store_true", help="the part of API v0.3 that is run with the tests")
    parser.add_argument("--fast-worker", action="store_true", help="the part of API v0.4")
    parser.add_argument("--mutants", action="store_true", help="clients broken on purpose, which have to be found out")
    parser.add_argument("--only", default="", metavar="REGEX", help="cases whose description it is found in")
    parser.add_argument("--runners", type=int, default=RUNNERS, help=f"cases at once (default {RUNNERS})")
    parser.add_argument("--write", type=Path, metavar="FILE", help="the page of results")
    parser.add_argument("--report", type=Path, metavar="FILE", help="every outcome, as JSON")
    parser.add_argument("--keep", type=Path, metavar="DIRECTORY", help="where run directories are, and stay")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main())
