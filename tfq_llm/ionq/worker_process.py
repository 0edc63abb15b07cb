"""The process that speaks API v0.4: it runs `remote.py` with another Python, and calls go in and answers come out as lines."""

from __future__ import annotations

import collections
import contextlib
import itertools
import json
import os
import queue
import subprocess
import threading
from pathlib import Path
from typing import IO, Any

from tfq_llm.ionq import remote
from tfq_llm.ionq.credentials import VARIABLES
from tfq_llm.ionq.remote import RemoteError


class LostError(Exception):
    """The worker gave no answer and will give none."""


class Worker:
    """One worker process, and what it says.

    Args:
        python: runs it.
        key: the API key, which is kept out of messages.

    Attributes:
        process: the process; it may have ended.
    """

    def __init__(self, python: Path, key: str):
        # Isolated: no module beside remote.py or on PYTHONPATH is taken for one of the worker's own. In a session of its own:
        # what interrupts this process at the keyboard must not cut a submission short.
        environment = {name: value for name, value in os.environ.items() if name not in VARIABLES}
        self.process = subprocess.Popen(
            [str(python), "-I", remote.__file__],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=environment,
            start_new_session=True,
        )
        self._key = key
        self._numbers = itertools.count()
        self._answers: queue.SimpleQueue[dict[str, Any] | None] = queue.SimpleQueue()
        self._last_words: collections.deque[str] = collections.deque(maxlen=5)
        assert self.process.stdout is not None
        assert self.process.stderr is not None
        threading.Thread(target=self._listen, args=(self.process.stdout,), daemon=True).start()
        self._errors = threading.Thread(target=self._note, args=(self.process.stderr,), daemon=True)
        self._errors.start()

    @property
    def runs(self) -> bool:
        """Whether the process has not ended."""
        return self.process.poll() is None

    def ask(self, request: dict[str, Any], silence: float) -> Any:
        """The result of a call, waited for as long as the worker shows a sign of life within `silence` seconds.

        Raises:
            RemoteError: what the call raised.
            LostError: the worker is gone; it is ended if need be.
        """
        number = next(self._numbers)
        try:
            self._send(json.dumps({**request, "id": number} if number else request), silence)
            answer = self._answer(number, silence)
        except BaseException:  # an interruption too: its answer must not be taken for that of the next call
            self.close(patience=0.0)
            raise
        if "error" in answer:
            raise RemoteError.from_json(answer["error"])
        return answer["result"]

    def _send(self, line: str, silence: float) -> None:
        assert self.process.stdin is not None
        guard = threading.Timer(silence, self.process.kill)  # a worker that does not read would block this for ever
        guard.start()
        try:
            self.process.stdin.write(line.encode() + b"\n")
            self.process.stdin.flush()
        except OSError:
            raise LostError(self._epitaph("ended")) from None
        finally:
            guard.cancel()

    def _answer(self, number: int, silence: float) -> dict[str, Any]:
        while True:
            try:
                answer = self._answers.get(timeout=silence)
            except queue.Empty:
                raise LostError(f"the worker process gave no sign of life for {silence:g} s") from None
            if answer is None:
                raise LostError(self._epitaph("ended"))
            if answer.get("id") == number and "alive" not in answer:
                return answer

    def _epitaph(self, what: str) -> str:
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(timeout=5)
        self._errors.join(timeout=1)
        said = " / ".join(self._last_words).replace(self._key, "***")[-500:]
        return f"the worker process {what} (code {self.process.returncode}){': ' + said if said else ''}"

    def close(self, patience: float = 2.0) -> None:
        """Ends the process: asks it to by closing its input, kills it after `patience` seconds."""
        if patience == 0.0:
            self.process.kill()
        with contextlib.suppress(OSError):
            assert self.process.stdin is not None
            self.process.stdin.close()
        try:
            self.process.wait(timeout=patience or None)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()

    def _listen(self, lines: IO[bytes]) -> None:
        with lines:
            for line in lines:
                with contextlib.suppress(ValueError):
                    self._answers.put(json.loads(line))
        self._answers.put(None)

    def _note(self, lines: IO[bytes]) -> None:
        with lines:
            for line in lines:
                self._last_words.append(line.decode(errors="replace").strip())
