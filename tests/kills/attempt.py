"""The command of a study, given once, and the moments for which a kill waits."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

from tests.kills.processes import Writes, session_processes, worker_processes
from tests.kills.strikes import Strike, Timing

_POLL = 0.02
# How long a process takes to end with its parent, at the very most.
_DYING = 10.0
_LONGEST_ATTEMPT = 900.0
# This share of the kills in the middle of a write meets one of the first files of a command.
_EARLY, _FIRST_FILES = 0.4, 8


class Study:
    """The command of a study, and what is in its directory.

    Args:
        arguments: of `tfq-llm`.
        place: the study's directory.
        log: a file for what the command prints.
    """

    def __init__(self, arguments: Sequence[str], place: Path, log: Path) -> None:
        self.command = [sys.executable, "-m", "tfq_llm.cli", *arguments]
        self.place, self.log = place, log
        place.mkdir(parents=True, exist_ok=True)

    def start(self) -> subprocess.Popen[bytes]:
        """Gives the command, in a process group of its own."""
        with self.log.open("ab") as log:
            return subprocess.Popen(self.command, stdout=log, stderr=log, start_new_session=True)

    def results(self) -> dict[str, tuple[int, int]]:
        """Inode and time of every trial's result: a file that is written again has others."""
        return {file.name: (file.stat().st_ino, file.stat().st_mtime_ns) for file in self.place.glob("trials/[!.]*.json")}

    def finished(self) -> int:
        """How many trials have a result."""
        return sum(1 for _ in self.place.glob("trials/[!.]*.json"))

    def parts(self) -> set[Path]:
        """Files that were not written to their end."""
        return {path for path in self.place.rglob(".*") if path.is_file()}

    def last_words(self) -> str:
        """The end of what the command printed."""
        return self.log.read_text(encoding="utf-8", errors="replace")[-3000:]


def undisturbed(study: Study) -> Timing:
    """Runs a study to its end and says how it spent its time."""
    began, clock = time.monotonic(), time.time()
    code = study.start().wait(_LONGEST_ATTEMPT)
    seconds = time.monotonic() - began
    assert code == 0, study.last_words()
    times = sorted(nanoseconds / 1e9 - clock for _, nanoseconds in study.results().values())
    return Timing(len(times), times[0], (times[-1] - times[0]) / max(1, len(times) - 1), seconds - times[-1], seconds)


class Attempt:
    """The command, given once.

    Attributes:
        process: of the command.
        began: when, by the monotonic clock.
        there: how many results there were.
        killed: whether it was.
    """

    def __init__(self, study: Study) -> None:
        self.study, self.there, self.killed = study, study.finished(), False
        self.process, self.began = study.start(), time.monotonic()

    def ended(self) -> bool:
        """Whether it has ended by itself; raises AssertionError if it should have by now."""
        assert time.monotonic() - self.began < _LONGEST_ATTEMPT, f"it hangs: {self.study.last_words()}"
        return self.process.poll() is not None

    def reaches(self, strike: Strike, timing: Timing) -> bool:
        """Waits until it is time for a kill, a write apart; False if the command ends before."""
        if strike.moment == "start-up":
            begun = self._wait(lambda: strike.victim != "worker" or worker_processes(self.process.pid))
            since = time.monotonic() if strike.victim == "worker" else self.began
            return begun and self._wait_until(since + strike.delay * timing.start_up)
        if strike.moment == "report":
            done = self._wait(lambda: self.study.finished() >= timing.trials)
            ahead = timing.start_up if self.there >= timing.trials else 0.0
            return done and self._wait_until(time.monotonic() + ahead + strike.delay * timing.report)
        if strike.moment == "write" and _is_early(strike):
            return True
        # One at least of this attempt, or it would be killed at its start.
        wanted = min(timing.trials, max(self.there + 1, round(strike.after * timing.trials)))
        come = self._wait(lambda: self.study.finished() >= wanted)
        return come and (strike.moment == "write" or self._wait_until(time.monotonic() + 2 * strike.delay * timing.trial))

    def writes(self, strike: Strike) -> bool:
        """Waits until a file is begun: the next one, or one of the first of the command; False if it ends before."""
        with Writes(self.study.place) as writes:
            for _ in range(1 + int(_FIRST_FILES * strike.delay / _EARLY) if _is_early(strike) else 1):
                if not self._wait(lambda: writes.next(_POLL), 0.0):
                    return False
        return True

    def exit_code(self) -> int:
        """Waits for its end; below 0 if it was killed."""
        return self.process.wait(_LONGEST_ATTEMPT)

    def left_behind(self) -> int:
        """How many processes of a killed command are still there after a time in which all should have ended."""
        end = time.monotonic() + _DYING
        while (left := len(session_processes(self.process.pid))) and time.monotonic() < end:
            time.sleep(_POLL)
        return left

    def end(self) -> None:
        """Kills what is left of it."""
        with suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()

    def _wait(self, condition: Callable[[], object], pause: float = _POLL) -> bool:
        while not condition():
            if self.ended():
                return False
            time.sleep(pause)
        return True

    def _wait_until(self, moment: float) -> bool:
        self._wait(lambda: time.monotonic() >= moment)
        return not self.ended()


def _is_early(strike: Strike) -> bool:
    """Whether a write is one of the command's first, and not one among the results."""
    return strike.delay < _EARLY
