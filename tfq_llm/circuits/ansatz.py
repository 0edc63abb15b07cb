"""The long-range ansatz and the angle encoding (figures 2 and 3 of arXiv 2504.08732)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import cirq
import sympy

from tfq_llm.errors import InputError


def numbered_symbols(prefix: str, count: int) -> tuple[sympy.Symbol, ...]:
    """The symbols `prefix0` … `prefix{count − 1}`."""
    return tuple(sympy.Symbol(f"{prefix}{index}") for index in range(count))


def long_range_parameters(num_qubits: int, layers: int, connectivity: int) -> int:
    """Number of angles of `long_range_ansatz`: layers · connectivity · qubits + qubits."""
    return layers * connectivity * num_qubits + num_qubits


def long_range_ansatz(
    qubits: Sequence[cirq.Qid], layers: int, connectivity: int, prefix: str = "theta", *, entangling: bool = True
) -> cirq.Circuit:
    """The paper's ansatz: in each layer, for c = 1…C and every qubit i in order, CNOT(i → i+c mod Q), then RY on the target.

    A column of RY on every qubit stands once, behind the first layer. Gates of c > 1 and those that wrap around are long-range;
    they are native where every qubit reaches every other, as in an ion trap.

    Args:
        qubits: Q ≥ 2 qubits.
        layers: L ≥ 1.
        connectivity: C, from 1 (nearest neighbours on a ring) to Q − 1 (all to all).
        prefix: the angles (radians) are the symbols `prefix0`, `prefix1`, … in the order of the gates.
        entangling: False leaves the CNOTs out, for ablations; the angles stay.

    Returns:
        A circuit with L·C·Q + Q symbols.

    Raises:
        InputError: a number is out of its range.

    Source: arXiv 2504.08732, figures 2 and 3 (Q = 4, C = 2, L = 3 has the angles θ0…θ27).
    """
    _check_ansatz(len(qubits), layers, connectivity)
    return cirq.Circuit(_ansatz_operations(qubits, layers, connectivity, prefix, entangling))


def _ansatz_operations(
    qubits: Sequence[cirq.Qid], layers: int, connectivity: int, prefix: str, entangling: bool
) -> Iterator[cirq.Operation]:
    angles = iter(numbered_symbols(prefix, long_range_parameters(len(qubits), layers, connectivity)))
    for layer in range(layers):
        for distance in range(1, connectivity + 1):
            for i, control in enumerate(qubits):
                target = qubits[(i + distance) % len(qubits)]
                if entangling:
                    yield cirq.CNOT(control, target)
                yield cirq.ry(next(angles)).on(target)
        if layer == 0:
            yield from (cirq.ry(next(angles)).on(qubit) for qubit in qubits)


def _check_ansatz(num_qubits: int, layers: int, connectivity: int) -> None:
    if num_qubits < 2:
        raise InputError(f"the long-range ansatz needs at least 2 qubits and was given {num_qubits}.")
    if layers < 1:
        raise InputError(f"the long-range ansatz needs at least 1 layer and was given {layers}.")
    if not 1 <= connectivity < num_qubits:
        raise InputError(
            f"connectivity {connectivity} does not fit {num_qubits} qubits: it is the longest distance between two entangled "
            f"qubits on the ring, from 1 to {num_qubits - 1}."
        )


def angle_encoding(qubits: Sequence[cirq.Qid], symbols: Sequence[sympy.Symbol]) -> cirq.Circuit:
    """RY(symbol) on every qubit: one datum, in radians, per qubit.

    Raises:
        InputError: there are not as many symbols as qubits.
    """
    if len(qubits) != len(symbols):
        raise InputError(f"angle encoding needs one symbol per qubit and was given {len(symbols)} for {len(qubits)} qubits.")
    return cirq.Circuit(cirq.ry(symbol).on(qubit) for qubit, symbol in zip(qubits, symbols, strict=True))
