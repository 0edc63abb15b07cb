"""The passes over a tile: one fused gate applied to the state, or undone on the state and its co-state.

A tile is 2^bits rows of the register, the rest of its qubits fixed. `work` is one flat array that holds all a thread works on; a
row is named by its offset there, so that a gate can read rows that lie far apart in the register and write them side by side,
or the other way round: moving into a tile and out of it is part of its first and last gate, not a pass of its own. Row r of a
tile is read table[rows + r] rows behind origin, and written table[new_rows + r] rows behind new_origin. The table is linear in
the bits of r; None stands for a tile whose rows lie side by side and are changed in place. The co-state of a row lies `other`
(written: `new_other`) further on.

A gate's matrix is rows of `work` too, one per entry, so every sample may have a matrix of its own. Undoing a gate U, from the
state ψ and the co-state λ behind it, adds Σ conj(λ_i) ψ_j, with ψ now before the gate, to the rows at `pull`: the gradient
by U_ij.

Types are left to numba: the same code runs in single and double precision, on real and on complex vectors.
"""
# mypy: disable-error-code="no-untyped-def"

from __future__ import annotations

import numba
from numba import types
from numba.extending import overload

from tfq_llm.simulation.compiled.vectors import lane_count, load, madd, madd_conj, plus, store, zero


@numba.njit(inline="always")
def _with_gap(index, place):
    """The number with a bit 0 put in at `place`."""
    low = index & ((1 << place) - 1)
    return ((index ^ low) << 1) | low


def _place(table, rows, row):
    """Where row `row` of a tile is, in rows."""
    return row if table is None else table[rows + row]


@overload(_place, inline="always")
def _compile_place(table, rows, row):
    if isinstance(table, types.NoneType):
        return lambda table, rows, row: row
    return lambda table, rows, row: table[rows + row]


@numba.njit
def apply_pair(work, bits, table, origin, rows, new_origin, new_rows, bit, twin, first, second):
    """A matrix of 2 × 2 on tile bit `bit`: the one at `first` where bit `twin` is 0, the one at `second` where it is 1."""
    none, lanes = zero(work), lane_count(work)
    u00, u01, u10, u11 = (
        load(work, first),
        load(work, first + lanes),
        load(work, first + 2 * lanes),
        load(work, first + 3 * lanes),
    )
    v00, v01, v10, v11 = (
        load(work, second),
        load(work, second + lanes),
        load(work, second + 2 * lanes),
        load(work, second + 3 * lanes),
    )
    low, high = min(bit, twin), max(bit, twin)
    step, new_step = _place(table, rows, 1 << bit) * lanes, _place(table, new_rows, 1 << bit) * lanes
    skip, new_skip = _place(table, rows, 1 << twin) * lanes, _place(table, new_rows, 1 << twin) * lanes
    for quad in range(1 << (bits - 2)):
        row = _with_gap(_with_gap(quad, low), high)
        a, b = origin + _place(table, rows, row) * lanes, new_origin + _place(table, new_rows, row) * lanes
        x0, x1 = load(work, a), load(work, a + step)
        y0, y1 = load(work, a + skip), load(work, a + skip + step)
        store(work, b, madd(u01, x1, madd(u00, x0, none)))
        store(work, b + new_step, madd(u11, x1, madd(u10, x0, none)))
        store(work, b + new_skip, madd(v01, y1, madd(v00, y0, none)))
        store(work, b + new_skip + new_step, madd(v11, y1, madd(v10, y0, none)))


@numba.njit
def undo_pair(work, bits, table, origin, rows, other, new_origin, new_rows, new_other, bit, twin, first, second, pull):
    """The inverse of `apply_pair`; the second matrix's gradient goes four rows behind the first's if they differ."""
    where = (bits, table, origin, rows, other, new_origin, new_rows, new_other, bit, twin)
    _undo_half(work, *where, 0, first, pull)
    _undo_half(work, *where, 1, second, pull + second - first)


@numba.njit
def _undo_half(work, bits, table, origin, rows, other, new_origin, new_rows, new_other, bit, twin, half, matrix, pull):
    """The rows whose bit `twin` is `half`. One half at a time keeps all matrix entries and sums in registers."""
    none, lanes = zero(work), lane_count(work)
    u00, u01, u10, u11 = (
        load(work, matrix),
        load(work, matrix + lanes),
        load(work, matrix + 2 * lanes),
        load(work, matrix + 3 * lanes),
    )
    g00, g01, g10, g11 = none, none, none, none
    low, high = min(bit, twin), max(bit, twin)
    step, new_step = _place(table, rows, 1 << bit) * lanes, _place(table, new_rows, 1 << bit) * lanes
    for pair in range(1 << (bits - 2)):
        row = _with_gap(_with_gap(pair, low), high) | (half << twin)
        a, b = origin + _place(table, rows, row) * lanes, new_origin + _place(table, new_rows, row) * lanes
        x0, x1 = load(work, a), load(work, a + step)
        l0, l1 = load(work, a + other), load(work, a + other + step)
        y0 = madd_conj(u10, x1, madd_conj(u00, x0, none))
        y1 = madd_conj(u11, x1, madd_conj(u01, x0, none))
        store(work, b, y0)
        store(work, b + new_step, y1)
        g00, g01, g10, g11 = madd_conj(l0, y0, g00), madd_conj(l0, y1, g01), madd_conj(l1, y0, g10), madd_conj(l1, y1, g11)
        store(work, b + new_other, madd_conj(u10, l1, madd_conj(u00, l0, none)))
        store(work, b + new_other + new_step, madd_conj(u11, l1, madd_conj(u01, l0, none)))
    store(work, pull, plus(load(work, pull), g00))
    store(work, pull + lanes, plus(load(work, pull + lanes), g01))
    store(work, pull + 2 * lanes, plus(load(work, pull + 2 * lanes), g10))
    store(work, pull + 3 * lanes, plus(load(work, pull + 3 * lanes), g11))


@numba.njit
def apply_dense(work, bits, table, origin, rows, new_origin, new_rows, bit, twin, matrix):
    """A matrix of 4 × 4 on tile bits `bit` (the more significant one of its indices) and `twin`."""
    lanes = lane_count(work)
    low, high = min(bit, twin), max(bit, twin)
    step, new_step = _place(table, rows, 1 << bit) * lanes, _place(table, new_rows, 1 << bit) * lanes
    skip, new_skip = _place(table, rows, 1 << twin) * lanes, _place(table, new_rows, 1 << twin) * lanes
    for quad in range(1 << (bits - 2)):
        row = _with_gap(_with_gap(quad, low), high)
        a, b = origin + _place(table, rows, row) * lanes, new_origin + _place(table, new_rows, row) * lanes
        x0, x1, x2, x3 = load(work, a), load(work, a + skip), load(work, a + step), load(work, a + step + skip)
        store(work, b, _line(work, matrix, x0, x1, x2, x3))
        store(work, b + new_skip, _line(work, matrix + 4 * lanes, x0, x1, x2, x3))
        store(work, b + new_step, _line(work, matrix + 8 * lanes, x0, x1, x2, x3))
        store(work, b + new_step + new_skip, _line(work, matrix + 12 * lanes, x0, x1, x2, x3))


@numba.njit
def undo_dense(work, bits, table, origin, rows, other, new_origin, new_rows, new_other, bit, twin, matrix, pull):
    """The inverse of `apply_dense`."""
    lanes = lane_count(work)
    low, high = min(bit, twin), max(bit, twin)
    step, new_step = _place(table, rows, 1 << bit) * lanes, _place(table, new_rows, 1 << bit) * lanes
    skip, new_skip = _place(table, rows, 1 << twin) * lanes, _place(table, new_rows, 1 << twin) * lanes
    for quad in range(1 << (bits - 2)):
        row = _with_gap(_with_gap(quad, low), high)
        a, b = origin + _place(table, rows, row) * lanes, new_origin + _place(table, new_rows, row) * lanes
        x0, x1, x2, x3 = load(work, a), load(work, a + skip), load(work, a + step), load(work, a + step + skip)
        y0, y1 = _column(work, matrix, x0, x1, x2, x3), _column(work, matrix + lanes, x0, x1, x2, x3)
        y2, y3 = (
            _column(work, matrix + 2 * lanes, x0, x1, x2, x3),
            _column(work, matrix + 3 * lanes, x0, x1, x2, x3),
        )
        store(work, b, y0)
        store(work, b + new_skip, y1)
        store(work, b + new_step, y2)
        store(work, b + new_step + new_skip, y3)
        a, b = a + other, b + new_other
        x0, x1, x2, x3 = load(work, a), load(work, a + skip), load(work, a + step), load(work, a + step + skip)
        _add_line(work, pull, x0, y0, y1, y2, y3)
        _add_line(work, pull + 4 * lanes, x1, y0, y1, y2, y3)
        _add_line(work, pull + 8 * lanes, x2, y0, y1, y2, y3)
        _add_line(work, pull + 12 * lanes, x3, y0, y1, y2, y3)
        store(work, b, _column(work, matrix, x0, x1, x2, x3))
        store(work, b + new_skip, _column(work, matrix + lanes, x0, x1, x2, x3))
        store(work, b + new_step, _column(work, matrix + 2 * lanes, x0, x1, x2, x3))
        store(work, b + new_step + new_skip, _column(work, matrix + 3 * lanes, x0, x1, x2, x3))


@numba.njit(inline="always")
def _line(work, line, x0, x1, x2, x3):
    """Σ_j U_ij x_j, the line i of the matrix starting at `line`."""
    lanes = lane_count(work)
    found = madd(load(work, line + lanes), x1, madd(load(work, line), x0, zero(work)))
    return madd(load(work, line + 3 * lanes), x3, madd(load(work, line + 2 * lanes), x2, found))


@numba.njit(inline="always")
def _column(work, column, x0, x1, x2, x3):
    """Σ_i conj(U_ij) x_i, the column j of the matrix starting at `column`."""
    lanes = lane_count(work)
    found = madd_conj(load(work, column + 4 * lanes), x1, madd_conj(load(work, column), x0, zero(work)))
    return madd_conj(load(work, column + 12 * lanes), x3, madd_conj(load(work, column + 8 * lanes), x2, found))


@numba.njit(inline="always")
def _add_line(work, line, x, y0, y1, y2, y3):
    """Adds conj(x) y_j to the line's entries."""
    lanes = lane_count(work)
    store(work, line, madd_conj(x, y0, load(work, line)))
    store(work, line + lanes, madd_conj(x, y1, load(work, line + lanes)))
    store(work, line + 2 * lanes, madd_conj(x, y2, load(work, line + 2 * lanes)))
    store(work, line + 3 * lanes, madd_conj(x, y3, load(work, line + 3 * lanes)))
