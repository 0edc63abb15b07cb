"""What a study is doing: a live line on a terminal, log lines elsewhere."""

from __future__ import annotations

import logging
import math
import sys
import time
from collections import Counter, defaultdict
from collections.abc import Sequence
from types import TracebackType

from rich.console import Console
from rich.live import Live
from rich.text import Text

from tfq_llm.studies.trial import Entry, TrialResult

logger = logging.getLogger(__name__)


class Monitor:
    """Counts trials and says how far they are.

    Args:
        title: what is run, such as "study compare".
        size: how many entries a study has in all, those with a result among them; default: as many as were asked for so far.
        interval: seconds between log lines when standard error is not a terminal.

    Attributes:
        found_trials: how many results were there.
        done: how many trials were run.
        failures: how many failed.
    """

    def __init__(self, title: str = "trials", size: int = 0, *, interval: float = 10.0) -> None:
        self.title, self.size, self.interval = title, size, interval
        self.found_trials = self.done = self.failures = 0
        self._left = Counter[str]()
        self._seconds: defaultdict[str, float] = defaultdict(float)
        self._timed = Counter[str]()
        self._best: tuple[float, str] | None = None
        self._running, self._workers = 0, 1
        self._logged = time.monotonic()
        self._live: Live | None = None

    def __enter__(self) -> Monitor:
        if sys.stderr.isatty():
            self._live = Live(console=Console(stderr=True), refresh_per_second=4)
            self._live.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None) -> None:
        self._running = 0
        self._show()
        if self._live is None:
            self._log()
        else:
            self._live.stop()
            self._live = None

    def asked(self, entries: Sequence[Entry]) -> None:
        """These trials are to be run."""
        self._left.update(entry.trial.method for entry in entries)

    def shared(self, count: int) -> None:
        """So many of a study's entries want trials that were asked for before."""
        self.size -= count

    def found(self, entry: Entry, result: TrialResult) -> None:
        """A trial's result was there."""
        self.found_trials += 1
        self._learn(entry, result)

    def finished(self, entry: Entry, result: TrialResult) -> None:
        """A trial was run."""
        self.done += 1
        self._left[entry.trial.method] -= 1
        self._learn(entry, result)

    def failed(self, entry: Entry, traceback: str, place: str) -> None:
        """A trial raised, and where its whole traceback is."""
        self.failures += 1
        self._left[entry.trial.method] -= 1
        lines = traceback.strip().splitlines() or ["no traceback"]
        self.say(f"failed: {entry.trial.name}: {lines[-1]} (the whole is in {place})")

    def died(self, entry: Entry, error: BaseException) -> None:
        """A trial's worker died, and the trial is run again."""
        self.say(f"again: {entry.trial.name}: its worker died ({type(error).__name__})")

    def tick(self, running: int, workers: int) -> None:
        """Shows how it stands.

        Args:
            running: trials that are with the workers.
            workers: how many can run at a time.
        """
        self._running, self._workers = min(running, workers), workers
        self._show()
        if self._live is None and time.monotonic() - self._logged >= self.interval:
            self._log()

    def say(self, line: str) -> None:
        """Writes a line that stays."""
        if self._live is None:
            logger.warning("%s", line)
        else:
            self._live.console.print(Text(line))

    def status(self) -> str:
        """How it stands, on one line."""
        left = self._trials_left()
        parts = [f"{self.done}/{self.done + self.failures + left} done", f"{self._running} running"]
        parts += [f"{self.failures} failed"] if self.failures else []
        parts += [f"{self.found_trials} found"] if self.found_trials else []
        seconds = self.seconds_left()
        parts += [f"{_duration(seconds)} left"] if seconds is not None and left else []
        parts += [f"best validation accuracy {self._best[0]:.3f} ({self._best[1]})"] if self._best else []
        return ", ".join(parts)

    def seconds_left(self) -> float | None:
        """From the mean of trials of the same method, or of all where it is not known which follow; None if no time is known."""
        if not self._timed:
            return None
        overall = sum(self._seconds.values()) / self._timed.total()
        means = {method: self._seconds[method] / count for method, count in self._timed.items()}
        asked = sum(count * means.get(method, overall) for method, count in self._left.items())
        follow = self._trials_left() - self._left.total()
        return (asked + follow * overall) / max(1, self._workers)

    def _trials_left(self) -> int:
        """Those that were asked for, and those that follow on their results."""
        return max(self._left.total(), self.size - self.found_trials - self.done - self.failures)

    def _learn(self, entry: Entry, result: TrialResult) -> None:
        seconds = result.cost.fit_seconds + result.cost.score_seconds
        if math.isfinite(seconds):
            self._seconds[entry.trial.method] += seconds
            self._timed[entry.trial.method] += 1
        # Scores on test rows are for the report: who watches them would choose by them.
        if entry.trial.scored_on == "validation" and (self._best is None or result.accuracy > self._best[0]):
            self._best = result.accuracy, entry.arm

    def _show(self) -> None:
        if self._live is not None:
            self._live.update(Text(f"{self.title}: {self.status()}"))

    def _log(self) -> None:
        self._logged = time.monotonic()
        logger.info("%s: %s", self.title, self.status())


def _duration(seconds: float) -> str:
    """Such as "40 s", "12 min" or "3.5 h"."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
