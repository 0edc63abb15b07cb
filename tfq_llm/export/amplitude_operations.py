"""The trained amplitude encoder as plain TensorFlow operations: one matrix product, or gate by gate where that would be large."""

from __future__ import annotations

import math

import cirq
import numpy as np
import tensorflow as tf

from tfq_llm.circuits.ansatz import numbered_symbols
from tfq_llm.export.orthogonal import rows_matrix, z_signs
from tfq_llm.layers import AmplitudeEncoder
from tfq_llm.layers.amplitude_encoder import normalised, z_and_norm
from tfq_llm.simulation.tensorflow import TensorFlowExecutor

MOST_NUMBERS = 2**24
"""Of a folded amplitude encoder's matrix: 128 MB in float64."""


def amplitude_operations(layer: AmplitudeEncoder, input_dim: int) -> tf.Module:
    """A `tf.Module` to call: embeddings [batch, input_dim] → ⟨Z⟩ as the trained layer puts them out, float32 [batch, width]."""
    folded = layer.num_encoders * 2**layer.num_qubits * input_dim <= MOST_NUMBERS
    return FoldedAmplitudeEncoder(layer, input_dim) if folded else GatewiseAmplitudeEncoder(layer)


class FoldedAmplitudeEncoder(tf.Module):
    """With constant weights the circuit is one orthogonal matrix U, so ⟨Z_i⟩ = Σ_j ±(U x)_j².

    Only the columns of U that meet an input or the padding constant are kept. The product is in double precision: errors of ⟨Z⟩
    are multiplied by the gains of the angles and by the linear layer.

    Args:
        layer: the trained layer.
        input_dim: length of the embeddings.
    """

    def __init__(self, layer: AmplitudeEncoder, input_dim: int) -> None:
        super().__init__()
        self._shape = [-1, layer.num_encoders, 2**layer.num_qubits]
        self._average = layer.merge == "average"
        constant = layer.padding == "constant"
        matrix = np.concatenate([_matrix(layer, encoder, input_dim + constant) for encoder in range(layer.num_encoders)], axis=1)
        # The state of a padded embedding is (x/|x|, padding) / length.
        length = math.hypot(1.0, layer.padding_value) if constant else 1.0
        offset = matrix[input_dim] * layer.padding_value / length if constant else np.zeros(matrix.shape[1])
        self._matrix = tf.Variable(matrix[:input_dim] / length, False, dtype=tf.float64, name="amplitude_encoder")
        self._offset = tf.Variable(offset, False, dtype=tf.float64, name="amplitude_encoder_padding")
        self._signs = z_signs(layer.num_qubits).astype(float)

    def __call__(self, embeddings: tf.Tensor) -> tf.Tensor:
        states = tf.matmul(tf.math.l2_normalize(tf.cast(embeddings, tf.float64), axis=1), self._matrix) + self._offset
        squares = tf.square(tf.reshape(states, self._shape))
        probabilities = tf.math.divide_no_nan(squares, tf.reduce_sum(squares, axis=2, keepdims=True))
        return tf.cast(_merged(probabilities, self._signs, self._average), tf.float32)


class GatewiseAmplitudeEncoder(tf.Module):
    """The same gate by gate.

    Args:
        layer: the trained layer.
    """

    def __init__(self, layer: AmplitudeEncoder) -> None:
        super().__init__()
        # Kept as a function and not as the layer: the SavedModel then holds no Keras objects.
        self._amplitudes = layer.amplitudes
        self._average = layer.merge == "average"
        self._executors = [_executor(layer, encoder) for encoder in range(layer.num_encoders)]

    def __call__(self, embeddings: tf.Tensor) -> tf.Tensor:
        state = self._amplitudes(embeddings)
        values = [normalised(executor(initial_state=state)) for executor in self._executors]
        return tf.add_n(values) / len(values) if self._average else tf.concat(values, axis=1)


def _merged(probabilities: tf.Tensor, signs: np.ndarray, average: bool) -> tf.Tensor:
    """Probabilities [batch, encoders, 2^n] → ⟨Z⟩, averaged [batch, n] or concatenated [batch, encoders · n]."""
    if average:
        return tf.matmul(tf.reduce_mean(probabilities, axis=1), signs)
    width = probabilities.shape[1] * signs.shape[1]
    return tf.reshape(tf.matmul(probabilities, signs), [-1, width])


def _matrix(layer: AmplitudeEncoder, encoder: int, used: int) -> np.ndarray:
    return rows_matrix(_circuit(layer, encoder), cirq.LineQubit.range(layer.num_qubits), used)


def _executor(layer: AmplitudeEncoder, encoder: int) -> TensorFlowExecutor:
    qubits = cirq.LineQubit.range(layer.num_qubits)
    return TensorFlowExecutor(_circuit(layer, encoder), z_and_norm(qubits), qubits=qubits, dtype="float32")


def _circuit(layer: AmplitudeEncoder, encoder: int) -> cirq.Circuit:
    """One amplitude encoder's circuit with its trained angles."""
    angles = layer.angles.numpy()[encoder].astype(float)
    return cirq.resolve_parameters(layer.circuit, dict(zip(numbered_symbols("w", len(angles)), angles.tolist(), strict=True)))
