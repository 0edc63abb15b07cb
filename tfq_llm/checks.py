"""What counts as a number: rules that several modules check a user's values by."""

from __future__ import annotations

import numbers

import numpy as np


def is_whole(value: object) -> bool:
    """Whether a value is an integer, Python's or NumPy's."""
    return isinstance(value, (int, np.integer)) and not isinstance(value, bool)


def is_real(value: object) -> bool:
    """Whether a value is a real number, Python's or NumPy's."""
    return isinstance(value, numbers.Real) and not isinstance(value, bool)
