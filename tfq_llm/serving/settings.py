"""How a server is set up: where it listens, whom it answers, and how much it takes."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from tfq_llm.checks import is_loopback, real_number, whole_number
from tfq_llm.errors import InputError
from tfq_llm.secret_files import read_secret

_ORIGIN = re.compile(r"https?://[^/\s*?#@]+")
_NAME = re.compile(r"[^/:\s]+")
SHORTEST_TOKEN = 16


@dataclass(frozen=True)
class Limits:
    """What is refused, and how long is waited.

    Attributes:
        batch_rows: rows that the model is called with at once, at most.
        batch_wait: seconds that a batch waits for as many rows as came the last time.
        queue_rows: rows that may wait for the model; beyond, 429.
        request_rows: rows of one request; beyond, 413.
        body_bytes: of one request; beyond, 413. A batch of several requests has no more.
        requests: that may be in progress at once; beyond, 503.
        bytes_in_progress: of all requests in progress: of each its body, then the tensors made of it, then the answer until the
            caller has read it; beyond, 503. What has up to 64 KiB is counted and never refused: `requests` bounds it.
        timeout: seconds from the arrival of a request to its answer; beyond, 504, or 408 while its body is still coming.
    """

    batch_rows: int = 32
    batch_wait: float = 0.002
    queue_rows: int = 1024
    request_rows: int = 256
    body_bytes: int = 2**22
    requests: int = 1024
    bytes_in_progress: int = 2**28
    timeout: float = 30.0

    def __post_init__(self) -> None:
        for name in ("batch_rows", "queue_rows", "request_rows", "body_bytes", "requests"):
            whole_number(name, getattr(self, name), 1)
        if whole_number("bytes_in_progress", self.bytes_in_progress, 1) < self.body_bytes:
            raise InputError(
                f"bytes_in_progress must be at least body_bytes, {self.body_bytes}, for a body may have as many; not "
                f"{self.bytes_in_progress}."
            )
        for name, least in (("batch_wait", 0.0), ("timeout", 0.001)):
            if not least <= real_number(name, getattr(self, name)) < math.inf:
                raise InputError(f"{name} must be a number of seconds of at least {least:g}, not {getattr(self, name)!r}.")


@dataclass(frozen=True)
class ServerSettings:
    """All of a server.

    Attributes:
        directory: a model's (NAME/1, NAME/2, …), or one version's.
        name: of the model; None for the directory's.
        host, port: where it listens; port 0 is any that is free.
        token: that callers have to send as "Authorization: Bearer TOKEN"; None for nobody has to, which only the loopback may.
        cors_origins: of pages elsewhere whose scripts may call it.
        versions: how many are served at once, the newest.
        labels: names of versions, which are served too, however old.
        poll_seconds: how often the directory is looked at.
        limits: what is refused.

    Raises:
        InputError: a value is out of its range, or others than this machine could call without a token.
    """

    directory: Path
    name: str | None = None
    host: str = "127.0.0.1"
    port: int = 8501
    token: str | None = field(default=None, repr=False)
    cors_origins: tuple[str, ...] = ()
    versions: int = 1
    labels: Mapping[str, int] = field(default_factory=dict)
    poll_seconds: float = 2.0
    limits: Limits = Limits()

    def __post_init__(self) -> None:
        whole_number("versions", self.versions, 1)
        if whole_number("port", self.port, 0) > 65535:
            raise InputError(f"port must be at most 65535, not {self.port}.")
        if self.name is not None and not _NAME.fullmatch(self.name):
            raise InputError(f"a model's name is part of addresses: it has no '/', ':' or blanks, not '{self.name}'.")
        if not 0 < real_number("poll_seconds", self.poll_seconds) < math.inf:
            raise InputError(f"poll_seconds must be a number of seconds greater than 0, not {self.poll_seconds!r}.")
        for label, version in self.labels.items():
            if not _NAME.fullmatch(label):
                raise InputError(f"a label is part of addresses: it has no '/', ':' or blanks, not '{label}'.")
            whole_number(f"the version of the label '{label}'", version, 1)
        for origin in self.cors_origins:
            if not _ORIGIN.fullmatch(origin):
                raise InputError(f"'{origin}' is no origin of pages: give scheme, host and port, such as https://example.org.")
        if self.token is None and not self.is_local:
            raise InputError(
                f"'{self.host}' can be reached by other machines, so callers need a token: put one into a file that only you may "
                "read and give --token-file FILE, or serve on 127.0.0.1."
            )

    @property
    def is_local(self) -> bool:
        """Whether only this machine can call."""
        return is_loopback(self.host)


def read_token(file: Path) -> str:
    """The token in a file.

    Raises:
        InputError: the file cannot be read, others may read it, or what it holds is no token. The message never holds it.
    """
    token = read_secret(file, "token").strip()
    if len(token) < SHORTEST_TOKEN or not all("!" <= character <= "~" for character in token):
        raise InputError(
            f"what the file '{file}' holds is no token: a token is one line of at least {SHORTEST_TOKEN} letters, digits and "
            "signs, no blanks, such as 'openssl rand -hex 32' prints."
        )
    return token
