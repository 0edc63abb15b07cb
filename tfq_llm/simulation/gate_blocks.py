"""Groups a program's gates into blocks of a few qubits, so that a block costs one matrix product instead of many passes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import groupby

import numpy as np

from tfq_llm.simulation.program import Gate, Program


@dataclass
class Block:
    """Gates that act on few qubits: either shared by the whole batch, or a single gate whose angle differs by sample."""

    qubits: set[int]
    per_sample: bool
    gates: list[Gate] = field(default_factory=list)


@dataclass(frozen=True)
class Segment:
    """A run of blocks of one kind and one width.

    Attributes:
        per_sample: whether the blocks hold one data gate each.
        gates: for every block its gates in order, each a matrix on `qubits[block]` (per sample) or on a pair of them (shared).
        qubits: for every block its qubits, most significant first.
    """

    per_sample: bool
    gates: tuple[tuple[Gate, ...], ...]
    qubits: tuple[tuple[int, ...], ...]


def plan(program: Program, width: int = 5, depth: int = 16) -> list[Segment]:
    """Assigns every gate to a block.

    Args:
        program: the compiled circuit.
        width: most qubits of a shared block. Five is best on CPUs: a product of a 32 × 32 matrix with the state costs little more
            than moving the state.
        depth: most gates of a shared block, which keeps the blocks alike so that all are built at once.
    """
    blocks: list[Block] = []
    last_on: dict[int, int] = {}
    for gate in program.gates:
        earliest = max((last_on.get(qubit, -1) for qubit in gate.qubits), default=-1)
        place = _place(blocks, gate, max(earliest, 0), min(width, program.num_qubits), depth)
        if place is None:
            blocks.append(Block(set(), per_sample=gate.source == "data"))
            place = len(blocks) - 1
        blocks[place].qubits |= set(gate.qubits)
        blocks[place].gates.append(gate)
        last_on |= dict.fromkeys(gate.qubits, place)
    return [_segment(list(run), program.num_qubits, width) for _, run in groupby(blocks, key=_kind)]


def _place(blocks: list[Block], gate: Gate, earliest: int, width: int, depth: int) -> int | None:
    """The block, not before `earliest`, that the gate widens least; None when it needs one of its own.

    No block behind `earliest` touches the gate's qubits, so the gate commutes with all of them and may join any.
    """
    if gate.source == "data":
        return None
    best, least = None, width + 1
    for index in range(earliest, len(blocks)):
        block = blocks[index]
        growth = len(set(gate.qubits) - block.qubits)
        if not block.per_sample and len(block.qubits) + growth <= width and len(block.gates) < depth and growth < least:
            best, least = index, growth
    return best


def _kind(block: Block) -> tuple[bool, int]:
    return block.per_sample, len(block.gates[0].qubits) if block.per_sample else 0


def _segment(blocks: list[Block], num_qubits: int, width: int) -> Segment:
    if blocks[0].per_sample:
        gates = tuple((block.gates[0],) for block in blocks)
        return Segment(True, gates, tuple(block.gates[0].qubits for block in blocks))
    width = min(width, num_qubits)
    qubits = tuple(_filled(block.qubits, num_qubits, width) for block in blocks)
    return Segment(False, tuple(_merged(block.gates, own) for block, own in zip(blocks, qubits, strict=True)), qubits)


def _filled(qubits: set[int], num_qubits: int, width: int) -> tuple[int, ...]:
    """The qubits, with idle ones added up to `width`, so that all shared blocks are alike."""
    idle = [qubit for qubit in range(num_qubits) if qubit not in qubits]
    return tuple(sorted([*qubits, *idle[: width - len(qubits)]]))


def _merged(gates: Sequence[Gate], qubits: Sequence[int]) -> tuple[Gate, ...]:
    """The gates as matrices on pairs of qubits, each constant gate multiplied into a neighbour on the same pair."""
    merged: list[Gate] = []
    for gate in gates:
        previous = next((other for other in reversed(merged) if set(other.qubits) & set(gate.qubits)), None)
        pair = previous.qubits if previous and set(gate.qubits) <= set(previous.qubits) else _pair(gate.qubits, qubits)
        gate = gate.on(pair)
        if previous is None or previous.qubits != pair or "constant" not in (previous.source, gate.source):
            merged.append(gate)
        elif previous.source == "constant":
            merged[_identity_index(merged, previous)] = gate.after(previous.cosine[0])
        else:
            merged[_identity_index(merged, previous)] = previous.before(gate.cosine[0])
    return tuple(merged)


def _identity_index(gates: list[Gate], gate: Gate) -> int:
    return next(index for index, other in enumerate(gates) if other is gate)


def _pair(own: tuple[int, ...], qubits: Sequence[int]) -> tuple[int, ...]:
    """A one-qubit gate's qubit and a partner from the block; a gate's own pair if it has two; one qubit in a register of one."""
    return (*own, *(qubit for qubit in qubits if qubit not in own))[: min(2, len(qubits))]


def order_for(front: Sequence[int], num_qubits: int) -> tuple[int, ...]:
    """All qubits, those of `front` first."""
    return (*front, *(qubit for qubit in range(num_qubits) if qubit not in front))


def places(new: Sequence[int], old: Sequence[int]) -> np.ndarray:
    """What each bit of an index in the order `new` is worth in the order `old`: int32 [n], most significant bit first."""
    weight = {qubit: 1 << (len(old) - 1 - position) for position, qubit in enumerate(old)}
    return np.array([weight[qubit] for qubit in new], dtype=np.int32)
