"""The cases of the campaign: which fault meets which request, and where the process is killed."""

from __future__ import annotations

import itertools
import random
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from typing import Any, Literal

Version = Literal["v0.3", "v0.4"]

PHASES = ("submit", "list", "job", "results", "cost", "cancel")
"""What a request is for: to send a job, look one up by its name, ask for its status, its results or its cost, cancel it."""

DEADLINE, RETRY_SECONDS, SETTLE_SECONDS, WAIT_SECONDS = 0.5, 2.0, 1.0, 6.0
RETRY_AFTER = 1.0

# A kill in the middle of a request has to find one: its reply, or its work, is delayed by so much.
_DELAY = 0.3

# About what an undisturbed attempt takes that waits in the queue; at some moment of it, it is killed.
_QUEUED_SECONDS = 2.0
_SEED = 4


@dataclass(frozen=True)
class Fault:
    """A fault of the stand-in.

    Attributes:
        title: the row of the table.
        words: as the stand-in is told, without the phase.
        phases: where it can happen.
        words_of: other words in some phases.
        is_killed: whether there are cases with it and a kill.
    """

    title: str
    words: str
    phases: tuple[str, ...] = PHASES
    words_of: tuple[tuple[str, str], ...] = ()
    is_killed: bool = True

    def said(self, phase: str, version: Version, times: int | None, after: int = 0) -> str:
        """As the stand-in is told. API v0.3 has no address for costs: what is asked there is something else."""
        on = "other" if phase == "cost" and version == "v0.3" else phase
        words = dict(self.words_of).get(phase, self.words)
        return f"{words} on={on} times={times or 'always'} after={after}"


NONE = Fault("no fault", "", ())
FAULTS = (
    Fault("400", "status status=400"),
    Fault("401", "status status=401"),
    Fault("403", "status status=403"),
    Fault("404", "status status=404"),
    Fault("429 with Retry-After", f"rate-limited retry_after={RETRY_AFTER:g}"),
    Fault("429, Retry-After an hour", "rate-limited retry_after=3600", is_killed=False),
    Fault("500", "status status=500"),
    Fault("500 after it was obeyed", "status status=500 when=after"),
    Fault("503", "status status=503"),
    Fault("slow", "slow seconds=0.3"),
    Fault("obeyed when given up", "slow when=before seconds=0.6"),
    Fault("stalled before", "stalled when=before"),
    Fault("stalled after", "stalled when=after"),
    Fault("reply lost", "lost"),
    Fault("cut in mid-body", "cut"),
    Fault("malformed JSON", "malformed"),
    Fault("null fields", "nulls"),
    Fault(
        "null id, status or cost",
        "nulls fields=id,status",
        ("submit", "list", "job", "cost", "cancel"),
        words_of=(("cost", "nulls fields=cost,estimated_cost"),),
    ),
    Fault("job fails", "fails", ("submit",)),
    Fault("runs on another target", "other-target", ("submit",)),
    Fault("results do not sum to one", "unnormalised scale=0.8", ("results",)),
    Fault("a circuit is missing", "missing-circuit", ("results",)),
    Fault("shuffled results", "shuffled", ("results",)),
)
BY_TITLE = {fault.title: fault for fault in (NONE, *FAULTS)}


@dataclass(frozen=True)
class Kill:
    """Where a process is killed: at a call of the ledger or the transport.

    Attributes:
        title: the row of the table.
        owner: "ledger" or "transport".
        method: of it; "update:done" is the call of `update` that writes this state.
        when: "before" the call; "during" it, in the middle of a request or of a transaction; "after" it, result or error.
        call: which of the calls, from 1 on.
        victim: "process", or "worker" for the worker process alone.
        seconds: in place of a call: so long after the start, from outside.
    """

    title: str
    owner: str = ""
    method: str = ""
    when: str = ""
    call: int = 1
    victim: str = "process"
    seconds: float | None = None


def _kills(owner: str, method: str, what: str, *whens: str) -> tuple[Kill, ...]:
    return tuple(Kill(f"{when} {what}", owner, method, when) for when in whens)


_ALL = ("before", "during", "after")
SENDING_KILLS = (
    *_kills("ledger", "intend", "the intent is written", *_ALL),
    *_kills("transport", "find", "the look-up", *_ALL),
    *_kills("ledger", "update:sending", "the job is marked as being sent", "during", "after"),
    *_kills("transport", "submit", "the submission", *_ALL),
    *_kills("ledger", "update:submitted", "its id is recorded", "during", "after"),
)
READING_KILLS = (
    *_kills("transport", "job", "the status is read", *_ALL),
    *_kills("transport", "results", "the results are read", *_ALL),
    *_kills("transport", "cost", "the cost is read", "during", "after"),
    *_kills("ledger", "finish", "the results are stored", "during", "after"),
)
CANCEL_KILLS = (
    *_kills("transport", "cancel", "the cancellation", *_ALL),
    *_kills("ledger", "update:canceled", "the cancellation is recorded", "during", "after"),
)
KILLS = (*SENDING_KILLS, *READING_KILLS, *CANCEL_KILLS)
NO_KILL = Kill("no kill")
KILL_BY_TITLE = {kill.title: kill for kill in KILLS}
_KIND = {"find": "list"}


@dataclass(frozen=True)
class Case:
    """One case; its circuits follow from its number.

    Attributes:
        number: unlike any other's.
        version: of the API.
        fault: its title.
        phase: which requests it meets; "" for no fault.
        kill: where the process is killed, once.
        times: how many requests meet the fault; None for all of an attempt.
        scenario: "evaluate", "cancel", "two processes", or "queue" (40 circuits that wait).
        target: of the circuits.
        jobs: how many jobs they are sent as.
        helper: what delays a request so that a kill can come in its middle; "" for nothing.
        mutant: what is deliberately broken in the client; "" for nothing.
    """

    number: int
    version: Version
    fault: str = NONE.title
    phase: str = ""
    kill: Kill = NO_KILL
    times: int | None = 1
    scenario: str = "evaluate"
    target: str = "simulator"
    jobs: int = 1
    helper: str = ""
    mutant: str = ""

    @property
    def faults(self) -> list[str]:
        """As the stand-in is told."""
        found = []
        if self.phase:
            words = BY_TITLE[self.fault].said(self.phase, self.version, self.times)
            found.append(words + (" target=qpu.forte-1" if "other-target" in words and self.target == "simulator" else ""))
        return found + [self.helper] * bool(self.helper)

    @property
    def is_patient(self) -> bool:
        """Whether its stand-in lets jobs wait in a queue."""
        return self.scenario in ("cancel", "queue")

    @property
    def text(self) -> str:
        """For reports."""
        parts = [self.scenario, self.version, self.fault, self.phase and f"on {self.phase}", self.kill.title, self.mutant]
        return f"case {self.number}: " + ", ".join(filter(None, parts))

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


def pairs() -> list[tuple[Fault, str]]:
    """Every fault with every phase that it can happen in."""
    return [(fault, phase) for fault in FAULTS for phase in fault.phases]


def _helper(kill: Kill, version: Version, when: str) -> str:
    if kill.when != "during" or kill.owner != "transport":
        return ""
    kind = "other" if kill.method == "cost" and version == "v0.3" else _KIND.get(kill.method, kill.method)
    return f"slow seconds={_DELAY} when={when} on={kind} times=4"


def _case(number: int, version: Version, fault: Fault, phase: str, kill: Kill, times: int | None = 1) -> Case:
    """What is left to choose alternates from case to case."""
    asks_cancel = phase == "cancel" or kill in CANCEL_KILLS
    on_machine = fault.words == "other-target" or number % 5 == 0
    # Two jobs, and the kill at the second of the calls.
    jobs = 2 if number % 3 == 0 and not asks_cancel else 1
    if jobs == 2 and number % 2 and kill.owner:
        kill = Kill(kill.title, kill.owner, kill.method, kill.when, call=2)
    return Case(
        number,
        version,
        fault.title,
        phase,
        kill,
        times,
        scenario="cancel" if asks_cancel else "evaluate",
        target="qpu.forte-1" if on_machine else "simulator",
        jobs=jobs,
        helper=_helper(kill, version, ("after", "before")[number % 2]),
    )


def _kills_for(phase: str) -> tuple[Kill, ...]:
    return CANCEL_KILLS if phase == "cancel" else (*SENDING_KILLS, *READING_KILLS)


def _in_process(numbers: Iterator[int]) -> Iterator[Case]:
    """API v0.3: everything with everything."""
    for fault, phase in pairs():
        for times in (1, 2, None):
            yield _case(next(numbers), "v0.3", fault, phase, NO_KILL, times)
        for kill in _kills_for(phase) if fault.is_killed else ():
            number = next(numbers)
            yield _case(number, "v0.3", fault, phase, kill, 1 + number % 2)
    for kill in KILLS:
        for _ in range(2):
            yield _case(next(numbers), "v0.3", NONE, "", kill)


def _through_worker(numbers: Iterator[int]) -> Iterator[Case]:
    """API v0.4: every fault in every phase, half of them with a kill at the request that it meets; and every kill."""
    at_phase = {
        "submit": itertools.cycle(kill for kill in KILLS if kill.method in ("submit", "update:submitted")),
        "list": itertools.cycle(kill for kill in KILLS if kill.method in ("find", "intend", "update:sending")),
        "job": itertools.cycle(kill for kill in KILLS if kill.method == "job"),
        "results": itertools.cycle(kill for kill in KILLS if kill.method in ("results", "finish")),
        "cost": itertools.cycle(kill for kill in KILLS if kill.method in ("cost", "finish")),
        "cancel": itertools.cycle(CANCEL_KILLS),
    }
    for place, (fault, phase) in enumerate(pairs()):
        yield _case(next(numbers), "v0.4", fault, phase, NO_KILL, (1, 2, None)[place % 3])
        if place % 2 and fault.is_killed:
            yield _case(next(numbers), "v0.4", fault, phase, next(at_phase[phase]), 1)
    for kill in KILLS:
        yield _case(next(numbers), "v0.4", NONE, "", kill)


def _worker_kills(numbers: Iterator[int]) -> Iterator[Case]:
    for method in ("submit", "find", "job", "results", "cost"):
        for when in ("before", "after"):
            kill = Kill(f"of the worker during {method}", "transport", method, "during", victim="worker")
            yield Case(next(numbers), "v0.4", kill=kill, helper=_helper(kill, "v0.4", when))


def _two_processes(numbers: Iterator[int], count: int) -> Iterator[Case]:
    """The second starts a little later each time; in half of them, the first's reply is late or lost."""
    for place in range(count):
        fault, phase = ((NONE, ""), (BY_TITLE["stalled after"], "submit"))[place % 2]
        kill = Kill("no kill", seconds=0.02 * place)
        yield Case(next(numbers), "v0.3", fault.title, phase, kill, scenario="two processes")


def _random_kills(numbers: Iterator[int], count: int) -> Iterator[Case]:
    chance = random.Random(_SEED)
    for _ in range(count):
        kill = Kill("at a random time", seconds=chance.uniform(0.0, _QUEUED_SECONDS))
        yield Case(next(numbers), "v0.3", kill=kill, scenario="queue")


def _mutants(numbers: Iterator[int]) -> Iterator[Case]:
    """Broken clients, each in a case that has to show it."""
    lost = BY_TITLE["reply lost"]
    middle = KILL_BY_TITLE["during the submission"]
    # So late that the next attempt, on however busy a machine, does not see the job yet.
    late = "slow seconds=2.0 when=before on=submit"
    yield Case(next(numbers), "v0.3", mutant="hangs")
    yield Case(next(numbers), "v0.3", lost.title, "submit", mutant="sends twice")
    yield Case(next(numbers), "v0.3", lost.title, "submit", mutant="looks nothing up")
    yield Case(next(numbers), "v0.3", kill=middle, helper=late, mutant="forgets the intent")
    yield Case(next(numbers), "v0.3", mutant="mixes up results")
    yield Case(next(numbers), "v0.3", mutant="loses results")
    yield Case(next(numbers), "v0.3", mutant="tells the key")
    yield Case(next(numbers), "v0.3", mutant="damages the ledger")
    yield Case(next(numbers), "v0.3", mutant="leaves a process behind")


def whole() -> list[Case]:
    """The campaign."""
    numbers = itertools.count(1)
    heavy = [*_through_worker(numbers), *_worker_kills(numbers)]
    light = [*_in_process(numbers), *_two_processes(numbers, 10), *_random_kills(numbers, 30)]
    # Workers take processor time, all else mostly waits: both at once take least.
    placed = [(place / len(part), case) for part in (heavy, light) for place, case in enumerate(part)]
    return [case for _, case in sorted(placed, key=lambda each: each[0])]


_FAST = (
    # fault, phase, kill, times
    ("400", "submit", "no kill", 1),
    ("401", "list", "after the submission", 1),
    ("403", "results", "no kill", 1),
    ("404", "job", "no kill", 1),
    ("429 with Retry-After", "submit", "no kill", 1),
    ("429 with Retry-After", "job", "no kill", 1),
    ("500", "list", "no kill", 1),
    ("500", "cost", "no kill", 1),
    ("500 after it was obeyed", "submit", "after the submission", 1),
    ("503", "results", "before the results are read", 1),
    ("slow", "submit", "during the submission", 1),
    ("obeyed when given up", "submit", "no kill", 1),
    ("stalled before", "submit", "no kill", 1),
    ("stalled before", "job", "no kill", 1),
    ("stalled after", "submit", "no kill", 1),
    ("stalled after", "submit", "during the submission", 1),
    ("stalled after", "cancel", "no kill", 1),
    ("reply lost", "submit", "no kill", 2),
    ("reply lost", "submit", "after the submission", 1),
    ("reply lost", "cancel", "after the cancellation", 1),
    ("cut in mid-body", "submit", "no kill", 1),
    ("cut in mid-body", "results", "no kill", 1),
    ("malformed JSON", "submit", "no kill", 1),
    ("malformed JSON", "list", "no kill", 1),
    ("null fields", "list", "after the submission", 1),
    ("null id, status or cost", "submit", "no kill", 1),
    ("job fails", "submit", "no kill", 1),
    ("runs on another target", "submit", "no kill", 1),
    ("results do not sum to one", "results", "no kill", 1),
    ("a circuit is missing", "results", "no kill", 1),
    ("shuffled results", "results", "no kill", 1),
    ("no fault", "", "before the intent is written", 1),
    ("no fault", "", "during the intent is written", 1),
    ("no fault", "", "after the job is marked as being sent", 1),
    ("no fault", "", "during its id is recorded", 1),
    ("no fault", "", "after its id is recorded", 1),
    ("no fault", "", "after the results are read", 1),
    ("no fault", "", "during the results are stored", 1),
    ("no fault", "", "after the results are stored", 1),
)
_FAST_WORKER = (
    ("reply lost", "submit", "no kill", 1),
    ("stalled after", "submit", "during the submission", 1),
    ("malformed JSON", "results", "no kill", 1),
    ("null fields", "list", "after the submission", 1),
    ("503", "cancel", "no kill", 1),
)


def _chosen(rows: Iterable[tuple[str, str, str, int]], version: Version, numbers: Iterator[int]) -> Iterator[Case]:
    for fault, phase, kill, times in rows:
        yield _case(next(numbers), version, BY_TITLE[fault], phase, KILL_BY_TITLE.get(kill, NO_KILL), times)


def fast() -> list[Case]:
    """The part that is run with the tests: API v0.3."""
    numbers = itertools.count(100_001)
    return [*_chosen(_FAST, "v0.3", numbers), *_two_processes(numbers, 2), *_random_kills(numbers, 2)]


def fast_worker() -> list[Case]:
    """Its part for API v0.4."""
    numbers = itertools.count(200_001)
    return [*_chosen(_FAST_WORKER, "v0.4", numbers), *itertools.islice(_worker_kills(numbers), 1)]


def mutants() -> list[Case]:
    """Clients that are broken on purpose: the campaign has to find each of them out."""
    return list(_mutants(itertools.count(300_001)))
