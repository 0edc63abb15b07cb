"""Quantum jumps: noise such as amplitude damping, whose operators strike with probabilities that depend on the state.

The program is cut at such sites. Between them it runs as any other; at a site every sample's state decides what strikes it.
"""
# mypy: disable-error-code="no-untyped-def"

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from itertools import groupby

import numba
import numpy as np
from numba import types
from numba.extending import overload

from tfq_llm.simulation.compiled.first_call import announced, kept_on_disk
from tfq_llm.simulation.compiled.runner import Batch, Runner
from tfq_llm.simulation.compiled.threads import num_threads, run_parts
from tfq_llm.simulation.pauli import PauliTerm
from tfq_llm.simulation.program import Gate, Program


def has_jumps(program: Program) -> bool:
    """Whether noise in the program strikes with probabilities that depend on the state."""
    return any(site.probabilities is None for site in program.sites)


class JumpRunner:
    """Runs a program, each sample along a trajectory of its own, to behind the last of its jump sites.

    Attributes:
        last: runs the rest, with the terms of the observables; all of the program if it has no jumps.
    """

    def __init__(self, program: Program, terms: Sequence[PauliTerm], dtype: type[np.generic]) -> None:
        self._num_qubits, self._dtype = program.num_qubits, np.dtype(dtype)
        pieces = [(jumps, tuple(gates)) for jumps, gates in groupby(program.gates, lambda gate: _is_jump(gate, program))]
        rest = () if not pieces or pieces[-1][0] else pieces.pop()[1]
        self._pieces: list[Runner | _Jumps] = [
            _Jumps(gates, program.num_qubits, self._dtype) if jumps else Runner(replace(program, gates=gates), (), dtype)
            for jumps, gates in pieces
        ]
        self.last = Runner(replace(program, gates=rest), terms, dtype)

    def to_last(self, batch: Batch, rng: np.random.Generator) -> Batch:
        """What to give `last`: the batch, with normalised states [samples, 2^n] to start from if there were jumps."""
        if not self._pieces:
            return batch
        states = batch.initial_state
        if states is None:
            states = np.zeros([len(batch), 2**self._num_qubits], self._dtype)
            states[:, 0] = 1
        for piece in self._pieces:
            if isinstance(piece, Runner):
                states = piece.final_states(replace(batch, initial_state=states))
            else:
                piece.strike(states, rng)
        return replace(batch, initial_state=states)


class _Jumps:
    """Jump sites that follow each other."""

    def __init__(self, gates: Sequence[Gate], num_qubits: int, dtype: np.dtype) -> None:
        self._dtype = dtype
        bits = [[num_qubits - 1 - qubit for qubit in gate.qubits] for gate in gates]
        # Index i of an operator has the first qubit as its most significant bit.
        offsets = [[sum(1 << bit for k, bit in enumerate(own[::-1]) if i >> k & 1) for i in range(4)] for own in bits]
        self._offsets, self._widths = np.array(offsets), np.array([2 ** len(own) for own in bits])
        self._starts = np.concatenate([[0], np.cumsum([len(gate.cosine) for gate in gates])])
        operators = np.zeros([self._starts[-1], 4, 4], complex)
        for gate, start, width in zip(gates, self._starts[:-1], self._widths, strict=True):
            operators[start : start + len(gate.cosine), :width, :width] = gate.cosine
        self._operators = (operators if np.issubdtype(dtype, np.complexfloating) else operators.real).astype(dtype)

    def strike(self, states: np.ndarray, rng: np.random.Generator) -> None:
        """At every site one operator K on every state ψ [samples, 2^n], drawn with probability |Kψ|²; normalises, in place."""
        draws, parts = rng.random([len(states), len(self._widths)]), min(num_threads(), len(states))

        def part(number: int) -> None:
            some = slice(number * len(states) // parts, (number + 1) * len(states) // parts)
            kernel(states[some], self._offsets, self._widths, self._starts, self._operators, draws[some])

        kernel = _KERNELS[self._dtype]
        with announced(kernel, self._dtype):
            run_parts(part, parts)


def _is_jump(gate: Gate, program: Program) -> bool:
    return gate.source == "noise" and program.sites[gate.index].probabilities is None


def _kernel(dtype: np.dtype):
    """`_Jumps.strike` for some samples."""
    wide = np.complex128 if np.issubdtype(dtype, np.complexfloating) else np.float64

    def strike(states, offsets, widths, starts, operators, draws):
        density = np.zeros((4, 4), wide)
        for sample in range(len(states)):
            for site in range(len(widths)):
                own, width = operators[starts[site] : starts[site + 1]], widths[site]
                if width == 2:
                    _density_of_one(states[sample], offsets[site, 1], density)
                else:
                    _density_of_two(states[sample], offsets[site], density)
                number, chance = _drawn(own, density, width, draws[sample, site])
                if width == 2:
                    _apply_to_one(states[sample], offsets[site, 1], own[number], 1 / math.sqrt(chance))
                else:
                    _apply_to_two(states[sample], offsets[site], own[number], 1 / math.sqrt(chance))

    return kept_on_disk(strike, f"strike_{dtype}")


@numba.njit
def _drawn(operators, density, width, uniform):
    """The operator that a uniform number picks, and its probability tr(K ρ K†)."""
    end = 0.0
    for operator in operators:
        end += _chance(operator, density, width)
    passed, number, chance = 0.0, 0, 0.0
    for place in range(len(operators)):
        own = _chance(operators[place], density, width)
        if own > 0 and passed <= uniform * end:
            number, chance = place, own
        passed += own
    return number, chance


@numba.njit
def _chance(operator, density, width):
    found = 0.0
    for a in range(width):
        for i in range(width):
            for j in range(width):
                found += (operator[a, i] * density[i, j] * np.conj(operator[a, j])).real
    return found


# Sums may be taken in any order, or they would not be vectorised.
@numba.njit(fastmath={"reassoc", "contract"})
def _density_of_one(state, step, density):
    """The density matrix of the qubit whose two values lie `step` amplitudes apart."""
    zero = state[0].real * 0
    clear, flipped, real, imaginary = zero, zero, zero, zero
    for high in range(0, len(state), 2 * step):
        for low in range(high, high + step):
            a, b = state[low], state[low + step]
            clear += a.real * a.real + a.imag * a.imag
            flipped += b.real * b.real + b.imag * b.imag
            real += a.real * b.real + a.imag * b.imag
            imaginary += a.imag * b.real - a.real * b.imag
    density[0, 0], density[1, 1] = clear, flipped
    density[0, 1], density[1, 0] = _number(state, real, imaginary), _number(state, real, -imaginary)


def _number(state, real, imaginary):
    """A number of the state's dtype."""


@overload(_number, inline="always")
def _compile_number(state, real, imaginary):
    if isinstance(state.dtype, types.Complex):
        return lambda state, real, imaginary: complex(real, imaginary)
    return lambda state, real, imaginary: real


@numba.njit
def _apply_to_one(state, step, operator, factor):
    k00, k01 = operator[0, 0] * factor, operator[0, 1] * factor
    k10, k11 = operator[1, 0] * factor, operator[1, 1] * factor
    for high in range(0, len(state), 2 * step):
        for low in range(high, high + step):
            a, b = state[low], state[low + step]
            state[low], state[low + step] = k00 * a + k01 * b, k10 * a + k11 * b


@numba.njit
def _density_of_two(state, offset, density):
    """The density matrix of two qubits; their value i lies offset[i] amplitudes behind 00."""
    density[:] = 0
    for row in range(len(state)):
        if row & offset[3] == 0:
            for i in range(4):
                for j in range(4):
                    density[i, j] += state[row + offset[i]] * np.conj(state[row + offset[j]])


@numba.njit
def _apply_to_two(state, offset, operator, factor):
    for row in range(len(state)):
        if row & offset[3] == 0:
            old = (state[row], state[row + offset[1]], state[row + offset[2]], state[row + offset[3]])
            for i in range(4):
                state[row + offset[i]] = factor * (
                    operator[i, 0] * old[0] + operator[i, 1] * old[1] + operator[i, 2] * old[2] + operator[i, 3] * old[3]
                )


_KERNELS = {np.dtype(name): _kernel(np.dtype(name)) for name in ("float32", "float64", "complex64", "complex128")}
