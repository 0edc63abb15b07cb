"""Times the compiled engine against TensorFlow Quantum, other simulators and the machine: `python -m benchmarks.simulation`.

Writes a page with tables and plots. Every number on it comes from the run that wrote it.
"""

from __future__ import annotations

import logging
import os
import sys
from dataclasses import replace
from pathlib import Path
from typing import Annotated

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import typer

import tfq_llm  # noqa: F401  # before TensorFlow, so that tf.keras is Keras 2
from benchmarks import against_peers, against_tfq, fit_step, growth, limit, machine, noise_and_shots, start_up, wide
from benchmarks.plan import FULL, QUICK, Plan
from benchmarks.plots import save_plot
from benchmarks.reference import MismatchError
from benchmarks.report import Section, page

logger = logging.getLogger(__name__)

app = typer.Typer(pretty_exceptions_enable=False, add_completion=False)
_PEERS_SCRIPT = Path(__file__).with_name("peers.py")


def run(plan: Plan, output: Path, command: str, python: Path | None, script: Path, timeout: float) -> None:
    """Measures all there is, prints each section as it comes, and writes the page and its plots.

    Args:
        plan: how much.
        output: the page; its plots go into the folder of the same name beside it.
        command: what to tell the reader was run.
        python: the interpreter of the peers' environment; None leaves them out.
        script: what that interpreter runs.
        timeout: seconds a peer's process may live.

    Raises:
        MismatchError: two programs computed different things.
    """
    rows = machine.describe(command)
    sections: list[Section] = []

    def add(section: Section, place: int | None = None) -> None:
        print(section.markdown(output.stem), end="\n\n", flush=True)
        sections.insert(len(sections) if place is None else place, section)

    points = against_tfq.measure(plan)
    add(against_tfq.section(points))
    add(noise_and_shots.section(noise_and_shots.measure(plan)))
    add(wide.section(wide.measure(plan)))
    add(start_up.section(start_up.measure(plan)))
    add(fit_step.section(fit_step.measure(plan)))
    add(limit.section(*limit.measure(plan)))
    grown = growth.measure(plan)
    grown[0] = replace(grown[0], lines=grown[0].lines + against_tfq.lines(points))
    add(growth.section([(save_plot(each, output.with_suffix("")), f"Time of a step by {each.axis}") for each in grown]))
    if python is not None:  # last, for it takes longest and whatever is wrong elsewhere shows before
        meetings = against_peers.measure(plan, python, script, timeout)
        rows.append(("peers", ", ".join(against_peers.packages(meetings))))
        add(against_peers.section(meetings), place=1)
    output.parent.mkdir(parents=True, exist_ok=True)
    output.write_text(page("Performance of the simulation", rows, _notes(plan, python), sections, output.stem), encoding="utf-8")
    logger.info("wrote %s", output)


def _notes(plan: Plan, python: Path | None) -> str:
    notes = [
        "Written by `benchmarks/simulation.py`; every number comes from the run described here. A time is the shortest of the "
        f"calls in {plan.rounds} turns of {plan.burst:g} s, and what is compared took its turns with what it is compared with."
    ]
    if plan is not FULL:
        notes.append("This was a quick run: few points, few repetitions, and other sizes than the marks are meant for.")
    if python is None:
        notes.append("Other simulators were not measured: they need an environment of their own, named by `--peers`.")
    return "\n\n".join(notes)


@app.command()
def main(
    peers: Annotated[
        Path | None,
        typer.Option(metavar="PYTHON", exists=True, help="Interpreter of an environment that has the other simulators."),
    ] = None,
    peers_script: Annotated[
        Path, typer.Option(metavar="PATH", exists=True, dir_okay=False, help="What that interpreter runs.", show_default=False)
    ] = _PEERS_SCRIPT,
    peers_timeout: Annotated[float, typer.Option(metavar="SECONDS", help="How long one of them may take at one size.")] = 180.0,
    quick: Annotated[bool, typer.Option("--quick", help="A few points and repetitions: to see that everything runs.")] = False,
    output: Annotated[Path, typer.Option(metavar="FILE", help="The page to write.")] = Path("docs/performance.md"),
) -> None:
    """Time the compiled engine against TensorFlow Quantum, other simulators and the machine's limit.

    The environment of the other simulators needs: pennylane pennylane-lightning tensorcircuit-ng jax torch mindquantum qulacs.
    """
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stderr)
    command = "python -m benchmarks.simulation" + " --peers PYTHON" * (peers is not None) + " --quick" * quick
    try:
        run(QUICK if quick else FULL, output, command, peers, peers_script, peers_timeout)
    except MismatchError as error:
        print(error, file=sys.stderr)
        raise typer.Exit(1) from None


if __name__ == "__main__":
    app()
