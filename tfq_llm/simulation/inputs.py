"""Checks of the arrays that a simulation is given."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike, DTypeLike

from tfq_llm.errors import InputError

# How far a norm may be from 1: float32 embeddings that were normalised in float32 are well inside.
_NORM_TOLERANCE = 1e-4


def numbers(name: str, given: ArrayLike, dtype: DTypeLike, *, finite: bool = True) -> np.ndarray:
    """The array in a dtype, in the one layout that the kernels are compiled for: contiguous and writable.

    Args:
        name: what to call it in messages.
        given: what the user gave.
        dtype: the one wanted.
        finite: whether NaN and infinity are refused.

    Raises:
        InputError: it does not hold numbers, or not finite ones; the first such row is named.
    """
    try:
        array = np.asarray(given)
        if array.dtype.kind == "c" and np.dtype(dtype).kind != "c":
            raise TypeError
        if array.dtype != dtype:
            array = array.astype(dtype, order="C")
        elif not array.flags.carray:
            array = np.require(array, dtype, ["C", "A", "W"])
    except (TypeError, ValueError):
        raise InputError(f"{name} must be an array of real numbers, not {given!r:.60}.") from None
    if finite and not is_finite(array):
        place = tuple(map(int, np.argwhere(~np.isfinite(array))[0]))
        where = ", ".join(f"{axis} {number}" for axis, number in zip(("row", "column"), place, strict=False)) or "it"
        raise InputError(f"{name} must be finite; {where} is {array[place]}.")
    return array


# From 10,000 numbers on OpenBLAS takes several threads, which go on spinning when they are done.
_FEW = 5000


def is_finite(array: np.ndarray) -> bool:
    """Whether all numbers are."""
    # The sum of squares of a few is quicker, and finite unless a number is not, or very large.
    quickly = array.size <= _FEW and math.isfinite(np.vdot(array, array).real)
    return quickly or bool(np.isfinite(array).all())


def check_shape(name: str, array: np.ndarray, *shape: int | None) -> None:
    """Raises InputError unless the array has the shape; None stands for any length."""
    if array.shape == shape:
        return
    if array.ndim != len(shape) or any(wanted not in (None, length) for wanted, length in zip(shape, array.shape, strict=True)):
        wanted = ", ".join("batch" if length is None else str(length) for length in shape)
        raise InputError(f"{name} has the shape {array.shape}; this circuit needs ({wanted}{',' * (len(shape) == 1)}).")


def angles(
    data: ArrayLike | None, weights: ArrayLike | None, num_data: int, num_weights: int, rows: int | None
) -> tuple[np.ndarray, np.ndarray]:
    """Data [rows, num_data] and weights [num_weights], float64 and checked; any number of rows if `rows` is None.

    What a circuit has no symbols for may be None; data then have `rows` rows, or one.
    """
    by_sample = np.zeros([1 if rows is None else rows, 0]) if data is None else numbers("data", data, np.float64)
    check_shape("data", by_sample, rows, num_data)
    shared = np.zeros(0) if weights is None else numbers("weights", weights, np.float64)
    check_shape("weights", shared, num_weights)
    return by_sample, shared


def upstream_factors(given: ArrayLike | None, rows: int, num_observables: int) -> np.ndarray:
    """What gradients are multiplied with, float64 [rows, K]; ones if nothing is given.

    NaN goes through: a loss that is not finite shows in the gradient, as it does for any other operation.
    """
    if given is None:
        return np.ones([rows, num_observables])
    array = numbers("upstream", given, np.float64, finite=False)
    check_shape("upstream", array, rows, num_observables)
    return array


def state_norms(states: np.ndarray) -> np.ndarray:
    """The norms [batch, 1] of states [batch, 2^n].

    Raises:
        InputError: one is 0; its row is named.
    """
    norms = np.linalg.norm(states, axis=1, keepdims=True)
    if not norms.all():
        raise InputError(f"initial_state must not be 0, as row {int(np.argmin(norms))} is.")
    return norms


def check_normalised(states: np.ndarray) -> None:
    """Raises InputError if the norm of a state [batch, 2^n] is not 1; its row is named."""
    norms = np.linalg.norm(states, axis=1)
    far = np.abs(norms - 1) > _NORM_TOLERANCE
    if far.any():
        row = int(np.argmax(far))
        raise InputError(
            f"initial_state must be normalised; row {row} has the norm {norms[row]:.6g}: normalise it, or choose "
            "unnormalised='normalise' or 'allow'."
        )
