"""When a study is killed, and what of it: a plan that follows from a seed."""

from __future__ import annotations

import itertools
import random
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

Victim = Literal["group", "driver", "worker"]
Moment = Literal["start-up", "fit", "write", "report"]

VICTIMS: dict[Victim, str] = {
    "group": "the command and all it started",
    "driver": "the command's own process",
    "worker": "one worker",
}
# Of every twelve kills: two meet the report, for it comes last and is short.
_MOMENTS: tuple[Moment, ...] = ("fit", "start-up", "write", "fit", "write", "start-up") * 2
_REPORTS = 2


@dataclass(frozen=True)
class Strike:
    """A kill that is to come.

    Attributes:
        victim: what is killed, by SIGKILL.
        moment: in which part of the work.
        after: the share of the study's trials that are finished before.
        delay: the share of that part's time that has passed: of a start-up, of a trial, of the report. A write is too short, and
            which file it is follows from it.
    """

    victim: Victim
    moment: Moment
    after: float
    delay: float


@dataclass(frozen=True)
class Timing:
    """How an undisturbed study spends its time, by which kills are timed.

    Attributes:
        trials: how many it has.
        start_up: seconds to its first result.
        trial: mean seconds from one result to the next.
        report: seconds after the last result.
        seconds: all of it.
    """

    trials: int
    start_up: float
    trial: float
    report: float
    seconds: float


def plan(count: int, seed: int) -> list[Strike]:
    """Kills in the order in which they come, spread evenly over a study's trials.

    Args:
        count: how many.
        seed: of all that is random.
    """
    rng = random.Random(seed)
    reports = _REPORTS * count // 12
    moments = list(itertools.islice(itertools.cycle(_MOMENTS), count - reports))
    rng.shuffle(moments)
    victims = _victims(rng)
    strikes = [
        Strike(next(victims), moment, (place + rng.random()) / len(moments), rng.random()) for place, moment in enumerate(moments)
    ]
    # Workers are idle while the report is written.
    writers: tuple[Victim, ...] = ("group", "driver")
    return strikes + [Strike(writers[number % 2], "report", 1.0, rng.random()) for number in range(reports)]


def _victims(rng: random.Random) -> Iterator[Victim]:
    """Each as often as the others, in random order."""
    while True:
        round_ = list(VICTIMS)
        rng.shuffle(round_)
        yield from round_
