"""The two kinds of blocks as TensorFlow operations: shared by the batch (one matrix), or per sample (a matrix for each).

A state is [2^n, batch] with the block's qubits in front, so a block sees it as [2^k, rest · batch].
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import tensorflow as tf

from tfq_llm.simulation.gate_blocks import Segment, order_for, places
from tfq_llm.simulation.program import Gate


class GateTables:
    """The numbers that turn angles into matrices, for a list of gates of one width d: U = Σ_f cos(ω_f a) C_f + sin(ω_f a) S_f."""

    def __init__(self, gates: Sequence[Gate], dtype: tf.DType) -> None:
        terms, size = max(len(gate.frequencies) for gate in gates), gates[0].cosine.shape[-1]
        frequencies = np.zeros([len(gates), terms])
        matrices = np.zeros([len(gates), 2, terms, size * size], dtype=complex)
        for row, gate in enumerate(gates):
            count = len(gate.frequencies)
            frequencies[row, :count] = gate.frequencies
            matrices[row, 0, :count] = gate.cosine.reshape(count, -1)
            matrices[row, 1, :count] = gate.sine.reshape(count, -1)
        self.size, self.dtype = size, dtype
        self.index = np.array([gate.index for gate in gates], dtype=np.int32)
        self._scale = np.array([gate.scale for gate in gates])
        self._shift = np.array([gate.shift for gate in gates])
        self._frequencies = frequencies
        matrices = matrices.reshape(len(gates), 2 * terms, size * size)
        self._matrices = matrices if dtype.is_complex else matrices.real

    def build(self, values: tf.Tensor) -> tf.Tensor:
        """Values of the gates' symbols [gates, samples] → matrices [gates, d·d, samples]."""
        scale, shift = (tf.constant(array[:, None], values.dtype) for array in (self._scale, self._shift))
        angles = tf.constant(self._frequencies[:, :, None], values.dtype) * (scale * values + shift)[:, None, :]
        waves = tf.cast(tf.concat([tf.cos(angles), tf.sin(angles)], axis=1), self.dtype)
        return tf.matmul(tf.constant(self._matrices, self.dtype), waves, transpose_a=True)


class SharedBlocks:
    """Blocks of constant and weight gates on k qubits; a block's matrix [2^k, 2^k] is built from its gates, all at once."""

    def __init__(self, segment: Segment, dtype: tf.DType) -> None:
        self._blocks, self._slots = len(segment.gates), max(len(gates) for gates in segment.gates)
        self._size = 2 ** len(segment.qubits[0])
        gates, rows = [], np.zeros([self._slots + 1, self._blocks, self._size], dtype=np.int32)
        for block, qubits in enumerate(segment.qubits):
            order: tuple[int, ...] = tuple(range(len(qubits)))
            for slot in range(self._slots):
                gate = segment.gates[block][slot] if slot < len(segment.gates[block]) else _identity_like(segment.gates[block][0])
                local = order_for([qubits.index(qubit) for qubit in gate.qubits], len(qubits))
                rows[slot, block], order = _row_table(local, order), local
                gates.append(gate)
            rows[self._slots, block] = _row_table(range(len(qubits)), order)
        # The blocks' rows, one block behind the other, as one list of rows per slot.
        self._rows = (rows + self._size * np.arange(self._blocks, dtype=np.int32)[:, None]).reshape(self._slots + 1, -1)
        self._tables = GateTables(gates, dtype)

    def build(self, data: tf.Tensor, weights: tf.Tensor) -> tf.Tensor:
        """Weights [num_weights] → matrices [blocks, 2^k, 2^k]; `data` is not looked at."""
        dtype, size = self._tables.dtype, self._size
        used = tf.gather(weights, self._tables.index) if weights.shape[0] else tf.zeros(self._tables.index.shape, weights.dtype)
        d = self._tables.size
        gates = tf.reshape(self._tables.build(used[:, None]), [self._blocks, self._slots, d, d])
        product = tf.tile(tf.eye(size, dtype=dtype), [self._blocks, 1])
        for slot in range(self._slots):
            product = _permuted(product, self._rows[slot])
            product = tf.matmul(gates[:, slot], tf.reshape(product, [self._blocks, d, -1]))
            product = tf.reshape(product, [self._blocks * size, size])
        return tf.reshape(_permuted(product, self._rows[self._slots]), [self._blocks, size, size])

    def apply(self, matrix: tf.Tensor, state: tf.Tensor) -> tf.Tensor:
        """The block on a state."""
        return tf.reshape(tf.matmul(matrix, self._folded(state)), tf.shape(state))

    def undo(self, matrix: tf.Tensor, state: tf.Tensor) -> tf.Tensor:
        """The inverse block on a state."""
        return tf.reshape(tf.matmul(matrix, self._folded(state), adjoint_a=True), tf.shape(state))

    def by_matrix(self, state: tf.Tensor, costate: tf.Tensor) -> tf.Tensor:
        """Gradient by the block's matrix, from the state before it and the co-state behind it."""
        return tf.matmul(self._folded(costate), self._folded(state), adjoint_b=True)

    def _folded(self, state: tf.Tensor) -> tf.Tensor:
        return tf.reshape(state, [self._size, -1])


class SampleBlocks:
    """Single data gates: for every sample a matrix [d, d] of its own, stored as [blocks, d, d, batch]."""

    def __init__(self, segment: Segment, dtype: tf.DType) -> None:
        self._tables = GateTables([gates[0] for gates in segment.gates], dtype)

    def build(self, data: tf.Tensor, weights: tf.Tensor) -> tf.Tensor:
        """Data [num_data, batch] → matrices [blocks, d, d, batch]; `weights` are not looked at."""
        d = self._tables.size
        return tf.reshape(
            self._tables.build(tf.gather(data, self._tables.index)), [len(self._tables.index), d, d, tf.shape(data)[1]]
        )

    def apply(self, matrix: tf.Tensor, state: tf.Tensor) -> tf.Tensor:
        """The gate on a state."""
        folded = self._folded(state)
        columns = [matrix[:, column, None, :] * folded[column] for column in range(self._tables.size)]
        return tf.reshape(tf.add_n(columns), tf.shape(state))

    def undo(self, matrix: tf.Tensor, state: tf.Tensor) -> tf.Tensor:
        """The inverse gate on a state."""
        return self.apply(tf.transpose(tf.math.conj(matrix), [1, 0, 2]), state)

    def by_matrix(self, state: tf.Tensor, costate: tf.Tensor) -> tf.Tensor:
        """Gradient by the gate's matrices, from the state before it and the co-state behind it."""
        before, behind = tf.math.conj(self._folded(state)), self._folded(costate)
        return tf.stack([tf.reduce_sum(behind * before[column], axis=1) for column in range(self._tables.size)], axis=1)

    def _folded(self, state: tf.Tensor) -> tf.Tensor:
        shape = tf.shape(state)
        return tf.reshape(state, [self._tables.size, shape[0] // self._tables.size, shape[1]])


def _permuted(matrix: tf.Tensor, rows: np.ndarray) -> tf.Tensor:
    """The rows in another order; the gradient puts them back, which TensorFlow's own for a gather does by slow sums."""
    inverse = np.argsort(rows).astype(np.int32)

    @tf.custom_gradient
    def permuted(matrix: tf.Tensor) -> tuple[tf.Tensor, Callable[[tf.Tensor], tf.Tensor]]:
        return tf.gather(matrix, rows), lambda upstream: tf.gather(upstream, inverse)

    return permuted(matrix)


def _identity_like(gate: Gate) -> Gate:
    identity = np.eye(gate.cosine.shape[-1], dtype=complex)[None]
    return Gate(gate.qubits, "constant", 0, 0.0, 0.0, np.zeros(1), identity, np.zeros_like(identity))


def _row_table(new: Sequence[int], old: Sequence[int]) -> np.ndarray:
    """For every index in the order `new` the same state's index in the order `old`."""
    bits = (np.arange(2 ** len(new))[:, None] >> np.arange(len(new) - 1, -1, -1)) & 1
    return bits @ places(new, old)
