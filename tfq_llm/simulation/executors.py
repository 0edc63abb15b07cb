"""The executors by name. Weights and outputs are the same; what runs the circuit differs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import cirq
import sympy

from tfq_llm.errors import InputError
from tfq_llm.execution import MACHINE, CircuitService, Sampling
from tfq_llm.simulation.pauli import Observable, pauli_strings


def make_executor(
    name: str,
    circuit: cirq.Circuit,
    observables: Sequence[Observable],
    data_symbols: Sequence[sympy.Symbol],
    weight_symbols: Sequence[sympy.Symbol],
    qubits: Sequence[cirq.Qid],
    sampling: Sampling | None = None,
    dtype: str = "float32",
    service: CircuitService | None = None,
) -> Any:
    """An executor, called as executor(data, weights), for the whole register `qubits`, most significant first.

    Args:
        name: one of `EXECUTORS`, or `MACHINE`.
        sampling: None for exact values.
        dtype: "float32" or "float64", of amplitudes and results. TensorFlow Quantum knows only float32.
        service: for `MACHINE`, what runs the circuits; they must read Z of the first qubits.

    Raises:
        InputError: the executor cannot sample as asked.
    """
    # Imported when chosen: a model that runs on plain TensorFlow must load where TensorFlow Quantum is not installed.
    case = (circuit, observables, data_symbols, weight_symbols)
    if name == MACHINE:
        from tfq_llm.simulation.service_tensorflow import ServiceExecutor

        assert service is not None
        (sampling or Sampling()).check_executor(name)
        return ServiceExecutor(service, circuit, qubits[: len(observables)], data_symbols, weight_symbols, dtype)
    if sampling is None or sampling.is_exact:
        return _exact(name, case, qubits, dtype)
    sampling.check_executor(name)
    strings = [string for observable in observables for string in pauli_strings(observable)]
    if sampling.has_readout_error and any(pauli != cirq.Z for string in strings for pauli in string.values()):
        raise InputError("a readout error is a wrongly read Z: observables with X or Y cannot have one here.")
    measured = sorted({qubit for observable in observables for qubit in observable.qubits})
    noisy = (sampling.noisy(circuit, measured), *case[1:])
    if sampling.is_noisy and noisy[0] == circuit:  # noise of strength 0
        if sampling.shots is None:
            return _exact(name, case, qubits, dtype)
        sampling = replace(sampling, noise="none", readout_error=0.0, trajectories=None)
    if name == "tfq":
        from tfq_llm.simulation.tfq import sampled_tfq_executor

        return sampled_tfq_executor(*noisy, shots=sampling.shots, trajectories=sampling.trajectories, is_noisy=sampling.is_noisy)
    from tfq_llm.simulation.sampled_tensorflow import SampledExecutor
    from tfq_llm.simulation.sampling.engine import SamplingEngine

    options = {name: getattr(sampling, name) for name in ("shots", "trajectories", "gradient", "seed", "fixed")}
    return SampledExecutor(SamplingEngine(*noisy, qubits=qubits, dtype=dtype, **options))


def _exact(name: str, case: tuple[Any, ...], qubits: Sequence[cirq.Qid], dtype: str) -> Any:
    """The exact executor; `case` is circuit, observables, data symbols and weight symbols."""
    if name == "compiled":
        from tfq_llm.simulation.compiled.engine import CompiledEngine
        from tfq_llm.simulation.compiled_tensorflow import CompiledExecutor

        return CompiledExecutor(CompiledEngine(*case, qubits=qubits, dtype=dtype, unnormalised="allow"))
    if name == "tfq":
        from tfq_llm.simulation.tfq import TfqExecutor

        return TfqExecutor(*case)
    from tfq_llm.simulation.tensorflow import TensorFlowExecutor

    return TensorFlowExecutor(*case, qubits=qubits, dtype=dtype)
