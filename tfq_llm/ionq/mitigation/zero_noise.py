"""Zero-noise extrapolation: values read at several noise scales, followed to where there would be no noise.

Mitiq is the library for this, but no release that was tried can be installed beside the versions this package is tied to.

Sources: Temme, Bravyi, Gambetta (arXiv 1612.02058); folding of gates and models: Giurgica-Tiron et al. (arXiv 2005.10921).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from tfq_llm.checks import one_of
from tfq_llm.errors import InputError

MODELS = ("linear", "quadratic", "exponential")

# A value whose sign is another than the first one's by more standard errors than this is of another sign.
_SURE = 2.0
# An exponential with so many times the standard error of a line is not determined by the values.
_LOOSE = 3.0
_STEPS, _TOLERANCE = 50, 1e-10


@dataclass(frozen=True, eq=False)
class Extrapolated:
    """Values without noise, as far as the model is right.

    Attributes:
        values: [...], not clipped to [−1, 1]: see `extrapolate`.
        standard_errors: [...], of shots alone. How wrong the model is, they do not say.
        linear: bool [...], where the exponential was given up for a line; all of them for model "linear".
    """

    values: np.ndarray
    standard_errors: np.ndarray
    linear: np.ndarray


def extrapolate(scales: Sequence[float], values: ArrayLike, variances: ArrayLike, model: str = "linear") -> Extrapolated:
    """Follows values to noise scale 0 and propagates their shot errors.

    All fits are least squares with equal weights. For polynomials the result is then a fixed linear combination of the values,
    `weights`: it has no bias beyond the model's and its standard error is exact. Weights from estimated variances would be
    correlated with the values, and without bound where all shots agreed.

    The exponential a · exp(−b · scale) is what an observable does under depolarizing noise that strikes all of it alike: it tends
    to 0, and other asymptotes, such as a lopsided readout error's, must be corrected before. It is fitted to each value alone,
    with standard errors to first order (delta method). A line takes its place, and `linear` says where, if a value's sign is not
    that of the value at the first scale, by more than 2 standard errors; if the fit does not settle, or grows with the noise; or
    if its standard error is more than 3 times that of the line, as it is for values near 0. All these choices are made by values
    that hold shot noise, so that an exponential is not free of bias, even where it is the right model.

    Results are not clipped to [−1, 1]. An estimate beyond is as good as one that is as far on the other side of the true value;
    clipping keeps one and moves the other, which biases means. Clip what nothing more is computed from.

    Args:
        scales: of the noise, [S], different ones; those that were really reached.
        values: [S, ...].
        variances: of the values, [S, ...].
        model: "linear" or "exponential" (S ≥ 2), or "quadratic" (S ≥ 3).

    Raises:
        InputError: an unknown model, too few different scales for it, or shapes that do not fit.
    """
    one_of("the model of the extrapolation", model, MODELS)
    values, variances = np.asarray(values, float), np.asarray(variances, float)
    if values.shape != variances.shape or values.shape[:1] != (len(scales),):
        raise InputError(
            f"{len(scales)} scales need as many values and variances; their shapes are {values.shape} and {variances.shape}."
        )
    combined = weights(scales, 2 if model == "quadratic" else 1)
    found, spread = np.tensordot(combined, values, 1), np.tensordot(combined**2, variances, 1)
    fallback = np.full(found.shape, model != "quadratic")
    if model == "exponential":
        alike = np.all(values * np.sign(values[0]) >= -_SURE * np.sqrt(variances), axis=0)
        decayed, slopes = _decay(np.asarray(scales, float), values.reshape(len(values), -1))
        decayed, own = decayed.reshape(found.shape), np.sum(slopes.reshape(values.shape) ** 2 * variances, axis=0)
        fits = alike & np.isfinite(decayed) & (own <= _LOOSE**2 * spread)  # nan is not less than anything
        found, spread, fallback = np.where(fits, decayed, found), np.where(fits, own, spread), ~fits
    return Extrapolated(found, np.sqrt(spread), fallback)


def weights(scales: Sequence[float], degree: int) -> np.ndarray:
    """The linear combination [S] of values at the scales that a least-squares polynomial takes at scale 0.

    Raises:
        InputError: there are not more different scales than the degree.
    """
    points = np.asarray(scales, float)
    if points.ndim != 1 or not np.all(np.isfinite(points)) or len(np.unique(points)) <= degree:
        raise InputError(
            f"this extrapolation needs {degree + 1} or more different scales of the noise, and {list(scales)} were given. A "
            "circuit with few two-qubit gates, or none, may reach the same scale for several that are asked."
        )
    return np.linalg.pinv(np.vander(points, degree + 1, increasing=True))[0]


def _decay(scales: np.ndarray, values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """a of the least-squares fit of a · exp(−b · scale) to values [S, n], and its slopes ∂a/∂values [S, n].

    Gauss-Newton from the line through the logarithms. Fits that do not settle, or have b < 0, are nan.
    """
    with np.errstate(all="ignore"):  # values that no exponential comes near: nan, and so unsettled
        a, b = _line_through_logarithms(scales, values)
        for _ in range(_STEPS):
            slopes_a, slopes_b = _pseudoinverse(scales, a, b)
            residuals = values - a * np.exp(-b * scales[:, None])
            step_a, step_b = np.sum(slopes_a * residuals, axis=0), np.sum(slopes_b * residuals, axis=0)
            a, b = a + step_a, b + step_b
            unsettled = ~((np.abs(step_a) <= _TOLERANCE * np.abs(a)) & (np.abs(step_b) <= _TOLERANCE * (1 + np.abs(b))))
            if not unsettled.any():
                break
        slopes = _pseudoinverse(scales, a, b)[0]
    return np.where(unsettled | ~(b >= -_TOLERANCE), np.nan, a), slopes


def _line_through_logarithms(scales: np.ndarray, values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """a and b [n]; a value's square is the weight of its logarithm, whose error is the relative one."""
    weight = values**2 / np.sum(values**2, axis=0)
    logarithms = np.log(np.abs(values))
    centre, height = np.sum(weight * scales[:, None], axis=0), np.sum(weight * logarithms, axis=0)
    apart = scales[:, None] - centre
    b = -np.sum(weight * apart * logarithms, axis=0) / np.sum(weight * apart**2, axis=0)
    return np.sign(values[0]) * np.exp(height + b * centre), b


def _pseudoinverse(scales: np.ndarray, a: np.ndarray, b: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """How the fitted a and b follow the values: the rows, [S, n] each, of the inverse of the Jacobian.

    With scales counted from their mean under the curve's square the columns are orthogonal: nothing cancels, however steep it is.
    """
    curve = np.exp(-b * scales[:, None])
    square = np.sum(curve**2, axis=0)
    centre = np.sum(curve**2 * scales[:, None], axis=0) / square
    apart = (scales[:, None] - centre) * curve
    by_b = -apart / (a * np.sum(apart**2, axis=0))
    return curve / square + a * centre * by_b, by_b
