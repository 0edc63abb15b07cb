"""Groups fused gates into sweeps: passes over the register, tile by tile, that do many gates while a tile is in the first-level
cache.

A gate fits a tile if the qubits it mixes are among the tile's free bits. A select qubit may be fixed: in a tile it has one value.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from tfq_llm.simulation.compiled.fusion import FusedGate


@dataclass(frozen=True)
class Sweep:
    """Gates (indices) in order, and the free qubits of its tiles."""

    gates: tuple[int, ...]
    free: tuple[int, ...]


def sweeps(gates: Sequence[FusedGate], qubits: Sequence[int], tile_bits: int) -> list[Sweep]:
    """Assigns every gate to a sweep, greedily: each takes all gates that can come next and fit.

    Args:
        gates: in order.
        qubits: of the register, most significant first; at least `tile_bits` of them.
        tile_bits: how many qubits are free within a tile.
    """
    before = _predecessors(gates)
    done: set[int] = set()
    found: list[Sweep] = []
    waiting = list(range(len(gates)))
    while waiting:
        free: set[int] = set()
        chosen: list[int] = []
        for index in waiting:
            grown = free | gates[index].mixed
            if len(grown) <= tile_bits and before[index] <= done:
                free = grown
                chosen.append(index)
                done.add(index)
        waiting = [index for index in waiting if index not in done]
        found.append(Sweep(tuple(chosen), _filled(free, qubits, tile_bits)))
    return found


def _predecessors(gates: Sequence[FusedGate]) -> list[set[int]]:
    """For every gate those earlier ones it must wait for; two gates that only select by a qubit commute in it."""
    mixed_by: dict[int, int] = {}
    selected_since: dict[int, list[int]] = {}
    found: list[set[int]] = []
    for index, gate in enumerate(gates):
        waits = {mixed_by[qubit] for qubit in gate.qubits if qubit in mixed_by}
        for qubit in gate.mixed:
            waits.update(selected_since.pop(qubit, ()))
            mixed_by[qubit] = index
        if gate.select is not None:
            selected_since.setdefault(gate.select, []).append(index)
        found.append(waits)
    return found


def _filled(free: set[int], qubits: Sequence[int], tile_bits: int) -> tuple[int, ...]:
    """The free qubits, with the least significant others: rows that lie side by side are read faster."""
    others = [qubit for qubit in reversed(qubits) if qubit not in free]
    return tuple(sorted([*free, *others[: tile_bits - len(free)]]))
