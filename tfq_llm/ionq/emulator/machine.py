"""The machine behind the server: circuits become probabilities, or counts of shots on noisy gates, by this project's engine."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache

import cirq
import numpy as np
import sympy

from tfq_llm.circuits.noise import ionq_noise, noisy_circuit
from tfq_llm.errors import InputError
from tfq_llm.execution import MAX_QUBITS
from tfq_llm.ionq.emulator.gates import NUM_ANGLES, Gate, is_symbolic, operations, sizes
from tfq_llm.simulation.compiled.engine import CompiledEngine
from tfq_llm.simulation.sampling.bitstrings import BitstringSampler
from tfq_llm.simulation.sampling.randomness import generator

# Exact probabilities below this are rounding errors of zero, which a reply leaves out.
_NOTHING = 1e-13
# Bytes of exact probabilities that are held at once.
_BYTES_AT_ONCE = 2**26
# Outcomes of one job, of 16 bytes each.
_MOST_OUTCOMES = 2**26


@dataclass(frozen=True)
class Circuit:
    """What is run.

    Attributes:
        qubits: how many a reading covers, from qubit 0 on.
        gates: in order.
        turns: the angles of all gates in order, float64, in half turns.
        name: as its sender called it.
    """

    qubits: int
    gates: tuple[Gate, ...]
    turns: np.ndarray
    name: str | None = None

    @property
    def gate_counts(self) -> tuple[int, int]:
        """Gates on one and on two qubits, as they are priced."""
        found = [sizes(gate) for gate in self.gates]
        return sum(one for one, _ in found), sum(two for _, two in found)


@dataclass(frozen=True)
class Conditions:
    """How circuits are run.

    Attributes:
        noise: "none" or a machine whose noise IonQ has published.
        readout: probabilities with which 0 is read as 1, and 1 as 0.
        shots: None for exact probabilities, which go with neither noise nor readout errors.
    """

    noise: str = "none"
    readout: tuple[float, float] = (0.0, 0.0)
    shots: int | None = None


@dataclass(frozen=True)
class Histogram:
    """What was read.

    Attributes:
        states: basis states, int64 ascending; qubit 0 is the lowest bit.
        weights: of each, float64: its probability, or how often it was seen.
    """

    states: np.ndarray
    weights: np.ndarray

    def probabilities(self) -> dict[str, float]:
        """By the state as a decimal number; they sum to one."""
        shares = (self.weights / self.weights.sum()).tolist()
        return dict(zip(map(str, self.states.tolist()), shares, strict=True))

    def counts(self) -> dict[str, int]:
        return dict(zip(map(str, self.states.tolist()), self.weights.astype(int).tolist(), strict=True))


def prepare(*gates: str) -> None:
    """Runs a circuit each way, so that no job has to wait for kernels to be compiled (a minute, on a new machine) or loaded.

    Args:
        gates: real matrices ("ry") and complex ones ("rx") have kernels of their own. Default: both.
    """
    smallest = [Circuit(1, (Gate(name, (0,)),), np.array([0.5])) for name in gates or ("ry", "rx")]
    for conditions in (Conditions(), Conditions(shots=2), Conditions("aria-1", shots=2)):
        list(run(smallest, conditions, 0))


def run(circuits: Sequence[Circuit], conditions: Conditions, seed: int) -> Iterator[tuple[int, Histogram]]:
    """Runs circuits; those of one structure, which differ in their angles alone, as one batch.

    Yields:
        The place of a circuit in `circuits`, and what was read; in an order of its own.

    Raises:
        InputError: a circuit has gates on more qubits than can be simulated here, or there are too many outcomes to keep.
    """
    outcomes = sum(2 ** min(circuit.qubits, MAX_QUBITS) for circuit in circuits)
    if min(outcomes, (conditions.shots or outcomes) * len(circuits)) > _MOST_OUTCOMES:
        raise InputError("the results of this job would not fit into the emulator's memory: send fewer circuits at once.")
    groups: dict[tuple[tuple[Gate, ...], tuple[float, ...]], list[int]] = {}
    for place, circuit in enumerate(circuits):
        groups.setdefault((circuit.gates, _fixed_turns(circuit)), []).append(place)
    for number, places in enumerate(groups.values()):
        yield from _run_group([circuits[place] for place in places], places, conditions, seed, number)


def _run_group(
    circuits: Sequence[Circuit], places: Sequence[int], conditions: Conditions, seed: int, number: int
) -> Iterator[tuple[int, Histogram]]:
    """Circuits of one structure."""
    active = _active(circuits[0].gates)
    rng = generator(seed, np.array([number]))
    own_seed = int(rng.integers(2**63))
    found = _measured(circuits, active, conditions, own_seed) if active else _nothing_done(circuits, conditions)
    for place, circuit, (states, weights) in zip(places, circuits, found, strict=True):
        spread = _spread(states, active)
        if any(conditions.readout) and conditions.shots is not None:
            spread, weights = _misread(spread, weights, circuit.qubits, conditions.readout, rng)
        yield place, Histogram(spread, weights.astype(float))


def _active(gates: Sequence[Gate]) -> list[int]:
    """The qubits that gates act on, ascending: the others stay 0 and are not simulated."""
    return sorted({qubit for gate in gates for qubit in gate.qubits})


def _nothing_done(circuits: Sequence[Circuit], conditions: Conditions) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    for _ in circuits:
        yield np.zeros(1, np.int64), np.array([conditions.shots or 1])


def _measured(
    circuits: Sequence[Circuit], active: Sequence[int], conditions: Conditions, seed: int
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """States of the active qubits, the first as the lowest bit, and their weights."""
    if len(active) > MAX_QUBITS:
        raise InputError(f"the emulator simulates gates on at most {MAX_QUBITS} qubits, and this circuit has {len(active)}.")
    data = np.array([_symbolic_turns(circuit) for circuit in circuits]).reshape(len(circuits), -1)
    noise = None if conditions.shots is None else conditions.noise
    prepared = _prepared(circuits[0].gates, _fixed_turns(circuits[0]), noise)
    if isinstance(prepared, CompiledEngine):
        yield from _exact(prepared, data)
    else:
        yield from prepared.counts(data, conditions.shots or 0, seed)


@lru_cache(maxsize=32)
def _prepared(gates: tuple[Gate, ...], fixed_turns: tuple[float, ...], noise: str | None) -> CompiledEngine | BitstringSampler:
    """What runs circuits of a structure, exactly if there is no noise to speak of ("none" is none, in shots).

    It takes a tenth of a second to make, and who tunes angles sends the same structure over and over.
    """
    template, symbols = _template(gates, fixed_turns)
    # The register has its most significant qubit first, so the lowest one stands last.
    register = [cirq.LineQubit(qubit) for qubit in reversed(_active(gates))]
    if noise is None:
        return CompiledEngine(template, [cirq.Z(register[0])], symbols, qubits=register, dtype="float64")
    model = None if noise == "none" else ionq_noise(noise)
    return BitstringSampler(noisy_circuit(template, model), symbols, qubits=register)


def _exact(engine: CompiledEngine, data: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    step = max(1, _BYTES_AT_ONCE // (2**engine.num_qubits * 16))
    for start in range(0, len(data), step):
        for probabilities in engine.probabilities(data[start : start + step]):
            states = np.flatnonzero(probabilities > _NOTHING)
            yield states, probabilities[states]


def _template(gates: Sequence[Gate], fixed_turns: Sequence[float]) -> tuple[cirq.Circuit, list[sympy.Symbol]]:
    """A circuit with a symbol for every angle that may be one, in half turns."""
    symbols: list[sympy.Symbol] = []
    built: list[cirq.Operation] = []
    fixed = iter(fixed_turns)
    for gate in gates:
        count = NUM_ANGLES.get(gate.name, 0)
        turns: list[cirq.TParamVal]
        if is_symbolic(gate):
            turns = [sympy.Symbol(f"a{len(symbols) + index}") for index in range(count)]
            symbols += turns
        else:
            turns = [next(fixed) for _ in range(count)]
        built += operations(gate, turns)
    return cirq.Circuit(built), symbols


def _symbolic_turns(circuit: Circuit) -> np.ndarray:
    return circuit.turns[_is_symbolic_turn(circuit.gates)]


def _fixed_turns(circuit: Circuit) -> tuple[float, ...]:
    return tuple(circuit.turns[~_is_symbolic_turn(circuit.gates)].tolist())


@lru_cache(maxsize=32)
def _is_symbolic_turn(gates: tuple[Gate, ...]) -> np.ndarray:
    """Of every angle in order whether it may be a symbol."""
    return np.array([is_symbolic(gate) for gate in gates for _ in range(NUM_ANGLES.get(gate.name, 0))], bool)


def _spread(states: np.ndarray, active: Sequence[int]) -> np.ndarray:
    """States of the active qubits alone as states of all."""
    if list(active) == list(range(len(active))):
        return states
    return np.sum([(states >> bit & 1) << qubit for bit, qubit in enumerate(active)], axis=0, dtype=np.int64)


def _misread(
    states: np.ndarray, counts: np.ndarray, qubits: int, readout: tuple[float, float], rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Counts of states as a faulty detector reads them, every shot and qubit by itself."""
    shots = np.repeat(states, counts)
    for qubit in range(qubits):
        wrong = rng.random(len(shots)) < np.where(shots >> qubit & 1, readout[1], readout[0])
        shots ^= wrong.astype(np.int64) << qubit
    return np.unique(shots, return_counts=True)
