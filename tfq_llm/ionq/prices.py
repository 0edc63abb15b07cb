"""What a circuit costs on IonQ's machines, from a dated table that users can replace."""

from __future__ import annotations

import math
from pathlib import Path

from pydantic import Field

from tfq_llm.errors import InputError, did_you_mean
from tfq_llm.sections import Section, validated
from tfq_llm.yaml_settings import read_yaml


class Price(Section):
    """US dollars of one circuit: max(minimum, shots · (one_qubit_gate · N1 + two_qubit_gate · N2)).

    Sources: IonQ's published prices on a cloud marketplace, September 2025, and receipts of dry runs that agree with them.
    """

    as_of: str = Field(description="when these were published")
    one_qubit_gate: float = Field(ge=0, description="dollars per gate and shot")
    two_qubit_gate: float = Field(ge=0, description="dollars per gate and shot")
    minimum: float = Field(ge=0, description="dollars per circuit, without error mitigation")
    minimum_mitigated: float = Field(ge=0, description="dollars per circuit, with error mitigation")
    qubits: int = Field(ge=1, description="of the machine")

    def of(self, one_qubit_gates: int, two_qubit_gates: int, shots: int, *, mitigated: bool) -> float:
        """Dollars of one circuit."""
        gates = shots * (self.one_qubit_gate * one_qubit_gates + self.two_qubit_gate * two_qubit_gates)
        return max(self.minimum_mitigated if mitigated else self.minimum, gates)


_FREE = {"one_qubit_gate": 0.0, "two_qubit_gate": 0.0, "minimum": 0.0, "minimum_mitigated": 0.0}

PRICES = {
    "qpu.forte-1": Price(
        as_of="2025-09", one_qubit_gate=0.0001645, two_qubit_gate=0.001121, minimum=25.79, minimum_mitigated=168.20, qubits=36
    ),
    "qpu.aria-1": Price(
        as_of="2025-09", one_qubit_gate=0.000220, two_qubit_gate=0.000975, minimum=12.42, minimum_mitigated=97.50, qubits=25
    ),
    "simulator": Price(as_of="2025-09", qubits=29, **_FREE),
}
"""By target."""

MAX_SHOTS, MAX_CIRCUITS, MAX_GATES = 1_000_000, 5_000, 150_000
"""Of one job."""
LEAST_DEBIASED = 500
"""Shots from which on the service debiases."""


class PriceFile(Section):
    """A file of prices, which come before the table's."""

    prices: dict[str, Price] = Field(description="by target")


def price_of(target: str, file: Path | None = None) -> Price:
    """The price of a target, such as "qpu.forte-1".

    Args:
        target: as IonQ names it.
        file: YAML with a section `prices`, a mapping from targets to what `Price` holds.

    Raises:
        InputError: neither knows the target, or the file is not a table of prices.
    """
    prices = PRICES | (validated(PriceFile, read_yaml(file, "prices"), str(file)).prices if file else {})
    if target not in prices:
        hint = did_you_mean(target, list(prices))
        raise InputError(f"there is no price for '{target}'; known are {', '.join(prices)}. Give others by --prices.{hint}")
    return prices[target]


def jobs(circuits: int, gates: int) -> int:
    """How many jobs it takes to run so many circuits of so many gates each."""
    return math.ceil(circuits / max(1, min(MAX_CIRCUITS, MAX_GATES // max(1, gates))))
