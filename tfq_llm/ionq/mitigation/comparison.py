"""What error mitigation gains and costs: every method with the same number of shots, beside the exact values."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from tfq_llm.checks import whole_number
from tfq_llm.errors import InputError
from tfq_llm.ionq.circuits import BoundCircuits
from tfq_llm.ionq.mitigation.methods import METHODS, Method, Run, calibration_shots_of, estimate, parts
from tfq_llm.ionq.prices import Price


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
    circuits: BoundCircuits,
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
        circuits: reduced, if they are to be; K is the number of qubits that they measure.
        exact: [rows, K].
        classes: the classes [rows] decided for by values [rows, K].
        shots: for each row.
        price: of a circuit.
        calibration_shots: of either calibration circuit; None takes as many as for a row, but at most a fortieth of all.
        methods: the first is what others are compared with.

    Raises:
        InputError: too few shots to divide; or as by `folded`, `extrapolate` and `ReadoutError`.
    """
    rows, measured, exact = len(circuits), circuits.measured, np.asarray(exact, float)
    if exact.shape != (rows, measured) or rows < 2:
        raise InputError(f"a comparison needs exact values of 2 or more rows, [{rows}, {measured}], not {exact.shape}.")
    shots = whole_number("shots", shots, 1)
    calibration_shots = calibration_shots_of(rows, shots, calibration_shots)
    outcomes: list[Outcome] = []
    for method in methods:
        found, spread = estimate(run, circuits, shots, method, calibration_shots)
        ran = parts(circuits, shots, method, calibration_shots)
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
                circuits=sum(len(part.circuits) for part in ran),
                shots=sum(len(part.circuits) * part.shots for part in ran),
                dollars=sum(part.dollars(price) for part in ran),
            )
        )
    return Comparison(exact, shots, calibration_shots, tuple(outcomes))


def _mean(each: np.ndarray) -> tuple[float, float]:
    """The mean over rows and its standard error."""
    return float(each.mean()), float(each.std(ddof=1) / np.sqrt(len(each)))
