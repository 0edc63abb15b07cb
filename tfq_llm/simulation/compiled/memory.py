"""Room for the kernels: kept by each thread from call to call, and refused before it would not fit."""

from __future__ import annotations

import threading
from typing import Any

import numpy as np
import psutil

from tfq_llm.errors import InputError
from tfq_llm.simulation.compiled.vectors import aligned

# Rooms up to this size are kept; larger ones go back to the system after a call.
_KEEP = 256 * 2**20
_CHECK = 64 * 2**20

_kept = threading.local()


def workspace(count: int, dtype: Any) -> np.ndarray:
    """Uninitialised room [count] of a dtype; the calling thread gets the same memory again next time, if it is not too large."""
    size = count * np.dtype(dtype).itemsize
    kept = getattr(_kept, "room", None)
    if kept is None or len(kept) < size:
        kept = aligned(size, np.uint8)
        _kept.room = kept if size <= _KEEP else None
    return kept[:size].view(dtype)


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
    if needed > _CHECK and needed > (available := psutil.virtual_memory().available):
        raise InputError(
            f"a simulation of {num_qubits} qubits on {threads} threads needs {needed / 2**30:.1f} GiB of memory and "
            f"{available / 2**30:.1f} GiB are available: use fewer qubits, fewer threads (set_num_threads) or dtype='float32'."
        )
