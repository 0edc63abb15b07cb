"""From angles to the matrices of fused gates, and gradients back from the matrices to the angles, for a block of samples.

A gate's matrix is the product of its factors; a factor is a sum of constant matrices, each times a wave (a cosine or a sine of an
angle, or the indicator of a drawn error). Products stay in `work`, so that the way back can use them.
"""
# mypy: disable-error-code="no-untyped-def"

from __future__ import annotations

import math

import numba

from tfq_llm.simulation.compiled.vectors import load, madd, madd_real, splat, store, zero


@numba.njit
def set_weight_waves(tables, lanes, waves, weights):
    """The waves that all samples share; `waves` is flat, a row per wave."""
    num_data = tables.sizes[2]
    waves[:lanes] = 1
    for angle in range(len(tables.angle_column)):
        column = tables.angle_column[angle] - num_data
        if column >= 0:
            value = tables.angle_scale[angle] * weights[column] + tables.angle_shift[angle]
            row = (1 + 2 * angle) * lanes
            waves[row : row + lanes] = math.cos(value)
            waves[row + lanes : row + 2 * lanes] = math.sin(value)


@numba.njit
def set_sample_waves(tables, lanes, waves, struck, data, draws, first, count):
    """The waves of `count` samples from row `first` of `data` and column `first` of `draws` on; angles 0 in lanes left over.

    `struck` is told at which noise sites there is an error in any of the samples; it comes with what the last block said, or
    True.
    """
    for angle in range(len(tables.angle_column)):
        column, scale, shift = tables.angle_column[angle], tables.angle_scale[angle], tables.angle_shift[angle]
        row = (1 + 2 * angle) * lanes
        if column < tables.sizes[2]:
            for lane in range(lanes):
                value = scale * data[first + lane, column] + shift if lane < count else 0.0
                waves[row + lane], waves[row + lanes + lane] = math.cos(value), math.sin(value)
    row = (1 + 2 * len(tables.angle_column)) * lanes
    for site in range(len(struck)):
        before, struck[site] = struck[site], False
        for lane in range(count):
            struck[site] |= draws[site, first + lane] != 0
        if not (before or struck[site]):
            row += lanes * (tables.noise_sites[site + 1] - tables.noise_sites[site])
            continue
        for noise in range(tables.noise_sites[site], tables.noise_sites[site + 1]):
            outcome = tables.noise_outcome[noise]
            if struck[site]:
                for lane in range(lanes):
                    drawn = draws[site, first + lane] if lane < count else 0
                    waves[row + lane] = 1.0 if drawn == outcome else 0.0
            else:
                waves[row : row + lanes] = 1.0 if outcome == 0 else 0.0
            row += lanes


@numba.njit
def build_matrices(tables, lanes, work, products, factor_row, waves, struck, varying):
    """Writes the gates' products of factors to the rows from offset `products` on: of those that vary by sample, or of the
    others.

    `factor_row` is room for one factor.
    """
    for gate in range(len(tables.gate_blocks)):
        if tables.gate_varies[gate] != varying:
            continue
        blocks, width = tables.gate_blocks[gate], tables.gate_width[gate]
        size = blocks * width**2
        start, end = tables.gate_factors[gate], tables.gate_factors[gate + 1]
        for factor in range(start, end):
            place = products + tables.factor_product[factor] * lanes
            if factor == start:
                _build_factor(tables, lanes, work, place, waves, factor, size)
            elif _is_one(tables, factor, struck):
                for entry in range(size):
                    store(work, place + entry * lanes, load(work, place + (entry - size) * lanes))
            else:
                _build_factor(tables, lanes, work, factor_row, waves, factor, size)
                _multiply(work, lanes, place, factor_row, width, 1, place - size * lanes, width, 1, blocks, width)


@numba.njit
def pull_matrices(tables, lanes, work, products, pulls, factor_row, spare_row, waves, wave_pulls, struck):
    """Adds the gradients by the waves, from those by the matrices that `undo_pair` and `undo_dense` left at offset `pulls`.

    Of U = A F B, with the gradient W by U, the factor F gets Aᵀ W Bᵀ. Nobody asks for the gradient by noise.
    """
    for gate in range(len(tables.gate_blocks)):
        blocks, width = tables.gate_blocks[gate], tables.gate_width[gate]
        size = blocks * width**2
        start, end = tables.gate_factors[gate], tables.gate_factors[gate + 1]
        pull = pulls + tables.gate_matrix[gate] * lanes
        for factor in range(end - 1, start - 1, -1):
            if not tables.factor_pulls[factor]:
                break
            if factor == start:
                _pull_factor(tables, lanes, work, pull, wave_pulls, factor, size)
                break
            if _is_one(tables, factor, struck):
                continue
            if tables.factor_site[factor] < 0:
                before = products + tables.factor_product[factor - 1] * lanes
                _multiply(work, lanes, spare_row, pull, width, 1, before, 1, width, blocks, width)
                _pull_factor(tables, lanes, work, spare_row, wave_pulls, factor, size)
            _build_factor(tables, lanes, work, factor_row, waves, factor, size)
            _multiply(work, lanes, spare_row, factor_row, 1, width, pull, width, 1, blocks, width)
            for entry in range(size):
                store(work, pull + entry * lanes, load(work, spare_row + entry * lanes))


@numba.njit
def pull_angles(tables, lanes, waves, wave_pulls, data_gradient, weight_gradient, first, count):
    """From gradients by waves to those by data (added to the samples' rows) and weights (summed over the samples)."""
    num_data = tables.sizes[2]
    for angle in range(len(tables.angle_column)):
        column, scale = tables.angle_column[angle], tables.angle_scale[angle]
        row = (1 + 2 * angle) * lanes
        total = 0.0
        for lane in range(count):
            by_cosine, by_sine = wave_pulls[row + lane], wave_pulls[row + lanes + lane]
            slope = 2.0 * scale * (waves[row + lane] * by_sine - waves[row + lanes + lane] * by_cosine)
            if column < num_data:
                data_gradient[first + lane, column] += slope
            else:
                total += slope
        if column >= num_data:
            weight_gradient[column - num_data] += total


@numba.njit(inline="always")
def _is_one(tables, factor, struck):
    """Whether the factor is noise that strikes none of the block's samples."""
    site = tables.factor_site[factor]
    return site >= 0 and not struck[site]


@numba.njit
def _build_factor(tables, lanes, work, place, waves, factor, size):
    start, end = tables.factor_terms[factor], tables.factor_terms[factor + 1]
    for entry in range(size):
        found = zero(work)
        for term in range(start, end):
            found = madd(
                splat(tables.constants, tables.term_entries[term] + entry), load(waves, tables.term_wave[term] * lanes), found
            )
        store(work, place + entry * lanes, found)


@numba.njit
def _pull_factor(tables, lanes, work, place, wave_pulls, factor, size):
    for term in range(tables.factor_terms[factor], tables.factor_terms[factor + 1]):
        row = tables.term_wave[term] * lanes
        found = load(wave_pulls, row)
        for entry in range(size):
            found = madd_real(
                splat(tables.constants, tables.term_entries[term] + entry), load(work, place + entry * lanes), found
            )
        store(wave_pulls, row, found)


@numba.njit
def _multiply(work, lanes, place, left, left_line, left_step, right, right_line, right_step, blocks, width):
    """place = left · right, block by block; a matrix with line 1 and step `width` is taken transposed."""
    for block in range(0, blocks * width * width, width * width):
        for i in range(width):
            for j in range(width):
                found = zero(work)
                for k in range(width):
                    a = left + (block + i * left_line + k * left_step) * lanes
                    b = right + (block + k * right_line + j * right_step) * lanes
                    found = madd(load(work, a), load(work, b), found)
                store(work, place + (block + i * width + j) * lanes, found)
