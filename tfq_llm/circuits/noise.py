"""Noise, added to a circuit as Cirq channels, so that one noisy circuit runs in every simulator that knows these channels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import cirq

from tfq_llm.checks import flag, one_of, real_number
from tfq_llm.circuits.native_gates import is_gate
from tfq_llm.errors import InputError, did_you_mean

Readout: TypeAlias = "float | tuple[float, float]"

# r1 and r2 of docs.ionq.com/guides/simulation-with-noise-models, read in November 2026. It has none for Forte Enterprise 1 yet.
IONQ_ERROR_RATES = {
    "aria-1": (0.0005, 0.0133),
    "forte-1": (0.0002666666666666667, 0.004949333333333333),
}

NOISE_FORMS = "'none', 'aria-1', 'forte-1', 'depolarizing:P1,P2' or 'depolarizing:P1,P2,per-qubit'"


@dataclass(frozen=True)
class DepolarizingNoise(cirq.NoiseModel):
    """Made by `depolarizing`. Equal if the numbers are; `str` gives the text that `parse_noise` reads back."""

    p1: float
    p2: float
    per_qubit: bool = False

    def noisy_operation(self, operation: cirq.Operation) -> cirq.OP_TREE:
        return _depolarized(operation, self.p1, self.p2, self.per_qubit)

    def __str__(self) -> str:
        return f"depolarizing:{self.p1},{self.p2}{',per-qubit' if self.per_qubit else ''}"


@dataclass(frozen=True)
class IonQNoise(cirq.NoiseModel):
    """Made by `ionq_noise`. Equal if the machine is; `str` gives its name, which `parse_noise` reads back."""

    machine: str

    def noisy_operation(self, operation: cirq.Operation) -> cirq.OP_TREE:
        r1, r2 = IONQ_ERROR_RATES[self.machine]
        return _depolarized(operation, 3 * r1 / 4, 15 * r2 / 16)

    def __str__(self) -> str:
        return self.machine


def ionq_noise(machine: str) -> IonQNoise:
    """The channel by which IonQ's cloud simulator imitates a machine.

    After each one-qubit gate the Kraus operators √(1 − 3·r1/4)·I and √(r1/4)·P for P = X, Y, Z; after each two-qubit gate
    √(1 − 15·r2/16)·I and √(r2/16)·P for the 15 other pairs of Paulis. In Cirq: `depolarize(3·r1/4)`, `depolarize(15·r2/16, 2)`.
    IonQ publishes no readout error with it. TensorFlow Quantum cannot run it: it has no two-qubit channel.

    Args:
        machine: "aria-1" (r1 = 0.0005, r2 = 0.0133) or "forte-1" (r1 = 0.000267, r2 = 0.00495).

    Raises:
        InputError: IonQ's page has no such machine.

    Source: docs.ionq.com/guides/simulation-with-noise-models, section "Our noise model" (read in November 2026).
    """
    return IonQNoise(one_of("the machine of IonQ's noise", machine, tuple(IONQ_ERROR_RATES)))


def depolarizing(p1: float, p2: float, *, per_qubit: bool = False) -> DepolarizingNoise:
    """Depolarizing noise after every gate, with Cirq's meaning of the probability: that some Pauli other than I strikes.

    Args:
        p1: after a one-qubit gate, `cirq.depolarize(p1)`; 3/4 leaves nothing of the qubit's state. 0 adds no channel.
        p2: after a two-qubit gate, `cirq.depolarize(p2, n_qubits=2)` on both qubits; 15/16 leaves nothing. 0 adds no channel.
        per_qubit: True puts `cirq.depolarize(p2)` on each of the two qubits instead, which TensorFlow Quantum can run. For
            each qubit alone, per_qubit with 4·p2/5 is the same as the two-qubit channel with p2.

    Raises:
        InputError: a probability is not in [0, 1].
    """
    return DepolarizingNoise(_probability("p1", p1), _probability("p2", p2), flag("per_qubit", per_qubit))


def readout_error(p01: float, p10: float | None = None) -> cirq.Gate:
    """A channel on a qubit that changes its Z readings as a faulty detector would.

    It is exact for observables made of Z, which commute with what it leaves out; X and Y would be read after a rotation, so for
    these it is not a readout error.

    Args:
        p01: probability that 0 is read as 1.
        p10: probability that 1 is read as 0; None makes it p01, and the channel a bit flip.

    Returns:
        `cirq.bit_flip(p01)`; or, if the two differ, generalized amplitude damping with γ = p01 + p10 towards
        |0⟩ in the proportion p10 / γ.

    Raises:
        InputError: a probability is not in [0, 1], or two different ones add up to more than 1.
    """
    p01 = _probability("the readout error p01", p01)
    p10 = p01 if p10 is None else _probability("the readout error p10", p10)
    if p01 == p10:
        return cirq.BitFlipChannel(p01)
    if p01 + p10 > 1:
        raise InputError(
            f"the readout errors {p01} and {p10} add up to more than 1: such a detector is wrong more often than right. Exchange "
            f"its outcomes and give {1 - p01} and {1 - p10}."
        )
    return cirq.GeneralizedAmplitudeDampingChannel(p=p10 / (p01 + p10), gamma=p01 + p10)


def check_readout(given: Any) -> Readout:
    """Returns a probability of wrong readings, or two (0 read as 1, 1 read as 0), as floats; otherwise raises InputError."""
    if not isinstance(given, (tuple, list)):
        readout_error(given)
        return float(given)
    if len(given) != 2:
        raise InputError(f"a readout error is one probability or two (0 read as 1, 1 read as 0), not {given!r}.")
    readout_error(*given)
    return float(given[0]), float(given[1])


def noisy_circuit(
    circuit: cirq.AbstractCircuit,
    model: cirq.NoiseModel | None,
    *,
    readout: Readout = 0.0,
    measured: Sequence[cirq.Qid] = (),
) -> cirq.Circuit:
    """The circuit with a model's channels behind its gates and readout errors at its end.

    `ionq_noise` and `depolarizing` put one channel behind every gate, in a moment of its own, and none on idle qubits or behind
    gates tagged `cirq.VirtualTag`. Channels carry that tag, so no other noise model adds noise to them. Symbols stay symbols.

    Args:
        circuit: gates without noise or measurements; may hold symbols.
        model: any Cirq noise model; None adds none.
        readout: probability of a wrong reading, or (0 read as 1, 1 read as 0): see `readout_error`. 0 adds no channel.
        measured: the qubits whose Z is read, which get the readout error; needed if it is not 0.

    Raises:
        InputError: the circuit already holds noise or a measurement, a gate has more qubits than the model knows, a probability
            is not in [0, 1], a measured qubit is listed twice or not in the circuit, or `model` is not a noise model.
    """
    _check_noiseless(circuit)
    flips = _readout_moment(circuit, readout, measured)
    if model is not None and not isinstance(model, cirq.NoiseModel):
        raise InputError(
            f"the noise must be a cirq.NoiseModel or None, not {model!r}: make one from a name by parse_noise, or from a "
            "one-qubit channel by cirq.ConstantQubitNoiseModel."
        )
    noisy = circuit.unfreeze(copy=True)
    return (noisy if model is None else noisy.with_noise(model)) + flips


def parse_noise(text: str) -> cirq.NoiseModel | None:
    """The noise model that a setting names; `str(model)` is the way back.

    Args:
        text: "none", "aria-1", "forte-1", "depolarizing:P1,P2" or "depolarizing:P1,P2,per-qubit".

    Returns:
        None for "none".

    Raises:
        InputError: the text is none of these, or a probability is not in [0, 1].
    """
    if not isinstance(text, str):
        raise InputError(f"noise is one of {NOISE_FORMS}, not {text!r}.")
    name, colon, numbers = text.strip().partition(":")
    if name == "depolarizing":
        return _parse_depolarizing(text, numbers)
    if name == "none" and not colon:
        return None
    if name in IONQ_ERROR_RATES and not colon:
        return ionq_noise(name)
    known = ["none", "depolarizing", *IONQ_ERROR_RATES]
    raise InputError(f"noise is one of {NOISE_FORMS}, not {text!r}.{'' if name in known else did_you_mean(name, known)}")


def _depolarized(operation: cirq.Operation, p1: float, p2: float, per_qubit: bool = False) -> cirq.OP_TREE:
    """A gate and the channels behind it; anything that is not a gate, as it is."""
    qubits = operation.qubits
    if not qubits or cirq.VirtualTag() in operation.tags or not is_gate(operation):
        return operation
    if len(qubits) > 2 or isinstance(operation.untagged, cirq.CircuitOperation):
        raise InputError(
            f"depolarizing noise stands behind gates on one or two qubits, and {operation} is not one: decompose it first "
            "(cirq.decompose, or cirq.unroll_circuit_op for a circuit within a circuit)."
        )
    p = p1 if len(qubits) == 1 else p2
    groups = [(qubit,) for qubit in qubits] if per_qubit else [qubits]
    channels = [cirq.depolarize(p, n_qubits=len(group)).on(*group).with_tags(cirq.VirtualTag()) for group in groups]
    return [operation, channels if p > 0 else []]


def _check_noiseless(circuit: cirq.AbstractCircuit) -> None:
    for index, moment in enumerate(circuit):
        for operation in moment:
            if not is_gate(operation):
                kind = "a measurement" if cirq.is_measurement(operation) else "noise"
                raise InputError(
                    f"the circuit already holds {kind}, {operation.untagged} in moment {index}: give it without; "
                    "noise is added here, and the qubits to read are named by 'measured'."
                )


def _readout_moment(circuit: cirq.AbstractCircuit, readout: Readout, measured: Sequence[cirq.Qid]) -> cirq.Circuit:
    """The readout error on the measured qubits; an empty circuit if it is 0."""
    errors = check_readout(readout)
    pair = errors if isinstance(errors, tuple) else (errors,)
    missing = sorted(set(measured) - circuit.all_qubits())
    if missing:
        raise InputError(
            f"the measured qubits {missing} are not in the circuit, whose qubits are {sorted(circuit.all_qubits())}."
        )
    if len(set(measured)) < len(measured):
        raise InputError(f"a measured qubit is listed twice in {list(measured)}: a readout error strikes a qubit once.")
    if not any(pair):
        return cirq.Circuit()
    if not measured:
        raise InputError(f"a readout error of {readout} needs to know the qubits that are read: give them as 'measured'.")
    channel = readout_error(*pair)
    return cirq.Circuit(cirq.Moment(channel.on(qubit).with_tags(cirq.VirtualTag()) for qubit in measured))


def _parse_depolarizing(text: str, numbers: str) -> DepolarizingNoise:
    parts = [part.strip() for part in numbers.split(",")]
    per_qubit = parts[-1] == "per-qubit"
    try:
        p1, p2 = map(float, parts[:-1] if per_qubit else parts)
    except ValueError:
        raise InputError(
            f"depolarizing noise is written 'depolarizing:P1,P2', as in 'depolarizing:0.001,0.01', not {text!r}."
        ) from None
    return depolarizing(p1, p2, per_qubit=per_qubit)


def _probability(name: str, value: Any) -> float:
    number = real_number(name, value)
    if not 0 <= number <= 1:  # NaN fails too
        raise InputError(f"{name} must be a probability from 0 to 1, not {value!r}.")
    return number
