"""Runs circuits as plain TensorFlow operations: batched, differentiable, on any device, loadable without TensorFlow Quantum.

The state of a batch is a matrix [2^n, batch]. A block of gates is one gather, which brings the block's qubits to the front, and
one matrix product. Blocks run in a `tf.while_loop`, so the graph does not grow with the circuit. The gradient is the adjoint one:
the final state is run backwards through the transposed blocks beside its co-state, so memory does not grow with it either.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise

import cirq
import numpy as np
import sympy
import tensorflow as tf

from tfq_llm.errors import InputError
from tfq_llm.simulation.gate_blocks import Segment, order_for, places, plan
from tfq_llm.simulation.observables import Observables, basis_bits
from tfq_llm.simulation.program import compile_circuit
from tfq_llm.simulation.tensorflow_gate_blocks import SampleBlocks, SharedBlocks


class TensorFlowExecutor:
    """Expectation values of observables at the end of a circuit, differentiable in data, weights and the initial state.

    Args:
        circuit: unitary gates on one or two qubits, see `compile_circuit`.
        observables: `cirq.PauliString`s or `cirq.PauliSum`s, K of them, with real coefficients.
        data_symbols: symbols whose values differ by sample.
        weight_symbols: symbols whose values the batch shares.
        qubits: the register, most significant first; default: the circuit's qubits, sorted.
        dtype: "float32" or "float64"; of the values, and of the state unless a gate is complex.

    Calling it: `executor(data, weights, initial_state)` with data [batch, num_data], weights [num_weights] and initial_state
    [batch, 2^n] (real amplitudes, not normalised here; default |0…0⟩) returns real values [batch, K]. What the circuit has no
    symbols for may be None; with neither data nor initial_state the batch is 1.

    Raises:
        InputError: see `compile_circuit`; or an observable on a qubit that is not in the register.

    Source: the adjoint method, arXiv 2009.02823.
    """

    def __init__(
        self,
        circuit: cirq.AbstractCircuit,
        observables: Sequence[cirq.PauliString | cirq.PauliSum],
        data_symbols: Sequence[sympy.Symbol] = (),
        weight_symbols: Sequence[sympy.Symbol] = (),
        *,
        qubits: Sequence[cirq.Qid] | None = None,
        dtype: str = "float32",
    ) -> None:
        if dtype not in ("float32", "float64"):
            raise InputError(f"dtype must be 'float32' or 'float64', not '{dtype}'.")
        register = sorted(circuit.all_qubits()) if qubits is None else list(qubits)
        program = compile_circuit(circuit, register, data_symbols, weight_symbols)
        self.num_qubits, self.num_data, self.num_weights = program.num_qubits, program.num_data, program.num_weights
        self.dtype = tf.as_dtype(dtype)
        self._observables = Observables(observables, register)
        complex_type = tf.complex64 if dtype == "float32" else tf.complex128
        self._state_type = self.dtype if program.is_real else complex_type
        self._runs: list[_Run] = []
        order = tuple(range(self.num_qubits))
        for segment in plan(program):
            self._runs.append(_Run(segment, order, self.num_qubits, self._state_type))
            order = self._runs[-1].last_order
        self._to_register = places(range(self.num_qubits), order)
        self._from_register = places(order, range(self.num_qubits))
        self._function = tf.function(self._evaluate, autograph=False, reduce_retracing=True)

    def __call__(
        self, data: tf.Tensor | None = None, weights: tf.Tensor | None = None, initial_state: tf.Tensor | None = None
    ) -> tf.Tensor:
        # In a graph of somebody else's the operations go there directly: a function of its own would only cost tracing time.
        evaluate = self._evaluate if tf.inside_function() else self._function
        return evaluate(*self._checked(data, weights, initial_state))

    def states(
        self, data: tf.Tensor | None = None, weights: tf.Tensor | None = None, initial_state: tf.Tensor | None = None
    ) -> tf.Tensor:
        """The final states [batch, 2^n]; the arguments are those of a call."""
        return tf.transpose(self._final(*self._checked(data, weights, initial_state)))

    def _checked(
        self, data: tf.Tensor | None, weights: tf.Tensor | None, initial_state: tf.Tensor | None
    ) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        """The arguments in the executor's types, those left out filled in."""
        if data is None:
            data = tf.zeros([1 if initial_state is None else tf.shape(initial_state)[0], 0], self.dtype)
        if weights is None:
            weights = tf.zeros([0], self.dtype)
        data, weights = tf.cast(data, self.dtype), tf.cast(weights, self.dtype)
        self._check("data", data, (None, self.num_data))
        self._check("weights", weights, (self.num_weights,))
        if initial_state is None:
            first = tf.one_hot(0, 2**self.num_qubits, dtype=self.dtype)
            initial_state = tf.tile(first[None, :], [tf.shape(data)[0], 1])
        self._check("initial_state", initial_state, (None, 2**self.num_qubits))
        return data, weights, tf.cast(initial_state, self._state_type)

    @staticmethod
    def _check(name: str, tensor: tf.Tensor, shape: tuple[int | None, ...]) -> None:
        if not tensor.shape.is_compatible_with(shape):
            raise InputError(f"{name} has the shape {tuple(tensor.shape)}; this circuit needs {shape}.")

    @tf.autograph.experimental.do_not_convert
    def _evaluate(self, data: tf.Tensor, weights: tf.Tensor, initial_state: tf.Tensor) -> tf.Tensor:
        return tf.transpose(self._observables.values(self._final(data, weights, initial_state), self.dtype))

    @tf.autograph.experimental.do_not_convert
    def _final(self, data: tf.Tensor, weights: tf.Tensor, initial_state: tf.Tensor) -> tf.Tensor:
        """The final states [2^n, batch]."""
        # Gathering from a reshaped tensor makes the gradient dense, which optimizers with moments want.
        columns, weights = tf.transpose(data), tf.reshape(weights, [self.num_weights])
        matrices = [run.build(columns, weights) for run in self._runs]
        return self._evolve(tf.transpose(initial_state), matrices)

    def _evolve(self, state: tf.Tensor, matrices: Sequence[tf.Tensor]) -> tf.Tensor:
        """The final states [2^n, batch]; the gradient undoes the circuit instead of remembering every step of it."""

        @tf.custom_gradient
        def evolve(state: tf.Tensor, *matrices: tf.Tensor) -> tuple[tf.Tensor, Callable[..., tuple[tf.Tensor, ...]]]:
            for run, stack in zip(self._runs, matrices, strict=True):
                state = run.forward(state, stack)
            final = self._reordered(state, self._to_register)

            def gradient(costate: tf.Tensor) -> tuple[tf.Tensor, ...]:
                state, costate = (self._reordered(tf.convert_to_tensor(each), self._from_register) for each in (final, costate))
                by_matrices = []
                for run, stack in zip(reversed(self._runs), reversed(matrices), strict=True):
                    state, costate, by_stack = run.backward(state, costate, stack)
                    by_matrices.append(by_stack)
                return costate, *reversed(by_matrices)

            return final, gradient

        return evolve(state, *matrices)

    def _reordered(self, state: tf.Tensor, place_values: np.ndarray) -> tf.Tensor:
        return tf.gather(state, _source_rows(basis_bits(self.num_qubits), tf.constant(place_values)))


class _Run:
    """One segment as a loop over its blocks.

    `_places_in[b]` reorders the state from the order that block b − 1 left to block b's own; `_places_out[b]` back.
    """

    def __init__(self, segment: Segment, order: tuple[int, ...], num_qubits: int, dtype: tf.DType) -> None:
        self._num_qubits, self._dtype, self._length = num_qubits, dtype, len(segment.qubits)
        self._blocks = SampleBlocks(segment, dtype) if segment.per_sample else SharedBlocks(segment, dtype)
        orders = [order, *(order_for(qubits, num_qubits) for qubits in segment.qubits)]
        self.last_order = orders[-1]
        self._places_in = np.stack([places(new, old) for old, new in pairwise(orders)])
        self._places_out = np.stack([places(old, new) for old, new in pairwise(orders)])
        self.build = self._blocks.build

    def forward(self, state: tf.Tensor, matrices: tf.Tensor) -> tf.Tensor:
        """States [2^n, batch] behind the segment."""
        place_values, bits = tf.constant(self._places_in), basis_bits(self._num_qubits)

        def step(block: tf.Tensor, state: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
            state = tf.gather(state, _source_rows(bits, place_values[block]))
            return block + 1, self._blocks.apply(matrices[block], state)

        return tf.while_loop(lambda block, _: block < self._length, step, (0, state), parallel_iterations=1)[1]

    def backward(self, state: tf.Tensor, costate: tf.Tensor, matrices: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        """State and co-state before the segment, and the gradient by its matrices."""
        place_values, bits = tf.constant(self._places_out), basis_bits(self._num_qubits)

        def step(block: tf.Tensor, state: tf.Tensor, costate: tf.Tensor, found: tf.TensorArray) -> tuple[tf.Tensor, ...]:
            state = self._blocks.undo(matrices[block], state)
            found = found.write(block, self._blocks.by_matrix(state, costate))
            costate = self._blocks.undo(matrices[block], costate)
            rows = _source_rows(bits, place_values[block])
            return block - 1, tf.gather(state, rows), tf.gather(costate, rows), found

        found = tf.TensorArray(self._dtype, self._length, element_shape=matrices.shape[1:])
        start = (self._length - 1, state, costate, found)
        _, state, costate, found = tf.while_loop(lambda block, *_: block >= 0, step, start, parallel_iterations=1)
        return state, costate, found.stack()


def _source_rows(bits: tf.Tensor, place_values: tf.Tensor) -> tf.Tensor:
    """For every row of the reordered state the row it comes from: int32 [2^n]."""
    return tf.reduce_sum(bits * place_values, axis=1)
