"""Readout errors measured by two circuits, and taken out of ⟨Z⟩.

Mitiq is the library for this, but no release that was tried can be installed beside the versions this package is tied to.

Only ⟨Z⟩ of single qubits is read here. For these a correction qubit by qubit is exact, as long as a qubit's error does not depend
on the others' states.
"""

from __future__ import annotations

from dataclasses import dataclass

import cirq
import numpy as np
from numpy.typing import ArrayLike

from tfq_llm.checks import whole_number
from tfq_llm.errors import InputError

# A detector is taken for one that tells 0 from 1 if it does so by more than this many standard errors.
_SURE = 2.0


@dataclass(frozen=True, eq=False)
class ReadoutError:
    """How the measured qubits are misread, [K] each.

    Attributes:
        p01: probability that 0 is read as 1.
        p10: probability that 1 is read as 0.
        p01_error, p10_error: standard errors of these; 0 for what is known exactly.

    Raises:
        InputError: not a probability; or 1 − p01 − p10, by which ⟨Z⟩ shrinks, is not more than 2 of its standard errors above 0,
            so that the readings say nothing about the qubit.
    """

    p01: np.ndarray
    p10: np.ndarray
    p01_error: np.ndarray | float = 0.0
    p10_error: np.ndarray | float = 0.0

    def __post_init__(self) -> None:
        for name in ("p01", "p10", "p01_error", "p10_error"):
            object.__setattr__(self, name, np.atleast_1d(np.asarray(getattr(self, name), float)))
        if not all(np.all((p >= 0) & (p <= 1)) for p in (self.p01, self.p10)):
            raise InputError(f"readout errors are probabilities from 0 to 1, not {self.p01} and {self.p10}.")
        unsure = self.contrast <= _SURE * np.hypot(self.p01_error, self.p10_error)
        if unsure.any():
            raise InputError(
                f"the readings of measured qubit {int(np.argmax(unsure))} cannot be corrected: 0 is read as 1 and 1 as 0 with "
                "probabilities that add up to 1, or to more, or cannot be told from it. Calibrate with more shots, or read "
                "another qubit."
            )

    @property
    def contrast(self) -> np.ndarray:
        """1 − p01 − p10, [K]: what is left of a difference in ⟨Z⟩."""
        return 1 - self.p01 - self.p10

    def calibration_variances(self, values: np.ndarray) -> np.ndarray:
        """The part of the variances of corrected values [..., K] that comes from p01 and p10 not being known exactly.

        It is common to all values of a qubit: averaging over rows does not make it less.
        """
        by_zeros, by_ones = (1 + values) * self.p01_error, (1 - values) * self.p10_error
        return (by_zeros**2 + by_ones**2) / self.contrast**2


def calibration_templates(num_measured: int) -> tuple[cirq.Circuit, cirq.Circuit]:
    """Circuits without symbols that prepare all measured qubits in 0, and all in 1.

    No service takes an empty circuit. Z leaves a 0 as it is and is one gate a qubit, as X is for a 1, so what errors these gates
    have, which count as readout errors here, are as many for both.

    Args:
        num_measured: K; qubits 0 … K − 1 are measured.
    """
    qubits = cirq.LineQubit.range(whole_number("the number of measured qubits", num_measured, 1))
    return cirq.Circuit(cirq.Z.on_each(*qubits)), cirq.Circuit(cirq.X.on_each(*qubits))


def measured_readout(zeros_counts: ArrayLike, ones_counts: ArrayLike) -> ReadoutError:
    """The readout errors that the two calibration circuits show.

    The probabilities are shares of shots, without bias. Their standard errors are those of the beta distribution for Jeffreys'
    prior: a detector that made no error in a thousand shots is not free of errors.

    Args:
        zeros_counts, ones_counts: [K, 2], of each circuit, how often each qubit was read as 0 and as 1.

    Raises:
        InputError: not counts; or as by `ReadoutError`.
    """
    zeros, ones = _counts(zeros_counts), _counts(ones_counts)
    return ReadoutError(zeros[:, 1] / zeros.sum(axis=1), ones[:, 0] / ones.sum(axis=1), _spread(zeros), _spread(ones))


def readout_from_values(zeros: ArrayLike, ones: ArrayLike, shots: int) -> ReadoutError:
    """The same from ⟨Z⟩ [K] of each calibration circuit, read with so many shots.

    Raises:
        InputError: a value is not in [−1, 1], there are no shots; or as by `ReadoutError`.
    """
    shots = whole_number("shots", shots, 1)
    found = [np.atleast_1d(np.asarray(values, float)) for values in (zeros, ones)]
    if not all(np.all(np.abs(values) <= 1 + 1e-6) for values in found):
        raise InputError(f"⟨Z⟩ of the calibration circuits must be in [−1, 1], not {zeros!r} and {ones!r}.")
    shares = [np.clip((1 + np.stack([values, -values], axis=1)) / 2, 0, 1) for values in found]
    return measured_readout(*(shots * share for share in shares))


def corrected(values: np.ndarray, readout: ReadoutError, variances: np.ndarray | float = 0.0) -> tuple[np.ndarray, np.ndarray]:
    """⟨Z⟩ as an unfailing detector would read it: (⟨Z⟩ − (p10 − p01)) / (1 − p01 − p10).

    Not clipped to [−1, 1]: an estimate that shot noise carried beyond is one of many around the true value, and clipping it would
    bias their mean. Clip, if need be, what nothing more is computed from.

    Args:
        values: as read, [..., K].
        readout: of the same K qubits.
        variances: of the values, [..., K].

    Returns:
        Corrected values and their variances, those of shots and of the calibration together.

    Raises:
        InputError: not K values in a row.
    """
    values = np.asarray(values, float)
    if values.shape[-1:] != readout.contrast.shape:
        raise InputError(f"readout errors of {len(readout.contrast)} qubits do not fit values of shape {values.shape}.")
    found = (values - (readout.p10 - readout.p01)) / readout.contrast
    return found, variances / readout.contrast**2 + readout.calibration_variances(found)


def _counts(given: ArrayLike) -> np.ndarray:
    counts = np.asarray(given, float)
    if counts.ndim != 2 or counts.shape[1] != 2 or not np.all((counts >= 0) & np.isfinite(counts)) or not counts.any(1).all():
        raise InputError(f"counts are two numbers a qubit, how often 0 and 1 was read, and not none; {given!r} was given.")
    return counts


def _spread(counts: np.ndarray) -> np.ndarray:
    a, b = counts.T + 0.5
    return np.sqrt(a * b / ((a + b) ** 2 * (a + b + 1)))
