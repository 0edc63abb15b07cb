"""Expectation values of Pauli sums in a batch of states, as TensorFlow operations."""

from __future__ import annotations

from collections.abc import Sequence

import cirq
import numpy as np
import tensorflow as tf

from tfq_llm.simulation.pauli import Observable, PauliTerm, pauli_terms


class Observables:
    """K observables on a register of n qubits.

    Pauli strings that flip the same qubits share one pass over the state; those that flip none are read off the probabilities.

    Args:
        observables: Pauli strings or sums of them, with real coefficients.
        qubits: the register, most significant first.

    Raises:
        InputError: there is none, a coefficient is not real, or a qubit is not in the register.
    """

    def __init__(self, observables: Sequence[Observable], qubits: Sequence[cirq.Qid]) -> None:
        self._num_qubits = len(qubits)
        groups: dict[int, list[PauliTerm]] = {}
        for term in pauli_terms(observables, qubits):
            groups.setdefault(term.flip, []).append(term)
        self._groups = [_Group(terms, len(observables), len(qubits)) for terms in groups.values()]

    def values(self, state: tf.Tensor, dtype: tf.DType) -> tf.Tensor:
        """States [2^n, batch] → expectation values [K, batch], real."""
        rows, bits = tf.range(2**self._num_qubits), basis_bits(self._num_qubits)
        return tf.add_n([group.values(state, rows, bits, dtype) for group in self._groups])


class _Group:
    """The T terms that flip the same qubits: `coefficients` [K, T], `signs` [T, n]."""

    def __init__(self, terms: Sequence[PauliTerm], count: int, num_qubits: int) -> None:
        self._flip = terms[0].flip
        masks = np.array([term.sign for term in terms])
        self._signs = (masks[:, None] >> np.arange(num_qubits - 1, -1, -1) & 1).astype(np.int32)
        self._coefficients = np.zeros([count, len(terms)], dtype=complex)
        for column, term in enumerate(terms):
            self._coefficients[term.row, column] = term.factor

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
