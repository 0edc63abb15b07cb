"""What was asked and answered: kept for tests, and written to a file if one is named. Headers, and with them keys, are not."""

from __future__ import annotations

import json
import threading
from collections import deque
from pathlib import Path
from typing import Any

from tfq_llm.errors import InputError

# Entries that are kept, and characters of a body.
_KEPT, _BODY = 20_000, 4_000


class Trace:
    """The latest requests.

    Args:
        key: what is put out of bodies and queries, should somebody send it there; None for nothing.
        file: JSON lines are appended to it.

    Raises:
        InputError: the file cannot be written.
    """

    def __init__(self, key: str | None = None, file: str | Path | None = None) -> None:
        self._key, self._lock = key, threading.Lock()
        self._entries: deque[dict[str, Any]] = deque(maxlen=_KEPT)
        try:
            self._file = None if file is None else Path(file).open("a", encoding="utf-8")  # noqa: SIM115  # closed by close()
        except OSError as error:
            raise InputError(f"the trace cannot be written to {file}: {error.strerror}.") from None

    def add(
        self,
        *,
        time: float,
        method: str,
        path: str,
        kind: str,
        status: int | None,
        seconds: float,
        body: bytes,
        faults: list[str],
    ) -> None:
        """A request: `status` is None if it got no reply."""
        entry = {
            "time": round(time, 3),
            "method": method,
            "path": self._clean(path),
            "kind": kind,
            "status": status,
            "seconds": round(seconds, 3),
            "bytes": len(body),
            "body": self._body(body),
            "faults": faults,
        }
        with self._lock:
            self._entries.append(entry)
            if self._file is not None and not self._file.closed:
                self._file.write(json.dumps(entry) + "\n")
                self._file.flush()

    def entries(self) -> list[dict[str, Any]]:
        """The latest requests, the first first."""
        with self._lock:
            return list(self._entries)

    def close(self) -> None:
        with self._lock:
            if self._file is not None:
                self._file.close()

    def _clean(self, text: str) -> str:
        return text.replace(self._key, "[key]") if self._key else text

    def _body(self, body: bytes) -> Any:
        """JSON values if it is short JSON, else its beginning; None if there is none."""
        if not body:
            return None
        text = self._clean(body[: 4 * _BODY].decode(errors="replace"))
        if len(text) > _BODY:
            return text[:_BODY]
        try:
            return json.loads(text)
        except ValueError:
            return text
