"""What the campaign showed, for the terminal and for docs/reliability.md."""

from __future__ import annotations

import platform
from collections.abc import Sequence
from datetime import datetime, timezone
from importlib.metadata import version

from tests.faults.cases import DEADLINE, FAULTS, KILLS, NO_KILL, NONE, PHASES, RETRY_SECONDS, SETTLE_SECONDS, WAIT_SECONDS, Case
from tests.faults.runner import START_SECONDS, Outcome
from tfq_llm.ionq.worker_environment import REQUIREMENTS

_WRONGS = {
    "lost": "lost or wrong results",
    "duplicates": "duplicate jobs",
    "late": "attempts beyond their bound",
    "leaked": "files that hold the key",
    "damaged": "damaged ledgers",
    "left_behind": "processes left behind",
    "crashed": "attempts that crashed",
}
Shown = list[tuple[Case, Outcome]]


def summary(cases: Sequence[Case], outcomes: Sequence[Outcome], seconds: float) -> str:
    """The tables, and what went wrong."""
    shown = list(zip(cases, outcomes, strict=True))
    parts = [_faults_table(shown), _kills_table(shown), *_others(shown), "", _totals(shown, seconds)]
    parts += [f"FAILED {case.text}: {'; '.join(outcome.notes)}" for case, outcome in shown if not outcome.passed]
    return "\n".join(parts)


def _cell(shown: Shown) -> str:
    if not shown:
        return ""
    passed = sum(outcome.passed for _, outcome in shown)
    text = f"{passed}/{len(shown)}"
    return text if passed == len(shown) else f"**{text}**"


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def _of(shown: Shown, **wanted: str) -> Shown:
    """Those whose case has these attributes."""
    return [(case, outcome) for case, outcome in shown if all(getattr(case, name) == value for name, value in wanted.items())]


def _grid(shown: Shown) -> Shown:
    """Without the scenarios that have a table of their own."""
    return [each for each in shown if each[0].scenario in ("evaluate", "cancel") and each[0].kill.victim == "process"]


def _faults_table(shown: Shown) -> str:
    rows = []
    for fault in FAULTS:
        cells = [_of(_grid(shown), fault=fault.title, phase=phase) for phase in PHASES]
        if any(cells):
            rows.append([fault.title, *map(_cell, cells)])
    return _table(["fault", *PHASES], rows)


def _kills_table(shown: Shown) -> str:
    rows = []
    for title in [NO_KILL.title, *(kill.title for kill in KILLS)]:
        found = [each for each in _grid(shown) if each[0].kill.title == title]
        if found:
            alone = _of(found, fault=NONE.title)
            beside = [each for each in found if each not in alone]
            killed = "" if title == NO_KILL.title else str(sum(outcome.killed for _, outcome in found))
            rows.append([title, _cell(alone), _cell(beside), killed])
    return "\n" + _table(["killed", "without a fault", "with a fault", "kills that took place"], rows)


def _others(shown: Shown) -> list[str]:
    at_worker = [each for each in shown if each[0].kill.victim == "worker"]
    rows = [
        ["two processes on one run directory at once", _cell(_of(shown, scenario="two processes"))],
        ["SIGKILL at a random time, 40 circuits, a slow queue", _cell(_of(shown, scenario="queue"))],
        ["SIGKILL of the worker process in the middle of a call", _cell(at_worker)],
    ]
    rows = [row for row in rows if row[1]]
    return ["", _table(["also", "passed"], rows)] if rows else []


def _totals(shown: Shown, seconds: float) -> str:
    met = [outcome.met > 0 for case, outcome in shown if case.phase]
    killed = [outcome.killed for case, outcome in shown if case.kill.owner or case.scenario == "queue"]
    rows = [["cases", f"{len(shown):,}"]]
    rows += [[f"of these API {name}", f"{len(_of(shown, version=name)):,}"] for name in ("v0.3", "v0.4")]
    rows.append(["attempts", f"{sum(outcome.attempts for _, outcome in shown):,}"])
    rows.append(["cases in which the fault was met", f"{sum(met):,} of {len(met):,}"])
    rows.append(["cases in which the kill took place", f"{sum(killed):,} of {len(killed):,}"])
    rows += [[f"**{text}**", f"**{sum(getattr(outcome, name) for _, outcome in shown)}**"] for name, text in _WRONGS.items()]
    rows.append(["longest attempt, of its bound", f"{max((outcome.share for _, outcome in shown), default=0):.0%}"])
    rows.append(["seconds", f"{seconds:.0f}"])
    return _table(["in all", ""], rows)


def _versions() -> str:
    names = ("cirq-ionq", "cirq-core", "requests", "tenacity", "aiohttp")
    pinned = [line.split(";")[0].strip() for line in REQUIREMENTS.read_text(encoding="utf-8").splitlines()]
    worker = ", ".join(line.replace("==", " ") for line in pinned if line.startswith(("cirq-ionq==", "cirq-core==")))
    here = ", ".join(f"{name} {version(name)}" for name in names)
    return f"Python {platform.python_version()}, {here}; in the worker: {worker}"


def page(cases: Sequence[Case], outcomes: Sequence[Outcome], seconds: float, command: str) -> str:
    """docs/reliability.md."""
    shown = list(zip(cases, outcomes, strict=True))
    passed = sum(outcome.passed for _, outcome in shown)
    failed = [f"- {case.text}: {'; '.join(outcome.notes)}" for case, outcome in shown if not outcome.passed]
    return _PAGE.format(
        command=command,
        date=f"{datetime.now(timezone.utc):%Y-%m-%d %H:%M} UTC",
        versions=_versions(),
        seconds=f"{seconds:.0f}",
        verdict=f"{passed:,} of {len(shown):,} cases passed.",
        failed="\n\nThese did not:\n\n" + "\n".join(failed) if failed else "",
        totals=_totals(shown, seconds),
        faults=_faults_table(shown),
        kills=_kills_table(shown).strip(),
        others=_others(shown)[-1] if _others(shown) else "",
        deadline=f"{DEADLINE:g}",
        retry=f"{RETRY_SECONDS:g}",
        settle=f"{SETTLE_SECONDS:g}",
        wait=f"{WAIT_SECONDS:g}",
        start=f"{START_SECONDS['v0.3']:g}",
        start_worker=f"{START_SECONDS['v0.4']:g}",
    )


_PAGE = """# Reliability of runs on IonQ

Written by `make faults`; every number comes from the run described here.

|  | this run |
| --- | --- |
| command | `{command}` |
| date | {date} |
| seconds | {seconds} |
| software | {versions} |

## What is promised

- **No paid result is lost.** What is to be sent is in the ledger before the request, with a name that follows from its content.
  If the process dies, at whatever moment, the same command given again goes on: jobs that are known are fetched, and a job whose
  reply was not seen is looked up at the service by its name.
- **Nothing is paid for twice.** A request that makes a job is sent once. When its outcome is not known, the service is asked for
  the job for `settle_seconds` (60), and again by every later command; if the service does not have it, the command says so and
  ends, and only when it is given again, and agreed to, the circuits are sent anew. Two processes on one run directory do not send
  at the same time. Circuits run anew only if the job was not made, failed, was canceled, or ran on another target than asked for.
- **Nothing hangs.** Every request has a deadline (30 s), every read a time for which it is tried (120 s), and every wait for a
  queue a limit. When a command gives up it says so, and nothing is lost.
- **The key stays where it is**: in no file, log, message or ledger.

## What was found

{verdict}{failed}

{totals}

A cell below says how many cases passed, of how many. The columns are the requests that meet the fault: the submission, the
look-up of a job by its name (list), its status (job), its results, its cost, its cancellation.

{faults}

Where the process was killed, by SIGKILL:

{kills}

A kill that did not take place is one whose call no attempt came to, most often because the fault ended them before it.

{others}

## How it was tested

The client runs against [the local stand-in](ionq.md), which makes the fault, once, twice or for the whole of an attempt. It is a
process of its own, and so is every attempt. A case has circuits of its own: 3 or 4 (40 for the slow queue) on 2 or 3 qubits with
random angles, in every third case sent as two jobs, in every fifth on a quantum computer (noiseless, 1,000 shots), else on the
simulator. A first attempt meets the fault, and is killed if the case has a kill; if the kill did not take place, or the fault is
not used up, so does a second. Then come attempts without either, at most three, as if a user gave the same command again.
"During" a request is a kill while its reply, or its work at the service, is 0.3 s late; "during" something that is written, a
kill before the transaction's COMMIT. API v0.3 meets every fault in every phase with every kill (a Retry-After of an hour without
kills); API v0.4, whose client is a worker process, every fault in every phase, half of them with a kill at that request as
well, and every kill without a fault.

After each case:

- Every result is there and equals that of Cirq's simulator: within 10⁻⁶ from the simulator, within six standard errors from a
  quantum computer. What the ledger says of jobs is what the service says of them.
- At the service no circuit was run twice, except where its job failed, was canceled, or ran elsewhere. Requests that are obeyed
  late are waited for before this is looked at.
- No attempt took longer than its bound: S + Q + J · (*settle* + W + K). S is {start} s for the process to start (v0.4:
  {start_worker} s), Q the queue (1 s, where there is one), J the number of jobs. W is what requests with the fault may take: a
  read takes at most R = *retry* + *deadline*; a faulty look-up, status or result makes W = 3 R, for it is read anew three times;
  cost and cancellation R; a job that is listed but "not found" is waited for, {wait} s + R; a submission
  3 · (*deadline* + *settle* + Retry-After). K is R if the kill is during a request, else 0. Here *deadline* is {deadline} s,
  *retry* {retry} s, *settle* {settle} s and Retry-After 1 s.
- The key, one that is like no other text, is in no file of the run directory, in nothing that was printed (with logging of all
  modules at its most talkative), in no answer that the ledger keeps, and not in the stand-in's trace.
- SQLite's `PRAGMA integrity_check` finds the ledger sound.
- No process that an attempt started outlives it: the worker of a killed process ends by itself.
- Attempts end with a result or with a message to users, never with a traceback.

Clients broken on purpose (one that sends twice, one that forgets what it sent, one that hangs, one that tells the key, and five
others) are found out by the same checks; that is a test of its own, `tests/faults/test_campaign.py`.

## What is not covered

- IonQ's own service: no case was run there. What the stand-in does wrong is what its authors thought of.
- A request that the service obeys later than `settle_seconds` after it was given up, and after the command was given, and agreed
  to, again: both jobs are paid for. The stand-in is that late in none of these cases.
- A list of jobs from which the service leaves out a job that it has made, for longer than `settle_seconds`; or one that holds
  neither its name nor its metadata.
- Loss of power, and a disk that is full or broken. The ledger is written so that a finished transaction survives a loss of power
  (SQLite's `synchronous=FULL`), but kills of a process do not test that.
- A run directory on a network drive, whose locks may not hold; or one that two machines use.
- A ledger that is lost while a request is on its way.
- Two run directories that ask for the same circuits at the same moment: the second finds the first's job by its name only once
  it has been made.
- The key in the memory of a process, or in a core dump.
- The deadlines of everyday use, 30 s and more: the campaign's are shorter, so that it ends.

## Run it

`make faults` runs all of it, in about a quarter of an hour, and writes this page; `python -m tests.faults.campaign --help` shows
how to choose cases, how to keep their run directories and how to see every outcome. A part of it is run by `make test`.
"""
