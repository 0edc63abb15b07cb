"""`tfq-llm serve`: settings from options, and a server until it is stopped."""

from __future__ import annotations

import math
import os
import re
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tfq_llm.checks import real_number
from tfq_llm.errors import InputError
from tfq_llm.serving.settings import Limits, ServerSettings, read_token

_OPTIONS = {
    "batch_rows": "--max-batch",
    "queue_rows": "--max-queue",
    "request_rows": "--max-rows",
    "body_bytes": "--max-body",
    "requests": "--max-requests",
    "bytes_in_progress": "--max-bytes",
    "timeout": "--timeout",
    "poll_seconds": "--poll",
    "versions": "--versions",
    "port": "--port",
}


def serve(directory: Path, *, token_file: Path | None, labels: Sequence[str], **settings: Any) -> None:
    """Serves an exported model until SIGTERM or Ctrl-C; the second one ends the process at once.

    Args:
        directory: a model's, or one version's.
        token_file: holds the token; None for none.
        labels: each "LABEL=VERSION".
        settings: the others of `ServerSettings`.

    Raises:
        InputError: a setting is wrong, the port is taken, nothing can be served, or what serves is not installed.
    """
    token = None if token_file is None else read_token(token_file)
    named = dict(map(_label, labels))
    try:
        chosen = ServerSettings(directory, token=token, labels=named, **settings)
    except InputError as error:
        setting, _, reason = str(error).partition(" ")
        raise InputError(f"{_OPTIONS.get(setting, setting)} {reason}") from None
    try:
        from tfq_llm.serving.server import Server
    except ModuleNotFoundError as error:
        raise InputError(
            f"serving needs a package that is not installed ({error.name}): pip install '.[serve]' where this package is from."
        ) from error

    def loaded() -> None:
        _say(f"Serving on {server.url}: open it in a browser, or call TensorFlow Serving's API. Ctrl-C stops it.")

    server = Server(chosen, loaded)
    _say(f"Listening on {server.url}, loading the model.")
    server.run()
    if server.is_broken_off:
        os._exit(0)  # the interpreter's own end crashes under a thread that is within TensorFlow


def limits(*, batch_wait_ms: float, **others: Any) -> Limits:
    """The limits that the options of the command line set.

    Args:
        batch_wait_ms: `batch_wait` in milliseconds.
        others: the others of `Limits`.

    Raises:
        InputError: a limit is out of its range; the message names it by its option.
    """
    if not 0.0 <= real_number("--max-wait", batch_wait_ms) < math.inf:
        raise InputError(f"--max-wait must be a number of milliseconds of at least 0, not {batch_wait_ms!r}.")
    try:
        return Limits(batch_wait=batch_wait_ms / 1000, **others)
    except InputError as error:
        raise InputError(re.sub(rf"\b({'|'.join(_OPTIONS)})\b", lambda name: _OPTIONS[name[0]], str(error))) from None


def _say(message: str) -> None:
    try:
        print(message, flush=True)
    except BrokenPipeError:  # who started it has read enough; the end of the process would fail to write the rest
        with Path(os.devnull).open("w") as nowhere:
            os.dup2(nowhere.fileno(), sys.stdout.fileno())


def _label(text: str) -> tuple[str, int]:
    match = re.fullmatch(r"([^=]+)=([0-9]+)", text)
    if not match:
        raise InputError(f"a label is given as LABEL=VERSION, such as stable=3, not '{text}'.")
    return match[1], int(match[2])
