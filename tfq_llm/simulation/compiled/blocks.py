"""A block of samples from angles to values and back to gradients: the one kernel that Python calls.

The layout of a thread's `work`, in rows: state, co-state, tile of the state, tile of the co-state, matrices, their gradients,
room for two factors. The rows between areas keep those that are used together from falling on the same cache sets.
"""
# mypy: disable-error-code="no-untyped-def"

from __future__ import annotations

from hashlib import sha256
from pathlib import Path
from typing import Any

import numba
import numpy as np

from tfq_llm.simulation.compiled.atomics import count_up, wait_for
from tfq_llm.simulation.compiled.first_call import kept_on_disk
from tfq_llm.simulation.compiled.kernels import apply_dense, apply_pair, undo_dense, undo_pair
from tfq_llm.simulation.compiled.matrices import build_matrices, pull_angles, pull_matrices, set_sample_waves, set_weight_waves
from tfq_llm.simulation.compiled.readout import draw_outcomes, read_values, write_costate
from tfq_llm.simulation.compiled.tables import unpack

_GAP = 5
_FACTOR = 16


def work_rows(tables, gradient):
    """Rows that `run_blocks` needs in `work`."""
    states = 2 if gradient else 1
    register, tile = 1 << int(tables.sizes[0]), 1 << int(tables.sizes[1])
    return states * (register + tile + 2 * _GAP) + states * tables.num_matrix_rows + 2 * _FACTOR


@numba.njit
def _layout(tables, lanes, gradient):
    """Offsets in `work`: from state to co-state, tile, from tile to its co-state, matrices, their gradients, room for factors."""
    register, tile = (1 << tables.sizes[0]) + _GAP, (1 << tables.sizes[1]) + _GAP
    states = 2 if gradient else 1
    products = states * (register + tile)
    matrix_rows = tables.factor_product[-1]
    return (
        register * lanes,
        states * register * lanes,
        tile * lanes,
        products * lanes,
        (products + matrix_rows) * lanes,
        (products + states * matrix_rows) * lanes,
    )


@numba.njit
def _run_chunks(
    packed,
    terms,
    lanes,
    work,
    work_reals,
    waves,
    wave_pulls,
    observable_rows,
    data,
    weights,
    draws,
    initial,
    upstream,
    values,
    final,
    uniforms,
    outcomes,
    data_gradient,
    weight_gradient,
    initial_gradient,
    first_chunk,
    last_chunk,
    done,
    parts_of_work,
):
    """Runs some of the chunks that a batch is divided into; a chunk is blocks of `lanes` samples, in order.

    Empty arrays say what is not wanted: `upstream` no gradients, `initial_gradient` none of these, `final` no final states,
    `uniforms` no outcomes.

    Args:
        packed: the tables. work, work_reals: a thread's room, and the same memory as reals. waves, wave_pulls: rows for waves
            and their gradients. observable_rows: room for a row per observable, at least one.
        data: float64 [samples, num_data]. weights: float64 [num_weights]. draws: uint8 [sites, samples].
        initial: reals [samples, 2^n · parts], complex amplitudes as pairs; empty for |0…0⟩. upstream: float64 [samples, K].
        values: float64 [samples, K], added to. final: as `initial`. uniforms: float64 [samples], to draw int64 `outcomes` by.
        done: int64 [1], counts the parts of the work that are done; the first of `parts_of_work` parts waits for the others, but
            not for long.
        data_gradient: float64 [samples, num_data]. weight_gradient: float64 [chunks, num_weights]. initial_gradient: as
            `initial`.
    """
    tables, gradient = unpack(packed), len(upstream) > 0
    other, tile, tile_other, products, pulls, factors = _layout(tables, lanes, gradient)
    rows, parts, chunks = 1 << tables.sizes[0], len(work_reals) // len(work), len(weight_gradient)
    blocks = (len(values) + lanes - 1) // lanes
    set_weight_waves(tables, lanes, waves, weights)
    struck = np.ones(len(tables.noise_sites) - 1, np.bool_)
    build_matrices(tables, lanes, work, products, factors, waves, struck, False)
    for chunk in range(first_chunk, last_chunk):
        for block in range(chunk * blocks // chunks, (chunk + 1) * blocks // chunks):
            first = block * lanes
            count = min(lanes, len(values) - first)
            set_sample_waves(tables, lanes, waves, struck, data, draws, first, count)
            build_matrices(tables, lanes, work, products, factors, waves, struck, True)
            _load_states(lanes, work_reals, rows * parts, initial, first, count)
            _forward(tables, lanes, work, tile, products)
            read_values(terms, lanes, work, 0, rows, observable_rows, values, first, count)
            _store_states(lanes, work_reals, 0, 1, final, first, count)
            draw_outcomes(lanes, work_reals[: rows * parts * lanes], rows, uniforms, outcomes, first, count)
            if gradient:
                _load_upstream(lanes, observable_rows, upstream, first, count)
                write_costate(terms, lanes, work, 0, other, rows, observable_rows)
                work_reals[parts * pulls : parts * factors] = 0
                wave_pulls[:] = 0
                _backward(tables, lanes, work, other, tile, tile_other, products, pulls)
                pull_matrices(tables, lanes, work, products, pulls, factors, factors + _FACTOR * lanes, waves, wave_pulls, struck)
                pull_angles(tables, lanes, waves, wave_pulls, data_gradient, weight_gradient[chunk], first, count)
                # The gradient by an amplitude is twice the co-state.
                _store_states(lanes, work_reals, parts * other, 2, initial_gradient, first, count)
    count_up(done)
    if first_chunk == 0:
        wait_for(done, parts_of_work)


@numba.njit
def _load_states(lanes, reals, size, initial, first, count):
    """Amplitudes of the block's samples as rows; |0…0⟩ if there are none. Other rows, and lanes without a sample, become 0."""
    reals[: size * lanes] = 0
    if not len(initial):
        for lane in range(lanes):
            reals[lane] = 1
        return
    for row in range(initial.shape[1]):
        for lane in range(count):
            reals[row * lanes + lane] = initial[first + lane, row]


@numba.njit
def _store_states(lanes, reals, start, factor, states, first, count):
    """Writes rows, times a factor, to `states` unless it is empty."""
    if len(states):
        for row in range(states.shape[1]):
            for lane in range(count):
                states[first + lane, row] = factor * reals[start + row * lanes + lane]


@numba.njit
def _load_upstream(lanes, rows, upstream, first, count):
    rows[:] = 0
    for k in range(upstream.shape[1]):
        for lane in range(count):
            rows[k * lanes + lane] = upstream[first + lane, k]


@numba.njit(inline="always")
def _origin(tables, lanes, sweep, number, fixed):
    """Where tile `number` of a sweep starts in the register."""
    row = 0
    for bit in range(fixed):
        row += (number >> bit & 1) * tables.tile_strides[sweep * fixed + bit]
    return row * lanes


@numba.njit
def _forward(tables, lanes, work, tile, products):
    bits = tables.sizes[1]
    fixed = tables.sizes[0] - bits
    alone = (len(tables.sweep_steps) - 1) << bits
    for sweep in range(len(tables.sweep_steps) - 1):
        start, end, own = tables.sweep_steps[sweep], tables.sweep_steps[sweep + 1], sweep << bits
        for number in range(1 << fixed):
            origin = _origin(tables, lanes, sweep, number, fixed)
            for step in range(start, end):
                here, rows = (tile, alone) if fixed > 0 and step > start else (origin, own)
                there, new_rows = (tile, alone) if fixed > 0 and step < end - 1 else (origin, own)
                if fixed == 0 or here == there == tile:
                    _apply(tables, lanes, work, None, here, 0, here, 0, step, number, products)
                else:
                    _apply(tables, lanes, work, tables.tile_rows, here, rows, there, new_rows, step, number, products)


@numba.njit
def _apply(tables, lanes, work, table, here, rows, there, new_rows, step, number, products):
    bits, gate, bit, twin = tables.sizes[1], tables.step_gate[step], tables.step_bit[step], tables.step_twin[step]
    matrix = products + tables.gate_matrix[gate] * lanes
    if tables.gate_width[gate] == 4:
        apply_dense(work, bits, table, here, rows, there, new_rows, bit, twin, matrix)
    else:
        first, second = _selected(tables, lanes, gate, step, number, matrix)
        apply_pair(work, bits, table, here, rows, there, new_rows, bit, twin, first, second)


@numba.njit
def _backward(tables, lanes, work, other, tile, tile_other, products, pulls):
    bits = tables.sizes[1]
    fixed = tables.sizes[0] - bits
    alone = (len(tables.sweep_steps) - 1) << bits
    for sweep in range(len(tables.sweep_steps) - 2, -1, -1):
        start, end, own = tables.sweep_steps[sweep], tables.sweep_steps[sweep + 1], sweep << bits
        for number in range(1 << fixed):
            origin = _origin(tables, lanes, sweep, number, fixed)
            for step in range(end - 1, start - 1, -1):
                inside, stays = fixed > 0 and step < end - 1, fixed > 0 and step > start
                here, rows, gap = (tile, alone, tile_other) if inside else (origin, own, other)
                there, new_rows, new_gap = (tile, alone, tile_other) if stays else (origin, own, other)
                source, target = (here, rows, gap), (there, new_rows, new_gap)
                if fixed == 0 or (inside and stays):
                    _undo(tables, lanes, work, None, source, source, step, number, products, pulls)
                else:
                    _undo(tables, lanes, work, tables.tile_rows, source, target, step, number, products, pulls)


@numba.njit
def _undo(tables, lanes, work, table, source, target, step, number, products, pulls):
    """`source` and `target`: where the tile is, where its rows are in `table`, and how much further on the co-state is."""
    (here, rows, gap), (there, new_rows, new_gap) = source, target
    bits, gate, bit, twin = tables.sizes[1], tables.step_gate[step], tables.step_bit[step], tables.step_twin[step]
    matrix, pull = products + tables.gate_matrix[gate] * lanes, pulls + tables.gate_matrix[gate] * lanes
    if tables.gate_width[gate] == 4:
        undo_dense(work, bits, table, here, rows, gap, there, new_rows, new_gap, bit, twin, matrix, pull)
    else:
        first, second = _selected(tables, lanes, gate, step, number, matrix)
        pull += first - matrix
        undo_pair(work, bits, table, here, rows, gap, there, new_rows, new_gap, bit, twin, first, second, pull)


@numba.njit(inline="always")
def _selected(tables, lanes, gate, step, number, matrix):
    """The matrices for a twin bit of 0 and of 1: the same, unless the gate selects by that bit."""
    if tables.gate_blocks[gate] == 1:
        return matrix, matrix
    if tables.step_fixed[step] < 0:
        return matrix, matrix + 4 * lanes
    chosen = matrix + 4 * lanes * (number >> tables.step_fixed[step] & 1)
    return chosen, chosen


def _with_key(sources: str, dtype: np.dtype) -> Any:
    """The kernel for one dtype of amplitudes.

    numba notices when this file has changed, but not the files it calls into; `sources`, which stands for what they hold, becomes
    part of the key that compiled code is kept under because the function closes over it. The name decides the files; with the
    dtype in it, processes that compile for different ones at the same time do not write to the same.
    """

    def run_chunks(*arguments):
        if len(sources) > 0:
            _run_chunks(*arguments)

    return kept_on_disk(run_chunks, f"run_chunks_{dtype}")


_FILES = [
    Path(__file__).with_name(f"{name}.py")
    for name in ("atomics", "blocks", "kernels", "matrices", "readout", "tables", "vectors")
]
_SOURCES = "".join(sha256(path.read_bytes()).hexdigest() for path in _FILES)

RUN_CHUNKS = {np.dtype(name): _with_key(_SOURCES, np.dtype(name)) for name in ("float32", "float64", "complex64", "complex128")}
"""`_run_chunks` by dtype of the amplitudes."""
