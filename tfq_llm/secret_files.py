"""Secrets in files that only their owner may read."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from tfq_llm.errors import InputError


def read_secret(file: Path, what: str) -> str:
    """The text of a file.

    Args:
        file: holds the secret alone.
        what: names it in messages, such as "API key".

    Raises:
        InputError: the file cannot be read, or others than its owner may read it.
    """
    try:
        with file.open("rb") as opened:
            mode = stat.S_IMODE(os.fstat(opened.fileno()).st_mode)
            if mode & (stat.S_IRWXG | stat.S_IRWXO):
                raise InputError(f"the {what} in '{file}' may be read by others (its mode is {mode:o}): run chmod 600 '{file}'.")
            return opened.read(10_000).decode("ascii", errors="replace")
    except OSError as error:
        raise InputError(
            f"cannot read the {what} from '{file}' ({error.strerror}): give a file that holds the {what} alone."
        ) from error
