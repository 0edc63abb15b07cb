"""The compiled engine as a Cirq simulator, for whatever takes one, TensorFlow Quantum's `backend` among it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from typing import Any

import cirq
import numpy as np
import sympy

from tfq_llm.circuits.native_gates import plain_operations, symbol_names
from tfq_llm.errors import InputError
from tfq_llm.simulation.compiled.engine import CompiledEngine


class CompiledSimulator(cirq.SimulatesExpectationValues):
    """Expectation values by the compiled engine; a sweep over parameters is one batch.

    Use it as `cirq.Simulator` for expectation values, or as `tfq.layers.Expectation(backend=CompiledSimulator())`. Programs are
    kept compiled, the last 64 of them.

    Args:
        dtype: "float32" or "float64".
    """

    def __init__(self, dtype: str = "float32") -> None:
        self._engine = lru_cache(maxsize=64)(self._make_engine)
        self._dtype = dtype

    def __reduce__(self) -> tuple[type[CompiledSimulator], tuple[str]]:
        return CompiledSimulator, (self._dtype,)

    def simulate_expectation_values_sweep_iter(
        self,
        program: cirq.AbstractCircuit,
        observables: Any,
        params: cirq.Sweepable,
        qubit_order: cirq.QubitOrderOrList = cirq.QubitOrder.DEFAULT,
        initial_state: Any = None,
        permit_terminal_measurements: bool = False,
    ) -> Iterator[list[float]]:
        """See `cirq.SimulatesExpectationValues`. Initial states are basis states (int) or state vectors; values are real."""
        if not permit_terminal_measurements and program.are_any_measurements_terminal():
            raise ValueError("the program ends in measurements; permit_terminal_measurements=True leaves them out.")
        measured = program.all_qubits()
        if program.are_all_measurements_terminal():
            program = cirq.Circuit(
                cirq.Moment(operation for operation in moment if not cirq.is_measurement(operation)) for moment in program
            )
        given = observables if isinstance(observables, list) else [observables]
        sums = tuple(tuple(cirq.PauliSum.wrap(each)) for each in given)
        order = cirq.QubitOrder.as_qubit_order(qubit_order)
        qubits = order.order_for({*measured, *(qubit for each in sums for string in each for qubit in string.qubits)})
        state = None if initial_state is None else cirq.to_valid_state_vector(initial_state, len(qubits), dtype=np.complex128)
        for row in self._values(program.freeze(), sums, list(cirq.to_resolvers(params)), qubits, state):
            yield [float(value) for value in row]

    def _values(
        self,
        program: cirq.FrozenCircuit,
        observables: tuple[tuple[cirq.PauliString, ...], ...],
        resolvers: Sequence[cirq.ParamResolver],
        qubits: tuple[cirq.Qid, ...],
        state: np.ndarray | None,
    ) -> np.ndarray:
        """Values [resolvers, observables]."""
        symbols = tuple(sympy.Symbol(name) for name in sorted(symbol_names(program)))
        states = None if state is None else np.repeat(state[None], len(resolvers), axis=0)
        try:
            engine = self._engine(program, observables, symbols, qubits)
        except InputError:
            # Expressions that the engine does not know may still come down to numbers.
            if not symbols:
                raise
            operations = list(program.all_operations())
            if any(symbol_names(cirq.Circuit(each)) != cirq.parameter_names(each) for each in operations):
                program = cirq.FrozenCircuit(map(plain_operations, operations))  # Cirq resolves no symbols in IonQ's gates
            resolved = [cirq.resolve_parameters(program, resolver) for resolver in resolvers]
            _check_resolved(name for each in resolved for name in cirq.parameter_names(each))
            return np.concatenate([self._values(each, observables, [cirq.ParamResolver()], qubits, state) for each in resolved])
        data = [[resolver.value_of(symbol) for symbol in symbols] for resolver in resolvers]
        _check_resolved(str(value) for row in data for value in row if isinstance(value, sympy.Basic))
        return engine.values(np.array(data, float).reshape(len(resolvers), len(symbols)), None, states)

    def _make_engine(
        self,
        program: cirq.FrozenCircuit,
        observables: tuple[tuple[cirq.PauliString, ...], ...],
        symbols: tuple[sympy.Symbol, ...],
        qubits: tuple[cirq.Qid, ...],
    ) -> CompiledEngine:
        sums = [cirq.PauliSum.from_pauli_strings(list(strings)) for strings in observables]
        return CompiledEngine(program, sums, symbols, qubits=qubits, dtype=self._dtype)


def _check_resolved(missing: Iterable[str]) -> None:
    names = sorted(set(missing))
    if names:
        raise InputError(f"the parameters give no value to {', '.join(names)}.")
