"""Finite shots and gate noise: expectation values as estimates, with gradients to train through."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Sequence

import cirq
import numpy as np
import sympy
from numpy.typing import ArrayLike

from tfq_llm.checks import flag, one_of, real_number, whole_number
from tfq_llm.errors import InputError
from tfq_llm.execution import GRADIENTS
from tfq_llm.simulation.compiled.engine import check_register
from tfq_llm.simulation.compiled.runner import Batch, Gradients, Runner
from tfq_llm.simulation.compiled.tables import state_type
from tfq_llm.simulation.inputs import angles, upstream_factors
from tfq_llm.simulation.pauli import Observable, pauli_terms
from tfq_llm.simulation.program import Program, compile_circuit
from tfq_llm.simulation.sampling.evaluators import ShotEvaluator, TrajectoryEvaluator
from tfq_llm.simulation.sampling.gradients import parameter_shift, simultaneous_perturbation
from tfq_llm.simulation.sampling.jumps import has_jumps
from tfq_llm.simulation.sampling.measurement import Estimate
from tfq_llm.simulation.sampling.occurrences import occurrences
from tfq_llm.simulation.sampling.randomness import generator


class SamplingEngine:
    """Expectation values of observables as a quantum computer gives them: from a finite number of shots, from noisy gates, or
    both.

    The same inputs and seed give the same estimate; for independent repetitions give other seeds.

    Args:
        circuit: as for `CompiledEngine`; with noise channels if `trajectories` is given, or `shots`.
        observables: K Pauli strings or sums.
        data_symbols: symbols whose values differ by sample.
        weight_symbols: symbols whose values the batch shares.
        shots: S. The final state is measured exactly S times; all diagonal observables share these shots, and those that do not
            commute with them get S more in a basis of their own. With noise, every shot takes a trajectory of its own.
        trajectories: T. A noisy circuit becomes T circuits per sample in which noise struck here and there at random, and values
            are means of their exact values. Needed for noise without shots; with shots it is what adjoint gradients are made of.
        gradient: "adjoint", the exact gradient of the circuit without shots (of the same trajectories, for a noisy one);
            "parameter-shift", from evaluations at shifted angles, two of them for every occurrence of a symbol in a gate with two
            eigenvalues; "spsa", from two evaluations in all, with all symbols moved at random.
        seed: decides all draws, together with the values of data and weights: fresh ones at every step of a training, the
            same ones in the same step.
        fixed: True for the same draws at every step.
        spsa_step: how far "spsa" moves the symbols, in their own units: radians for `cirq.ry(symbol)`.
        qubits: the register, most significant first; default: the circuit's qubits, sorted.
        dtype: "float32" or "float64", of amplitudes and results.

    Noise that is a mixture of unitaries (depolarizing, bit and phase flips, phase damping, any Pauli channel) takes all
    gradients. Amplitude damping, reset and other channels are simulated by quantum jumps, whose probabilities depend on the
    angles, so they take "parameter-shift" and "spsa" only.

    Raises:
        InputError: an argument is out of its range or does not go with the others; and by calls, as `CompiledEngine` does.
    """

    def __init__(
        self,
        circuit: cirq.AbstractCircuit,
        observables: Sequence[Observable],
        data_symbols: Sequence[sympy.Symbol] = (),
        weight_symbols: Sequence[sympy.Symbol] = (),
        *,
        shots: int | None = None,
        trajectories: int | None = None,
        gradient: str = "adjoint",
        seed: int = 0,
        fixed: bool = False,
        spsa_step: float = 0.1,
        qubits: Sequence[cirq.Qid] | None = None,
        dtype: str = "float32",
    ) -> None:
        self.dtype = np.dtype(one_of("dtype", dtype, ("float32", "float64")))
        self.gradient = one_of("gradient", gradient, GRADIENTS)
        self.shots = None if shots is None else whole_number("shots", shots, 1)
        self.trajectories = None if trajectories is None else whole_number("trajectories", trajectories, 1)
        self.seed, self.fixed, self.spsa_step = (
            whole_number("seed", seed, 0),
            flag("fixed", fixed),
            real_number("spsa_step", spsa_step),
        )
        if not 0 < self.spsa_step < math.inf:
            raise InputError(f"spsa_step must be a finite number greater than 0, not {spsa_step!r}.")
        register = check_register(circuit, qubits)
        self._program = compile_circuit(circuit, register, data_symbols, weight_symbols, noisy=True)
        self._terms = pauli_terms(observables, register)
        self.num_qubits, self.num_observables = len(register), len(observables)
        self._check_arguments()
        # All is made here: the first call may come from several threads at once, or from a forked child.
        self._evaluator = self._make_evaluator(self._program)
        self._adjoint = self._make_adjoint() if self.gradient == "adjoint" else None
        if self._adjoint is None:
            self._occurrences = occurrences(self._program)
            self._shifted = self._occurrences.shifted() if self.gradient == "parameter-shift" else None
            self._occurrence_evaluator = self._make_evaluator(self._occurrences.program)

    def _check_arguments(self) -> None:
        noisy = bool(self._program.sites)
        if self.shots is None and self.trajectories is None:
            raise InputError("give shots, trajectories, or both: without them nothing is sampled, and CompiledEngine does that.")
        if not noisy and self.trajectories is not None:
            raise InputError("trajectories are for circuits with noise channels, and this one has none: leave them out.")
        if self.gradient == "adjoint" and noisy and self.trajectories is None:
            raise InputError("the adjoint gradient of a noisy circuit is a mean over trajectories: say how many.")
        if self.gradient == "adjoint" and has_jumps(self._program):
            jump = next(site.operation for site in self._program.sites if site.probabilities is None)
            raise InputError(
                f"{jump} is not a mixture of unitary gates: it is simulated by quantum jumps, which have no adjoint gradient. "
                "Use gradient='parameter-shift' or 'spsa'."
            )

    def with_seed(self, seed: int) -> SamplingEngine:
        """The same engine with other draws; nothing is compiled again.

        Raises:
            InputError: the seed is not a whole number of at least 0.
        """
        other = copy.copy(self)
        other.seed = whole_number("seed", seed, 0)
        if self._adjoint is not None:  # the adjoint gradient draws too
            other._adjoint = other._make_adjoint()
        return other

    def estimate(self, data: ArrayLike | None = None, weights: ArrayLike | None = None) -> Estimate:
        """Expectation values [batch, K] and their standard errors, for data [batch, num_data] and weights [num_weights]."""
        batch = self._batch(data, weights)
        found = self._evaluator.estimate(batch, self._rng(batch, "values"))
        return Estimate(found.values.astype(self.dtype), found.standard_errors.astype(self.dtype))

    def values(self, data: ArrayLike | None = None, weights: ArrayLike | None = None) -> np.ndarray:
        """Expectation values [batch, K]."""
        return self.estimate(data, weights).values

    def gradients(
        self, data: ArrayLike | None = None, weights: ArrayLike | None = None, upstream: ArrayLike | None = None
    ) -> Gradients:
        """Values, and the gradients of Σ upstream · values; `upstream` is [batch, K], by default all ones."""
        if self._adjoint is not None and self.shots is None:
            found = self._adjoint(*self._with_upstream(data, weights, upstream))
            values, by_data, by_weights = (each.astype(self.dtype) for each in (found.values, found.data, found.weights))
        else:
            values = self.values(data, weights)
            by_data, by_weights = self.gradients_alone(data, weights, upstream)
        return Gradients(values, by_data, by_weights, None)

    def gradients_alone(
        self, data: ArrayLike | None = None, weights: ArrayLike | None = None, upstream: ArrayLike | None = None
    ) -> tuple[np.ndarray, np.ndarray]:
        """The gradients by data and by weights; values, which may cost shots of their own, are not estimated for them."""
        batch, factors = self._with_upstream(data, weights, upstream)
        if self._adjoint is not None:
            found = self._adjoint(batch, factors)
            by_data, by_weights = found.data, found.weights
        else:
            by_data, by_weights = self._from_evaluations(batch, factors)
        return by_data.astype(self.dtype), by_weights.astype(self.dtype)

    def _with_upstream(
        self, data: ArrayLike | None, weights: ArrayLike | None, upstream: ArrayLike | None
    ) -> tuple[Batch, np.ndarray]:
        batch = self._batch(data, weights)
        return batch, upstream_factors(upstream, len(batch), self.num_observables)

    def _from_evaluations(self, batch: Batch, upstream: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        rng, common = self._rng(batch, "gradient"), self._occurrence_evaluator.common_draws

        def evaluate(angles: np.ndarray) -> np.ndarray:
            own = self._rng(batch, "values") if common else rng
            return self._occurrence_evaluator.estimate(Batch(angles, np.zeros(0)), own).values

        if self._shifted is None:
            moves = self._rng(batch, "moves")
            return simultaneous_perturbation(
                self._occurrences, batch.data, batch.weights, upstream, evaluate, self.spsa_step, moves
            )
        unshifted = self._occurrences.angles(batch.data, batch.weights)
        by_angles = parameter_shift(self._shifted, unshifted, upstream, evaluate, one_shift_at_a_time=common)
        return self._occurrences.pull(by_angles)

    def _make_evaluator(self, program: Program) -> ShotEvaluator | TrajectoryEvaluator:
        if self.shots is not None:
            return ShotEvaluator(program, self._terms, self.dtype.name, self.shots)
        assert self.trajectories is not None
        return TrajectoryEvaluator(program, self._terms, self.dtype.name, self.trajectories)

    def _make_adjoint(self) -> Callable[[Batch, np.ndarray], Gradients]:
        if not self._program.sites:
            return Runner(self._program, self._terms, state_type(self._program, self.dtype.name)).gradients
        assert self.trajectories is not None
        evaluator = TrajectoryEvaluator(self._program, self._terms, self.dtype.name, self.trajectories)
        # Without shots, of the very trajectories that the values are means of.
        purpose = "values" if self.shots is None else "gradient"
        return lambda batch, upstream: evaluator.gradients(batch, upstream, self._rng(batch, purpose))

    def _rng(self, batch: Batch, purpose: str) -> np.random.Generator:
        inputs = () if self.fixed else (batch.data, batch.weights)
        return generator(self.seed, np.frombuffer(purpose.encode(), np.uint8), *inputs)

    def _batch(self, data: ArrayLike | None, weights: ArrayLike | None) -> Batch:
        return Batch(*angles(data, weights, self._program.num_data, self._program.num_weights, None))
