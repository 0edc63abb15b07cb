"""Every occurrence of a symbol as an angle of its own: what parameter-shift rules and SPSA work on."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from tfq_llm.errors import InputError
from tfq_llm.simulation.program import Gate, Program


@dataclass(frozen=True)
class ShiftRule:
    """df/da = Σ coefficients · f(a + shifts), exact for an expectation value f as a function of one gate's angle a."""

    shifts: np.ndarray
    coefficients: np.ndarray


@dataclass(frozen=True)
class Shifted:
    """Evaluations at shifted angles, each array [evaluations]: which angle, by how much it is shifted, and the value's factor."""

    which: np.ndarray
    amounts: np.ndarray
    factors: np.ndarray


@dataclass(frozen=True)
class Occurrences:
    """A program whose P parametrized gates are known one by one.

    Attributes:
        program: the program in which gate p takes its angle from datum p, whatever it took it from before.
        gates: the parametrized gates as they were.
        columns: where the value of each stands among the inputs, which are the data and then the weights, [P].
        scales, shifts: the angle of each is scale · value + shift, [P].
        num_data, num_weights: of the program that was taken apart.
    """

    program: Program
    gates: tuple[Gate, ...]
    columns: np.ndarray
    scales: np.ndarray
    shifts: np.ndarray
    num_data: int
    num_weights: int

    def angles(self, data: np.ndarray, weights: np.ndarray) -> np.ndarray:
        """The angles [rows, P] of data [rows, num_data] and weights, [num_weights] or [rows, num_weights]."""
        shared = np.broadcast_to(weights, [len(data), self.num_weights])
        return np.concatenate([data, shared], axis=1)[:, self.columns] * self.scales + self.shifts

    def pull(self, by_angles: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Gradients by data [rows, num_data] and weights [num_weights], from those by the angles [rows, P]."""
        inputs = np.zeros([self.num_data + self.num_weights, len(by_angles)])
        np.add.at(inputs, self.columns, (by_angles * self.scales).T)
        return inputs[: self.num_data].T, inputs[self.num_data :].sum(axis=1)

    def shifted(self) -> Shifted:
        """All evaluations of a gradient; raises InputError if a gate has no shift rule."""
        rules = [shift_rule(gate) for gate in self.gates]
        which = np.repeat(np.arange(len(rules)), [len(rule.shifts) for rule in rules])
        amounts = np.concatenate([*(rule.shifts for rule in rules), np.zeros(0)])
        return Shifted(which, amounts, np.concatenate([*(rule.coefficients for rule in rules), np.zeros(0)]))


def occurrences(program: Program) -> Occurrences:
    """Takes a program apart."""
    gates: list[Gate] = []
    taken: list[Gate] = []
    for gate in program.gates:
        if gate.source in ("data", "weight"):
            gates.append(replace(gate, source="data", index=len(taken), scale=1.0, shift=0.0))
            taken.append(gate)
        else:
            gates.append(gate)
    taken_apart = replace(program, gates=tuple(gates), num_data=len(taken), num_weights=0)
    offsets = {"data": 0, "weight": program.num_data}
    columns = np.array([gate.index + offsets[gate.source] for gate in taken], dtype=int)
    scales, shifts = (np.array([getattr(gate, name) for gate in taken], dtype=float) for name in ("scale", "shift"))
    return Occurrences(taken_apart, tuple(taken), columns, scales, shifts, program.num_data, program.num_weights)


def shift_rule(gate: Gate) -> ShiftRule:
    """The rule of a gate with equally spaced eigenvalues: two evaluations for those with two, such as rotations; four for ISWAP.

    Raises:
        InputError: its eigenvalues are not equally spaced.

    Source: Wierichs et al., General parameter-shift rules for quantum gradients, Quantum 6, 677 (2022), equation 39.
    """
    eigenvalues = _eigenvalues(gate)
    differences = sorted({round(abs(a - b), 12) for a in eigenvalues for b in eigenvalues} - {0.0})
    if not differences:
        return ShiftRule(np.zeros(0), np.zeros(0))
    step, count = differences[0], len(differences)
    if not np.allclose(differences, step * np.arange(1, count + 1)):
        raise InputError(f"a gate with the frequencies {differences} has no parameter-shift rule here: use gradient='spsa'.")
    places = np.arange(1, 2 * count + 1)
    shifts = (2 * places - 1) * np.pi / (2 * count * step)
    signs = np.where(places % 2, 1.0, -1.0)
    return ShiftRule(shifts, step * signs / (4 * count * np.sin(shifts * step / 2) ** 2))


def _eigenvalues(gate: Gate) -> list[float]:
    """The signed frequencies ω of exp(iωa) in the gate."""
    found = []
    for frequency, cosine, sine in zip(gate.frequencies, gate.cosine, gate.sine, strict=True):
        for sign in (1, -1):
            if np.abs(cosine - sign * 1j * sine).max() > 1e-9:
                found.append(sign * float(frequency))
    return found
