"""The paper's first module: embeddings loaded into amplitudes, a simulated PQC, ⟨Z⟩ of every qubit."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import cirq
import tensorflow as tf

from tfq_llm.checks import flag, one_of, real_number, whole_number
from tfq_llm.circuits.ansatz import angle_encoding, long_range_ansatz, long_range_parameters, numbered_symbols
from tfq_llm.errors import InputError
from tfq_llm.layers.arguments import known_width, simulation_dtype
from tfq_llm.simulation.check import check_against_tfq
from tfq_llm.simulation.executors import make_executor

ENCODER_EXECUTORS = ("compiled", "tensorflow")
"""TensorFlow Quantum has no way to start from given amplitudes."""


def z_and_norm(qubits: Sequence[cirq.Qid]) -> list[cirq.PauliString]:
    """Z of every qubit, and the identity, whose expectation value is the squared norm of the state: 1 but for rounding."""
    return [*(cirq.PauliString(cirq.Z(qubit)) for qubit in qubits), cirq.PauliString()]


def normalised(measured: tf.Tensor) -> tf.Tensor:
    """Expectation values of `z_and_norm` [batch, n + 1] → ⟨Z⟩ of the normalised state [batch, n].

    Over hundreds of gates in single precision the squared norm drifts, and every ⟨Z⟩ with it. A state that is 0 has ⟨Z⟩ = 0.
    """
    values, norm = tf.split(measured, [measured.shape[1] - 1, 1], axis=1)
    # Neither gates nor embeddings change the norm, so it has no gradient.
    return tf.math.divide_no_nan(values, tf.stop_gradient(norm))


@tf.keras.utils.register_keras_serializable("tfq_llm")
class AmplitudeEncoder(tf.keras.layers.Layer):
    """Amplitude encoding of a vector, the long-range ansatz, and the expectation value of Z on each qubit.

    The state is loaded directly, as it is simulated. ⟨Z⟩ is a quadratic form of the state and hence even in the embedding; a
    constant in one padding amplitude gives it the linear and constant terms (homogeneous coordinates).

    Args:
        num_qubits: n; the input must have at most 2^n dimensions (2^n − 1 with constant padding).
        num_encoders: E amplitude encoders in parallel, each with weights of its own.
        layers: layers of each one's ansatz, at least 1.
        connectivity: longest distance of its CNOTs on the ring of qubits, 1 … n − 1; None for all to all.
        padding: "constant" puts `padding_value` into the first free amplitude; "zero" leaves all free amplitudes 0.
        padding_value: amplitude of the constant beside an embedding of unit length, before the state is normalised. 3 by default.
        merge: how E > 1 of them become one output: "average", or "concatenate".
        entangling: False leaves the CNOTs out (ablation).
        executor: "compiled" for the compiled engine, "tensorflow" for plain TensorFlow operations. Weights and outputs are
            the same.
        initializer: of the angles in radians; by default uniform in ±π.

    Input shape: [batch, dimensions], of any length, as it is normalised; a row of zeros is the padding constant alone, or has no
    state without padding, and gives 0. Output shape: [batch, n], or [batch, E·n] if concatenated; values in [−1, 1]. A row that
    is not finite gives NaN for that row (`CompiledEngine`, called with arrays, names the row instead).

    A float64 layer simulates in float64. Under a mixed policy it computes in float32, and its output is cast. Second derivatives
    need the executor "tensorflow".

    Raises:
        InputError: an argument is out of its range, or the input has more dimensions than there are amplitudes, or an
            unknown number; or XLA is asked for (jit_compile=True), or a second derivative, with the compiled engine.
        EngineMismatchError: when it is built, the compiled engine and TensorFlow Quantum disagree on the circuit.

    Source: arXiv 2504.08732, figure 1; its text leaves padding and merging open.
    """

    def __init__(
        self,
        num_qubits: int,
        num_encoders: int = 1,
        layers: int = 6,
        connectivity: int | None = None,
        padding: str = "constant",
        padding_value: float = 3.0,
        merge: str = "average",
        entangling: bool = True,
        executor: str = "compiled",
        initializer: Any = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(autocast=False, **kwargs)
        self._precision = simulation_dtype(self)
        self.num_qubits = whole_number("num_qubits", num_qubits, 2)
        self.num_encoders = whole_number("num_encoders", num_encoders, 1)
        self.layers = whole_number("layers", layers, 1)
        self.connectivity = self.num_qubits - 1 if connectivity is None else whole_number("connectivity", connectivity, 1)
        self.padding = one_of("padding", padding, ("constant", "zero"))
        self.padding_value = real_number("padding_value", padding_value)
        if padding == "constant" and not (math.isfinite(self.padding_value) and self.padding_value):
            raise InputError(
                f"padding_value must be a finite number other than 0, not {padding_value}; for none use padding='zero'."
            )
        self.merge = one_of("merge", merge, ("average", "concatenate"))
        self.entangling = flag("entangling", entangling)
        self.initializer = tf.keras.initializers.get(initializer or tf.keras.initializers.RandomUniform(-math.pi, math.pi))
        qubits = cirq.LineQubit.range(self.num_qubits)
        self.circuit = long_range_ansatz(qubits, self.layers, self.connectivity, "w", entangling=self.entangling)
        symbols = numbered_symbols("w", long_range_parameters(self.num_qubits, self.layers, self.connectivity))
        observables = z_and_norm(qubits)
        self._num_angles = len(symbols)
        self.executor = one_of("executor", executor, ENCODER_EXECUTORS)
        self._measure = make_executor(self.executor, self.circuit, observables, (), symbols, qubits, dtype=self._precision)
        self._observables, self._symbols = observables[:-1], symbols

    def build(self, input_shape: tf.TensorShape) -> None:
        dimensions, amplitudes = known_width(self, input_shape), 2**self.num_qubits
        needed = dimensions + (self.padding == "constant")
        if needed > amplitudes:
            constant = " and the padding constant" if self.padding == "constant" else ""
            raise InputError(
                f"{dimensions} dimensions{constant} do not fit the {amplitudes} amplitudes of {self.num_qubits} qubits: "
                f"use num_qubits={math.ceil(math.log2(needed))}" + (" or padding='zero'." if dimensions == amplitudes else ".")
            )
        if self.executor == "compiled":
            self._check_engine()
        shape = [self.num_encoders, self._num_angles]
        self.angles = self.add_weight("angles", shape, initializer=self.initializer, experimental_autocast=False)
        super().build(input_shape)

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        state = self.amplitudes(inputs)
        if self.num_encoders == 1:
            values = self._execute(tf.reshape(self.angles, [-1]), state)
        else:
            values = self._merged([self._execute(self.angles[encoder], state) for encoder in range(self.num_encoders)])
        return tf.cast(values, self.compute_dtype)

    def _execute(self, weights: tf.Tensor, state: tf.Tensor) -> tf.Tensor:
        """⟨Z⟩ [batch, n] of one amplitude encoder."""
        return normalised(self._measure(None, weights, state))

    def _merged(self, outputs: list[tf.Tensor]) -> tf.Tensor:
        if self.merge == "concatenate":
            return tf.concat(outputs, axis=1)
        return tf.add_n(outputs) / self.num_encoders

    def _check_engine(self) -> None:
        """TensorFlow Quantum cannot start from amplitudes, but it can make a product state, whose amplitudes are known."""
        qubits = cirq.LineQubit.range(self.num_qubits)
        data = numbered_symbols("x", self.num_qubits)

        def execute(angles: tf.Tensor, weights: tf.Tensor) -> tf.Tensor:
            state = tf.ones([tf.shape(angles)[0], 1], angles.dtype)
            for half in tf.unstack(angles / 2, axis=1):
                qubit = tf.stack([tf.cos(half), tf.sin(half)], axis=1)
                state = tf.reshape(state[:, :, None] * qubit[:, None, :], [tf.shape(angles)[0], -1])
            return self._measure(None, weights, state)[:, :-1]  # as they are, so that a lost norm is seen

        circuit = angle_encoding(qubits, data) + self.circuit
        check_against_tfq(execute, circuit, self._observables, data, self._symbols, self._precision)

    def amplitudes(self, inputs: tf.Tensor) -> tf.Tensor:
        """The states [batch, 2^n] that embeddings [batch, dimensions] are loaded as: normalised, but for a row of zeros."""
        used = known_width(self, inputs.shape)
        state = tf.math.l2_normalize(tf.cast(inputs, self._precision), axis=1)
        free = tf.constant([[0, 0], [0, 2**self.num_qubits - used]])
        if self.padding == "zero":
            return tf.pad(state, free)
        length = math.hypot(1.0, self.padding_value)
        constant = tf.one_hot(used, 2**self.num_qubits, self.padding_value / length, dtype=self._precision)
        return tf.pad(state / length, free) + constant

    def compute_output_shape(self, input_shape: tf.TensorShape) -> tf.TensorShape:
        width = self.num_qubits * (self.num_encoders if self.merge == "concatenate" else 1)
        return tf.TensorShape([input_shape[0], width])

    def get_config(self) -> dict[str, Any]:
        return super().get_config() | {
            "num_qubits": self.num_qubits,
            "num_encoders": self.num_encoders,
            "layers": self.layers,
            "connectivity": self.connectivity,
            "padding": self.padding,
            "padding_value": self.padding_value,
            "merge": self.merge,
            "entangling": self.entangling,
            "executor": self.executor,
            "initializer": tf.keras.initializers.serialize(self.initializer),
        }
