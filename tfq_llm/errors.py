"""Exceptions told to users in one message (what they gave cannot be used, or a service did not do its part), and words for it."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class InputError(ValueError):
    """Bad input: the message says what was given, what was expected and what to do.

    The command line prints the message alone and exits with code 2. It is a `ValueError`, so Python callers need not know it.
    """


class StoreError(InputError):
    """Files of a study cannot be read or written, such as on a full disk: nobody can go on, and no trial is to blame."""


class UnreadableError(InputError):
    """Files are there and could not be read, such as with too many open ones, too little memory, or no right to.

    What is in them is not to blame: the same may work later.
    """


class ServiceError(RuntimeError):
    """A service elsewhere did not do its part, and what was given is not to blame: the same command may work later.

    The command line prints the message alone and exits with code 1.
    """


def did_you_mean(given: str, valid: Iterable[str]) -> str:
    """Returns " Did you mean 'x'?" for the closest of the valid names, or an empty string when none is near."""
    close = difflib.get_close_matches(given, list(valid), n=1)
    return f" Did you mean '{close[0]}'?" if close else ""


def listed(names: Iterable[str]) -> str:
    """Names in a sentence."""
    names = list(names)
    return " and ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)
