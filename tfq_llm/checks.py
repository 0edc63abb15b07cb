"""What counts as a number, a flag, a choice: rules that several modules check a user's values by."""

from __future__ import annotations

import ipaddress
import numbers
from collections.abc import Sequence
from typing import Any

import numpy as np
from packaging.licenses import InvalidLicenseExpression, canonicalize_license_expression

from tfq_llm.errors import InputError, did_you_mean


def is_whole(value: object) -> bool:
    """Whether a value is an integer, Python's or NumPy's."""
    return isinstance(value, (int, np.integer)) and not isinstance(value, bool)


def is_real(value: object) -> bool:
    """Whether a value is a real number, Python's or NumPy's."""
    return isinstance(value, numbers.Real) and not isinstance(value, bool)


def whole_number(name: str, value: Any, least: int) -> int:
    """Returns `value` if it is an integer (Python's or NumPy's) of at least `least`; otherwise raises InputError."""
    if not is_whole(value) or value < least:
        raise InputError(f"{name} must be a whole number of at least {least}, not {value!r}.")
    return int(value)


def real_number(name: str, value: Any) -> float:
    """Returns `value` if it is a number (Python's or NumPy's); otherwise raises InputError."""
    if not is_real(value):
        raise InputError(f"{name} must be a number, not {value!r}.")
    return float(value)


def flag(name: str, value: Any) -> bool:
    """Returns `value` if it is True or False (Python's or NumPy's); otherwise raises InputError."""
    if not isinstance(value, (bool, np.bool_)):
        raise InputError(f"{name} must be True or False, not {value!r}.")
    return bool(value)


def one_of(name: str, value: Any, valid: Sequence[str]) -> str:
    """Returns `value` if it is one of the valid names; otherwise raises InputError."""
    if value not in valid:
        raise InputError(f"{name} must be one of {', '.join(valid)}, not {value!r}.{did_you_mean(str(value), valid)}")
    return str(value)


def spdx_licence(given: str | None) -> str | None:
    """A licence as SPDX writes it, such as "Apache-2.0" for "apache-2.0"; None for None.

    Raises:
        InputError: SPDX has none of this name.
    """
    if given is None:
        return None
    try:
        return canonicalize_license_expression(given)
    except InvalidLicenseExpression:
        raise InputError(
            f"'{given}' is no licence of SPDX: give its identifier, such as Apache-2.0, MIT or CC-BY-4.0, or LicenseRef-NAME for "
            "a licence of your own."
        ) from None


def is_loopback(name: str) -> bool:
    """Whether a host's name or address means this machine alone."""
    if name == "localhost":
        return True
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False
