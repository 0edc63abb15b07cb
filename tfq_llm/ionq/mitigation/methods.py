"""Ways to mitigate errors: which circuits each of them runs with how many shots, and what it makes of their values."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np

from tfq_llm.checks import whole_number
from tfq_llm.circuits.folding import folded, reached
from tfq_llm.errors import InputError
from tfq_llm.ionq.circuits import BoundCircuits
from tfq_llm.ionq.mitigation.readout import ReadoutError, calibration_templates, corrected, readout_from_values
from tfq_llm.ionq.mitigation.zero_noise import extrapolate, weights
from tfq_llm.ionq.prices import Price


class Run(Protocol):
    """A source of expectation values: a machine, a stand-in, or a simulation."""

    def __call__(self, circuits: BoundCircuits, shots: int) -> tuple[np.ndarray, np.ndarray]:
        """⟨Z⟩ and its variances, [rows, measured] each, from so many shots a row."""


@dataclass(frozen=True, eq=False)
class Part:
    """Circuits that are run with as many shots each."""

    circuits: BoundCircuits
    shots: int

    def dollars(self, price: Price) -> float:
        """Of all of them, without the service's own error mitigation."""
        return len(self.circuits) * self.circuits.size.dollars(price, self.shots, mitigated=False)


@dataclass(frozen=True)
class Method:
    """A way to get at ⟨Z⟩.

    Attributes:
        scales: of the noise, as asked; (1,) does not extrapolate.
        model: of the extrapolation.
        readout: whether readout errors are measured and corrected.
    """

    name: str
    scales: tuple[float, ...] = (1.0,)
    model: str = "linear"
    readout: bool = False


METHODS = (
    Method("raw"),
    Method("readout", readout=True),
    Method("linear", (1.0, 3.0)),
    Method("exponential", (1.0, 3.0, 5.0), "exponential"),
    Method("readout, linear", (1.0, 3.0), readout=True),
    Method("readout, exponential", (1.0, 3.0, 5.0), "exponential", readout=True),
)


def parts(circuits: BoundCircuits, shots: int, method: Method, calibration_shots: int | None = None) -> list[Part]:
    """What `estimate` will run, for those who send it all before they wait. The arguments are those of `compare`."""
    calibration, own = _divided(len(circuits), shots, method, calibration_shots)
    of_readout = _calibrating(circuits.measured) if method.readout else []
    return [Part(each, calibration) for each in of_readout] + _at_scales(circuits, own, method)


def estimate(
    run: Run, circuits: BoundCircuits, shots: int, method: Method, calibration_shots: int | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """⟨Z⟩ by one method and its standard errors, [rows, K] each, from rows · shots shots; calibration is measured if it needs it.

    The arguments are those of `compare`, and so are the errors raised.
    """
    calibration, own = _divided(len(circuits), shots, method, calibration_shots)
    readout = None
    if method.readout:
        zeros, ones = (run(each, calibration)[0][0] for each in _calibrating(circuits.measured))
        readout = readout_from_values(zeros, ones, calibration)
    return mitigated(run, circuits, own, method, readout)


def mitigated(
    run: Run, circuits: BoundCircuits, shots: int, method: Method, readout: ReadoutError | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """⟨Z⟩ by one method and its standard errors, [rows, K] each, from so many shots a row.

    Args:
        readout: the measured readout errors, to be corrected; None corrects none.

    The other arguments are those of `compare`, and so are the errors raised.
    """
    found = [run(part.circuits, part.shots) for part in _at_scales(circuits, shots, method)]
    each, variances = (np.array(parts, float) for parts in zip(*found, strict=True))
    if readout is not None:
        # The calibration's error is common to all scales and no shot error: it is added behind the extrapolation.
        known = ReadoutError(readout.p01, readout.p10)
        each, variances = corrected(each, known, variances)
    if len(method.scales) > 1:
        scales = [reached(circuits.template, scale) for scale in method.scales]
        extrapolated = extrapolate(scales, each, variances, method.model)
        result, spread = extrapolated.values, extrapolated.standard_errors
    else:
        result, spread = each[0], np.sqrt(variances[0])
    if readout is not None:
        spread = np.sqrt(spread**2 + readout.calibration_variances(result))
    return result, spread


def shots_by_scale(method: Method, shots: int) -> list[int]:
    """A row's shots, divided among the noise scales in proportion to what each value weighs in the extrapolation.

    Of all divisions this has the least shot error, for values of equal variance a shot. The exponential is divided as a line is.

    Raises:
        InputError: there are fewer shots than scales.
    """
    count = len(method.scales)
    if shots < count:
        raise InputError(f"{shots} shots cannot be divided among {count} circuits: give more.")
    if count == 1:
        return [shots]
    shares = np.abs(weights(method.scales, 2 if method.model == "quadratic" else 1))
    # The ends of the pieces are rounded, not the pieces: these add up.
    pieces = np.diff(np.rint(np.cumsum(shares) / shares.sum() * shots).astype(int), prepend=0)
    for empty in np.flatnonzero(pieces == 0):
        pieces[pieces.argmax()] -= 1
        pieces[empty] = 1
    return pieces.tolist()


def calibration_shots_of(rows: int, shots: int, given: int | None) -> int:
    """Shots of either calibration circuit: as many as for a row, but at most a fortieth of all, if none are given."""
    return whole_number("calibration shots", max(1, min(shots, rows * shots // 40)) if given is None else given, 1)


def _divided(rows: int, shots: int, method: Method, calibration_shots: int | None) -> tuple[int, int]:
    """Shots of either calibration circuit, and what is left for each row."""
    calibration_shots = calibration_shots_of(rows, shots, calibration_shots)
    return calibration_shots, _left(rows, shots, 2 * calibration_shots if method.readout else 0, method)


def _left(rows: int, shots: int, calibration: int, method: Method) -> int:
    """Shots for each row, when those of the calibration are taken."""
    left = (rows * shots - calibration) // rows
    if left < len(method.scales):
        raise InputError(
            f"{shots} shots for each of {rows} rows are too few for the method '{method.name}': it takes {calibration} of them "
            f"for calibration and runs {len(method.scales)} circuits a row."
        )
    return left


def _at_scales(circuits: BoundCircuits, shots: int, method: Method) -> list[Part]:
    """The circuits at every noise scale of a method, and their shots."""
    divided = zip(method.scales, shots_by_scale(method, shots), strict=True)
    return [Part(replace(circuits, template=folded(circuits.template, scale)), some) for scale, some in divided]


def _calibrating(measured: int) -> list[BoundCircuits]:
    """The two circuits that measure readout errors."""
    return [BoundCircuits(template, (), np.zeros([1, 0]), measured) for template in calibration_templates(measured)]
