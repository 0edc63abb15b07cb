"""Expectation values of Pauli sums in a batch of states, as TensorFlow operations."""

from __future__ import annotations

from collections.abc import Sequence

import cirq
import numpy as np
import tensorflow as tf

from tfq_llm.errors import InputError


class Observables:
    """K observables on a register of n qubits.

    A Pauli string maps the basis state x to i^(number of Ys) · (−1)^(x·z) · |x xor f⟩, where z marks its Zs and Ys and f its Xs
    and Ys. Strings that flip the same qubits share one pass over the state; those that flip none are read off the probabilities.

    Args:
        observables: Pauli strings or sums of them, with real coefficients.
        qubits: the register, most significant first.

    Raises:
        InputError: there is none, a coefficient is not real, or a qubit is not in the register.
    """

    def __init__(self, observables: Sequence[cirq.PauliString | cirq.PauliSum], qubits: Sequence[cirq.Qid]) -> None:
        if not observables:
            raise InputError("there must be at least one observable.")
        self._num_qubits = len(qubits)
        positions = {qubit: index for index, qubit in enumerate(qubits)}
        groups: dict[tuple[int, ...], list[tuple[int, complex, np.ndarray]]] = {}
        for row, observable in enumerate(observables):
            for string in [observable] if isinstance(observable, cirq.PauliString) else observable:
                flips, signs, factor = _masks(string, positions)
                groups.setdefault(tuple(flips), []).append((row, factor, signs))
        self._groups = [_Group(np.array(flips), terms, len(observables)) for flips, terms in groups.items()]

    def values(self, state: tf.Tensor, dtype: tf.DType) -> tf.Tensor:
        """States [2^n, batch] → expectation values [K, batch], real."""
        rows, bits = tf.range(2**self._num_qubits), basis_bits(self._num_qubits)
        return tf.add_n([group.values(state, rows, bits, dtype) for group in self._groups])


class _Group:
    """The terms that flip the same qubits: `coefficients` [K, T], `signs` [T, n]."""

    def __init__(self, flips: np.ndarray, terms: Sequence[tuple[int, complex, np.ndarray]], count: int) -> None:
        self._flip = int(flips @ (1 << np.arange(len(flips) - 1, -1, -1))) if flips.any() else 0
        self._signs = np.stack([signs for _, _, signs in terms]).astype(np.int32)
        self._coefficients = np.zeros([count, len(terms)], dtype=complex)
        for column, (row, factor, _) in enumerate(terms):
            self._coefficients[row, column] += factor

    def values(self, state: tf.Tensor, rows: tf.Tensor, bits: tf.Tensor, dtype: tf.DType) -> tf.Tensor:
        flipped = tf.gather(state, tf.bitwise.bitwise_xor(rows, self._flip)) if self._flip else state
        products = tf.math.conj(flipped) * state
        parity = tf.reduce_sum(bits[None] * self._signs[:, None, :], axis=2) % 2
        coefficients, signs = self._coefficients, tf.cast(1 - 2 * parity, dtype)
        found = tf.matmul(tf.constant(coefficients.real, dtype) @ signs, tf.math.real(products))
        if state.dtype.is_complex:
            found -= tf.matmul(tf.constant(coefficients.imag, dtype) @ signs, tf.math.imag(products))
        return found


def basis_bits(num_qubits: int) -> tf.Tensor:
    """The bits of 0 … 2^n − 1, int32 [2^n, n], most significant first."""
    shifts = tf.range(num_qubits - 1, -1, -1)
    return tf.bitwise.bitwise_and(tf.bitwise.right_shift(tf.range(2**num_qubits)[:, None], shifts[None, :]), 1)


def _masks(string: cirq.PauliString, positions: dict[cirq.Qid, int]) -> tuple[np.ndarray, np.ndarray, complex]:
    """Which qubits the string flips, which give a sign, and its coefficient with the factor i of every Y."""
    flips, signs = np.zeros([2, len(positions)], dtype=int)
    coefficient = complex(string.coefficient)
    if abs(coefficient.imag) > 1e-9:
        raise InputError(f"the observable {string} has the coefficient {coefficient}; only real ones are observables.")
    factor: complex = coefficient
    for qubit, pauli in string.items():
        if qubit not in positions:
            raise InputError(f"the observable {string} is on {qubit}, which the circuit lacks.")
        flips[positions[qubit]] = pauli in (cirq.X, cirq.Y)
        signs[positions[qubit]] = pauli in (cirq.Z, cirq.Y)
        factor *= 1j if pauli == cirq.Y else 1
    return flips, signs, factor
