"""A Cirq circuit as a flat list of matrices: what every executor of this package starts from. No TensorFlow here."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

import cirq
import numpy as np
import sympy

from tfq_llm.errors import InputError

Source = Literal["constant", "data", "weight"]

SUPPORTED = (
    "unitary gates on one or two qubits; of these RX, RY, RZ and powers of X, Y, Z, H, CNOT, CZ, SWAP, ISWAP, XX, YY, ZZ may "
    "hold a symbol"
)


@dataclass(frozen=True)
class Gate:
    """One gate, U = Σ_f cos(ω_f·a)·cosine[f] + sin(ω_f·a)·sine[f] with a = scale · value + shift.

    Attributes:
        qubits: positions of its one or two qubits; the first is the most significant bit of the matrix index.
        source: where `value` comes from; a constant gate has the one frequency 0.
        index: which datum or weight.
        scale, shift: the linear expression of the angle.
        frequencies: ω, [F].
        cosine, sine: complex [F, 2^k, 2^k].
    """

    qubits: tuple[int, ...]
    source: Source
    index: int
    scale: float
    shift: float
    frequencies: np.ndarray
    cosine: np.ndarray
    sine: np.ndarray

    @property
    def is_real(self) -> bool:
        return bool(np.abs(self.cosine.imag).max() < 1e-12 and np.abs(self.sine.imag).max() < 1e-12)

    def on(self, qubits: Sequence[int]) -> Gate:
        """The same gate as a matrix on `qubits`, a superset of its own, in the order given."""
        return replace(
            self, qubits=tuple(qubits), cosine=self._expanded(self.cosine, qubits), sine=self._expanded(self.sine, qubits)
        )

    def _expanded(self, matrices: np.ndarray, qubits: Sequence[int]) -> np.ndarray:
        others = [qubit for qubit in qubits if qubit not in self.qubits]
        order = [*self.qubits, *others]
        grown = np.stack([np.kron(matrix, np.eye(2 ** len(others))) for matrix in matrices])
        size = len(qubits)
        axes = [order.index(qubit) for qubit in qubits]
        tensor = grown.reshape([len(matrices)] + [2] * (2 * size))
        tensor = tensor.transpose([0] + [1 + axis for axis in axes] + [1 + size + axis for axis in axes])
        return np.ascontiguousarray(tensor.reshape(grown.shape))

    def after(self, constant: np.ndarray) -> Gate:
        """This gate preceded by a constant matrix on the same qubits."""
        return replace(self, cosine=self.cosine @ constant, sine=self.sine @ constant)

    def before(self, constant: np.ndarray) -> Gate:
        """This gate followed by a constant matrix on the same qubits."""
        return replace(self, cosine=constant @ self.cosine, sine=constant @ self.sine)


@dataclass(frozen=True)
class Program:
    """A compiled circuit.

    Attributes:
        num_qubits: width n; amplitudes are indexed with qubit 0 as the most significant bit, as in Cirq.
        gates: in an order that the circuit allows.
        num_data, num_weights: lengths of the two input vectors.
    """

    num_qubits: int
    gates: tuple[Gate, ...]
    num_data: int
    num_weights: int

    @property
    def is_real(self) -> bool:
        """Whether every matrix is real, so that the state can stay in real arithmetic."""
        return all(gate.is_real for gate in self.gates)


def compile_circuit(
    circuit: cirq.AbstractCircuit,
    qubits: Sequence[cirq.Qid],
    data_symbols: Sequence[sympy.Symbol],
    weight_symbols: Sequence[sympy.Symbol],
) -> Program:
    """Compiles a circuit whose angles are numbers or linear expressions of one symbol.

    Args:
        circuit: unitary, without measurements.
        qubits: all qubits of the register, most significant first; may hold more than the circuit uses.
        data_symbols: symbols with a value per sample, in the order in which values will be given.
        weight_symbols: symbols with one value for the whole batch, likewise.

    Raises:
        InputError: a gate is not supported or holds an unknown symbol (both named with their moment), or a qubit is not listed.
    """
    missing = circuit.all_qubits() - set(qubits)
    if missing:
        raise InputError(f"the circuit acts on {sorted(missing)}, which the list of qubits lacks: add them.")
    places: dict[str, tuple[Source, int]] = {str(symbol): ("data", index) for index, symbol in enumerate(data_symbols)}
    places |= {str(symbol): ("weight", index) for index, symbol in enumerate(weight_symbols)}
    positions = {qubit: index for index, qubit in enumerate(qubits)}
    gates = [
        _compile_operation(operation, positions, places, moment_index)
        for moment_index, moment in enumerate(circuit)
        for operation in moment
    ]
    return Program(len(qubits), tuple(gates), len(data_symbols), len(weight_symbols))


def _compile_operation(
    operation: cirq.Operation, positions: dict[cirq.Qid, int], places: dict[str, tuple[Source, int]], moment: int
) -> Gate:
    qubits = tuple(positions[qubit] for qubit in operation.qubits)
    gate = operation.gate
    if len(qubits) > 2 or not (cirq.has_unitary(operation) or isinstance(gate, cirq.EigenGate)):
        raise InputError(f"the gate {operation} in moment {moment} is not supported here. Supported are {SUPPORTED}.")
    if not isinstance(gate, cirq.EigenGate) or not cirq.is_parameterized(gate):
        matrix = cirq.unitary(operation).astype(complex)[None]
        return Gate(qubits, "constant", 0, 0.0, 0.0, np.zeros(1), matrix, np.zeros_like(matrix))
    symbol, scale, shift = _linear(gate.exponent, operation, moment)
    if symbol not in places:
        raise InputError(
            f"the symbol '{symbol}' of {operation} in moment {moment} is neither in data_symbols nor in weight_symbols."
        )
    source, index = places[symbol]
    return Gate(qubits, source, index, scale, shift, *_spectrum(gate))


def _linear(exponent: sympy.Expr, operation: cirq.Operation, moment: int) -> tuple[str, float, float]:
    """The expression as (symbol, scale, shift)."""
    symbols = list(exponent.free_symbols)
    scale = exponent.diff(symbols[0])
    if len(symbols) != 1 or not scale.is_number:
        raise InputError(
            f"the angle of {operation} in moment {moment} must be a linear expression of one symbol, not {exponent}."
        )
    return str(symbols[0]), float(scale), float(exponent.subs(symbols[0], 0))


def _spectrum(gate: cirq.EigenGate) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Frequencies and matrices with U(t) = Σ_k exp(iπ t h_k) P_k, gathered by |h_k| into cosines and sines.

    An RY gate has h = ±1/2, one frequency, and cosine and sine matrices that are real: this is how real arithmetic is found.
    """
    cosines: dict[float, np.ndarray] = {}
    sines: dict[float, np.ndarray] = {}
    for half_turns, projector in gate._eigen_components():
        frequency = round(half_turns + gate.global_shift, 12)
        key = abs(frequency)
        zero = np.zeros_like(projector, dtype=complex)
        cosines[key] = cosines.get(key, zero) + projector
        sines[key] = sines.get(key, zero) + 1j * np.sign(frequency) * projector
    keys = sorted(cosines)
    return np.pi * np.array(keys), np.stack([cosines[key] for key in keys]), np.stack([sines[key] for key in keys])
