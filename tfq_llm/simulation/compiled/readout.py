"""What is read off the final states of a block: expectation values, and the co-states they pull back to.

A term maps the basis state r to factor · (−1)^(number of ones in r and sign) · |r xor flip⟩; an observable is a sum of terms.
"""
# mypy: disable-error-code="no-untyped-def"

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numba
import numpy as np

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
from tfq_llm.simulation.pauli import PauliTerm

# Sums in single precision are moved into double-precision ones this often.
_RUN = 256


class Terms(NamedTuple):
    """The terms of all observables: which observable each belongs to, its masks over amplitude indices, and its factor."""

    row: np.ndarray
    flip: np.ndarray
    sign: np.ndarray
    factor: np.ndarray


def build_terms(terms: Sequence[PauliTerm], dtype: type[np.generic]) -> Terms:
    """The terms for states of `dtype`. One with an imaginary factor, of an odd number of Ys, is worth 0 in a real state."""
    is_complex = np.issubdtype(dtype, np.complexfloating)
    kept = [term for term in terms if is_complex or not term.factor.imag]
    factors = np.array([term.factor for term in kept], dtype=complex)
    row, flip, sign = (np.array([getattr(term, name) for term in kept], dtype=int) for name in ("row", "flip", "sign"))
    return Terms(row, flip, sign, (factors if is_complex else factors.real).astype(dtype))


@numba.njit
def read_values(terms, lanes, work, state, rows, sums, values, first, count):
    """Adds expectation values to `values` [samples, K], float64; `sums` is room for a row of reals."""
    for term in range(len(terms.row)):
        flip, sign = terms.flip[term], terms.sign[term]
        factor = splat(terms.factor, term)
        for start in range(0, rows, _RUN):
            found = zero(sums)
            for row in range(start, min(start + _RUN, rows)):
                overlap = madd_conj(load(work, state + (row ^ flip) * lanes), load(work, state + row * lanes), zero(work))
                found = madd_real(negated_if(factor, odd_parity(row & sign)), overlap, found)
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
            factor = negated_if(splat(terms.factor, term), odd_parity(source & terms.sign[term]))
            mapped = madd(factor, load(work, state + source * lanes), zero(work))
            found = madd(mapped, load(upstream, terms.row[term] * lanes), found)
        store(work, costate + row * lanes, found)
