"""Room for the kernels: kept from call to call, and refused before it would not fit."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from tfq_llm.errors import InputError
from tfq_llm.simulation.compiled.limits import available_memory
from tfq_llm.simulation.compiled.vectors import aligned

# Rooms up to this size are kept, so many of them.
_KEEP, _COUNT = 64 * 2**20, 8
_CHECK = 64 * 2**20

# A list's append and pop are atomic. Not thread-local: TensorFlow's threads are new ones to Python at every call.
_kept: list[np.ndarray] = []


@contextmanager
def workspace(count: int, dtype: Any) -> Iterator[np.ndarray]:
    """Uninitialised room [count] of a dtype; memory that was used before, if there is some, which is faster than fresh memory."""
    size = count * np.dtype(dtype).itemsize
    try:
        room = _kept.pop()
    except IndexError:
        room = np.zeros(0, np.uint8)
    if len(room) < size:
        room = aligned(size, np.uint8)
    try:
        yield room[:size].view(dtype)
    finally:
        if len(room) <= _KEEP and len(_kept) < _COUNT:
            _kept.append(room)


def check_memory(num_qubits: int, threads: int, size: int, results: int) -> None:
    """Refuses work that does not fit into memory.

    Args:
        num_qubits: what to name in the message.
        threads: how many threads will each take `size` bytes.
        results: bytes of what is computed.

    Raises:
        InputError: less than that is available; says how much is needed.
    """
    needed = threads * size + results
    if needed > _CHECK and needed > (available := available_memory()):
        raise InputError(
            f"a simulation of {num_qubits} qubits on {max(1, threads)} threads needs {needed / 2**20:,.0f} MiB of memory and "
            f"{available / 2**20:,.0f} MiB are available: use fewer qubits, fewer threads (set_num_threads) or dtype='float32'."
        )
