"""The trained re-uploading circuit as plain TensorFlow operations: angles [batch, Q] → ⟨Z⟩ of every qubit, float32 [batch, Q]."""

from __future__ import annotations

import tensorflow as tf

from tfq_llm.export.head import HeadParts
from tfq_llm.export.orthogonal import rows_matrix, z_signs
from tfq_llm.simulation.tensorflow import TensorFlowExecutor

FOLDED_QUBITS = 10
"""Up to so many qubits a block between two uploads is one matrix; beyond, reading it takes longer than going gate by gate."""


def circuit_operations(parts: HeadParts) -> tf.Module:
    """The form that is faster for this number of qubits, as a `tf.Module` to call."""
    return FoldedCircuit(parts) if parts.pqc.num_qubits <= FOLDED_QUBITS else GatewiseCircuit(parts)


class FoldedCircuit(tf.Module):
    """Between two uploads there are only constants: one orthogonal matrix. An upload is a product of rotations.

    The first upload meets |0…0⟩ and makes a product state. A later one is two batched products, for the rotations of either half
    of the register together are one small matrix for each sample.
    """

    def __init__(self, parts: HeadParts) -> None:
        super().__init__()
        self._num_qubits = parts.pqc.num_qubits
        blocks = (rows_matrix(parts.with_trained_angles(block), parts.pqc.ansatz.qubits) for block in parts.pqc.ansatz.blocks)
        self._blocks = [tf.Variable(block, False, dtype=tf.float32, name=f"block_{n}") for n, block in enumerate(blocks)]
        self._signs = z_signs(self._num_qubits)

    def __call__(self, angles: tf.Tensor) -> tf.Tensor:
        half = angles / 2
        cosine, sine = tf.cos(half), tf.sin(half)
        state = tf.matmul(_product_state(cosine, sine), self._blocks[0])
        if len(self._blocks) > 1:
            middle = self._num_qubits // 2
            first, second = _rotations(cosine[:, :middle], sine[:, :middle]), _rotations(cosine[:, middle:], sine[:, middle:])
            shape = [-1, 2**middle, 2 ** (self._num_qubits - middle)]
            for block in self._blocks[1:]:
                rotated = tf.matmul(tf.matmul(first, tf.reshape(state, shape)), second, transpose_b=True)
                state = tf.matmul(tf.reshape(rotated, [-1, 2**self._num_qubits]), block)
        return tf.matmul(tf.square(state), self._signs)


class GatewiseCircuit(tf.Module):
    """The same by blocks of gates on a few qubits."""

    def __init__(self, parts: HeadParts) -> None:
        super().__init__()
        ansatz = parts.pqc.ansatz
        self._executor = TensorFlowExecutor(
            parts.trained_circuit, ansatz.observables(len(ansatz.qubits)), ansatz.data_symbols, qubits=ansatz.qubits
        )

    def __call__(self, angles: tf.Tensor) -> tf.Tensor:
        return self._executor(angles)


def _product_state(cosine: tf.Tensor, sine: tf.Tensor) -> tf.Tensor:
    """RY on every qubit of |0…0⟩: cosines and sines of half the angles [batch, Q] → states [batch, 2^Q]."""
    qubits = tf.unstack(tf.stack([cosine, sine], axis=2), axis=1)
    state = qubits[0]
    for power, qubit in enumerate(qubits[1:], start=2):
        state = tf.reshape(state[:, :, None] * qubit[:, None, :], [-1, 2**power])
    return state


def _rotations(cosine: tf.Tensor, sine: tf.Tensor) -> tf.Tensor:
    """The Kronecker product of RY on k qubits: [batch, k] → [batch, 2^k, 2^k]."""
    rows = tf.stack([tf.stack([cosine, -sine], axis=2), tf.stack([sine, cosine], axis=2)], axis=2)
    single = tf.unstack(rows, axis=1)
    product = single[0]
    for power, rotation in enumerate(single[1:], start=2):
        grown = product[:, :, None, :, None] * rotation[:, None, :, None, :]
        product = tf.reshape(grown, [-1, 2**power, 2**power])
    return product
