"""Where the API key comes from, and to which hosts it may go."""

from __future__ import annotations

import os
import re
from pathlib import Path
from urllib.parse import SplitResult, urlsplit

from tfq_llm.checks import is_loopback
from tfq_llm.errors import InputError
from tfq_llm.secret_files import read_secret

DEFAULT_HOST = "https://api.ionq.co"
VARIABLES = ("IONQ_API_KEY", "CIRQ_IONQ_API_KEY")
EMULATOR_KEY = "emulator"
"""What the local stand-in takes from those who have no key."""

SHORTEST = 8
_HOST_NAME = re.compile(r"[a-z0-9]([a-z0-9.-]*[a-z0-9])?|[0-9a-f:.]+")


def read_key(file: Path | None, host: str) -> str:
    """The API key: from the file, else from IONQ_API_KEY, else from CIRQ_IONQ_API_KEY.

    Args:
        file: holds the key alone, and nobody but its owner may read it; None for the environment.
        host: where it will be sent to. On this machine's loopback, no key is needed.

    Raises:
        InputError: there is none, others may read the file, or it cannot be a key. The message never holds it.
    """
    if file is not None:
        return _checked(read_secret(file, "API key"), f"the file '{file}'")
    for variable in VARIABLES:
        if value := os.environ.get(variable):
            return _checked(value, f"the environment variable {variable}")
    if is_loopback(urlsplit(host).hostname or ""):
        return EMULATOR_KEY
    raise InputError(
        f"there is no API key for {host}: put it into the environment variable {VARIABLES[0]}, or into a file that only you may "
        f"read (mode 600) and give its path."
    )


def _checked(key: str, source: str) -> str:
    """The key without the blanks around it."""
    key = key.strip()
    if len(key) < SHORTEST or not all("!" <= character <= "~" for character in key):
        raise InputError(
            f"what {source} holds is no API key: a key is one line of at least {SHORTEST} letters, digits and signs, no blanks."
        )
    return key


def checked_host(url: str | None = None) -> str:
    """The service's address as scheme, name and port, if the key may be sent there.

    Args:
        url: "https://..."; "http://..." for this machine's loopback alone. None is IonQ's own service.

    Raises:
        InputError: it is anything else.
    """
    url = DEFAULT_HOST if url is None else url
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise InputError(f"'{_shown(url)}' is no address of a service ({error}): give one such as {DEFAULT_HOST}.") from None
    name = parts.hostname or ""
    if "@" in parts.netloc:
        raise InputError(f"'{_shown(url)}' holds a name or password: leave them out, the service takes a key alone.")
    if parts.scheme not in ("http", "https") or not _HOST_NAME.fullmatch(name) or any(map(str.isspace, url)):
        raise InputError(f"'{url}' is no address of a service: give one such as {DEFAULT_HOST}.")
    if parts.path not in ("", "/") or parts.query or parts.fragment:
        raise InputError(f"'{url}' has more than a host, which IonQ's client would drop: give {_origin(parts, name, port)}.")
    if parts.scheme == "http" and not is_loopback(name):
        raise InputError(f"'{url}' would send the key in plain text, which is for this machine alone: use https.")
    return _origin(parts, name, port)


def _origin(parts: SplitResult, name: str, port: int | None) -> str:
    return f"{parts.scheme}://{f'[{name}]' if ':' in name else name}{f':{port}' if port else ''}"


def _shown(url: str) -> str:
    """Without what may be a password."""
    return re.sub(r"[^/]*@", "...@", url)
