"""Expectation values of a program estimated by trajectories, by shots, or by shots that each take a trajectory of their own."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np

from tfq_llm.simulation.compiled.runner import Batch, Gradients
from tfq_llm.simulation.compiled.tables import state_type
from tfq_llm.simulation.pauli import PauliTerm
from tfq_llm.simulation.program import Program
from tfq_llm.simulation.sampling.errors import ErrorModel, Trajectories
from tfq_llm.simulation.sampling.jumps import JumpRunner, has_jumps
from tfq_llm.simulation.sampling.measurement import Basis, Estimate, bases

# Bytes of final states that are held at once.
_STATES_AT_ONCE = 2**26


class TrajectoryEvaluator:
    """Exact expectation values of trajectories, averaged.

    Args:
        program: with at least one noise site.
        terms: of K observables.
        precision: "float32" or "float64".
        trajectories: T ≥ 1, of every sample.
    """

    # With the same draws on both sides of a shift, the parameter-shift gradient of every trajectory is exact.
    common_draws = True

    def __init__(self, program: Program, terms: Sequence[PauliTerm], precision: str, trajectories: int) -> None:
        self._runner = JumpRunner(program, terms, state_type(program, precision))
        self._errors = ErrorModel(program.sites, _lanes_at_once(program, precision))
        self._count, self._num_observables = trajectories, 1 + max(term.row for term in terms)

    def estimate(self, batch: Batch, rng: np.random.Generator) -> Estimate:
        """The mean over trajectories; the standard error (nan for one with errors) leaves aside what stratification gains."""
        mean, total, squares = np.zeros([3, len(batch), self._num_observables])
        share, count = np.zeros([2, len(batch), 1])
        for some in self._errors.trajectories(len(batch), self._count, rng):
            found = self._runner.last.values(self._runner.to_last(_lanes(batch, some), rng))
            erring = ~some.clean
            weighted = some.weight[:, None] * found
            np.add.at(mean, some.sample, weighted)
            for sums, terms in (
                (total, found),
                (squares, found**2),
                (share, some.weight[:, None]),
                (count, np.ones([len(found), 1])),
            ):
                np.add.at(sums, some.sample[erring], terms[erring])
        return Estimate(mean, share * np.sqrt(_variance_of_mean(total, squares, count)))

    def gradients(self, batch: Batch, upstream: np.ndarray, rng: np.random.Generator) -> Gradients:
        """Values and gradients of Σ upstream · values, each trajectory's by the adjoint method; for programs without jumps."""
        values, by_data = np.zeros([len(batch), self._num_observables]), np.zeros(batch.data.shape)
        by_weights = np.zeros(len(batch.weights))
        for some in self._errors.trajectories(len(batch), self._count, rng):
            weight = some.weight[:, None]
            found = self._runner.last.gradients(_lanes(batch, some), weight * upstream[some.sample])
            np.add.at(values, some.sample, weight * found.values)
            np.add.at(by_data, some.sample, found.data)
            by_weights += found.weights
        return Gradients(values, by_data, by_weights, None)


class ShotEvaluator:
    """Every sample measured S times in each basis that the observables need; with noise, every shot takes its own trajectory.

    Args:
        program: with or without noise sites.
        terms: of K observables.
        precision: "float32" or "float64".
        shots: S ≥ 1.
    """

    common_draws = False

    def __init__(self, program: Program, terms: Sequence[PauliTerm], precision: str, shots: int) -> None:
        self._shots, self._num_observables = shots, 1 + max(term.row for term in terms)
        self._at_once, self._sites = _states_at_once(program, precision), len(program.sites)
        self._errors = ErrorModel(program.sites, _lanes_at_once(program, precision)) if program.sites else None
        self._bases = [
            (basis, JumpRunner(basis.measured(program), (), state_type(basis.measured(program), precision)))
            for basis in bases(terms, program.num_qubits, self._num_observables)
        ]

    def estimate(self, batch: Batch, rng: np.random.Generator) -> Estimate:
        """Means over shots, and their standard errors (nan for a single shot)."""
        values, variances = np.zeros([2, len(batch), self._num_observables])
        for basis, runner in self._bases:
            total, squares = np.zeros([2, len(batch), self._num_observables])
            for sample, found in self._measured(batch, basis, runner, rng):
                for sums, own in zip((total, squares), found, strict=True):
                    np.add.at(sums, sample, own)
            values += total / self._shots
            variances += _variance_of_mean(total, squares, np.full([len(batch), 1], float(self._shots)))
        return Estimate(values, np.sqrt(variances))

    def _measured(
        self, batch: Batch, basis: Basis, runner: JumpRunner, rng: np.random.Generator
    ) -> Iterator[tuple[np.ndarray, tuple[np.ndarray, np.ndarray]]]:
        """Samples, and what they add to the sums of the observables and of their squares."""
        everyone = np.arange(len(batch))
        clean = np.full(len(batch), self._shots)
        if self._errors is not None:
            clean = rng.binomial(self._shots, self._errors.clean_probability, len(batch))
            others = np.repeat(everyone, self._shots - clean)
            for some in self._errors.single(others, rng, erring=self._errors.clean_probability > 0):
                lanes = runner.to_last(_lanes(batch, some), rng)
                outcomes = runner.last.outcomes(lanes, rng.random(len(lanes)))
                yield some.sample, (basis.worth[outcomes], basis.squares[outcomes])
        for start in range(0, len(batch), self._at_once):
            sample = everyone[start : start + self._at_once]
            if clean[sample].any():
                lanes = replace(batch, data=batch.data[sample], draws=np.zeros([self._sites, len(sample)], np.uint8))
                probabilities = np.abs(runner.last.final_states(lanes)) ** 2
                yield sample, basis.sums(probabilities.astype(float), clean[sample], rng)


def _lanes(batch: Batch, some: Trajectories) -> Batch:
    return replace(batch, data=batch.data[some.sample], draws=some.draws)


def _states_at_once(program: Program, precision: str) -> int:
    return max(1, _STATES_AT_ONCE // (2**program.num_qubits * np.dtype(state_type(program, precision)).itemsize))


def _lanes_at_once(program: Program, precision: str) -> int:
    """Trajectories in one piece: with jumps their states leave the kernel."""
    return _states_at_once(program, precision) if has_jumps(program) else 8192


def _variance_of_mean(total: np.ndarray, squares: np.ndarray, count: np.ndarray) -> np.ndarray:
    """Of `count` draws with these sums and sums of squares, the estimated variance of their mean; nan for fewer than two."""
    with np.errstate(invalid="ignore", divide="ignore"):
        spread = np.maximum(squares / count - (total / count) ** 2, 0) / (count - 1)
    return np.where(count > 1, spread, np.nan)
