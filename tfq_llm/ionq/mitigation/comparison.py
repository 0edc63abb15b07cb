"""What error mitigation gains and costs: every method with the same number of shots, beside the exact values."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

import cirq
import numpy as np

from tfq_llm.checks import whole_number
from tfq_llm.circuits.folding import folded, reached
from tfq_llm.errors import InputError
from tfq_llm.ionq.circuits import Size
from tfq_llm.ionq.mitigation.readout import ReadoutError, calibration_templates, corrected, readout_from_values
from tfq_llm.ionq.mitigation.zero_noise import extrapolate, weights
from tfq_llm.ionq.prices import Price


class Run(Protocol):
    """A source of expectation values: a machine, a stand-in, or a simulation."""

    def __call__(
        self, template: cirq.Circuit, symbols: Sequence[str], values: np.ndarray, measured: int, shots: int
    ) -> tuple[np.ndarray, np.ndarray]:
        """⟨Z⟩ of qubits 0 … measured − 1 and its variances, [rows, measured] each, of circuits with values [rows, symbols]."""


@dataclass(frozen=True, eq=False)
class Part:
    """Circuits of one structure with as many shots each: a template, its symbols, their values [rows, symbols]."""

    template: cirq.Circuit
    symbols: Sequence[str]
    values: np.ndarray
    shots: int

    def dollars(self, price: Price) -> float:
        """Of one of its circuits, without the service's own error mitigation."""
        return Size.of(self.template).dollars(price, self.shots, mitigated=False)


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


@dataclass(frozen=True, eq=False)
class Outcome:
    """A line of the table.

    Attributes:
        values, standard_errors: of ⟨Z⟩, [rows, K]; the standard errors know of shots and calibration, not of noise that is left.
        error: mean of |⟨Z⟩ − exact|.
        error_spread: its standard error, from the spread over rows.
        gain: by how much the error is less than the first method's, row by row; negative where mitigation harms.
        gain_spread: its standard error.
        changed: share of rows for which another class is decided for than by the exact values.
        circuits, shots: in all, calibration among them.
        dollars: for these, without the service's own error mitigation.
    """

    method: Method
    values: np.ndarray
    standard_errors: np.ndarray
    error: float
    error_spread: float
    gain: float
    gain_spread: float
    changed: float
    circuits: int
    shots: int
    dollars: float


@dataclass(frozen=True, eq=False)
class Comparison:
    """A table of methods beside the exact values.

    Attributes:
        exact: ⟨Z⟩ without noise and shots, [rows, K].
        shots: that every method had for each row; those of calibration are taken from them.
        calibration_shots: of each of the two calibration circuits, which serve all rows.
        outcomes: in the order of the methods.
    """

    exact: np.ndarray
    shots: int
    calibration_shots: int
    outcomes: tuple[Outcome, ...]


def compare(
    run: Run,
    template: cirq.Circuit,
    symbols: Sequence[str],
    values: np.ndarray,
    measured: int,
    exact: np.ndarray,
    classes: Callable[[np.ndarray], np.ndarray],
    *,
    shots: int,
    price: Price,
    calibration_shots: int | None = None,
    methods: Sequence[Method] = METHODS,
) -> Comparison:
    """Runs circuits by every method and says how near each comes to the exact values.

    Every method has rows · shots shots, no more. Extrapolation divides a row's shots among the noise scales as
    `shots_by_scale` does; readout correction takes those of its two circuits from all rows alike.

    Args:
        run: where the circuits run. If it draws new shots for every call, the errors of the methods are independent.
        template: without measurements, on line qubits 0, 1 …; reduced, if it is to be.
        symbols: of the template, S.
        values: [rows, S], radians.
        measured: K; qubits 0 … K − 1 are read.
        exact: [rows, K].
        classes: the classes [rows] decided for by values [rows, K].
        shots: for each row.
        price: of a circuit.
        calibration_shots: of either calibration circuit; None takes as many as for a row, but at most a fortieth of all.
        methods: the first is what others are compared with.

    Raises:
        InputError: too few shots to divide; or as by `folded`, `extrapolate` and `ReadoutError`.
    """
    rows, exact = len(values), np.asarray(exact, float)
    if exact.shape != (rows, measured) or rows < 2:
        raise InputError(f"a comparison needs exact values of 2 or more rows, [{rows}, {measured}], not {exact.shape}.")
    shots = whole_number("shots", shots, 1)
    calibration_shots = _calibration_shots(rows, shots, calibration_shots)
    outcomes: list[Outcome] = []
    for method in methods:
        found, spread = estimate(run, template, symbols, values, measured, shots, method, calibration_shots)
        ran = parts(template, symbols, values, measured, shots, method, calibration_shots)
        errors = np.abs(found - exact).mean(axis=1)
        gains = (np.abs(outcomes[0].values - exact).mean(axis=1) if outcomes else errors) - errors
        outcomes.append(
            Outcome(
                method,
                found,
                spread,
                *_mean(errors),
                *_mean(gains),
                changed=float(np.mean(classes(found) != classes(exact))),
                circuits=sum(len(part.values) for part in ran),
                shots=sum(len(part.values) * part.shots for part in ran),
                dollars=sum(len(part.values) * part.dollars(price) for part in ran),
            )
        )
    return Comparison(exact, shots, calibration_shots, tuple(outcomes))


def parts(
    template: cirq.Circuit,
    symbols: Sequence[str],
    values: np.ndarray,
    measured: int,
    shots: int,
    method: Method,
    calibration_shots: int | None = None,
) -> list[Part]:
    """What `estimate` will run, for those who send it all before they wait. The arguments are those of `compare`."""
    calibration_shots, own = _divided(len(values), shots, method, calibration_shots)
    calibration = calibration_templates(measured) if method.readout else ()
    return [Part(circuit, (), np.zeros([1, 0]), calibration_shots) for circuit in calibration] + [
        Part(folded(template, scale), symbols, values, some)
        for scale, some in zip(method.scales, shots_by_scale(method, own), strict=True)
    ]


def estimate(
    run: Run,
    template: cirq.Circuit,
    symbols: Sequence[str],
    values: np.ndarray,
    measured: int,
    shots: int,
    method: Method,
    calibration_shots: int | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """⟨Z⟩ by one method and its standard errors, [rows, K] each, from rows · shots shots; calibration is measured if it needs it.

    The arguments are those of `compare`, and so are the errors raised.
    """
    calibration_shots, own = _divided(len(values), shots, method, calibration_shots)
    readout = _calibrated(run, measured, calibration_shots) if method.readout else None
    return mitigated(run, template, symbols, values, measured, own, method, readout)


def mitigated(
    run: Run,
    template: cirq.Circuit,
    symbols: Sequence[str],
    values: np.ndarray,
    measured: int,
    shots: int,
    method: Method,
    readout: ReadoutError | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """⟨Z⟩ by one method and its standard errors, [rows, K] each, from so many shots a row.

    Args:
        readout: the measured readout errors, to be corrected; None corrects none.

    The other arguments are those of `compare`, and so are the errors raised.
    """
    found = [
        run(folded(template, scale), symbols, values, measured, some)
        for scale, some in zip(method.scales, shots_by_scale(method, shots), strict=True)
    ]
    each, variances = (np.array(parts, float) for parts in zip(*found, strict=True))
    if readout is not None:
        # The calibration's error is common to all scales and no shot error: it is added behind the extrapolation.
        known = ReadoutError(readout.p01, readout.p10)
        each, variances = corrected(each, known, variances)
    if len(method.scales) > 1:
        scales = [reached(template, scale) for scale in method.scales]
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


def _calibration_shots(rows: int, shots: int, given: int | None) -> int:
    """Of either calibration circuit."""
    return whole_number("calibration shots", max(1, min(shots, rows * shots // 40)) if given is None else given, 1)


def _divided(rows: int, shots: int, method: Method, calibration_shots: int | None) -> tuple[int, int]:
    """Shots of either calibration circuit, and what is left for each row."""
    calibration_shots = _calibration_shots(rows, shots, calibration_shots)
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


def _calibrated(run: Run, measured: int, shots: int) -> ReadoutError:
    nothing = np.zeros([1, 0])
    zeros, ones = (run(circuit, (), nothing, measured, shots)[0][0] for circuit in calibration_templates(measured))
    return readout_from_values(zeros, ones, shots)


def _mean(each: np.ndarray) -> tuple[float, float]:
    """The mean over rows and its standard error."""
    return float(each.mean()), float(each.std(ddof=1) / np.sqrt(len(each)))
