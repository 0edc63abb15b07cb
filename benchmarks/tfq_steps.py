"""TensorFlow Quantum at the same work: exact with its adjoint gradient, with noise, and with shots."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import cirq
import numpy as np
import tensorflow as tf
import tensorflow_quantum as tfq

from benchmarks.reference import Work
from tfq_llm.simulation.compiled.runner import Gradients

Step = Callable[[], Gradients]
# Symbols' values [batch, symbols], in the order data, weights → expectation values [batch, 1].
Expectation = Callable[[tf.Tensor], tf.Tensor]


def layer_step(work: Work) -> Step:
    """`tfq.layers.ControlledPQC` with adjoint gradients, called as a user calls it."""
    layer = tfq.layers.ControlledPQC(work.circuit, [work.observable], differentiator=tfq.differentiators.Adjoint())
    return _step(work, _of_layer(layer, work))


def operation_step(work: Work) -> Step:
    """The operation under that layer, its circuits turned into strings beforehand and the step compiled by `tf.function`.

    It is the fastest way to this result that TensorFlow Quantum has.
    """
    operation = tfq.differentiators.Adjoint().generate_differentiable_op(analytic_op=tfq.get_expectation_op())
    names = tf.constant([str(symbol) for symbol in (*work.data_symbols, *work.weight_symbols)])
    circuits = tfq.convert_to_tensor([work.circuit] * len(work.data))
    observables = tfq.convert_to_tensor([[work.observable]] * len(work.data))
    return _step(work, lambda values: operation(circuits, names, values, observables), compiled=True)


def noisy_step(work: Work, trajectories: int) -> Step:
    """`tfq.layers.NoisyControlledPQC` on a circuit with channels; its gradient is parameter shift, the one it has."""
    layer = tfq.layers.NoisyControlledPQC(work.circuit, [work.observable], repetitions=trajectories, sample_based=False)
    return _step(work, _of_layer(layer, work))


def sampled_step(work: Work, shots: int) -> Step:
    """`tfq.layers.SampledExpectation` with parameter shift."""
    layer = tfq.layers.SampledExpectation(differentiator=tfq.differentiators.ParameterShift())
    names = [str(symbol) for symbol in (*work.data_symbols, *work.weight_symbols)]
    circuits = tfq.convert_to_tensor([work.circuit] * len(work.data))

    def expectation(values: tf.Tensor) -> tf.Tensor:
        return layer(circuits, symbol_names=names, symbol_values=values, operators=[work.observable], repetitions=shots)

    return _step(work, expectation)


def _of_layer(layer: Any, work: Work) -> Expectation:
    """A layer that takes circuits in front of its own and the symbols' values sorted by name."""
    names = [str(symbol) for symbol in (*work.data_symbols, *work.weight_symbols)]
    order = [names.index(str(symbol)) for symbol in layer.symbols]
    empty = tfq.convert_to_tensor([cirq.Circuit()] * len(work.data))
    return lambda values: layer([empty, tf.gather(values, order, axis=1)])


def _step(work: Work, expectation: Expectation, compiled: bool = False) -> Step:
    """Value and gradient by data and by weights, as arrays."""
    data, weights = tf.constant(work.data), tf.constant(work.weights)

    def with_gradient(data: tf.Tensor, weights: tf.Tensor) -> tuple[tf.Tensor, ...]:
        with tf.GradientTape() as tape:
            tape.watch([data, weights])
            shared = tf.tile(weights[None], [len(work.data), 1])
            values = expectation(tf.concat([data, shared], axis=1))
        return values, *tape.gradient(values, [data, weights])

    run = tf.function(with_gradient) if compiled else with_gradient

    def step() -> Gradients:
        values, by_data, by_weights = (np.asarray(part) for part in run(data, weights))
        return Gradients(values, by_data, by_weights, None)

    return step
