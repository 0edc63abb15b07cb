"""What may change in a study that has results: it may grow. What grew, and what had been seen by then, is remembered."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Any

from tfq_llm.studies.config import QubitsConfig, StudyConfig
from tfq_llm.studies.store import Store

GROWTH = "growth.json"

MAY_GROW = ("splits", "inits", "arms", "more_arms", "screen", "qubits", "noise", "shots")
"""Settings that say how much is run. All others decide what a number means; the verdict's rule comes before the numbers."""

Resolve = Callable[[StudyConfig], Iterable[str]]
"""The arms of a configuration by name, which is how "all but ablations" is compared with names."""


@dataclass(frozen=True)
class Growth:
    """A study was made larger.

    Attributes:
        what: grew, one phrase each, such as "splits from 5 to 10".
        results: how many of its results were there.
        test_scores: how many of them were on test rows.
        time: when, as an ISO date and time in UTC.
    """

    what: tuple[str, ...]
    results: int
    test_scores: int
    time: str


@dataclass(frozen=True)
class Change:
    """How two configurations of a study differ in what may grow.

    Attributes:
        grown: one phrase for each setting that has more.
        taken: one phrase for each that has less, or something else in place of what was there.
    """

    grown: tuple[str, ...]
    taken: tuple[str, ...]


def change(before: StudyConfig, now: StudyConfig, arms: Resolve) -> Change:
    """Compares all that may grow.

    Numbers of splits and inits and of centre points may get larger; arms, qubits, shots and noise may be added, noise behind what
    was there, for the first one trained under is the report's first question. A screening with other factors, levels, runs or
    resolution is another design.

    Args:
        before: what the study was begun with, or grown to.
        now: what is asked for.
        arms: of a configuration.
    """
    grown: list[str] = []
    taken: list[str] = []
    for more, less in _differences(before, now, arms):
        grown += [more] if more else []
        taken += [less] if less else []
    return Change(tuple(grown), tuple(taken))


_Difference = tuple[str | None, str | None]
"""What grew, and what was taken away or changed."""


def _differences(before: StudyConfig, now: StudyConfig, arms: Resolve) -> Iterator[_Difference]:
    """Of what a study of this kind runs."""
    yield _number("splits", before.splits, now.splits)
    yield _number("inits", before.inits, now.inits)
    yield _several("arms", list(arms(before)), list(arms(now)))
    yield from _own_arms(before, now)
    if now.kind == "screen":
        yield _number("screen.centre_points", before.screen.centre_points, now.screen.centre_points)
        yield from _fixed("screen", before.screen, now.screen, "factors", "log", "design", "resolution", "runs")
    elif now.kind == "qubits":
        yield from _qubits(before.qubits, now.qubits)
    elif now.kind == "noise":
        yield _several("noise.train", before.noise.train, now.noise.train, in_order=True)
        yield _several("noise.test", before.noise.test, now.noise.test, in_order=True)
        yield from _fixed("noise", before.noise, now.noise, "trajectories", "test_trajectories")
    elif now.kind == "shots":
        yield _several("shots.shots", before.shots.shots, now.shots.shots)
        yield _several("shots.train_shots", before.shots.train_shots, now.shots.train_shots)
        yield from _fixed("shots", before.shots, now.shots, "gradient")


def _qubits(before: QubitsConfig, now: QubitsConfig) -> Iterator[_Difference]:
    yield _several("qubits.qubits", before.qubits, now.qubits)
    yield from _fixed("qubits", before, now, "inputs")
    fewest, least = min(before.qubits, default=0), min(now.qubits, default=0)
    if now.inputs == "fixed" and least < fewest:
        yield None, f"fewer inputs at all numbers of qubits, for {least} hold fewer than {fewest}"


def _number(name: str, before: int, now: int) -> _Difference:
    phrase = f"{name} from {before} to {now}"
    return (phrase if now > before else None), (phrase if now < before else None)


def _several(name: str, before: Sequence[Any], now: Sequence[Any], in_order: bool = False) -> _Difference:
    """Of lists; `in_order`: what was there comes first."""
    new, gone = [one for one in now if one not in before], [one for one in before if one not in now]
    less = f"{name} without {_listed(gone)}" if gone else None
    if in_order and not gone and list(now[: len(before)]) != list(before):
        less = f"{name} in another order than {_listed(before)}"
    return (f"{name} with {_listed(new)}" if new else None), less


def _own_arms(before: StudyConfig, now: StudyConfig) -> Iterator[_Difference]:
    for name, arm in before.more_arms.items():
        if name not in now.more_arms:
            yield None, f"more_arms without '{name}'"
        elif now.more_arms[name] != arm:
            yield None, f"more_arms.{name} with another definition"


def _fixed(section: str, before: Any, now: Any, *names: str) -> Iterator[_Difference]:
    for name in names:
        was, is_now = getattr(before, name), getattr(now, name)
        # The order of factors decides which fraction is run.
        if was != is_now or (isinstance(was, dict) and list(was) != list(is_now)):
            yield None, f"{section}.{name} from {was} to {is_now}"


def _listed(values: Iterable[Any]) -> str:
    return ", ".join(f"'{value}'" if isinstance(value, str) else str(value) for value in values)


def growths(store: Store) -> tuple[Growth, ...]:
    """What a store remembers, the first first."""
    found = json.loads(store.text(GROWTH) or "[]")
    return tuple(Growth(**{**one, "what": tuple(one["what"])}) for one in found)


def remember(store: Store, what: Sequence[str], results: int, test_scores: int) -> None:
    """Adds a growth in one step. One whose command died before it took effect is not counted twice."""
    known = growths(store)
    if known and (known[-1].what, known[-1].results, known[-1].test_scores) == (tuple(what), results, test_scores):
        return
    now = datetime.now(timezone.utc).isoformat(timespec="seconds")
    grown = [*known, Growth(tuple(what), results, test_scores, now)]
    store.write_text(GROWTH, json.dumps([dataclasses.asdict(one) for one in grown], indent=1, ensure_ascii=False))
