"""What a step of the engine must do at least, counted on its own fused program: multiply-adds, and bytes through the caches."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from benchmarks.reference import Work
from tfq_llm.simulation.compiled.engine import CompiledEngine
from tfq_llm.simulation.compiled.runner import Batch

_ROW_BYTES = 64


@dataclass(frozen=True)
class Cost:
    """Of value and gradient for a whole batch.

    Attributes:
        passes: over the state, forward; the way back has as many, over state and co-state.
        multiply_adds: vector instructions of 64 bytes. The first product of a sum counts as one too.
        tile_bytes: read and written while a tile is worked on; `tile_size` is what it holds, state and co-state.
        register_bytes: read and written where tiles are taken out of the register and put back; `register_size` likewise.
    """

    passes: int
    multiply_adds: int
    tile_bytes: int
    tile_size: int
    register_bytes: int
    register_size: int


def cost_of(engine: CompiledEngine, work: Work) -> Cost:
    """Counts what `engine.gradients` does for the work, without the building of matrices, which depends on no amplitude."""
    tables, row_bytes, lanes = _program(engine)
    register_bits, tile_bits = int(tables.sizes[0]), int(tables.sizes[1])
    rows, planes = 2**register_bits, row_bytes // _ROW_BYTES
    blocks = -(-len(work.data) // lanes)
    widths = np.where(tables.gate_width[tables.step_gate] == 4, 4, 2)
    # Forward, a row of the result is a sum of `width` products; back, so are a row of state, of co-state and of the gradient.
    products = int(widths.sum()) * 4 * rows * planes**2
    # Reading the value and writing the co-state: two products a row.
    products += 2 * 2 * rows * planes
    edges = _edges(tables, alone=register_bits == tile_bits)
    # A pass reads and writes the state, and both states on the way back: six times a row. Around them: the state is set, read for
    # the value, and read and the co-state written.
    everywhere = 6 * len(widths) * rows * row_bytes
    outside = edges * 3 * rows * row_bytes
    around = 4 * rows * row_bytes
    size = 2 * row_bytes
    return Cost(
        len(widths),
        products * blocks,
        (everywhere - outside) * blocks,
        size << tile_bits,
        (outside + around) * blocks,
        size * rows,
    )


def _edges(tables: Any, alone: bool) -> int:
    """How often a sweep reads the register or writes it: twice each. A register of one tile is worked on where it lies."""
    return 0 if alone else 2 * (len(tables.sweep_steps) - 1)


def _program(engine: CompiledEngine) -> tuple[Any, int, int]:
    """The engine's tables, and bytes and samples of a row."""
    runner = engine.runner(Batch(np.zeros([1, engine.num_data]), np.zeros(engine.num_weights)))
    return runner.tables, runner.lanes * runner.dtype.itemsize, runner.lanes
