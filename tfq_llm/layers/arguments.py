"""Checks of constructor arguments that the layers share."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tfq_llm.errors import InputError, did_you_mean


def whole_number(name: str, value: Any, least: int) -> int:
    """Returns `value` if it is an integer of at least `least`; otherwise raises InputError."""
    if isinstance(value, bool) or not isinstance(value, int) or value < least:
        raise InputError(f"{name} must be a whole number of at least {least}, not {value!r}.")
    return value


def one_of(name: str, value: Any, valid: Sequence[str]) -> str:
    """Returns `value` if it is one of the valid names; otherwise raises InputError."""
    if value not in valid:
        raise InputError(f"{name} must be one of {', '.join(valid)}, not {value!r}.{did_you_mean(str(value), valid)}")
    return str(value)
