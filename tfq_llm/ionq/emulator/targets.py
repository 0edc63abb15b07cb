"""The machines that the server offers, and what it says of them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timezone
from itertools import combinations
from typing import Any
from uuid import NAMESPACE_URL, uuid5

from tfq_llm.circuits.noise import IONQ_ERROR_RATES
from tfq_llm.ionq.prices import PRICES, Price

QUBITS = {"simulator": 29, "qpu.forte-1": 36, "qpu.forte-enterprise-1": 36, "qpu.aria-1": 25}
"""By target."""

V03_TARGETS = (*QUBITS, "qpu")
"""v0.3 also knows "qpu", the machine that is used if none is named."""

_GATES = ["x", "y", "z", "h", "s", "si", "t", "ti", "v", "vi", "rx", "ry", "rz", "cnot", "swap", "xx", "yy", "zz", "not"]
_CALIBRATED = ("qpu.forte-1", "qpu.forte-enterprise-1", "qpu.aria-1")


@dataclass(frozen=True)
class Targets:
    """What is said of the machines.

    Attributes:
        noise: of their gates, "none" or a name of `IONQ_ERROR_RATES`.
        readout: probabilities with which 0 is read as 1, and 1 as 0.
        started: seconds since 1970.
        queue_seconds: how long a job waits.
    """

    noise: str
    readout: tuple[float, float]
    started: float
    queue_seconds: float

    def backends(self) -> list[dict[str, Any]]:
        return [self.backend(name) for name in QUBITS]

    def backend(self, name: str) -> dict[str, Any]:
        """A machine as both versions describe it."""
        found: dict[str, Any] = {
            "backend": name,
            "status": "available",
            "qubits": QUBITS[name],
            "average_queue_time": round(1000 * self.queue_seconds),
            "last_updated": iso(self.started),
            "degraded": False,
            "supported_gates": _GATES,
            "supported_native_gates": ["gpi", "gpi2", "zz" if "forte" in name else "ms"],
            "supported_error_mitigations": [] if name == "simulator" else ["debiasing"],
        }
        if name in _CALIBRATED:
            found |= {"characterization_id": _id(name), "location": "loopback", "has_access": True}
        return found

    def calibration(self, name: str) -> dict[str, Any]:
        """A machine as v0.3 describes its calibration: mean fidelities, seconds."""
        one, two = self._fidelities()
        return {
            "id": _id(name),
            "date": iso(self.started),
            "target": name,
            "qubits": QUBITS[name],
            "connectivity": _pairs(name),
            "fidelity": {"1q": {"mean": one}, "2q": {"mean": two}, "spam": {"mean": self._spam(), "stderr": None}},
            "timing": {"t1": 100, "t2": 1, "1q": 0.00013, "2q": 0.00095, "readout": 0.00025, "reset": 0.00002},
        }

    def calibrations(self) -> list[dict[str, Any]]:
        return [self.calibration(name) for name in _CALIBRATED]

    def characterization(self, name: str) -> dict[str, Any]:
        """A machine as v0.4 describes it: median fidelities; times are whole seconds, as the document has them."""
        one, two = self._fidelities()
        return {
            "id": _id(name),
            "backend": name,
            "date": iso(self.started),
            "qubits": QUBITS[name],
            "connectivity": _pairs(name),
            "fidelity": {"spam": {"median": self._spam(), "stderr": None}, "1q": {"median": one}, "2q": {"median": two}},
            "timing": {"t1": 100, "t2": 1, "readout": 0, "reset": 0},
        }

    def _spam(self) -> float:
        return 1 - sum(self.readout) / 2

    def _fidelities(self) -> tuple[float, float]:
        """Average gate fidelities of the noise: a depolarizing channel of probability p has 1 − p·d/(d + 1), d the dimension."""
        r1, r2 = IONQ_ERROR_RATES.get(self.noise, (0.0, 0.0))
        return 1 - r1 / 2, 1 - 3 * r2 / 4


def is_calibrated(name: str) -> bool:
    return name in _CALIBRATED


def price(target: str) -> Price:
    """Of a target; machines without a published price cost what Forte 1 does."""
    return PRICES.get(target, PRICES["qpu.forte-1"])


def iso(seconds: float) -> str:
    """A time in seconds since 1970 as text with milliseconds."""
    return datetime.fromtimestamp(seconds, timezone.utc).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _id(name: str) -> str:
    return str(uuid5(NAMESPACE_URL, f"characterization of {name}"))


def _pairs(name: str) -> list[list[int]]:
    """Every two ions can meet."""
    return [list(pair) for pair in combinations(range(QUBITS[name]), 2)]
