"""A peer in a process and an environment of its own, asked for one turn of measuring after the other."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from tempfile import TemporaryFile
from threading import Timer
from typing import Any

from benchmarks.reference import Digest


class PeerFailedError(Exception):
    """A peer gave no result; the message says why in a few words."""


class PeerProcess:
    """One peer at one size. Use it in a `with`; leaving ends the process.

    Args:
        python: the interpreter of the peers' environment.
        script: takes --peer, --qubits and --batch; prints a line of JSON, and another for every line it reads, if it reads any.
        peer: its name.
        qubits, batch: the size of the reference work.
        timeout: seconds that the process may live.
    """

    def __init__(self, python: Path, script: Path, peer: str, qubits: int, batch: int, timeout: float) -> None:
        size = ["--qubits", str(qubits), "--batch", str(batch)]
        # Isolated: neither this directory's modules nor the caller's Python settings are the peer's business.
        # A file and not a pipe: libraries may say more than a pipe holds before anyone reads it.
        self._errors = TemporaryFile("w+", encoding="utf-8", errors="replace")  # noqa: SIM115  # closed with the process
        self._process = subprocess.Popen(
            [str(python), "-I", str(script), "--peer", peer, *size],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            text=True,
            env=os.environ | {"PYTHONWARNINGS": "ignore", "TF_CPP_MIN_LOG_LEVEL": "3"},
        )
        self._timer = Timer(timeout, self._end, [f"no result in {timeout:.0f} s"])
        self._timer.start()
        self._ended = ""

    def __enter__(self) -> PeerProcess:
        return self

    def __exit__(self, *error: object) -> None:
        self._end("left")
        self._timer.cancel()
        self._process.communicate()
        self._errors.close()

    def _end(self, why: str) -> None:
        self._ended = why
        self._process.kill()

    def first(self) -> dict[str, Any]:
        """Waits for the first line; raises PeerFailedError."""
        found = self._line()
        if found is None:
            self._process.wait()
            self._errors.seek(0)
            errors = self._errors.read().strip().splitlines()
            raise PeerFailedError(self._ended or (errors[-1] if errors else "ended without a word")[:100])
        return found

    def again(self) -> float | None:
        """Milliseconds of another turn; None if the peer gives no more."""
        try:
            assert self._process.stdin is not None
            self._process.stdin.write("\n")
            self._process.stdin.flush()
        except OSError:
            return None
        found = self._line()
        return None if found is None else float(found["ms"])

    def _line(self) -> dict[str, Any] | None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            if line.startswith("{"):
                found: dict[str, Any] = json.loads(line)
                return found
        return None


def digest_of(line: dict[str, Any]) -> Digest:
    """What a peer's result is compared by."""
    return Digest(line["value0"], line["gx_norm"], line["gw_norm"])
