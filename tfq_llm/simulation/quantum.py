"""Runs circuits on TensorFlow Quantum: `tfq.layers.ControlledPQC` with the adjoint differentiator."""

from __future__ import annotations

from collections.abc import Sequence

import cirq
import sympy
import tensorflow as tf
import tensorflow_quantum as tfq


class TfqExecutor:
    """Expectation values at the end of a circuit, differentiable in data and weights, computed by TensorFlow Quantum.

    ControlledPQC and not PQC: PQC takes its data as circuits, which are strings to TensorFlow, so no gradient reaches what made
    them, and which can only stand before the model circuit, so nothing can be uploaded twice.

    Args:
        circuit: gates that TensorFlow Quantum knows, angles linear in one symbol.
        observables: Pauli strings or sums, K of them.
        data_symbols: symbols whose values differ by sample.
        weight_symbols: symbols whose values the batch shares.

    Calling it: `executor(data, weights)` with data [batch, num_data] and weights [num_weights] returns float32 [batch, K].
    """

    def __init__(
        self,
        circuit: cirq.Circuit,
        observables: Sequence[cirq.PauliString | cirq.PauliSum],
        data_symbols: Sequence[sympy.Symbol],
        weight_symbols: Sequence[sympy.Symbol],
    ) -> None:
        self._layer = tfq.layers.ControlledPQC(circuit, list(observables), differentiator=tfq.differentiators.Adjoint())
        given = [str(symbol) for symbol in (*data_symbols, *weight_symbols)]
        # TensorFlow Quantum wants its values in sorted order of the names, in which x10 comes before x2.
        self._order = [given.index(str(symbol)) for symbol in self._layer.symbols]
        self._empty = tfq.convert_to_tensor([cirq.Circuit()])

    def __call__(self, data: tf.Tensor, weights: tf.Tensor) -> tf.Tensor:
        batch = tf.shape(data)[0]
        values = tf.concat([data, tf.tile(weights[None, :], [batch, 1])], axis=1)
        return self._layer([tf.tile(self._empty, [batch]), tf.gather(values, self._order, axis=1)])
