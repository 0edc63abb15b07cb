"""Observables as masks over amplitude indices."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

import cirq
import numpy as np

from tfq_llm.errors import InputError

Observable: TypeAlias = "cirq.PauliString | cirq.PauliSum"


@dataclass(frozen=True)
class PauliTerm:
    """A Pauli string: |r⟩ goes to factor · (−1)^(number of ones in r and sign) · |r xor flip⟩.

    Attributes:
        row: which observable it belongs to.
        flip: bits of its Xs and Ys; bit n − 1 − q stands for qubit q of n, as in Cirq's amplitudes.
        sign: bits of its Zs and Ys.
        factor: its coefficient times i for every Y.
    """

    row: int
    flip: int
    sign: int
    factor: complex


def pauli_terms(observables: Sequence[Observable], qubits: Sequence[cirq.Qid]) -> list[PauliTerm]:
    """The terms of K observables on a register, most significant qubit first.

    Raises:
        InputError: there is no observable, a coefficient is not real, or a qubit is not in the register.
    """
    if not observables:
        raise InputError("there must be at least one observable.")
    bits = {qubit: 1 << (len(qubits) - 1 - place) for place, qubit in enumerate(qubits)}
    return [_term(row, string, bits) for row, observable in enumerate(observables) for string in pauli_strings(observable)]


def signs(mask: int, num_qubits: int) -> np.ndarray:
    """(−1)^(number of ones in r and mask) for all basis states r, [2^n]."""
    found = np.ones(1)
    for bit in reversed(range(num_qubits)):
        found = np.kron(found, [1.0, -1.0 if mask >> bit & 1 else 1.0])
    return found


def pauli_strings(observable: Observable) -> list[cirq.PauliString]:
    """The Pauli strings that an observable is the sum of, at least one; raises InputError if it is not an observable."""
    if isinstance(observable, (cirq.PauliString, cirq.PauliSum)):
        strings = [observable] if isinstance(observable, cirq.PauliString) else list(observable)
        return strings or [cirq.PauliString(coefficient=0)]
    raise InputError(f"an observable is a cirq.PauliString or a cirq.PauliSum, not {observable!r}.")


def _term(row: int, string: cirq.PauliString, bits: dict[cirq.Qid, int]) -> PauliTerm:
    if cirq.is_parameterized(string):
        raise InputError(f"the coefficient of the observable {string} must be a number: resolve its symbols first.")
    factor = complex(string.coefficient)
    if abs(factor.imag) > 1e-9:
        raise InputError(f"the observable {string} has the coefficient {factor}; only real ones are observables.")
    factor = complex(factor.real)  # what rounding left of the imaginary part would make the term an imaginary one
    flip = sign = 0
    for qubit, pauli in string.items():
        if qubit not in bits:
            raise InputError(f"the observable {string} is on {qubit}, which the circuit lacks.")
        flip |= bits[qubit] if pauli in (cirq.X, cirq.Y) else 0
        sign |= bits[qubit] if pauli in (cirq.Z, cirq.Y) else 0
        factor *= 1j if pauli == cirq.Y else 1
    return PauliTerm(row, flip, sign, factor)
