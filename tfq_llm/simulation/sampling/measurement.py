"""Shots: final states measured in the bases that the observables need."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import cirq
import numpy as np

from tfq_llm.simulation.compiled.memory import check_memory
from tfq_llm.simulation.pauli import PauliTerm, signs
from tfq_llm.simulation.program import Gate, Program, constant_gate

# Up to this ratio of outcomes to shots it is faster to count the shots of every outcome than to look the outcome of every shot
# up.
_COUNTING = 4


@dataclass(frozen=True)
class Estimate:
    """Expectation values estimated by sampling.

    Attributes:
        values: [batch, K].
        standard_errors: of each, [batch, K]: how far values of independent repetitions spread.
    """

    values: np.ndarray
    standard_errors: np.ndarray


@dataclass
class Basis:
    """Terms that are measured by the same shots.

    Attributes:
        rotations: gates behind the circuit that turn this basis into the computational one.
        worth: what outcome r is worth for observable k, [2^n, K].
        squares: worth².
    """

    rotations: tuple[Gate, ...]
    worth: np.ndarray
    squares: np.ndarray = field(init=False)

    def __post_init__(self) -> None:
        self.squares = self.worth**2

    def measured(self, program: Program) -> Program:
        """The program with this basis' rotations."""
        return replace(program, gates=program.gates + self.rotations)

    def sums(self, probabilities: np.ndarray, shots: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        """Sums over shots of every observable and of its square, [samples, K]; sample i is measured shots[i] times."""
        probabilities = probabilities / probabilities.sum(axis=1, keepdims=True)
        if probabilities.shape[1] <= _COUNTING * max(1, shots.max(initial=0)):
            counts = rng.multinomial(shots, probabilities)
            return counts @ self.worth, counts @ self.squares
        sample = np.repeat(np.arange(len(shots)), shots)
        ends = np.cumsum(probabilities, axis=1) + np.arange(len(shots))[:, None]
        outcomes = np.searchsorted(ends.ravel(), sample + rng.random(len(sample)), side="right")
        worth = self.worth[np.minimum(outcomes - sample * probabilities.shape[1], probabilities.shape[1] - 1)]
        starts = np.cumsum(shots) - shots
        return _summed(worth, starts, shots), _summed(worth**2, starts, shots)


def bases(terms: Sequence[PauliTerm], num_qubits: int, num_observables: int) -> list[Basis]:
    """As few bases as a greedy search finds; terms share one if on every qubit they agree or one of them is I.

    All diagonal observables share one, the first. Constants need no shots of their own, so any basis will do for them.
    """
    groups: list[tuple[dict[int, str], list[PauliTerm]]] = []
    constants = [term for term in terms if not (term.flip or term.sign)]
    for term in sorted((term for term in terms if term.flip or term.sign), key=lambda term: term.flip != 0):
        own = _paulis(term, num_qubits)
        for paulis, members in groups:
            if all(paulis.get(qubit, pauli) == pauli for qubit, pauli in own.items()) and (not term.flip or members[0].flip):
                paulis |= own
                members.append(term)
                break
        else:
            groups.append((dict(own), [term]))
    if constants and not groups:
        groups.append(({}, []))
    if constants:
        groups[0][1].extend(constants)
    return [_basis(paulis, members, num_qubits, num_observables) for paulis, members in groups]


def _paulis(term: PauliTerm, num_qubits: int) -> dict[int, str]:
    found = {}
    for qubit in range(num_qubits):
        bit = 1 << (num_qubits - 1 - qubit)
        if (term.flip | term.sign) & bit:
            found[qubit] = "Z" if not term.flip & bit else ("Y" if term.sign & bit else "X")
    return found


def _basis(paulis: dict[int, str], terms: Sequence[PauliTerm], num_qubits: int, num_observables: int) -> Basis:
    # RY(−π/2) takes X to Z, and keeps a real state real; RX(π/2) takes Y to Z.
    turns = {"X": cirq.ry(-np.pi / 2), "Y": cirq.rx(np.pi / 2)}
    rotations = tuple(
        constant_gate((qubit,), cirq.unitary(turns[pauli])) for qubit, pauli in sorted(paulis.items()) if pauli in turns
    )
    check_memory(num_qubits, 0, 0, 2 * 2**num_qubits * num_observables * 8)  # of worth and its squares
    worth = np.zeros([2**num_qubits, num_observables])
    for term in terms:
        coefficient = (term.factor / 1j ** (term.flip & term.sign).bit_count()).real
        worth[:, term.row] += coefficient * signs(term.flip | term.sign, num_qubits)
    return Basis(rotations, worth)


def _summed(rows: np.ndarray, starts: np.ndarray, lengths: np.ndarray) -> np.ndarray:
    """Sums of consecutive runs of rows; an empty run gives 0."""
    found = np.zeros([len(starts), rows.shape[1]])
    filled = lengths > 0
    if filled.any():
        found[filled] = np.add.reduceat(rows, starts[filled], axis=0)
    return found
