"""A noisy step and a sampled step against TensorFlow Quantum's."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np

from benchmarks.plan import Plan
from benchmarks.reference import MismatchError, Work, reference_work
from benchmarks.report import Mark, Section, milliseconds, number
from benchmarks.tfq_steps import noisy_step, sampled_step
from benchmarks.timing import best_of, seconds_of
from tfq_llm.circuits.noise import depolarizing, noisy_circuit
from tfq_llm.progress import Progress
from tfq_llm.simulation.compiled.runner import Gradients
from tfq_llm.simulation.sampling.engine import SamplingEngine

QUBITS, BATCH, PROBABILITY = 4, 16, 0.01
NOISY_AT_LEAST, SHOTS_AT_LEAST = 1000.0, 50.0
# The gradient by a datum is a sum of as many slopes, each at most 1 in size.
_UPLOADS = 2
# Seconds of further steps of TensorFlow Quantum.
_PATIENCE = 10.0


@dataclass(frozen=True)
class Estimate:
    """Seconds of a step of the engine and of TensorFlow Quantum, with as many trajectories or shots."""

    what: str
    repetitions: int
    engine: float
    tfq: float
    at_least: float

    @property
    def ratio(self) -> float:
        return self.tfq / self.engine


def noisy_work(batch: int = BATCH) -> Work:
    """The reference work with a depolarizing channel behind every gate, on each of its qubits: what both programs can run."""
    work = reference_work(QUBITS, batch)
    return replace(work, circuit=noisy_circuit(work.circuit, depolarizing(PROBABILITY, PROBABILITY, per_qubit=True)))


def noisy_engine_step(work: Work, trajectories: int) -> Callable[[], Gradients]:
    """A call is one step of the engine over trajectories, differentiated by the adjoint method."""
    return _engine_step(work, trajectories=trajectories, gradient="adjoint")


def shots_engine_step(work: Work, shots: int) -> Callable[[], Gradients]:
    """A call is one step of the engine with shots and parameter shift."""
    return _engine_step(work, shots=shots, gradient="parameter-shift")


def _engine_step(work: Work, **sampling: Any) -> Callable[[], Gradients]:
    engine = SamplingEngine(work.circuit, [work.observable], work.data_symbols, work.weight_symbols, **sampling)
    return partial(engine.gradients, work.data, work.weights)


def measure(plan: Plan) -> list[Estimate]:
    """Both; raises MismatchError if the estimates are further apart than chance allows."""
    noisy, exact = noisy_work(), reference_work(QUBITS, BATCH)
    with Progress("noise and shots against TensorFlow Quantum", 2, "steps") as progress:
        engine, reference = noisy_engine_step(noisy, plan.trajectories), noisy_step(noisy, plan.trajectories)
        found = [_meet("trajectories", plan.trajectories, engine, reference, NOISY_AT_LEAST, plan)]
        progress.update(note=f"{number(found[0].ratio)}×")
        engine, reference = shots_engine_step(exact, plan.shots), sampled_step(exact, plan.shots)
        found.append(_meet("shots", plan.shots, engine, reference, SHOTS_AT_LEAST, plan))
        progress.update(note=f"{number(found[1].ratio)}×")
    return found


def _meet(
    what: str, repetitions: int, engine: Callable[[], Gradients], tfq: Callable[[], Gradients], at_least: float, plan: Plan
) -> Estimate:
    """In turns; after its first step, TensorFlow Quantum has no more of them than fit into some seconds."""
    kept: list[Gradients] = []
    ours, theirs = best_of(engine, plan.burst), seconds_of(lambda: kept.append(tfq()))
    check_estimates(engine(), kept[0], repetitions, what)
    end = time.perf_counter() + _PATIENCE
    for _ in range(plan.rounds - 1):
        ours = min(ours, best_of(engine, plan.burst))
        if time.perf_counter() + theirs < end:
            theirs = min(theirs, seconds_of(tfq))
    return Estimate(what, repetitions, ours, theirs, at_least)


def check_estimates(ours: Gradients, theirs: Gradients, repetitions: int, what: str) -> None:
    """Raises MismatchError if two independent estimates differ by more than twice the largest standard error they can have.

    A value has a variance of at most 1 a repetition. So has parameter shift's slope by one gate; an exact slope of a trajectory
    is at most 1 in size. The gradient by a weight is a sum over the batch, of independent estimates.
    """
    by_slope = 2 * np.sqrt((_UPLOADS + _UPLOADS**2) / repetitions)
    bounds = (2 * np.sqrt(2 / repetitions), by_slope, by_slope * np.sqrt(len(ours.data)))
    for name, bound in zip(("values", "data", "weights"), bounds, strict=True):
        difference = float(np.sqrt(np.mean((getattr(ours, name) - getattr(theirs, name)) ** 2)))
        if not difference <= bound:
            raise MismatchError(
                f"the engine and TensorFlow Quantum disagree with {repetitions} {what}: {name} by {difference:.3g} (root mean "
                f"square), and {bound:.3g} would be much already."
            )


def section(found: list[Estimate]) -> Section:
    return Section(
        "Noise and shots",
        f"Value and gradient of the reference circuit on {QUBITS} qubits at batch {BATCH}. Noisy: a depolarizing channel of "
        f"{PROBABILITY:g} behind every gate on each of its qubits; the engine differentiates each trajectory by the "
        "adjoint method, `tfq.layers.NoisyControlledPQC` has parameter shift. Shots: both by parameter shift, against "
        "`tfq.layers.SampledExpectation`. A step of TensorFlow Quantum that takes longer than a few seconds was made once, at "
        "the number of repetitions shown. Values and gradients agree within what their repetitions allow.",
        ("", "repetitions", "engine, ms", "TFQ, ms", "×"),
        tuple(
            (each.what, str(each.repetitions), milliseconds(each.engine), milliseconds(each.tfq), number(each.ratio))
            for each in found
        ),
        tuple(
            Mark(f"TFQ with {each.repetitions} {each.what}, {QUBITS} qubits × batch {BATCH}", each.ratio, each.at_least)
            for each in found
        ),
    )
