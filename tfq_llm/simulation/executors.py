"""The executors by name. Weights and outputs are the same; what runs the circuit differs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

import cirq
import sympy

from tfq_llm.checks import flag, one_of, real_number, whole_number
from tfq_llm.circuits.noise import DepolarizingNoise, IonQNoise, noisy_circuit, parse_noise
from tfq_llm.errors import InputError
from tfq_llm.simulation.pauli import Observable, pauli_strings
from tfq_llm.simulation.sampling.gradients import GRADIENTS

EXECUTORS = ("compiled", "tfq", "tensorflow")
"""The compiled engine; TensorFlow Quantum; plain TensorFlow operations."""


@dataclass(frozen=True)
class Sampling:
    """What is not exact: finite shots and noisy gates. See `SamplingEngine` for all but the noise.

    Attributes:
        noise: a text as `parse_noise` takes it, any `cirq.NoiseModel`, or its JSON text.
        readout_error: the probability with which a measured qubit is read wrongly.

    Raises:
        InputError: a value is out of its range.
    """

    shots: int | None = None
    trajectories: int | None = None
    noise: str | cirq.NoiseModel | None = "none"
    readout_error: float = 0.0
    gradient: str = "adjoint"
    seed: int = 0
    fixed: bool = False

    def __post_init__(self) -> None:
        for name in ("shots", "trajectories"):
            if getattr(self, name) is not None:
                whole_number(name, getattr(self, name), 1)
        one_of("gradient", self.gradient, GRADIENTS)
        whole_number("seed", self.seed, 0)
        flag("fixed", self.fixed)
        if not 0 <= real_number("readout_error", self.readout_error) <= 1:
            raise InputError(f"readout_error must be a probability, from 0 to 1, not {self.readout_error!r}.")
        if self.trajectories is not None and not self.is_noisy:
            raise InputError("trajectories are for noisy circuits: give noise or a readout error, or leave them out.")
        if self.is_exact and self.gradient != "adjoint":
            raise InputError(
                f"exact values have adjoint gradients; '{self.gradient}' is for what is sampled: give shots or trajectories, or "
                "leave the gradient out."
            )
        if self.is_noisy and self.shots is None and self.trajectories is None:
            raise InputError("noise is simulated by trajectories or by shots: say how many of either.")

    @property
    def is_exact(self) -> bool:
        """Whether there are neither shots nor trajectories nor noise."""
        return self.shots is None and self.trajectories is None and not self.is_noisy

    @property
    def is_noisy(self) -> bool:
        return self.noise_model is not None or bool(self.readout_error)

    @property
    def noise_model(self) -> cirq.NoiseModel | None:
        if self.noise is None or not isinstance(self.noise, str):
            return self.noise
        return cirq.read_json(json_text=self.noise) if self.noise.startswith("{") else parse_noise(self.noise)

    def get_config(self) -> dict[str, Any]:
        """The attributes as JSON values; a noise model of Cirq's as its JSON text, which is taken back as `noise`."""
        noise: Any = "none" if self.noise is None else self.noise
        if isinstance(noise, (DepolarizingNoise, IonQNoise)):
            noise = str(noise)
        elif not isinstance(noise, str):
            try:
                noise = cirq.to_json(noise)
            except TypeError:
                raise InputError(
                    f"the noise model {type(noise).__name__} cannot be written as JSON, so the layer cannot be saved: give it "
                    "Cirq's JSON protocol (_json_dict_), or a noise that has a name."
                ) from None
        return {field.name: getattr(self, field.name) for field in fields(self)} | {"noise": noise}

    def noisy(self, circuit: cirq.Circuit, measured: Sequence[cirq.Qid]) -> cirq.Circuit:
        """The circuit with its noise, and readout errors on the measured qubits."""
        if not self.is_noisy:
            return circuit
        return noisy_circuit(circuit, self.noise_model, readout=self.readout_error, measured=measured)


def make_executor(
    name: str,
    circuit: cirq.Circuit,
    observables: Sequence[Observable],
    data_symbols: Sequence[sympy.Symbol],
    weight_symbols: Sequence[sympy.Symbol],
    qubits: Sequence[cirq.Qid],
    sampling: Sampling | None = None,
) -> Any:
    """An executor, called as executor(data, weights), for the whole register `qubits`, most significant first.

    Raises:
        InputError: the executor cannot sample as asked.
    """
    # Imported when chosen: a model that runs on plain TensorFlow must load where TensorFlow Quantum is not installed.
    case = (circuit, observables, data_symbols, weight_symbols)
    if sampling is None or sampling.is_exact:
        return _exact(name, case, qubits)
    if name == "tensorflow":
        raise InputError(
            "the executor 'tensorflow' is exact: it knows neither noise nor shots nor trajectories. Use executor='compiled' or "
            "'tfq'."
        )
    strings = [string for observable in observables for string in pauli_strings(observable)]
    if sampling.readout_error and any(pauli != cirq.Z for string in strings for pauli in string.values()):
        raise InputError("a readout error is a wrongly read Z: observables with X or Y cannot have one here.")
    if name == "tfq" and (sampling.gradient != "parameter-shift" or sampling.fixed or (sampling.shots and sampling.trajectories)):
        raise InputError(
            "TensorFlow Quantum draws anew at every step, by shots or by trajectories, and differentiates what it samples by "
            "parameter shift: give gradient='parameter-shift', fixed=False, and one of shots and trajectories."
        )
    measured = sorted({qubit for observable in observables for qubit in observable.qubits})
    noisy = (sampling.noisy(circuit, measured), *case[1:])
    if sampling.is_noisy and noisy[0] == circuit:  # noise of strength 0
        without = replace(sampling, noise="none", readout_error=0.0, trajectories=None)
        return make_executor(name, *case, qubits, without)
    if name == "tfq":
        from tfq_llm.simulation.quantum import sampled_tfq_executor

        return sampled_tfq_executor(*noisy, shots=sampling.shots, trajectories=sampling.trajectories, is_noisy=sampling.is_noisy)
    from tfq_llm.simulation.sampled_tensorflow import SampledExecutor
    from tfq_llm.simulation.sampling.engine import SamplingEngine

    options = {name: getattr(sampling, name) for name in ("shots", "trajectories", "gradient", "seed", "fixed")}
    return SampledExecutor(SamplingEngine(*noisy, qubits=qubits, **options))


def _exact(name: str, case: tuple[Any, ...], qubits: Sequence[cirq.Qid]) -> Any:
    """The exact executor; `case` is circuit, observables, data symbols and weight symbols."""
    if name == "compiled":
        from tfq_llm.simulation.compiled_tensorflow import CompiledExecutor

        return CompiledExecutor(*case, qubits=qubits)
    if name == "tfq":
        from tfq_llm.simulation.quantum import TfqExecutor

        return TfqExecutor(*case)
    from tfq_llm.simulation.tensorflow import TensorFlowExecutor

    return TensorFlowExecutor(*case, qubits=qubits)
