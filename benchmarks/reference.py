"""The work that programs are timed on: value and gradient of ⟨Z0⟩ behind a re-uploading circuit, and what comes out of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial

import cirq
import numpy as np
import sympy

from tfq_llm.simulation.compiled.engine import CompiledEngine
from tfq_llm.simulation.compiled.runner import Gradients

# What separates the results of two programs in single precision, relative to the size of the result.
TOLERANCE = 1e-4


class MismatchError(Exception):
    """Two programs did not compute the same thing, so that their times cannot be compared."""


@dataclass(frozen=True)
class Work:
    """A circuit and what it is run on.

    Attributes:
        data_symbols, weight_symbols: in the order of the columns of `data` and of `weights`.
        data: float32 [batch, n], uniform in [−1, 1]. weights: float32 [num_weights], likewise.
    """

    circuit: cirq.Circuit
    data_symbols: tuple[sympy.Symbol, ...]
    weight_symbols: tuple[sympy.Symbol, ...]
    data: np.ndarray
    weights: np.ndarray

    @property
    def num_qubits(self) -> int:
        return self.data.shape[1]

    @property
    def num_gates(self) -> int:
        return sum(1 for _ in self.circuit.all_operations())

    @property
    def observable(self) -> cirq.PauliString:
        return cirq.PauliString(cirq.Z(cirq.LineQubit(0)))


@dataclass(frozen=True)
class Digest:
    """What two programs are compared by: the first value, and the lengths of the gradients by data and by weights."""

    value0: float
    gx_norm: float
    gw_norm: float

    @classmethod
    def of(cls, found: Gradients) -> Digest:
        return cls(float(found.values.flat[0]), float(np.linalg.norm(found.data)), float(np.linalg.norm(found.weights)))

    def check(self, other: Digest, name: str, where: str) -> None:
        """Raises MismatchError if `other`, of the program `name`, differs by more than rounding."""
        for ours, theirs, size in zip(vars(self).values(), vars(other).values(), (1.0, self.gx_norm, self.gw_norm), strict=True):
            if not abs(ours - theirs) <= TOLERANCE * size:
                raise MismatchError(f"{name} did not compute what the engine did, {where}: {other}, and the engine {self}.")


def reference_work(
    num_qubits: int, batch: int, blocks: int = 2, first_layers: int = 1, last_layers: int = 2, connectivity: int = 2
) -> Work:
    """`blocks` × (RY of a datum on every qubit, then the first ansatz, the same each time), then the second ansatz.

    A layer of an ansatz is, for c = 1 … connectivity and every qubit i, a CNOT from i to i + c (mod n) and RY on its target.
    Unlike the package's ansatz it has no column of RY. Data are drawn before weights.
    """
    qubits = cirq.LineQubit.range(num_qubits)
    per_layer = num_qubits * connectivity
    data = tuple(sympy.Symbol(f"x{i}") for i in range(num_qubits))
    weights = tuple(sympy.Symbol(f"w{k}") for k in range((first_layers + last_layers) * per_layer))
    split = first_layers * per_layer

    def ansatz(angles: tuple[sympy.Symbol, ...]) -> Iterator[cirq.Operation]:
        for place, angle in enumerate(angles):
            control, distance = place % num_qubits, 1 + place // num_qubits % connectivity
            target = qubits[(control + distance) % num_qubits]
            yield from (cirq.CNOT(qubits[control], target), cirq.ry(angle).on(target))

    def operations() -> Iterator[cirq.Operation]:
        for _ in range(blocks):
            yield from (cirq.ry(angle).on(qubit) for angle, qubit in zip(data, qubits, strict=True))
            yield from ansatz(weights[:split])
        yield from ansatz(weights[split:])

    draws = np.random.default_rng(0)
    rows = draws.uniform(-1, 1, [batch, num_qubits]).astype(np.float32)
    return Work(cirq.Circuit(operations()), data, weights, rows, draws.uniform(-1, 1, len(weights)).astype(np.float32))


def engine_of(work: Work) -> CompiledEngine:
    """The engine for a piece of work."""
    return CompiledEngine(work.circuit, [work.observable], work.data_symbols, work.weight_symbols)


def engine_step(work: Work) -> Callable[[], Gradients]:
    """A call is one step of the engine, from arrays to arrays."""
    return partial(engine_of(work).gradients, work.data, work.weights)
