"""The compiled engine as NumPy users see it: arrays in, expectation values and gradients out."""

from __future__ import annotations

from collections.abc import Sequence

import cirq
import numpy as np
import sympy
from numpy.typing import ArrayLike

from tfq_llm.checks import one_of
from tfq_llm.errors import InputError
from tfq_llm.execution import MAX_QUBITS
from tfq_llm.simulation.compiled.runner import Batch, Gradients, Runner
from tfq_llm.simulation.compiled.tables import state_type
from tfq_llm.simulation.inputs import angles, check_normalised, check_shape, numbers, state_norms, upstream_factors
from tfq_llm.simulation.pauli import Observable, pauli_terms
from tfq_llm.simulation.program import compile_circuit


class CompiledEngine:
    """Expectation values of observables at the end of a circuit, and their gradients, for batches of samples, on all cores.

    The circuit becomes a flat program of fused gates, and kernels compiled by numba run it on blocks of samples in the cache. It
    is simulated in real arithmetic if all of its matrices are real, else in complex. Gradients are exact, by the adjoint method:
    memory does not grow with the batch, and with the number of gates only by a few cache lines a gate. Results do not depend on
    the number of threads, to the last bit.

    Args:
        circuit: unitary gates on one or two qubits, see `compile_circuit`; 1 to 20 qubits.
        observables: `cirq.PauliString`s or `cirq.PauliSum`s, K of them, with real coefficients.
        data_symbols: symbols whose values differ by sample.
        weight_symbols: symbols whose values the batch shares.
        qubits: the register, most significant first; default: the circuit's qubits, sorted.
        dtype: "float32" or "float64", the precision of amplitudes and results. Angles are turned into matrices in double
            precision.
        unnormalised: what to do with an initial state whose norm is not 1: "refuse" it, "normalise" it (gradients are then by the
            amplitudes given), or "allow" it as it is.

    Calls take data [batch, num_data], weights [num_weights] and initial_state, real or complex amplitudes [batch, 2^n] (default
    |0…0⟩). What the circuit has no symbols for may be left out; with neither data nor initial_state the batch is 1.

    Raises:
        InputError: a gate, observable or argument is not supported; and by calls: a shape is wrong, a number is not finite
            (its row is named), a state is not normalised, or the work does not fit into memory.
    """

    def __init__(
        self,
        circuit: cirq.AbstractCircuit,
        observables: Sequence[Observable],
        data_symbols: Sequence[sympy.Symbol] = (),
        weight_symbols: Sequence[sympy.Symbol] = (),
        *,
        qubits: Sequence[cirq.Qid] | None = None,
        dtype: str = "float32",
        unnormalised: str = "refuse",
    ) -> None:
        self.dtype = np.dtype(one_of("dtype", dtype, ("float32", "float64")))
        self.unnormalised = one_of("unnormalised", unnormalised, ("refuse", "normalise", "allow"))
        register = check_register(circuit, qubits)
        self._program = compile_circuit(circuit, register, data_symbols, weight_symbols)
        self._terms = pauli_terms(observables, register)
        self._runners: dict[type[np.generic], Runner] = {}
        # By whether the initial state is complex.
        self._state_types = [state_type(self._program, self.dtype.name, from_complex=each) for each in (False, True)]
        self.num_qubits, self.num_observables = len(register), len(observables)
        self.num_data, self.num_weights = self._program.num_data, self._program.num_weights

    def values(
        self, data: ArrayLike | None = None, weights: ArrayLike | None = None, initial_state: ArrayLike | None = None
    ) -> np.ndarray:
        """Expectation values [batch, K]."""
        batch, _ = self._batch(data, weights, initial_state)
        return self.runner(batch).values(batch).astype(self.dtype)

    def probabilities(
        self, data: ArrayLike | None = None, weights: ArrayLike | None = None, initial_state: ArrayLike | None = None
    ) -> np.ndarray:
        """Probabilities of the final basis states [batch, 2^n]; this one needs memory for all of them."""
        batch, _ = self._batch(data, weights, initial_state)
        found = np.abs(self.runner(batch).final_states(batch))
        return np.square(found, out=found)

    def gradients(
        self,
        data: ArrayLike | None = None,
        weights: ArrayLike | None = None,
        initial_state: ArrayLike | None = None,
        upstream: ArrayLike | None = None,
    ) -> Gradients:
        """Values, and the gradients of Σ upstream · values by all inputs; `upstream` is [batch, K], by default all ones."""
        batch, norms = self._batch(data, weights, initial_state)
        factors = upstream_factors(upstream, len(batch), self.num_observables)
        found = self.runner(batch).gradients(batch, factors)
        by_state = self._by_given_state(found.initial_state, batch.initial_state, norms, _is_complex(initial_state))
        dtype = self.dtype
        return Gradients(found.values.astype(dtype), found.data.astype(dtype), found.weights.astype(dtype), by_state)

    @staticmethod
    def _by_given_state(
        gradient: np.ndarray | None, state: np.ndarray | None, norms: np.ndarray | None, was_complex: bool
    ) -> np.ndarray | None:
        """The gradient by the amplitudes as they were given: before they were normalised, and real if they were real."""
        if gradient is None or state is None:
            return None
        if norms is not None:
            along = np.sum((np.conj(state) * gradient).real, axis=1, keepdims=True)
            gradient = (gradient - along * state) / norms
        return gradient.astype(state.dtype) if was_complex else gradient.real.astype(state.real.dtype)

    def runner(self, batch: Batch) -> Runner:
        """What runs a checked batch: the program for real or for complex amplitudes."""
        dtype = self._state_type(batch.initial_state)
        if dtype not in self._runners:
            self._runners[dtype] = Runner(self._program, self._terms, dtype)
        return self._runners[dtype]

    def _state_type(self, initial_state: ArrayLike | None) -> type[np.generic]:
        return self._state_types[_is_complex(initial_state)]

    def _batch(
        self, data: ArrayLike | None, weights: ArrayLike | None, initial_state: ArrayLike | None
    ) -> tuple[Batch, np.ndarray | None]:
        """The checked inputs, and the norms [batch, 1] of states that were normalised here."""
        states = norms = None
        if initial_state is not None:
            states = numbers("initial_state", initial_state, self._state_type(initial_state))
            check_shape("initial_state", states, None, 2**self.num_qubits)
            if self.unnormalised == "normalise":
                norms = state_norms(states)
                states = states / norms
            elif self.unnormalised == "refuse":
                check_normalised(states)
        rows = None if states is None else len(states)
        return Batch(*angles(data, weights, self.num_data, self.num_weights, rows), states), norms


def check_register(circuit: cirq.AbstractCircuit, qubits: Sequence[cirq.Qid] | None) -> list[cirq.Qid]:
    """The qubits given, or the circuit's in order; raises InputError if there are none or too many."""
    register = sorted(circuit.all_qubits()) if qubits is None else list(qubits)
    if not 1 <= len(register) <= MAX_QUBITS:
        raise InputError(f"the engine simulates 1 to {MAX_QUBITS} qubits and was given {len(register)}.")
    return register


def _is_complex(given: ArrayLike | None) -> bool:
    return given is not None and np.iscomplexobj(given)
