"""What commands do when they are stopped by Ctrl-C or SIGTERM, and what they say of the work until then."""

from __future__ import annotations

import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager

import typer

GOES_ON = "What was finished is kept; the same command goes on from there."
KEEPS_NOTHING = "Nothing of it is kept; the same command begins anew."

INTERRUPTED, TERMINATED = 128 + signal.SIGINT, 128 + signal.SIGTERM
"""Exit codes of a command that was stopped, as shells have them."""

_AGAIN_SECONDS = 1.0


class StoppedError(Exception):
    """A command was stopped; the message is what its user is told.

    Attributes:
        code: the exit code.
    """

    def __init__(self, message: str, code: int) -> None:
        super().__init__(message)
        self.code = code


class _TerminatedError(KeyboardInterrupt):
    """SIGTERM, which is an interruption too."""


@contextmanager
def stoppable(kept: str) -> Iterator[None]:
    """Makes Ctrl-C in a block say what is kept of its work: GOES_ON or KEEPS_NOTHING; exit code 130.

    Raises:
        StoppedError: the block was interrupted.
    """
    try:
        yield
    except _TerminatedError:
        raise StoppedError(f"terminated. {kept}", TERMINATED) from None
    except (KeyboardInterrupt, EOFError, typer.Abort):
        raise StoppedError(f"interrupted. {kept}", INTERRUPTED) from None


@contextmanager
def stoppable_by_sigterm(kept: str) -> Iterator[None]:
    """The same, and SIGTERM ends the block as Ctrl-C does, so that it can tidy up; exit code 143."""
    said = float("-inf")

    def terminate(_signal: int, _frame: object) -> None:
        # `timeout` sends it twice at once, and the second one must not break off what the first one began.
        nonlocal said
        now = time.monotonic()
        if now - said > _AGAIN_SECONDS:
            said = now
            raise _TerminatedError

    previous = signal.signal(signal.SIGTERM, terminate)
    try:
        with stoppable(kept):
            yield
    finally:
        signal.signal(signal.SIGTERM, previous)
