"""Room for the kernels: kept from call to call, and refused before it would not fit."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import psutil

from tfq_llm.errors import InputError
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
            f"a simulation of {num_qubits} qubits on {threads} threads needs {needed / 2**30:.1f} GiB of memory and "
            f"{available / 2**30:.1f} GiB are available: use fewer qubits, fewer threads (set_num_threads) or dtype='float32'."
        )


def available_memory(root: Path = Path("/")) -> int:
    """Bytes that this process can still get: of the machine, or of its control groups (containers), if these have less."""
    left = [psutil.virtual_memory().available]
    try:
        lines = (root / "proc/self/cgroup").read_text().splitlines()
    except OSError:
        lines = []
    for line in lines:
        _, controllers, path = line.split(":", 2)
        if controllers in ("", "memory"):
            top = root / "sys/fs/cgroup" / controllers
            own = top / path.lstrip("/")
            left += [_left_in(group) for group in (own, *own.parents) if group.is_relative_to(top) and _is_limited(group)]
    return max(0, min(left))


# The names of version 2 of control groups, and of version 1.
_NAMES = (("memory.max", "memory.current"), ("memory.limit_in_bytes", "memory.usage_in_bytes"))


def _is_limited(group: Path) -> bool:
    return any((group / limit).exists() and (group / limit).read_text().strip() != "max" for limit, _ in _NAMES)


def _left_in(group: Path) -> int:
    limit, used = next(names for names in _NAMES if (group / names[0]).exists())
    pages = dict(line.split() for line in (group / "memory.stat").read_text().splitlines())
    # Files that were read are counted as used, but make room when it is needed.
    reclaimable = int(pages.get("total_inactive_file", pages.get("inactive_file", 0)))
    return int((group / limit).read_text()) - int((group / used).read_text()) + reclaimable
