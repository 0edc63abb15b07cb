"""The one exception that means: what the user gave cannot be used, and nothing is wrong with the program."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class InputError(ValueError):
    """Bad input: the message says what was given, what was expected and what to do.

    The command line prints the message alone and exits with code 2. It is a `ValueError`, so Python callers need not know it.
    """


def did_you_mean(given: str, valid: Iterable[str]) -> str:
    """Returns " Did you mean 'x'?" for the closest of the valid names, or an empty string when none is near."""
    close = difflib.get_close_matches(given, list(valid), n=1)
    return f" Did you mean '{close[0]}'?" if close else ""
