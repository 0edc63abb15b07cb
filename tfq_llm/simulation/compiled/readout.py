"""What is read off the final states of a block: expectation values, and the co-states they pull back to.

A term maps the basis state r to factor · (−1)^(number of ones in r and sign) · |r xor flip⟩; an observable is a sum of terms.
Terms of an observable with the same flip are read in one pass, by a table of what they add up to for every r.
"""
# mypy: disable-error-code="no-untyped-def"

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numba
import numpy as np

from tfq_llm.simulation.compiled.memory import check_memory
from tfq_llm.simulation.compiled.vectors import (
    load,
    madd,
    madd_conj,
    madd_real,
    negated_if,
    odd_parity,
    splat,
    store,
    zero,
)
from tfq_llm.simulation.pauli import PauliTerm, signs

# Sums in single precision are moved into double-precision ones this often.
_RUN = 256
# All tables together; what goes beyond that is read term by term.
_TABLE_BYTES = 2**28


class Terms(NamedTuple):
    """The terms of all observables: which observable each belongs to, its masks over amplitude indices, and its factor.

    `table` is where the term's table starts in `tables`, which then stands for sign and factor; −1 if it has none.
    """

    row: np.ndarray
    flip: np.ndarray
    sign: np.ndarray
    factor: np.ndarray
    table: np.ndarray
    tables: np.ndarray


def build_terms(terms: Sequence[PauliTerm], num_qubits: int, dtype: type[np.generic]) -> Terms:
    """The terms for states of `dtype`. One with an imaginary factor, of an odd number of Ys, is worth 0 in a real state."""
    is_complex = np.issubdtype(dtype, np.complexfloating)
    kept: dict[tuple[int, int], list[PauliTerm]] = {}
    for term in terms:
        if is_complex or not term.factor.imag:
            kept.setdefault((term.row, term.flip), []).append(term)
    size = 2**num_qubits * np.dtype(dtype).itemsize
    groups = list(kept.values())
    together = [group for group in groups if len(group) > 1][: _TABLE_BYTES // size]
    # Tables are summed up in double precision, one at a time.
    check_memory(num_qubits, 1, 3 * 2**num_qubits * 16, len(together) * size)
    alone = [term for group in groups if group not in together for term in group]
    firsts = [group[0] for group in together] + alone
    row, flip, sign = (np.array([getattr(term, name) for term in firsts], dtype=int) for name in ("row", "flip", "sign"))
    factors = np.array([term.factor for term in firsts], dtype=complex)
    table = np.array([number * 2**num_qubits for number in range(len(together))] + [-1] * len(alone), dtype=int)
    tables = np.empty([len(together), 2**num_qubits], dtype)
    for number, group in enumerate(together):
        tables[number] = _table(group, num_qubits, is_complex)
    return Terms(row, flip, sign, (factors if is_complex else factors.real).astype(dtype), table, tables.ravel())


def _table(terms: Sequence[PauliTerm], num_qubits: int, is_complex: bool) -> np.ndarray:
    """Σ factor · (−1)^(number of ones in r and sign), [2^n]."""
    found = np.zeros(2**num_qubits, complex if is_complex else float)
    for term in terms:
        found += (term.factor if is_complex else term.factor.real) * signs(term.sign, num_qubits)
    return found


@numba.njit(inline="always")
def _factor(terms, term, row):
    if terms.table[term] >= 0:
        return splat(terms.tables, terms.table[term] + row)
    return negated_if(splat(terms.factor, term), odd_parity(row & terms.sign[term]))


@numba.njit
def read_values(terms, lanes, work, state, rows, sums, values, first, count):
    """Adds expectation values to `values` [samples, K], float64; `sums` is room for a row of reals."""
    for term in range(len(terms.row)):
        flip = terms.flip[term]
        for start in range(0, rows, _RUN):
            found = zero(sums)
            for row in range(start, min(start + _RUN, rows)):
                overlap = madd_conj(load(work, state + (row ^ flip) * lanes), load(work, state + row * lanes), zero(work))
                found = madd_real(_factor(terms, term, row), overlap, found)
            store(sums, 0, found)
            for lane in range(count):
                values[first + lane, terms.row[term]] += sums[lane]


@numba.njit
def write_costate(terms, lanes, work, state, costate, rows, upstream):
    """λ = Σ_k upstream_k · observable_k ψ; `upstream` is flat, a row of reals per observable."""
    for row in range(rows):
        found = zero(work)
        for term in range(len(terms.row)):
            source = row ^ terms.flip[term]
            mapped = madd(_factor(terms, term, source), load(work, state + source * lanes), zero(work))
            found = madd(mapped, load(upstream, terms.row[term] * lanes), found)
        store(work, costate + row * lanes, found)


@numba.njit
def draw_outcomes(lanes, reals, rows, uniforms, outcomes, first, count):
    """Measures every sample once: the first basis state at which its cumulated probability passes its uniform number.

    `reals` holds the state's rows, a complex one as its real and its imaginary part; nothing is drawn without `uniforms`.
    """
    if not len(uniforms):
        return
    parts = len(reals) // (rows * lanes)
    passed, target = np.zeros(lanes), np.zeros(lanes)
    found = np.zeros(lanes, np.int64)
    for place in range(0, rows * parts * lanes, lanes):
        for lane in range(lanes):
            target[lane] += np.float64(reals[place + lane]) ** 2
    for lane in range(count):
        target[lane] *= uniforms[first + lane]
    for row in range(0, rows * parts * lanes, parts * lanes):
        for place in range(row, row + parts * lanes, lanes):
            for lane in range(lanes):
                passed[lane] += np.float64(reals[place + lane]) ** 2
        for lane in range(lanes):
            found[lane] += passed[lane] <= target[lane]
    for lane in range(count):
        outcomes[first + lane] = min(found[lane], rows - 1)
