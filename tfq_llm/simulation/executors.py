"""The executors by name. Weights and outputs are the same; what runs the circuit differs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import cirq
import sympy

from tfq_llm.simulation.pauli import Observable

EXECUTORS = ("compiled", "tfq", "tensorflow")
"""The compiled engine; TensorFlow Quantum; plain TensorFlow operations."""


def make_executor(
    name: str,
    circuit: cirq.Circuit,
    observables: Sequence[Observable],
    data_symbols: Sequence[sympy.Symbol],
    weight_symbols: Sequence[sympy.Symbol],
    qubits: Sequence[cirq.Qid],
) -> Any:
    """An executor, called as executor(data, weights), for the whole register `qubits`, most significant first."""
    # Imported when chosen: a model that runs on plain TensorFlow must load where TensorFlow Quantum is not installed.
    if name == "compiled":
        from tfq_llm.simulation.compiled_tensorflow import CompiledExecutor

        return CompiledExecutor(circuit, observables, data_symbols, weight_symbols, qubits=qubits)
    if name == "tfq":
        from tfq_llm.simulation.quantum import TfqExecutor

        return TfqExecutor(circuit, observables, data_symbols, weight_symbols)
    from tfq_llm.simulation.tensorflow import TensorFlowExecutor

    return TensorFlowExecutor(circuit, observables, data_symbols, weight_symbols, qubits=qubits)
