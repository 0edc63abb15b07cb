"""Bitstrings as a quantum computer gives them: a circuit, noisy or not, measured in the computational basis."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

import cirq
import numpy as np
import sympy
from numpy.typing import ArrayLike

from tfq_llm.checks import one_of, whole_number
from tfq_llm.simulation.compiled.engine import check_register
from tfq_llm.simulation.compiled.runner import Batch
from tfq_llm.simulation.compiled.tables import state_type
from tfq_llm.simulation.inputs import angles
from tfq_llm.simulation.program import compile_circuit
from tfq_llm.simulation.sampling.errors import ErrorModel, Trajectories
from tfq_llm.simulation.sampling.jumps import JumpRunner, has_jumps
from tfq_llm.simulation.sampling.randomness import generator

# Shots whose outcomes are held at once, and bytes of the states that they are drawn from.
_SHOTS_AT_ONCE, _BYTES_AT_ONCE = 2**21, 2**26


class BitstringSampler:
    """Counts of measured basis states, for batches of samples.

    Args:
        circuit: as for `SamplingEngine`: without measurements, with or without noise channels; 1 to 20 qubits.
        data_symbols: symbols whose values differ by sample.
        qubits: the register, most significant first; default: the circuit's qubits, sorted.
        dtype: "float32" or "float64", of amplitudes.

    With noise every shot takes a trajectory of its own; those that no error strikes share one simulation.

    Raises:
        InputError: a gate or argument is not supported.
    """

    def __init__(
        self,
        circuit: cirq.AbstractCircuit,
        data_symbols: Sequence[sympy.Symbol] = (),
        *,
        qubits: Sequence[cirq.Qid] | None = None,
        dtype: str = "float32",
    ) -> None:
        register = check_register(circuit, qubits)
        program = compile_circuit(circuit, register, data_symbols, (), noisy=True)
        amplitudes = np.dtype(state_type(program, one_of("dtype", dtype, ("float32", "float64"))))
        self.num_qubits, self._sites = len(register), len(program.sites)
        self._num_data = program.num_data
        self._runner = JumpRunner(program, (), amplitudes.type)
        self._states_at_once = max(1, _BYTES_AT_ONCE // (2**self.num_qubits * max(8, amplitudes.itemsize)))
        lanes = self._states_at_once if has_jumps(program) else 8192
        self._errors = ErrorModel(program.sites, lanes) if program.sites else None

    def counts(self, data: ArrayLike | None, shots: int, seed: int = 0) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Measures every sample.

        Args:
            data: [batch, num_data]; None for a circuit without symbols, which is then measured as a batch of one.
            shots: of every sample.
            seed: decides all draws, together with the data.

        Yields:
            For each sample the basis states that were seen, int64 ascending, and how often each was, int64.

        Raises:
            InputError: the data do not fit the circuit, or `shots` is not a whole number of at least 1.
        """
        shots = whole_number("shots", shots, 1)
        values, none = angles(data, None, self._num_data, 0, None)
        step = max(1, _SHOTS_AT_ONCE // shots)
        for start in range(0, len(values), step):
            batch = Batch(values[start : start + step], none)
            yield from self._measured(batch, shots, generator(seed, np.array([start]), batch.data))

    def _measured(self, batch: Batch, shots: int, rng: np.random.Generator) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Counts of a piece of the batch."""
        errors, size = self._errors, 2**self.num_qubits
        clean_share = 1.0 if errors is None else errors.clean_probability
        clean = rng.binomial(shots, clean_share, len(batch))
        drawn = [np.zeros([2, 0], np.int64)]
        if errors is not None:
            others = np.repeat(np.arange(len(batch)), shots - clean)
            for some in errors.single(others, rng, erring=clean_share > 0):
                lanes = self._runner.to_last(_lanes(batch, some), rng)
                outcomes = self._runner.last.outcomes(lanes, rng.random(len(lanes)))
                drawn.append(np.stack(np.unique(some.sample * size + outcomes, return_counts=True)))
        drawn += self._clean(batch, clean, rng)
        return _by_sample(np.concatenate(drawn, axis=1), len(batch), size)

    def _clean(self, batch: Batch, shots: np.ndarray, rng: np.random.Generator) -> Iterator[np.ndarray]:
        """Outcomes of the shots that no error strikes: [2, found], the sample · 2^n + state and how often."""
        for start in range(0, len(batch), self._states_at_once):
            sample = np.arange(start, min(start + self._states_at_once, len(batch)))
            if not shots[sample].any():
                continue
            lanes = replace(batch, data=batch.data[sample], draws=np.zeros([self._sites, len(sample)], np.uint8))
            probabilities = np.abs(self._runner.last.final_states(lanes)).astype(float) ** 2
            counts = rng.multinomial(shots[sample], probabilities / probabilities.sum(axis=1, keepdims=True))
            row, state = np.nonzero(counts)
            yield np.stack([sample[row] * 2**self.num_qubits + state, counts[row, state]])


def _lanes(batch: Batch, some: Trajectories) -> Batch:
    return replace(batch, data=batch.data[some.sample], draws=some.draws)


def _by_sample(drawn: np.ndarray, samples: int, size: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Counts added up: `drawn` is [2, found], the sample · size + state, in any order and repeated, and how often."""
    places, where = np.unique(drawn[0], return_inverse=True)
    counts = np.bincount(where, drawn[1], len(places)).astype(np.int64)
    ends = np.searchsorted(places, np.arange(samples + 1) * size)
    for sample in range(samples):
        own = slice(ends[sample], ends[sample + 1])
        yield places[own] - sample * size, counts[own]
