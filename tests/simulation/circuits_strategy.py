"""Random circuits, observables and states for Hypothesis, and Cirq's answers for them: the oracle of every executor's tests."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import cirq
import cirq_ionq
import numpy as np
import sympy
from hypothesis import strategies as st

ONE_QUBIT: list[Callable] = [
    cirq.rx,
    cirq.ry,
    cirq.rz,
    *(lambda t, gate=gate: gate**t for gate in (cirq.X, cirq.Y, cirq.Z, cirq.H)),
]
PHASED: list[Callable] = [
    lambda t: cirq.PhasedXPowGate(phase_exponent=t, exponent=0.6),
    lambda t: cirq.PhasedXPowGate(phase_exponent=0.3, exponent=t),
    lambda t: cirq_ionq.GPIGate(phi=t),
    lambda t: cirq_ionq.GPI2Gate(phi=t),
]
TWO_QUBITS: list[Callable] = [
    lambda t, gate=gate: gate**t for gate in (cirq.CNOT, cirq.CZ, cirq.SWAP, cirq.ISWAP, cirq.XX, cirq.YY, cirq.ZZ)
]
IONQ_PAIRS: list[Callable] = [
    lambda t: cirq_ionq.MSGate(phi0=t, phi1=0.2, theta=0.1),
    lambda t: cirq_ionq.MSGate(phi0=0.1, phi1=t, theta=0.2),
    lambda t: cirq_ionq.MSGate(phi0=0.1, phi1=0.2, theta=t),
    lambda t: cirq_ionq.ZZGate(theta=t),
]
# Gates whose matrices are real: rotations about Y at any angle, the others only as they stand.
REAL_CONSTANTS = [[cirq.H, cirq.X, cirq.Z], [cirq.CNOT, cirq.CZ, cirq.SWAP]]


@dataclass(frozen=True)
class RandomCircuit:
    """A circuit whose angles are scale · x_i + shift; x holds the data, then the weights.

    Attributes:
        num_qubits, num_data, num_weights: its sizes.
        operations: tuples of a gate as a function of its angle, i (None for a constant angle), scale, shift and qubits.
    """

    num_qubits: int
    num_data: int
    num_weights: int
    operations: tuple[tuple[Callable, int | None, float, float, tuple[int, ...]], ...]

    @property
    def qubits(self) -> list[cirq.LineQubit]:
        return cirq.LineQubit.range(self.num_qubits)

    @property
    def data_symbols(self) -> list[sympy.Symbol]:
        return [sympy.Symbol(f"x{i}") for i in range(self.num_data)]

    @property
    def weight_symbols(self) -> list[sympy.Symbol]:
        return [sympy.Symbol(f"w{i}") for i in range(self.num_weights)]

    @property
    def circuit(self) -> cirq.Circuit:
        """With its symbols."""
        return self.at([*self.data_symbols, *self.weight_symbols])

    @property
    def bandwidth(self) -> float:
        """A bound on the frequencies of its expectation values along a direction in x with entries of at most 1."""
        return 4 * np.pi * sum(abs(scale) for _, index, scale, _, _ in self.operations if index is not None)

    def at(self, x: Sequence[sympy.Symbol | float]) -> cirq.Circuit:
        """With the values put in: what Cirq simulates, which cannot resolve symbols in IonQ's gates."""
        line = self.qubits
        idle = [cirq.I(qubit) for qubit in line]
        return cirq.Circuit(
            *idle,
            (
                make(shift if i is None else scale * x[i] + shift).on(*(line[q] for q in on))
                for make, i, scale, shift, on in self.operations
            ),
        )

    def expected(self, observables: Sequence, x: Sequence[float], state: np.ndarray | None = None) -> np.ndarray:
        """Cirq's expectation values [K] for one row of values and one initial state, which need not be normalised."""
        simulator = cirq.Simulator(dtype=np.complex128, split_untangled_states=False)
        norm = 1.0 if state is None else float(np.linalg.norm(state))
        initial = 0 if state is None else np.asarray(state, np.complex128) / norm
        return norm**2 * np.real(simulator.simulate_expectation_values(self.at(x), list(observables), initial_state=initial))


def constant(gate: cirq.Gate) -> Callable:
    """The gate as a function of an angle that it does not have."""
    return lambda _: gate


@st.composite
def random_circuits(draw: st.DrawFn, min_qubits: int = 1, max_qubits: int = 8, max_gates: int = 25) -> RandomCircuit:
    """A circuit of every supported gate, or one of real matrices alone."""
    num_qubits, num_data, num_weights = (
        draw(st.integers(min_qubits, max_qubits)),
        draw(st.integers(0, 3)),
        draw(st.integers(0, 3)),
    )
    only_real = draw(st.booleans())
    singles, pairs = ([cirq.ry], []) if only_real else (ONE_QUBIT + PHASED, TWO_QUBITS + IONQ_PAIRS)
    operations = []
    for _ in range(draw(st.integers(1, max_gates))):
        on = tuple(draw(st.permutations(range(num_qubits)))[: draw(st.integers(1, min(2, num_qubits)))])
        choices = (singles if len(on) == 1 else pairs) + [constant(gate) for gate in REAL_CONSTANTS[len(on) - 1]]
        index = draw(st.one_of(st.none(), st.integers(0, num_data + num_weights - 1))) if num_data + num_weights else None
        scale = draw(st.floats(0.25, 2)) * draw(st.sampled_from([-1, 1]))
        operations.append((draw(st.sampled_from(choices)), index, scale, draw(st.floats(-2, 2, allow_subnormal=False)), on))
    return RandomCircuit(num_qubits, num_data, num_weights, tuple(operations))


@st.composite
def random_observables(draw: st.DrawFn, num_qubits: int) -> list[cirq.PauliString | cirq.PauliSum]:
    """One to three Pauli strings or sums of up to three, constants among them."""
    line = cirq.LineQubit.range(num_qubits)

    def string() -> cirq.PauliString:
        paulis = draw(st.lists(st.sampled_from([cirq.I, cirq.X, cirq.Y, cirq.Z]), min_size=num_qubits, max_size=num_qubits))
        return cirq.PauliString(draw(st.floats(0.1, 1.5)), *(pauli(qubit) for pauli, qubit in zip(paulis, line, strict=True)))

    counts = draw(st.lists(st.integers(1, 3), min_size=1, max_size=3))
    return [string() if count == 1 else cirq.PauliSum.from_pauli_strings([string() for _ in range(count)]) for count in counts]


def random_states(rng: np.random.Generator, batch: int, num_qubits: int, kind: str) -> np.ndarray | None:
    """Normalised amplitudes [batch, 2^n], "real" or "complex"; None for "zero", which is |0…0⟩."""
    if kind == "zero":
        return None
    states = rng.normal(size=[batch, 2**num_qubits]) + (1j * rng.normal(size=[batch, 2**num_qubits]) if kind == "complex" else 0)
    return states / np.linalg.norm(states, axis=1, keepdims=True)


# Of the eighth order: the error of a function with frequencies up to 1 is (step)^8 / 630.
_STENCIL = {1: 4 / 5, 2: -1 / 5, 3: 4 / 105, 4: -1 / 280}


def slope(function: Callable[[float], float], bandwidth: float = 1.0) -> float:
    """The derivative at 0 of a sum of waves with frequencies up to `bandwidth`, good to about 1e-12 · bandwidth."""
    step = 0.06 / max(bandwidth, 1.0)
    return sum(factor * (function(place * step) - function(-place * step)) for place, factor in _STENCIL.items()) / step
