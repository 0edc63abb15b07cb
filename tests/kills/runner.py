"""Runs the command of a study, kills it as planned and gives it again, until it has come to its end."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import NamedTuple

import psutil

from tests.kills.processes import Writes, session_processes, worker_processes
from tests.kills.strikes import Moment, Strike, Timing, Victim

_POLL = 0.02
# How long a file takes to be written, and a process to end with its parent, at the very most.
_SETTLED, _DYING = 0.1, 10.0
_LONGEST_ATTEMPT = 900.0
# This share of the kills in the middle of a write meets one of the first files of a command.
_EARLY, _FIRST_FILES = 0.4, 8


class Blow(NamedTuple):
    """A kill that took place.

    Attributes:
        victim: what was killed.
        met: what the study was at, by what is seen afterwards: a "write" left a part of a file behind; in a "start-up" the
            command had no result yet; in a "report" all trials were finished; else it was in the middle of fits.
        seconds: since the command was given.
        finished: trials with a result.
        in_flight: workers that were there, each with one trial at most.
        undone: results that were there before and have gone, or were written anew, since the kill before.
        left_behind: processes that outlived the command.
    """

    victim: Victim
    met: Moment
    seconds: float
    finished: int
    in_flight: int
    undone: int
    left_behind: int


@dataclass
class Killed:
    """What became of a study that was killed.

    Attributes:
        blows: the kills.
        attempts: how often the command was given.
        undone: results that were written anew after the last kill.
        failures: exit codes other than 0 of commands that ended by themselves: trials that lost two workers wait for the next.
    """

    blows: list[Blow] = field(default_factory=list)
    attempts: int = 0
    undone: int = 0
    failures: int = 0


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


def undisturbed(study: Study) -> Timing:
    """Runs a study to its end and says how it spent its time."""
    began, clock = time.monotonic(), time.time()
    code = study.start().wait(_LONGEST_ATTEMPT)
    seconds = time.monotonic() - began
    assert code == 0, _end_of(study.log)
    times = sorted(nanoseconds / 1e9 - clock for _, nanoseconds in study.results().values())
    return Timing(len(times), times[0], (times[-1] - times[0]) / max(1, len(times) - 1), seconds - times[-1], seconds)


def killed_until_done(study: Study, strikes: Sequence[Strike], timing: Timing, seed: int) -> Killed:
    """Gives the command again and again until it ends without being killed.

    Args:
        study: not begun yet, or begun.
        strikes: in the order in which they come.
        timing: of the same study, undisturbed.
        seed: of which worker is killed.
    """
    return _Killing(study, strikes, timing, seed).run()


class _Killing:
    def __init__(self, study: Study, strikes: Sequence[Strike], timing: Timing, seed: int) -> None:
        self.study, self.waiting, self.timing, self.rng = study, deque(strikes), timing, random.Random(seed)
        self.killed = Killed()
        self.seen: dict[str, tuple[int, int]] = {}

    def run(self) -> Killed:
        while True:
            attempt = _Attempt(self.study)
            self.killed.attempts += 1
            try:
                while self.waiting and not attempt.ended():
                    self._strike(attempt)
                code = attempt.process.wait(_LONGEST_ATTEMPT)
            finally:
                attempt.end()
            assert code in ((-signal.SIGKILL,) if attempt.killed else (0, 1)), f"exit code {code}: {_end_of(self.study.log)}"
            self.killed.failures += code == 1
            if code == 0 and self.waiting:
                # It was quicker than the next kill wanted it; what is finished has no workers any more.
                self.waiting[0] = replace(self.waiting[0], victim="group", moment="start-up")
            elif code == 0:
                self.killed.undone = self._undone()
                return self.killed

    def _strike(self, attempt: _Attempt) -> None:
        """Waits for the next kill's moment and kills, unless the command ends before or has no worker yet."""
        strike, process = self.waiting[0], attempt.process
        if not attempt.reaches(strike, self.timing):
            return
        workers = worker_processes(process.pid)
        if strike.victim == "worker" and not workers:
            time.sleep(_POLL)
            return
        parts = self.study.parts()
        if strike.moment == "write" and not attempt.writes(strike):
            return
        if strike.victim == "worker":
            try:
                self.rng.choice(workers).kill()
            except psutil.NoSuchProcess:  # it came to its end in this moment
                return
        else:
            (os.killpg if strike.victim == "group" else os.kill)(process.pid, signal.SIGKILL)
            process.wait()
            attempt.killed = True
        self.waiting.popleft()
        seconds = time.monotonic() - attempt.began
        # What is being written by who was not killed is whole by then.
        time.sleep(_SETTLED)
        left_behind = 0 if strike.victim == "worker" else attempt.left_behind()
        finished = self.study.finished()
        met: Moment = "fit"
        if self.study.parts() - parts:
            met = "write"
        elif finished == self.timing.trials:
            met = "report"
        elif finished == attempt.there:
            met = "start-up"
        in_flight = 1 if strike.victim == "worker" else len(workers)
        self.killed.blows.append(Blow(strike.victim, met, seconds, finished, in_flight, self._undone(), left_behind))

    def _undone(self) -> int:
        """Results that have gone or were written anew since it was asked last."""
        before, self.seen = self.seen, self.study.results()
        return sum(self.seen.get(name) != file for name, file in before.items())


class _Attempt:
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
        assert time.monotonic() - self.began < _LONGEST_ATTEMPT, f"it hangs: {_end_of(self.study.log)}"
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


def _end_of(log: Path) -> str:
    return log.read_text(encoding="utf-8", errors="replace")[-3000:]
