"""Runs the command of a study, kills it as planned and gives it again, until it has come to its end."""

from __future__ import annotations

import os
import random
import signal
import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import NamedTuple

import psutil

from tests.kills.attempt import Attempt, Study
from tests.kills.processes import worker_processes
from tests.kills.strikes import Moment, Strike, Timing, Victim

_POLL = 0.02
# How long a file takes to be written, at the very most.
_SETTLED = 0.1


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
        self.most_failures = len(strikes)
        self.killed = Killed()
        self.seen: dict[str, tuple[int, int]] = {}

    def run(self) -> Killed:
        while True:
            attempt = Attempt(self.study)
            self.killed.attempts += 1
            try:
                while self.waiting and not attempt.ended():
                    self._strike(attempt)
                code = attempt.exit_code()
            finally:
                attempt.end()
            assert code in ((-signal.SIGKILL,) if attempt.killed else (0, 1)), f"exit code {code}: {self.study.last_words()}"
            self.killed.failures += code == 1
            assert self.killed.failures <= self.most_failures, f"it fails again and again: {self.study.last_words()}"
            if code == 0 and self.waiting:
                # It was quicker than the next kill wanted it; what is finished has no workers any more, and starts in less time.
                sooner = self.waiting[0].delay / 2
                self.waiting[0] = replace(self.waiting[0], victim="group", moment="start-up", delay=sooner)
            elif code == 0:
                self.killed.undone = self._undone()
                return self.killed

    def _strike(self, attempt: Attempt) -> None:
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
