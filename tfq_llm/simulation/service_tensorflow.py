"""Circuits that run at a service, in TensorFlow graphs: values alone, for predictions."""

from __future__ import annotations

from collections.abc import Sequence

import cirq
import numpy as np
import sympy
import tensorflow as tf

from tfq_llm.circuits.reduction import reduced, with_own_angles
from tfq_llm.errors import InputError
from tfq_llm.execution import CircuitService
from tfq_llm.simulation.callbacks import refuse_to_be_saved, refuse_xla
from tfq_llm.simulation.inputs import numbers

NO_GRADIENT = (
    "the executor 'ionq' runs on a machine, for predictions: a gradient would take many paid evaluations, so there is none. "
    "tfq_llm.ionq.finetune trains the last parameters on a machine with a budget; any other executor trains all of them."
)


class ServiceExecutor:
    """Reduced circuits at a service as a TensorFlow operation.

    Called as executor(data, weights): data [batch, num_data], weights [num_weights] → measured ⟨Z⟩ [batch, K] of `dtype`.

    Args:
        service: runs them.
        circuit: without measurements, its symbols in linear expressions in RX, RY and RZ.
        measured: the K first line qubits.
        data_symbols: symbols whose values differ by sample.
        weight_symbols: symbols whose values the batch shares.
        dtype: "float32" or "float64", of the results; angles are sent as they come.
    """

    def __init__(
        self,
        service: CircuitService,
        circuit: cirq.Circuit,
        measured: Sequence[cirq.Qid],
        data_symbols: Sequence[sympy.Symbol],
        weight_symbols: Sequence[sympy.Symbol],
        dtype: str,
    ) -> None:
        self._service, self._measured, self._dtype = service, len(measured), dtype
        own = with_own_angles(reduced(circuit, measured), [*data_symbols, *weight_symbols])
        self._template, self._symbols, self._matrix, self._shifts = own

    def __call__(self, data: tf.Tensor, weights: tf.Tensor) -> tf.Tensor:
        refuse_xla()
        inputs = [tf.cast(data, self._dtype), tf.cast(weights, self._dtype)]

        @tf.custom_gradient
        def operation(*inputs: tf.Tensor) -> tuple[tf.Tensor, object]:
            with tf.control_dependencies(refuse_to_be_saved()):
                # Stateful, so that no pass over the graph runs it ahead of time, or twice.
                found = tf.numpy_function(self._values, inputs, self._dtype, stateful=True)
            found.set_shape([inputs[0].shape[0], self._measured])
            return found, _refuse_gradient

        return operation(*inputs)

    def _values(self, data: np.ndarray, weights: np.ndarray) -> np.ndarray:
        by_row, shared = numbers("angles", data, np.float64), numbers("weights", weights, np.float64)
        if not len(by_row):
            return np.zeros([0, self._measured], self._dtype)
        symbols = np.concatenate([by_row, np.broadcast_to(shared, [len(by_row), len(shared)])], axis=1)
        own = symbols @ self._matrix + self._shifts
        found = self._service.expectation_values(self._template, tuple(map(str, self._symbols)), own, self._measured)
        return found.astype(self._dtype)


def _refuse_gradient(*_: tf.Tensor) -> None:
    """TensorFlow would otherwise find None for all that stands before the circuit, and leave it untrained without a word."""
    raise InputError(NO_GRADIENT)
