"""A Cirq circuit as a flat list of matrices: what every executor of this package starts from. No TensorFlow here."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

import cirq
import numpy as np
import sympy

from tfq_llm.circuits.native_gates import plain_operations, with_numbers
from tfq_llm.errors import InputError
from tfq_llm.simulation.channels import channel_operators, one_qubit_factors

Source = Literal["constant", "data", "weight", "noise"]

SUPPORTED = (
    "unitary gates on one or two qubits; of these RX, RY, RZ, powers of X, Y, Z, H, CNOT, CZ, SWAP, ISWAP, XX, YY, ZZ, PhasedX, "
    "and IonQ's GPI, GPI2, MS and ZZ may hold symbols"
)


@dataclass(frozen=True)
class Gate:
    """One gate, U = Σ_f cos(ω_f·a)·cosine[f] + sin(ω_f·a)·sine[f] with a = scale · value + shift.

    A noise site draws one of several operators for every sample: operator k is cosine[k] and has the "frequency" k.

    Attributes:
        qubits: positions of its one or two qubits; the first is the most significant bit of the matrix index.
        source: where `value` comes from; a constant gate has the one frequency 0.
        index: which datum, weight or noise site.
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

    def moved(self, qubits: Sequence[int]) -> Gate:
        """The same gate on other qubits."""
        return replace(self, qubits=tuple(qubits))

    def on(self, qubits: Sequence[int]) -> Gate:
        """The same gate as a matrix on `qubits`, a superset of its own, in the order given."""
        return replace(
            self, qubits=tuple(qubits), cosine=self._expanded(self.cosine, qubits), sine=self._expanded(self.sine, qubits)
        )

    def _expanded(self, matrices: np.ndarray, qubits: Sequence[int]) -> np.ndarray:
        order = [*self.qubits, *(qubit for qubit in qubits if qubit not in self.qubits)]
        grown, size = matrices, len(qubits)
        if len(order) > len(self.qubits):
            count, width = len(matrices), 2**size
            identity = np.eye(2 ** (size - len(self.qubits)))
            grown = (matrices[:, :, None, :, None] * identity[:, None, :]).reshape(count, width, width)
        if order == list(qubits):
            return grown
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
class Site:
    """Where noise strikes: one of K operators, drawn for every sample.

    Attributes:
        operation: what the circuit calls it, with its moment.
        probabilities: of the operators, [K]; None if they depend on the state (quantum jumps).
    """

    operation: str
    probabilities: np.ndarray | None


@dataclass(frozen=True)
class Program:
    """A compiled circuit.

    Attributes:
        num_qubits: width n; amplitudes are indexed with qubit 0 as the most significant bit, as in Cirq.
        gates: in an order that the circuit allows.
        num_data, num_weights: lengths of the two input vectors.
        sites: the noise sites, in the order of the gates.
    """

    num_qubits: int
    gates: tuple[Gate, ...]
    num_data: int
    num_weights: int
    sites: tuple[Site, ...] = ()

    @property
    def is_real(self) -> bool:
        """Whether every matrix is real, so that the state can stay in real arithmetic."""
        return all(gate.is_real for gate in self.gates)


def compile_circuit(
    circuit: cirq.AbstractCircuit,
    qubits: Sequence[cirq.Qid],
    data_symbols: Sequence[sympy.Symbol],
    weight_symbols: Sequence[sympy.Symbol],
    *,
    noisy: bool = False,
) -> Program:
    """Compiles a circuit whose angles are numbers or linear expressions of one symbol.

    Args:
        circuit: without measurements.
        qubits: all qubits of the register, most significant first; may hold more than the circuit uses.
        data_symbols: symbols with a value per sample, in the order in which values will be given.
        weight_symbols: symbols with one value for the whole batch, likewise.
        noisy: whether the circuit may hold noise channels.

    Raises:
        InputError: a gate is not supported or holds an unknown symbol (both named with their moment), a symbol is named twice,
            or a qubit is not listed.
    """
    if len(set(qubits)) < len(qubits):
        raise InputError("a qubit stands twice in the list of qubits.")
    missing = circuit.all_qubits() - set(qubits)
    if missing:
        raise InputError(f"the circuit acts on {sorted(missing)}, which the list of qubits lacks: add them.")
    places: dict[str, tuple[Source, int]] = {str(symbol): ("data", index) for index, symbol in enumerate(data_symbols)}
    places |= {str(symbol): ("weight", index) for index, symbol in enumerate(weight_symbols)}
    if len(places) < len(data_symbols) + len(weight_symbols):
        raise InputError("a symbol stands twice in data_symbols and weight_symbols; every symbol needs one place.")
    compiler = _Compiler({qubit: index for index, qubit in enumerate(qubits)}, places, noisy)
    for moment_index, moment in enumerate(circuit):
        for operation in moment:
            compiler.add(operation, moment_index)
    return Program(len(qubits), tuple(compiler.gates), len(data_symbols), len(weight_symbols), tuple(compiler.sites))


class _Compiler:
    """Gates and noise sites so far."""

    def __init__(self, positions: dict[cirq.Qid, int], places: dict[str, tuple[Source, int]], noisy: bool) -> None:
        self._positions, self._places, self._noisy = positions, places, noisy
        self.gates: list[Gate] = []
        self.sites: list[Site] = []
        self._channels: dict[int, tuple[object, np.ndarray | None, list[np.ndarray]]] = {}

    def add(self, operation: cirq.Operation, moment: int) -> None:
        if len(operation.qubits) > 2 or cirq.is_measurement(operation) or any(q.dimension != 2 for q in operation.qubits):
            raise _unsupported(operation, moment)
        if not operation.qubits and cirq.has_unitary(operation):
            return  # a global phase
        for plain in map(with_numbers, plain_operations(with_numbers(operation))):
            if _has_symbolic_exponent(plain.gate):
                self.gates.append(self._parameterized(plain, operation, moment))
            elif not cirq.is_parameterized(plain) and cirq.has_unitary(plain):
                self.gates.append(constant_gate(self._where(plain), cirq.unitary(plain)))
            elif not cirq.is_parameterized(plain) and cirq.has_kraus(plain):
                self._add_channel(plain, moment)
            else:
                raise _unsupported(operation, moment)

    def _parameterized(self, operation: cirq.Operation, given: cirq.Operation, moment: int) -> Gate:
        gate = operation.gate
        assert isinstance(gate, cirq.EigenGate)
        symbol, scale, shift = _linear(gate.exponent, given, moment)
        if symbol not in self._places:
            raise InputError(
                f"the symbol '{symbol}' of {given} in moment {moment} is neither in data_symbols nor in weight_symbols."
            )
        source, index = self._places[symbol]
        return Gate(self._where(operation), source, index, scale, shift, *_spectrum(gate))

    def _add_channel(self, operation: cirq.Operation, moment: int) -> None:
        if not self._noisy:
            raise InputError(
                f"the circuit holds noise, {operation} in moment {moment}, which this executor cannot run: give it the circuit "
                "without noise, or use an executor for noisy circuits."
            )
        # A noise model puts the same few channels everywhere. Not all can be hashed, so they are known by their place in memory,
        # and held there, lest another one comes to be in it.
        channel = operation if operation.gate is None else operation.gate
        if id(channel) not in self._channels:
            probabilities, operators = channel_operators(operation)
            parts = [operators] if probabilities is None else one_qubit_factors(operators)
            self._channels[id(channel)] = channel, probabilities, parts
        _, probabilities, parts = self._channels[id(channel)]
        where = self._where(operation)
        for qubits, own in zip([where] if len(parts) == 1 else [(qubit,) for qubit in where], parts, strict=True):
            numbers, none = np.arange(len(own), dtype=float), np.zeros_like(own)
            self.gates.append(Gate(qubits, "noise", len(self.sites), 1.0, 0.0, numbers, own, none))
        self.sites.append(Site(f"{operation} in moment {moment}", probabilities))

    def _where(self, operation: cirq.Operation) -> tuple[int, ...]:
        return tuple(self._positions[qubit] for qubit in operation.qubits)


def _has_symbolic_exponent(gate: cirq.Gate | None) -> bool:
    """Whether a gate is a power of a gate that is known, with symbols in the exponent and nowhere else."""
    if not isinstance(gate, cirq.EigenGate) or not isinstance(gate.exponent, sympy.Basic):
        return False
    return not cirq.is_parameterized(gate._with_exponent(1.0))


def constant_gate(qubits: tuple[int, ...], matrix: np.ndarray) -> Gate:
    matrices = matrix.astype(complex)[None]
    return Gate(qubits, "constant", 0, 0.0, 0.0, np.zeros(1), matrices, np.zeros_like(matrices))


def _unsupported(operation: cirq.Operation, moment: int) -> InputError:
    return InputError(f"the gate {operation} in moment {moment} is not supported here. Supported are {SUPPORTED}.")


def _linear(exponent: sympy.Expr, operation: cirq.Operation, moment: int) -> tuple[str, float, float]:
    """The expression as (symbol, scale, shift)."""
    symbols = sorted(exponent.free_symbols, key=str)
    scale = exponent.diff(symbols[0])
    shift = exponent.subs(symbols[0], 0)
    if len(symbols) != 1 or not (scale.is_number and scale.is_real and shift.is_real):
        raise InputError(
            f"the angle of {operation} in moment {moment} must be a linear expression of one symbol, not {exponent}: a real "
            "number times the symbol, plus a real number."
        )
    return str(symbols[0]), float(scale), float(shift)


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
