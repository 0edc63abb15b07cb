"""TensorFlow Quantum as the judge: every circuit that the engine is given is run once on both."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

import cirq
import numpy as np
import sympy
import tensorflow as tf

from tfq_llm.simulation.pauli import Observable

_TOLERANCE = 1e-4
_SAMPLES = 2

Executor = Callable[[tf.Tensor, tf.Tensor], tf.Tensor]

_agreed: set[tuple[object, ...]] = set()


class EngineMismatchError(RuntimeError):
    """The engine and TensorFlow Quantum disagree on a circuit; the message is a report."""


def check_against_tfq(
    executor: Executor,
    circuit: cirq.AbstractCircuit,
    observables: Sequence[Observable],
    data_symbols: Sequence[sympy.Symbol],
    weight_symbols: Sequence[sympy.Symbol],
    dtype: str = "float32",
) -> None:
    """Compares an executor with `tfq.layers.ControlledPQC`: values, and gradients by data and weights, on two random samples.

    A circuit and its observables are compared once in a process for every dtype. The tolerance is 1e-4 for float64 too, because
    TensorFlow Quantum computes in float32: it shows a wrong circuit, not a loss of digits.

    Args:
        executor: of the circuit that the other arguments describe; called as executor(data, weights).
        dtype: in which it is given data and weights.

    Raises:
        EngineMismatchError: a value or gradient differs by more than 1e-4 (relative to 1 or, if larger, the largest gradient).
    """
    from tfq_llm.simulation.tfq import TfqExecutor

    case = (type(executor), dtype, circuit.freeze(), *map(str, observables), *data_symbols, None, *weight_symbols)
    if case in _agreed:
        return
    judge = TfqExecutor(cirq.Circuit(circuit), observables, data_symbols, weight_symbols)
    rng = np.random.default_rng(0)
    data, weights = (rng.uniform(-math.pi, math.pi, shape) for shape in ([_SAMPLES, len(data_symbols)], [len(weight_symbols)]))
    # Layers may be built while a graph is made. A thread of its own has none, and no tape that is paused.
    with ThreadPoolExecutor(1) as pool:
        given, wanted = (pool.submit(_results, each, data, weights, dtype).result() for each in (executor, judge))
    differences = {name: _difference(given[name], wanted[name]) for name in given}
    if not all(difference <= _TOLERANCE for difference in differences.values()):
        lines = "\n".join(f"  {name:10} largest difference {difference:.3g}" for name, difference in differences.items())
        raise EngineMismatchError(
            f"the engine and tfq.layers.ControlledPQC disagree on this circuit by more than {_TOLERANCE:g}:\n{lines}\n"
            f"  {len(circuit.all_qubits())} qubits, {sum(1 for _ in circuit.all_operations())} gates, {len(observables)} "
            "observables.\nPlease report it, with the circuit. Until it is mended, use executor='tfq' or executor='tensorflow'."
        )
    _agreed.add(case)


def _results(executor: Executor, data: np.ndarray, weights: np.ndarray, dtype: str) -> dict[str, np.ndarray]:
    inputs = {"data": tf.constant(data, dtype), "weights": tf.constant(weights, dtype)}
    with tf.GradientTape() as tape:
        tape.watch(inputs)
        values = tf.cast(executor(inputs["data"], inputs["weights"]), dtype)
        # Unequal factors, so that a mix-up of samples or observables shows.
        factors = tf.reshape(tf.linspace(tf.constant(0.5, dtype), 1.5, tf.size(values)), tf.shape(values))
        total = tf.reduce_sum(values * factors)
    gradients = tape.gradient(total, inputs, unconnected_gradients=tf.UnconnectedGradients.ZERO)
    return {"values": values.numpy(), **{f"d/d{name}": gradient.numpy() for name, gradient in gradients.items()}}


def _difference(given: np.ndarray, wanted: np.ndarray) -> float:
    scale = max(1.0, float(np.abs(wanted).max(initial=0)))
    return float(np.abs(given - wanted).max(initial=0)) / scale
