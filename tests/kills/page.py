"""What the campaign showed, for the terminal and for docs/reliability-studies.md."""

from __future__ import annotations

import os
import platform
import statistics
from collections.abc import Callable, Sequence
from datetime import datetime, timezone

from tests.kills.comparison import Outcome
from tests.kills.runner import Blow
from tests.kills.strikes import VICTIMS, Moment
from tfq_llm.metrics import markdown_table
from tfq_llm.studies.versions import as_text, versions

MET: dict[Moment, str] = {
    "start-up": "while it started: nothing was finished yet since the command was given",
    "fit": "while trials ran",
    "write": "in the middle of a file, a part of which was left behind",
    "report": "while it wrote the report",
}


def summary(outcome: Outcome) -> str:
    """The tables, and what differs."""
    parts = [_totals(outcome), _kills(outcome.killed.blows)]
    return "\n\n".join([*parts, *([_differences(outcome)] if outcome.different else [])])


def _totals(outcome: Outcome) -> str:
    killed, blows, timing = outcome.killed, outcome.killed.blows, outcome.timing
    flights = [blow.in_flight for blow in blows]
    rows = [("kills", str(len(blows)))]
    rows += [(f"of {text}", _count(blows, lambda blow, name=name: blow.victim == name)) for name, text in VICTIMS.items()]
    rows += [(text, _count(blows, lambda blow, name=name: blow.met == name)) for name, text in MET.items()]
    rows += [
        ("how often the command was given", str(killed.attempts)),
        ("of these ended by themselves with trials left, whose worker had died twice", str(killed.failures)),
        ("trials of the study", str(timing.trials)),
        ("trials in flight when killed, at most: mean, most", f"{statistics.fmean(flights):.1f}, {max(flights)}"),
        ("**finished trials that were lost or run again**", f"**{killed.undone + sum(blow.undone for blow in blows)}**"),
        ("**processes that outlived the command**", f"**{sum(blow.left_behind for blow in blows)}**"),
        ("CSV files compared, the trial rows and the tables of the report", str(len(outcome.files))),
        ("**of these differ, after kills or with other workers**", f"**{len(outcome.different)}**"),
        ("seconds of the undisturbed study", f"{timing.seconds:.0f}"),
        ("seconds of the campaign", f"{outcome.seconds:.0f}"),
    ]
    return markdown_table(("in all", ""), rows)


def _count(blows: Sequence[Blow], is_meant: Callable[[Blow], bool]) -> str:
    return str(sum(map(is_meant, blows)))


def _kills(blows: Sequence[Blow]) -> str:
    rows = [
        (str(number), VICTIMS[blow.victim], f"{blow.seconds:.1f}", str(blow.finished), MET[blow.met].partition(":")[0])
        for number, blow in enumerate(blows, 1)
    ]
    return markdown_table(("kill", "of", "seconds after the command", "trials finished", "it came"), rows)


def _differences(outcome: Outcome) -> str:
    return "These differ:\n\n" + "\n".join(f"- {name}" for name in outcome.different)


def page(outcome: Outcome, workers: int, command: str) -> str:
    """docs/reliability-studies.md."""
    verdict = "Nothing was lost, and every file is the same." if outcome.passed else "**It did not pass.**"
    return _PAGE.format(
        command=command,
        date=f"{datetime.now(timezone.utc):%Y-%m-%d %H:%M} UTC",
        software=f"Python {platform.python_version()}; {as_text(versions())}",
        cores=os.cpu_count(),
        verdict=verdict + (f"\n\n{_differences(outcome)}" if outcome.different else ""),
        totals=_totals(outcome),
        kills=_kills(outcome.killed.blows),
        workers=workers,
        others=1 if workers > 1 else 2,
    )


_PAGE = """# Reliability of studies

Written by `make kills`; every number comes from the run described here.

|  | this run |
| --- | --- |
| command | `{command}` |
| date | {date} |
| cores | {cores} |
| software | {software} |

## What is promised

- **A study that was killed gives the results of one that was not.** SIGKILL of anything, at any time: the same command
  goes on, and the trial rows and all tables come out the same, byte for byte. The costs, which are seconds, do not.
- **At most the trials in flight are lost**, one for each worker. What is finished is never run again.
- **Nothing is left behind**: workers end with the command that started them.
- **The number of workers changes nothing.**

## What was found

{verdict}

{totals}

{kills}

A worker that is killed does not end the command, so several kills may have the same command. The trials in flight are not
more than the workers that were there.

## How it was tested

The study is `tfq-llm study compare` with real fits: the quantum head and three classical arms on two draws of 60 of 300
embeddings, made from the seed, with two candidates each on two folds, and a report. It runs to its end undisturbed with
{workers} workers, again with {others}, and a third time with the kills; the command, in a process group of its own, is
given again until it ends by itself.

Kills are planned by the seed and timed by the undisturbed run: in the start-up of the command or of a worker, within a
trial, at the moment in which a file is begun (inotify tells of it), within the report; spread evenly over the trials.
Whether a kill came in the middle of a file is seen by the part that is left under a temporary name; nobody ever reads it.
After every kill all results that were there before must be the same files, by inode and time; in the end all CSVs are
compared with those of the undisturbed run.

## What is not covered

- Loss of power, and a disk that is broken; one that is full is left to other tests.
- A store at a URL: there a write is one request, which the object store does as a whole or not at all.
- Two commands on one study at the same time: the second is refused, as other tests show.

## Run it

`make kills` runs it and writes this page; `python -m tests.kills.campaign --help` shows how to choose the number of kills
and the seed, and how to keep the studies. A part with three kills is run by `make test-campaigns`; the loss of a node of a Ray
cluster is a test of its own (`tests/studies/test_cluster.py`).
"""
