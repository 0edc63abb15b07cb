"""Fuses a program's gates, so that the state is passed over once for many of them.

A fused gate has one of three shapes. A single 2 × 2 matrix on a target qubit; two of them, one for each value of a select qubit
(every controlled gate, and every diagonal one); or a dense 4 × 4 matrix on two qubits. The first two cost the same, so a CNOT is
free once it is fused with a rotation of its target. Its factors are multiplied for every sample before the pass begins.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np

from tfq_llm.simulation.program import Gate, Program

_SWAP = np.eye(4)[[0, 2, 1, 3]]


@dataclass(frozen=True)
class Wave:
    """A number per sample that a matrix depends on: the cosine and the sine of frequency · value + shift come as a pair."""

    source: str
    index: int
    frequency: float
    shift: float


@dataclass(frozen=True)
class Factor:
    """U = Σ_w (cos_w · cosine[w] + sin_w · sine[w]); constant if its one wave has frequency and shift 0.

    Attributes:
        waves: W of them.
        cosine, sine: complex [W, blocks, d, d].
    """

    waves: tuple[Wave, ...]
    cosine: np.ndarray
    sine: np.ndarray

    @property
    def is_constant(self) -> bool:
        return all(wave.source == "constant" for wave in self.waves)

    @property
    def is_noise(self) -> bool:
        return any(wave.source == "noise" for wave in self.waves)

    def after(self, constant: Factor) -> Factor:
        """This factor preceded by a constant one."""
        return Factor(self.waves, self.cosine @ constant.cosine[0], self.sine @ constant.cosine[0])

    def before(self, constant: Factor) -> Factor:
        """This factor followed by a constant one."""
        return Factor(self.waves, constant.cosine[0] @ self.cosine, constant.cosine[0] @ self.sine)


@dataclass
class FusedGate:
    """Factors on the same qubits, first to last.

    Attributes:
        target: the qubit that is mixed; the more significant one of a dense gate.
        select: the qubit that chooses between two matrices, if any.
        partner: a dense gate's second qubit, if it is dense.
    """

    target: int
    select: int | None = None
    partner: int | None = None
    factors: list[Factor] = field(default_factory=list)

    @property
    def mixed(self) -> set[int]:
        """Qubits whose values the gate changes."""
        return {self.target} if self.partner is None else {self.target, self.partner}

    @property
    def qubits(self) -> set[int]:
        return self.mixed if self.select is None else {self.target, self.select}

    @property
    def shape(self) -> tuple[int, int]:
        """Number and width of its matrices."""
        return (1, 4) if self.partner is not None else (1 if self.select is None else 2, 2)

    def append(self, factor: Factor) -> None:
        """Puts a factor of this gate's shape behind the others; constants are multiplied into their neighbours.

        Not into noise: where it does not strike, which is nearly everywhere, it is 1 and costs nothing.
        """
        last = self.factors[-1] if self.factors else None
        if last is not None and factor.is_constant and not last.is_noise:
            self.factors[-1] = last.before(factor)
        elif last is not None and last.is_constant and not factor.is_noise:
            self.factors[-1] = factor.after(last)
        else:
            self.factors.append(factor)

    def cast(self, gate: Gate) -> Factor | None:
        """The gate as a factor of this shape; None if it does not fit."""
        if not set(gate.qubits) <= self.qubits:
            return None
        if self.partner is not None:
            return _factor(gate.on([self.target, self.partner]), blocks=None)
        if self.select is None:
            return _factor(gate, blocks=None)
        return _factor(gate.on([self.select, self.target]), blocks=2)


def fuse(program: Program) -> tuple[list[FusedGate], list[int]]:
    """The fused gates in order, and where each qubit has gone: constant SWAPs only rename qubits.

    Qubits are positions in the program's register.
    """
    fused, where = _Fusion(), list(range(program.num_qubits))
    for gate in program.gates:
        renamed = gate.moved([where[qubit] for qubit in gate.qubits])
        if gate.source == "constant" and gate.cosine.shape[-1] == 4 and np.allclose(gate.cosine[0], _SWAP, atol=1e-12):
            a, b = gate.qubits
            where[a], where[b] = where[b], where[a]
        else:
            fused.add(renamed)
    return fused.gates, where


class _Fusion:
    """The gates so far. `_last[q]` is the last that touches qubit q; gates taken up by another leave None behind."""

    def __init__(self) -> None:
        self._gates: list[FusedGate | None] = []
        self._last: dict[int, int] = {}

    @property
    def gates(self) -> list[FusedGate]:
        return [gate for gate in self._gates if gate is not None]

    def add(self, gate: Gate) -> None:
        found = self._home(gate)
        if found is not None:
            home, factor = found
            home.append(factor)
            return
        new = _shaped(gate)
        for taken in sorted({self._last[qubit] for qubit in gate.qubits if self._can_take(new, qubit)}):
            for factor in _widened(self._gates[taken], new):
                new.append(factor)
            self._gates[taken] = None
        own = new.cast(gate)
        assert own is not None
        new.append(own)
        self._last |= dict.fromkeys(gate.qubits, len(self._gates))
        self._gates.append(new)

    def _home(self, gate: Gate) -> tuple[FusedGate, Factor] | None:
        """A gate behind which `gate` may stand, as this factor: nothing behind it fails to commute with `gate`."""
        for qubit in gate.qubits:
            place = self._last.get(qubit)
            home = None if place is None else self._gates[place]
            if place is None or home is None or (factor := home.cast(gate)) is None:
                continue
            if all(self._only_selects_since(other, place) for other in gate.qubits if other != qubit):
                return home, factor
        return None

    def _only_selects_since(self, qubit: int, place: int) -> bool:
        """Whether the gates behind `place` leave the qubit's value alone, and the gate at `place` only selects by it."""
        home = self._gates[place]
        if self._last.get(qubit) == place:
            return True
        behind = [gate for gate in self._gates[place + 1 :] if gate is not None and qubit in gate.qubits]
        return home is not None and home.select == qubit and all(gate.select == qubit for gate in behind)

    def _can_take(self, new: FusedGate, qubit: int) -> bool:
        """Whether the last gate on the qubit is a one-qubit gate that `new` can do in the same pass."""
        old = self._gates[self._last[qubit]] if qubit in self._last else None
        return old is not None and old.qubits == {qubit} and (qubit in new.mixed or all(map(_is_diagonal, old.factors)))


def _shaped(gate: Gate) -> FusedGate:
    """An empty fused gate of the cheapest shape for the gate."""
    if len(gate.qubits) == 1:
        return FusedGate(gate.qubits[0])
    for select, target in (gate.qubits, gate.qubits[::-1]):
        shape = FusedGate(target, select=select)
        if shape.cast(gate) is not None:
            return shape
    return FusedGate(gate.qubits[0], partner=gate.qubits[1])


def _widened(old: FusedGate | None, new: FusedGate) -> list[Factor]:
    """A one-qubit gate's factors in the shape of `new`."""
    assert old is not None
    if new.partner is None and old.target == new.target:
        return [_mapped(factor, lambda m: np.concatenate([m, m], axis=1)) for factor in old.factors]
    if new.partner is None:
        return [
            _mapped(factor, lambda m: np.stack([m[:, 0, i, i, None, None] * np.eye(2) for i in (0, 1)], 1))
            for factor in old.factors
        ]
    if old.target == new.target:
        return [_mapped(factor, lambda m: np.kron(m, np.eye(2))) for factor in old.factors]
    return [_mapped(factor, lambda m: np.kron(np.eye(2), m)) for factor in old.factors]


def _mapped(factor: Factor, change: Callable[[np.ndarray], np.ndarray]) -> Factor:
    return Factor(factor.waves, change(factor.cosine), change(factor.sine))


def _is_diagonal(factor: Factor) -> bool:
    return bool(abs(factor.cosine[..., (0, 1), (1, 0)]).max() + abs(factor.sine[..., (0, 1), (1, 0)]).max() < 1e-12)


def _factor(gate: Gate, blocks: int | None) -> Factor | None:
    """The gate as one matrix, or as its two diagonal blocks; None if there is something outside of them."""
    waves = tuple(Wave(gate.source, gate.index, w * gate.scale, w * gate.shift) for w in gate.frequencies)
    if blocks is None:
        return Factor(waves, gate.cosine[:, None], gate.sine[:, None])
    if max(abs(m[:, rows][:, :, columns]).max() for m in (gate.cosine, gate.sine) for rows, columns in _CORNERS) > 1e-12:
        return None
    return Factor(waves, *(np.stack([m[:, :2, :2], m[:, 2:, 2:]], axis=1) for m in (gate.cosine, gate.sine)))


_CORNERS: Sequence[tuple[slice, slice]] = ((slice(0, 2), slice(2, 4)), (slice(2, 4), slice(0, 2)))
