"""The executors by name. Weights and outputs are the same; what runs the circuit differs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import cirq
import sympy

from tfq_llm.circuits.noise import DepolarizingNoise, IonQNoise, noisy_circuit, parse_noise
from tfq_llm.errors import InputError
from tfq_llm.simulation.pauli import Observable

EXECUTORS = ("compiled", "tfq", "tensorflow")
"""The compiled engine; TensorFlow Quantum; plain TensorFlow operations."""


@dataclass(frozen=True)
class Sampling:
    """What is not exact: finite shots and noisy gates. See `SamplingEngine` for all but the noise.

    Attributes:
        noise: a text as `parse_noise` takes it, or any `cirq.NoiseModel`.
        readout_error: the probability with which a measured qubit is read wrongly.
    """

    shots: int | None = None
    trajectories: int | None = None
    noise: str | cirq.NoiseModel = "none"
    readout_error: float = 0.0
    gradient: str = "adjoint"
    seed: int = 0
    fixed: bool = False

    @property
    def is_exact(self) -> bool:
        """Whether there are neither shots nor trajectories nor noise."""
        return self.shots is None and self.trajectories is None and not self.is_noisy

    @property
    def is_noisy(self) -> bool:
        return self.noise_model is not None or bool(self.readout_error)

    @property
    def noise_model(self) -> cirq.NoiseModel | None:
        if not isinstance(self.noise, str):
            return self.noise
        return cirq.read_json(json_text=self.noise) if self.noise.startswith("{") else parse_noise(self.noise)

    def get_config(self) -> dict[str, Any]:
        """The attributes as JSON values; a noise model of Cirq's as its JSON text, which is taken back as `noise`."""
        noise = self.noise
        if not isinstance(noise, str):
            noise = str(noise) if isinstance(noise, (DepolarizingNoise, IonQNoise)) else cirq.to_json(noise)
        return asdict(replace(self, noise=noise))

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
        return _exact(name, *case, qubits)
    if sampling.shots is None and sampling.trajectories is None:
        raise InputError("noise is simulated by trajectories or by shots: say how many of either.")
    if name == "tensorflow":
        raise InputError(
            "the executor 'tensorflow' is exact: it knows neither noise nor shots nor trajectories. Use executor='compiled' or "
            "'tfq'."
        )
    measured = sorted({qubit for observable in observables for qubit in observable.qubits})
    noisy = (sampling.noisy(circuit, measured), *case[1:])
    if name == "tfq":
        from tfq_llm.simulation.quantum import sampled_tfq_executor

        return sampled_tfq_executor(*noisy, shots=sampling.shots, trajectories=sampling.trajectories, is_noisy=sampling.is_noisy)
    from tfq_llm.simulation.sampled_tensorflow import SampledExecutor
    from tfq_llm.simulation.sampling.engine import SamplingEngine

    options = {name: getattr(sampling, name) for name in ("shots", "trajectories", "gradient", "seed", "fixed")}
    return SampledExecutor(SamplingEngine(*noisy, qubits=qubits, **options))


def _exact(
    name: str,
    circuit: cirq.Circuit,
    observables: Sequence[Observable],
    data_symbols: Sequence[sympy.Symbol],
    weight_symbols: Sequence[sympy.Symbol],
    qubits: Sequence[cirq.Qid],
) -> Any:
    if name == "compiled":
        from tfq_llm.simulation.compiled_tensorflow import CompiledExecutor

        return CompiledExecutor(circuit, observables, data_symbols, weight_symbols, qubits=qubits)
    if name == "tfq":
        from tfq_llm.simulation.quantum import TfqExecutor

        return TfqExecutor(circuit, observables, data_symbols, weight_symbols)
    from tfq_llm.simulation.tensorflow import TensorFlowExecutor

    return TensorFlowExecutor(circuit, observables, data_symbols, weight_symbols, qubits=qubits)
