"""What a machine's answers would be worth, and cost, before anything is sent."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import cirq
import numpy as np
from scipy.stats import binomtest

from tfq_llm.circuits.noise import ionq_noise, noisy_circuit
from tfq_llm.ionq.circuits import BoundCircuits, Size
from tfq_llm.ionq.head import MachineHead
from tfq_llm.ionq.prices import Price
from tfq_llm.progress import Progress
from tfq_llm.simulation.compiled.engine import CompiledEngine
from tfq_llm.simulation.sampling.engine import SamplingEngine

SHOTS = (10, 20, 50, 100, 200, 500, 1000, 2000, 5000)
"""At which decisions are tried."""

# Of each sentence, to find the decision of infinitely many shots.
_TRAJECTORIES = 500
NOISE = {"qpu.forte-1": "forte-1", "qpu.aria-1": "aria-1"}
"""IonQ's noise model of a target; others are taken for noiseless."""


@dataclass(frozen=True)
class Trial:
    """Decisions by a number of shots on noisy gates, means over sentences and repetitions.

    Attributes:
        accuracy: share of right decisions.
        shot_error: standard deviation of the accuracy over repetitions, sentences the same.
        changed: share of decisions that infinitely many shots would not have made.
    """

    shots: int
    accuracy: float
    shot_error: float
    changed: float


@dataclass(frozen=True)
class Forecast:
    """What is expected of a run on a machine.

    Attributes:
        rows: how many sentences were simulated.
        exact: accuracy of the circuit without noise and shots.
        noisy: with the machine's noise and infinitely many shots.
        trials: by number of shots, ascending.
    """

    rows: int
    exact: float
    noisy: float
    trials: tuple[Trial, ...]

    def fewest_shots(self, most_changed: float) -> int | None:
        """The fewest shots from which on no more than this share of decisions changes; None if these were not enough."""
        found = None
        for trial in reversed(self.trials):
            if trial.changed > most_changed:
                break
            found = trial.shots
        return found


def forecast(
    head: MachineHead,
    angles: np.ndarray,
    labels: np.ndarray,
    target: str,
    shots: Sequence[int],
    readout_error: float = 0.0,
    repetitions: int = 5,
    seed: int = 0,
) -> Forecast:
    """Simulates the reduced circuits of some sentences on a target's noise model.

    Args:
        head: the trained head.
        angles: [rows, Q].
        labels: [rows], class indices.
        target: whose noise model is taken, see `NOISE`.
        shots: numbers of shots to try.
        readout_error: the probability with which a measured qubit is read wrongly; IonQ's model has none.
        repetitions: of every number of shots.
        seed: of all draws.
    """
    circuits, observables = head.circuits(angles), head.ansatz.observables(head.num_measured)
    circuit, own, data = circuits.template, circuits.symbols, circuits.values
    model = ionq_noise(NOISE[target]) if target in NOISE else None
    noisy = noisy_circuit(circuit, model, readout=readout_error, measured=head.measured)
    is_noisy = noisy != circuit
    exact = head.classes(CompiledEngine(circuit, observables, own).values(data))
    settled = exact
    if is_noisy:
        engine = SamplingEngine(noisy, observables, own, trajectories=_TRAJECTORIES, gradient="spsa", seed=seed)
        settled = head.classes(engine.values(data))
    trials = []
    with Progress("simulating shots", len(shots) * repetitions, "repetitions") as progress:
        for count in sorted(set(shots)):
            decided = []
            engine = SamplingEngine(noisy, observables, own, shots=count, gradient="spsa")
            for repetition in range(repetitions):
                decided.append(head.classes(engine.with_seed(seed + 1 + repetition).values(data)))
                progress.update()
            right = np.mean(np.array(decided) == labels, axis=1)
            trials.append(
                Trial(count, float(right.mean()), float(right.std(ddof=1)), float(np.mean(np.array(decided) != settled)))
            )
    return Forecast(len(labels), float(np.mean(exact == labels)), float(np.mean(settled == labels)), tuple(trials))


def exact_values(circuits: BoundCircuits) -> np.ndarray:
    """Expectation values ⟨Z⟩ [rows, measured] without noise and shots."""
    engine = CompiledEngine(circuits.template, observables_of(circuits), circuits.symbols, dtype="float64")
    return engine.values(circuits.values)


def observables_of(circuits: BoundCircuits) -> list[cirq.PauliString]:
    """Z of every qubit that is measured."""
    return [cirq.Z(qubit) for qubit in cirq.LineQubit.range(circuits.measured)]


def affordable(budget: float, size: Size, price: Price, shots: int, *, mitigated: bool) -> int | None:
    """How many sentences a budget of dollars is enough for; None if they cost nothing."""
    each = size.dollars(price, shots, mitigated=mitigated)
    return math.floor(budget / each) if each else None


def interval(accuracy: float, rows: int) -> tuple[float, float]:
    """The 95 % Wilson interval around an accuracy that will be measured on so many rows."""
    found = binomtest(round(accuracy * rows), rows).proportion_ci(0.95, method="wilson")
    return float(found.low), float(found.high)
