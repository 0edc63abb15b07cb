"""Gradients from evaluations alone, as hardware gives them."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from tfq_llm.simulation.sampling.occurrences import Occurrences, Shifted

# Rows of angles that are evaluated at once.
_ROWS_AT_ONCE = 4096

Evaluate = Callable[[np.ndarray], np.ndarray]
"""Estimated values [rows, K] of rows of angles [rows, P]."""


def parameter_shift(
    shifted: Shifted, angles: np.ndarray, upstream: np.ndarray, evaluate: Evaluate, *, one_shift_at_a_time: bool
) -> np.ndarray:
    """The gradient of Σ upstream · values by the angles [batch, P].

    Args:
        shifted: the evaluations.
        angles: [batch, P].
        upstream: [batch, K].
        evaluate: called with shifted angles; with all samples under one shift if `one_shift_at_a_time`, else with as many
            evaluations as fit.
    """
    which, amounts, factors = shifted.which, shifted.amounts, shifted.factors
    batch, found = len(angles), np.zeros(angles.T.shape)
    at_once = 1 if one_shift_at_a_time else max(1, _ROWS_AT_ONCE // max(1, batch))
    for start in range(0, len(which), at_once):
        some = slice(start, min(start + at_once, len(which)))
        rows = np.repeat(angles[None], some.stop - start, axis=0)
        rows[np.arange(some.stop - start), :, which[some]] += amounts[some, None]
        values = evaluate(rows.reshape(-1, angles.shape[1])).reshape(some.stop - start, *upstream.shape)
        slopes = factors[some, None] * np.sum(values * upstream, axis=2)
        np.add.at(found, which[some], slopes)
    return found.T


def simultaneous_perturbation(
    occurrences: Occurrences,
    data: np.ndarray,
    weights: np.ndarray,
    upstream: np.ndarray,
    evaluate: Evaluate,
    step: float,
    rng: np.random.Generator,
) -> tuple[np.ndarray, np.ndarray]:
    """SPSA: gradients by data and weights from two evaluations of every sample, all inputs moved at once by ± `step` (radians).

    Unbiased up to terms in step²; its variance grows with the number of inputs. `evaluate` is called once for either side.

    Source: Spall, Multivariate stochastic approximation using a simultaneous perturbation gradient approximation, IEEE
    Transactions on Automatic Control 37, 332 (1992).
    """
    signs = rng.choice([-1.0, 1.0], [len(data), data.shape[1] + len(weights)])
    moves = step * signs
    ahead, behind = (
        evaluate(occurrences.angles(data + sign * moves[:, : data.shape[1]], weights + sign * moves[:, data.shape[1] :]))
        for sign in (1, -1)
    )
    slopes = np.sum((ahead - behind) * upstream, axis=1, keepdims=True) / (2 * step) * signs
    return slopes[:, : data.shape[1]], slopes[:, data.shape[1] :].sum(axis=0)
