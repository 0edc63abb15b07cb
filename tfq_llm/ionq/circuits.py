"""Circuits of one structure with angles of their own: what is sent to a machine, priced and remembered."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import cirq
import numpy as np

from tfq_llm.ionq.prices import Price

MEASUREMENT_KEY = "m"
"""One key for all qubits: the service keeps few bytes about keys, and a repeated key loses results without a word."""

_LABEL_DIGITS = 24


@dataclass(frozen=True)
class Size:
    """Gates of one circuit."""

    one_qubit: int
    two_qubit: int

    @classmethod
    def of(cls, circuit: cirq.AbstractCircuit) -> Size:
        operations = [operation for operation in circuit.all_operations() if not cirq.is_measurement(operation)]
        widths = [len(operation.qubits) for operation in operations]
        return cls(widths.count(1), widths.count(2))

    @property
    def gates(self) -> int:
        return self.one_qubit + self.two_qubit

    def dollars(self, price: Price, shots: int, *, mitigated: bool) -> float:
        """Of one circuit."""
        return price.of(self.one_qubit, self.two_qubit, shots, mitigated=mitigated)


@dataclass(frozen=True, eq=False)
class BoundCircuits:
    """Circuits that differ in their angles alone.

    Attributes:
        template: a circuit on `cirq.LineQubit`s without measurements, in whose rotations the symbols stand.
        symbols: their names.
        values: float64 [rows, symbols], in radians; one circuit for each row.
        measured: how many qubits are read, from qubit 0 on.
    """

    template: cirq.Circuit
    symbols: tuple[str, ...]
    values: np.ndarray
    measured: int

    def __len__(self) -> int:
        return len(self.values)

    def rows(self, chosen: Sequence[int] | np.ndarray) -> BoundCircuits:
        """Some of the circuits."""
        return replace(self, values=self.values[np.asarray(chosen, int)])

    @cached_property
    def size(self) -> Size:
        """Of each of them."""
        return Size.of(self.template)

    @property
    def num_qubits(self) -> int:
        """From qubit 0 to the last one that has a gate or is measured."""
        return max([self.measured, *(qubit.x + 1 for qubit in self.template.all_qubits() if isinstance(qubit, cirq.LineQubit))])

    @cached_property
    def text(self) -> str:
        """The template as Cirq's JSON."""
        return cirq.to_json(self.template, indent=None)

    @cached_property
    def sent(self) -> str:
        """The template with its measurement, as Cirq's JSON."""
        return cirq.to_json(self.template + cirq.measure(*cirq.LineQubit.range(self.measured), key=MEASUREMENT_KEY), indent=None)

    @cached_property
    def digest(self) -> str:
        """Of the template, its symbols and what is measured; hexadecimal."""
        return hashlib.sha256("\n".join([self.text, *self.symbols, str(self.measured)]).encode()).hexdigest()

    @cached_property
    def digests(self) -> tuple[str, ...]:
        """Of every circuit: equal if and only if template and angles are."""
        rows = np.ascontiguousarray(self.values, "<f8")
        return tuple(hashlib.sha256(self.digest.encode() + row.tobytes()).hexdigest() for row in rows)

    @property
    def labels(self) -> tuple[str, ...]:
        """Of every circuit, the name under which it is sent: how its digest begins."""
        return tuple(digest[:_LABEL_DIGITS] for digest in self.digests)
