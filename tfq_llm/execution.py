"""How a circuit is run: by which executor, and what is sampled. No TensorFlow or Cirq when it is imported."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any, Literal, Protocol, get_args, runtime_checkable

from tfq_llm.checks import flag, is_real, one_of, whole_number
from tfq_llm.errors import InputError

if TYPE_CHECKING:
    import cirq
    import numpy as np

    from tfq_llm.circuits.noise import Readout

# A state of 20 qubits is 4 MB a sample; beyond that an exact simulation is no longer something to train with here.
MAX_QUBITS = 20

Executor = Literal["compiled", "tfq", "tensorflow"]
EXECUTORS: tuple[str, ...] = get_args(Executor)
"""The compiled engine; TensorFlow Quantum; plain TensorFlow operations."""

MACHINE = "ionq"
"""The executor that sends circuits to a service. It needs that service, so it can be given in Python and in no configuration."""

Gradient = Literal["adjoint", "parameter-shift", "spsa"]
GRADIENTS: tuple[str, ...] = get_args(Gradient)
"""The ways to a gradient of what is sampled. The first is exact; the others need only evaluations."""


@runtime_checkable
class CircuitService(Protocol):
    """Runs circuits elsewhere for the executor "ionq"; `tfq_llm.ionq.executor.MachineExecutor` is one."""

    def expectation_values(self, template: cirq.Circuit, symbols: Sequence[str], values: np.ndarray, measured: int) -> np.ndarray:
        """⟨Z⟩ of qubits 0 … measured − 1, [rows, measured], all of them finite.

        Args:
            template: on line qubits, without measurements.
            symbols: that stand in its rotations.
            values: of the symbols, [rows, symbols] in radians; a circuit for each row.
            measured: how many qubits are read.
        """


def not_in_a_configuration(executor: Any) -> Any:
    """Refuses the executor "ionq" among settings, and leaves everything else to who checks it next."""
    if executor == MACHINE:
        raise InputError(
            f"the executor '{MACHINE}' needs a connection to IonQ, which no configuration holds: train with another, then score "
            "with 'tfq-llm ionq evaluate', or predict with tfq_llm.ionq.executor.on_machine(head, service)"
        )
    return executor


@dataclass(frozen=True)
class Sampling:
    """What is not exact: finite shots and noisy gates. See `SamplingEngine` for all but the noise.

    Attributes:
        noise: a text as `parse_noise` takes it, any `cirq.NoiseModel`, or its JSON text.
        readout_error: the probability with which a measured qubit is read wrongly, or two: 0 read as 1, 1 read as 0.

    Raises:
        InputError: a value is out of its range, or does not go with the others.
    """

    shots: int | None = None
    trajectories: int | None = None
    noise: str | cirq.NoiseModel | None = "none"
    readout_error: Readout = 0.0
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
        object.__setattr__(self, "readout_error", readout_errors(self.readout_error))
        if self.is_noisy and self.shots is None and self.trajectories is None:
            raise InputError("noise is simulated by trajectories or by shots: give trajectories or shots.")
        if not self.is_noisy and self.trajectories is not None:
            raise InputError("trajectories are for noisy circuits: give noise or readout_error, or leave them out.")
        if self.is_noisy and self.trajectories is None and self.gradient == "adjoint":
            raise InputError(
                "the adjoint gradient of a noisy circuit is a mean over trajectories: give trajectories, or the gradient "
                "'parameter-shift' or 'spsa'."
            )
        if isinstance(self.readout_error, tuple) and len(set(self.readout_error)) == 2 and self.gradient == "adjoint":
            raise InputError(
                "two readout errors that differ are simulated by quantum jumps, which have no adjoint gradient: give the "
                "gradient 'parameter-shift' or 'spsa', or one probability for both."
            )
        if self.is_exact and self.gradient != "adjoint":
            raise InputError(
                f"exact values have adjoint gradients, and '{self.gradient}' is for what is sampled: give shots, or leave the "
                "gradient out."
            )

    @property
    def is_exact(self) -> bool:
        """Whether there are neither shots nor trajectories nor noise."""
        return self.shots is None and not self.is_noisy

    @property
    def is_noisy(self) -> bool:
        """Whether there is gate noise or a readout error."""
        return self.noise_model is not None or self.has_readout_error

    @property
    def has_readout_error(self) -> bool:
        """Whether a reading may be wrong."""
        return self.readout_error not in (0.0, (0.0, 0.0))

    @property
    def noise_model(self) -> cirq.NoiseModel | None:
        """The gate noise, whichever way it was given; None without.

        Raises:
            InputError: a text names none.
        """
        if self.noise is None or self.noise == "none":
            return None
        if not isinstance(self.noise, str):
            return self.noise
        import cirq

        from tfq_llm.circuits.noise import parse_noise

        if not self.noise.startswith("{"):
            return parse_noise(self.noise)
        try:
            return cirq.read_json(json_text=self.noise)
        except ValueError as error:
            raise InputError(f"the noise '{self.noise:.60}' begins like Cirq's JSON and is none: {error}") from None

    def check_executor(self, name: str) -> None:
        """Raises InputError unless an executor can sample like this."""
        if self.is_exact:
            return
        if name == MACHINE:
            raise InputError(
                f"the executor '{MACHINE}' runs on a machine, which has shots and noise of its own: say them in the service's "
                "order, and leave them out of the layer."
            )
        if name == "tensorflow":
            raise InputError(
                "the executor 'tensorflow' is exact: it knows neither noise nor shots nor trajectories. Use the executor "
                "'compiled' or 'tfq'."
            )
        if name == "tfq" and (self.gradient != "parameter-shift" or self.fixed or (self.shots and self.trajectories)):
            raise InputError(
                "TensorFlow Quantum draws anew at every step, by shots or by trajectories, and differentiates what it samples by "
                "parameter shift: give the gradient 'parameter-shift', fixed as false, and one of shots and trajectories."
            )

    def noisy(self, circuit: cirq.Circuit, measured: Sequence[cirq.Qid]) -> cirq.Circuit:
        """The circuit with its noise, and readout errors on the measured qubits."""
        if not self.is_noisy:
            return circuit
        from tfq_llm.circuits.noise import noisy_circuit

        return noisy_circuit(circuit, self.noise_model, readout=self.readout_error, measured=measured)

    def get_config(self) -> dict[str, Any]:
        """The attributes as JSON values, which are taken back; a noise model of Cirq's as its JSON text."""
        readout = list(self.readout_error) if isinstance(self.readout_error, tuple) else self.readout_error
        own = {field.name: getattr(self, field.name) for field in fields(self)}
        return own | {"noise": self._noise_text(), "readout_error": readout}

    def _noise_text(self) -> str:
        if self.noise is None or isinstance(self.noise, str):
            return self.noise or "none"
        import cirq

        from tfq_llm.circuits.noise import DepolarizingNoise, IonQNoise

        if isinstance(self.noise, (DepolarizingNoise, IonQNoise)):
            return str(self.noise)
        try:
            return cirq.to_json(self.noise)
        except TypeError:
            raise InputError(
                f"the noise model {type(self.noise).__name__} cannot be written as JSON, so the layer cannot be saved: give it "
                "Cirq's JSON protocol (_json_dict_), or a noise that has a name."
            ) from None


def readout_errors(given: Any) -> Readout:
    """One probability or two, as `check_readout` returns them; Cirq is not loaded for 0."""
    if is_real(given) and given == 0:
        return 0.0
    from tfq_llm.circuits.noise import check_readout

    return check_readout(given)
