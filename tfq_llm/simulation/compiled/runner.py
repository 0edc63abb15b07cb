"""Calls the machine code: a program's tables for one dtype of amplitudes, and room for each thread."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from itertools import accumulate

import numpy as np

from tfq_llm.simulation.compiled.blocks import RUN_CHUNKS, work_rows
from tfq_llm.simulation.compiled.first_call import announced
from tfq_llm.simulation.compiled.memory import check_memory, workspace
from tfq_llm.simulation.compiled.readout import build_terms
from tfq_llm.simulation.compiled.tables import build_tables, pack
from tfq_llm.simulation.compiled.threads import num_threads, run_parts
from tfq_llm.simulation.compiled.vectors import lanes_of, real_type
from tfq_llm.simulation.pauli import PauliTerm
from tfq_llm.simulation.program import Program

# The sums of a gradient are formed in at most this many parts, whatever the number of threads, and added in order.
_CHUNKS = 64
# Roughly, in nanoseconds: what a fused gate takes for a block of samples, and for each row of it; forward only, or both ways.
_GATE, _ROW = {False: 60.0, True: 150.0}, {False: 0.8, True: 2.5}
# What a thread should have to do: waking it, and building the matrices that all samples share once more, take nearly as long.
_WORTH_A_THREAD = 100_000.0
# What the kernel is given for what there is none of.
_NOTHING, _NO_UNIFORMS, _NO_OUTCOMES = np.zeros([0, 0]), np.zeros(0), np.zeros(0, np.int64)


@dataclass(frozen=True)
class Batch:
    """What a program is run on, checked.

    Attributes:
        data: float64 [samples, num_data].
        weights: float64 [num_weights].
        initial_state: [samples, 2^n] in the precision of the amplitudes, real or complex; None for |0…0⟩.
        draws: uint8 [noise sites, samples]; [0, 0] for a program without noise.
    """

    data: np.ndarray
    weights: np.ndarray
    initial_state: np.ndarray | None = None
    draws: np.ndarray = field(default_factory=lambda: np.zeros([0, 0], np.uint8))

    def __len__(self) -> int:
        return len(self.data)


@dataclass(frozen=True)
class Gradients:
    """Values, and the gradients of Σ upstream · values.

    Attributes:
        values: [batch, K].
        data: [batch, num_data].
        weights: [num_weights], summed over the batch.
        initial_state: [batch, 2^n]; None if there was none. By a complex amplitude a + bi it is ∂/∂a + i ∂/∂b.
    """

    values: np.ndarray
    data: np.ndarray
    weights: np.ndarray
    initial_state: np.ndarray | None


class Runner:
    """A program compiled for amplitudes of one dtype, with the terms of K observables.

    Attributes:
        tables: the fused program.
        dtype: of the amplitudes.
        lanes: samples in a row.
    """

    def __init__(self, program: Program, terms: Sequence[PauliTerm], dtype: type[np.generic]) -> None:
        self.tables, self._where = build_tables(program, dtype)
        self._terms = build_terms([_moved(term, self._where) for term in terms], int(self.tables.sizes[0]), dtype)
        self._num_qubits, self._num_observables = program.num_qubits, 1 + max((term.row for term in terms), default=-1)
        self.dtype, self._real = np.dtype(dtype), real_type(dtype)
        self.lanes = lanes_of(dtype)
        self._packed, self._nothing = pack(self.tables), np.zeros([0, 0], self._real)
        self._ends = [self._room(gradient) for gradient in (False, True)]

    def _room(self, gradient: bool) -> list[int]:
        """Where a thread's room ends, in reals: for the kernel's work, the waves, their gradients, the observables."""
        work = work_rows(self.tables, gradient) * (self.dtype.itemsize // self._real.itemsize)
        rows = (work, self.tables.num_waves, self.tables.num_waves, max(1, self._num_observables))
        return [self.lanes * place for place in accumulate(rows)]

    def values(self, batch: Batch) -> np.ndarray:
        """Expectation values, float64 [samples, K]."""
        return self._run(batch).values

    def final_states(self, batch: Batch) -> np.ndarray:
        """Amplitudes [samples, 2^n]. SWAPs, which elsewhere only rename qubits, are carried out."""
        # Whoever asks for states makes something of them that is as large.
        check_memory(self._num_qubits, 0, 0, 2 * len(batch) * 2**self._num_qubits * self.dtype.itemsize)
        found = np.empty([len(batch), 2**self._num_qubits], self.dtype)
        self._run(batch, final=found.view(self._real))
        return _in_order(found, self._where)

    def gradients(self, batch: Batch, upstream: np.ndarray) -> Gradients:
        """Values and gradients, in float64 but for that by the initial state; `upstream` is float64 [samples, K]."""
        return self._run(batch, upstream)

    def outcomes(self, batch: Batch, uniforms: np.ndarray) -> np.ndarray:
        """A measurement of every sample: the basis state, int64 [samples], that a uniform number in [0, 1) of its own picks."""
        found = np.zeros(len(batch), np.int64)
        self._run(batch, uniforms=uniforms, outcomes=found)
        return _outcomes_in_order(found, self._where)

    def _run(
        self,
        batch: Batch,
        upstream: np.ndarray | None = None,
        final: np.ndarray | None = None,
        uniforms: np.ndarray | None = None,
        outcomes: np.ndarray | None = None,
    ) -> Gradients:
        nothing, gradient = self._nothing, upstream is not None
        states = nothing if batch.initial_state is None else batch.initial_state.view(self._real)
        chunks = min(_CHUNKS, -(-len(batch) // self.lanes))
        threads = self._threads(chunks, len(batch), gradient)
        work_end, waves_end, pulls_end, end = self._ends[gradient]
        check_memory(
            self._num_qubits,
            threads,
            end * self._real.itemsize,
            2 * states.nbytes if gradient else 0,  # once more in the dtype that was given
        )
        values, by_data = np.zeros([len(batch), self._num_observables]), np.zeros(batch.data.shape)
        by_weights, by_states = np.zeros([chunks, len(batch.weights)]), np.empty_like(states) if gradient else nothing
        kernel, done = RUN_CHUNKS[self.dtype], np.zeros(1, np.int64)

        def part(number: int) -> None:
            with workspace(end, self._real) as room:
                kernel(
                    self._packed,
                    self._terms,
                    self.lanes,
                    room[:work_end].view(self.dtype),
                    room[:work_end],
                    room[work_end:waves_end],
                    room[waves_end:pulls_end],
                    room[pulls_end:],
                    batch.data,
                    batch.weights,
                    batch.draws,
                    states,
                    _NOTHING if upstream is None else upstream,
                    values,
                    nothing if final is None else final,
                    _NO_UNIFORMS if uniforms is None else uniforms,
                    _NO_OUTCOMES if outcomes is None else outcomes,
                    by_data,
                    by_weights,
                    by_states,
                    number * chunks // threads,
                    (number + 1) * chunks // threads,
                    done,
                    threads,
                )

        with announced(kernel, self.dtype):
            run_parts(part, threads, lambda: done[0] == threads)
        by_initial = None if batch.initial_state is None else by_states.view(batch.initial_state.dtype)
        return Gradients(values, by_data, by_weights[0] if chunks == 1 else by_weights.sum(axis=0), by_initial)

    def _threads(self, chunks: int, samples: int, gradient: bool) -> int:
        blocks, gates = -(-samples // self.lanes), len(self.tables.step_gate)
        work = blocks * gates * (_GATE[gradient] + _ROW[gradient] * 2**self._num_qubits)
        return max(1, min(num_threads(), chunks, int(work / _WORTH_A_THREAD)))


def _moved(term: PauliTerm, where: Sequence[int]) -> PauliTerm:
    """The term on the register whose qubit q has gone to where[q]."""
    size = len(where)

    def moved(mask: int) -> int:
        return sum(1 << (size - 1 - where[qubit]) for qubit in range(size) if mask >> (size - 1 - qubit) & 1)

    return replace(term, flip=moved(term.flip), sign=moved(term.sign))


def _in_order(states: np.ndarray, where: Sequence[int]) -> np.ndarray:
    """States [samples, 2^n] of the register whose qubit q has gone to where[q], with the qubits in their places again."""
    if list(where) == sorted(where):
        return states
    split = states.reshape(len(states), *[2] * len(where))
    return np.ascontiguousarray(split.transpose(0, *(1 + place for place in where))).reshape(states.shape)


def _outcomes_in_order(outcomes: np.ndarray, where: Sequence[int]) -> np.ndarray:
    """Basis states of the register whose qubit q has gone to where[q], with the qubits in their places again."""
    if list(where) == sorted(where):
        return outcomes
    last = len(where) - 1
    return np.sum([(outcomes >> (last - place) & 1) << (last - qubit) for qubit, place in enumerate(where)], axis=0)
