"""Runs circuits on TensorFlow Quantum: `ControlledPQC`, and `NoisyControlledPQC` for noisy circuits."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import cirq
import sympy
import tensorflow as tf
import tensorflow_quantum as tfq

from tfq_llm.circuits.tfq_support import check_tfq_runs
from tfq_llm.simulation.callbacks import refuse_to_be_saved, refuse_xla
from tfq_llm.simulation.pauli import Observable


class TfqExecutor:
    """Expectation values at the end of a circuit, differentiable in data and weights, computed by TensorFlow Quantum.

    ControlledPQC and not PQC: PQC takes its data as circuits, which are strings to TensorFlow, so no gradient reaches what made
    them, and which can only stand before the model circuit, so nothing can be uploaded twice.

    Args:
        circuit: gates that TensorFlow Quantum knows, angles linear in one symbol.
        observables: Pauli strings or sums, K of them.
        data_symbols: symbols whose values differ by sample.
        weight_symbols: symbols whose values the batch shares.
        layer: a class of `tfq.layers` that takes a circuit and observables, such as ControlledPQC.
        saveable: True for a graph that may become a SavedModel, which only processes with TensorFlow Quantum can load.
        options: its other arguments; for ControlledPQC, adjoint gradients unless others are given.

    Calling it: `executor(data, weights)` with data [batch, num_data] and weights [num_weights] returns float32 [batch, K].
    """

    def __init__(
        self,
        circuit: cirq.Circuit,
        observables: Sequence[Observable],
        data_symbols: Sequence[sympy.Symbol],
        weight_symbols: Sequence[sympy.Symbol],
        layer: type[tf.keras.layers.Layer] = tfq.layers.ControlledPQC,
        saveable: bool = False,
        **options: Any,
    ) -> None:
        options = options or {"differentiator": tfq.differentiators.Adjoint()}
        self._refusal = (lambda: []) if saveable else refuse_to_be_saved
        self._layer = layer(circuit, list(observables), **options)
        # TensorFlow Quantum knows float32 alone, and Keras would cast what its layers are given to another floatx or policy.
        for each in (self._layer, *self._layer.submodules):
            each._autocast = False
        given = [str(symbol) for symbol in (*data_symbols, *weight_symbols)]
        # TensorFlow Quantum wants its values in sorted order of the names, in which x10 comes before x2.
        self._order = [given.index(str(symbol)) for symbol in self._layer.symbols]
        self._empty = tfq.convert_to_tensor([cirq.Circuit()])

    def __call__(self, data: tf.Tensor, weights: tf.Tensor) -> tf.Tensor:
        refuse_xla()
        data, weights = tf.cast(data, tf.float32), tf.cast(weights, tf.float32)
        batch = tf.shape(data)[0]
        values = tf.concat([data, tf.tile(weights[None, :], [batch, 1])], axis=1)
        with tf.control_dependencies(self._refusal()):
            circuits = tf.tile(self._empty, [batch])
        return self._layer([circuits, tf.gather(values, self._order, axis=1)])


def sampled_tfq_executor(
    circuit: cirq.Circuit,
    observables: Sequence[Observable],
    data_symbols: Sequence[sympy.Symbol],
    weight_symbols: Sequence[sympy.Symbol],
    *,
    shots: int | None,
    trajectories: int | None,
    is_noisy: bool,
    saveable: bool = False,
) -> TfqExecutor:
    """The reference for what is sampled: `NoisyControlledPQC`, or `ControlledPQC` with repetitions; parameter-shift gradients.

    Raises:
        InputError: TensorFlow Quantum cannot run the circuit, or would run it wrongly without saying so.
    """
    case = (circuit, observables, data_symbols, weight_symbols)
    shift = tfq.differentiators.ParameterShift()
    if not is_noisy:
        return TfqExecutor(*case, saveable=saveable, repetitions=shots, differentiator=shift)
    check_tfq_runs(circuit)
    sampled = shots is not None
    repetitions = shots if sampled else trajectories
    options = {"repetitions": repetitions, "sample_based": sampled, "differentiator": shift}
    return TfqExecutor(*case, tfq.layers.NoisyControlledPQC, saveable, **options)
