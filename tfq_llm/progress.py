"""Progress of long steps: a bar on a terminal, plain log lines anywhere else."""

from __future__ import annotations

import logging
import sys
import time
from types import TracebackType

from tqdm import tqdm

logger = logging.getLogger(__name__)


class Progress:
    """Counts finished items of a known total and shows rate and time left.

    On a terminal it is a tqdm bar on standard error; elsewhere a log line every `interval` seconds, and one at the end.

    Args:
        description: what is being done, such as "encoding movie-reviews".
        total: number of items.
        unit: the item's name, such as "texts".
        initial: items already done before (a resumed step).
        interval: seconds between log lines when standard error is not a terminal.
    """

    def __init__(self, description: str, total: int, unit: str, *, initial: int = 0, interval: float = 10.0) -> None:
        self.description, self.total, self.unit, self.interval = description, total, unit, interval
        self.done = initial
        self.note = ""
        self._last = time.monotonic()
        # The rate counts from the first update on: what comes before it (tracing a graph) says nothing about the rest.
        self._from: tuple[int, float] | None = None
        self._said: tuple[int, str] | None = None
        self._bar = None
        if sys.stderr.isatty():
            self._bar = tqdm(total=total, initial=initial, desc=description, unit=f" {unit}", dynamic_ncols=True)

    def update(self, items: int = 1, note: str | None = None) -> None:
        """Adds finished items; `note` (such as "loss 0.31") is shown behind the rate."""
        self.done += items
        if self._from is None and items:
            self._from = self.done, time.monotonic()
        if note is not None:
            self.note = note
        if self._bar is not None:
            self._bar.update(items)
            if note is not None:
                self._bar.set_postfix_str(note)
        elif time.monotonic() - self._last >= self.interval:
            self._log()

    def _log(self) -> None:
        self._last, self._said = time.monotonic(), (self.done, self.note)
        start, since = self._from or (self.done, self._last)
        rate = (self.done - start) / (self._last - since) if self._last > since else 0.0
        speed = f", {rate:.1f}/s" if rate else ""
        left = f", {(self.total - self.done) / rate:.0f} s left" if rate and self.done < self.total else ""
        note = f" | {self.note}" if self.note else ""
        logger.info("%s: %d/%d %s%s%s%s", self.description, self.done, self.total, self.unit, speed, left, note)

    def __enter__(self) -> Progress:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Ends the bar, or writes the last line."""
        if self._bar is not None:
            self._bar.close()
        elif self._said != (self.done, self.note):
            self._log()
