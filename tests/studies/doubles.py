"""Stand-ins for trials and for what performs them, shared by tests of stores and schedulers."""

from __future__ import annotations

import hashlib
import os
import signal
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from tfq_llm.studies.rows import to_csv
from tfq_llm.studies.store import Store
from tfq_llm.studies.trial import Cost, Entry, Procedure, Trial, TrialResult, packed
from tfq_llm.studies.versions import as_text, versions

HERE = "tests.studies.doubles"


def trial(number: int = 0, **changes: object) -> Trial:
    """A trial like no other number's; the method decides what its performance does."""
    values = {
        "data": "0123456789abcdef",
        "per_class": 8,
        "validation_fraction": 0.25,
        "test_rows": None,
        "split": number,
        "method": "steady",
        "settings": {"C": 1.0, "layers": 2, "kind": None},
        "scored_on": "validation",
    }
    return Trial.model_validate({**values, **changes})


def entry(number: int = 0, arm: str = "arm", **changes: object) -> Entry:
    """An entry of such a trial."""
    return Entry(trial(number, **changes), arm, "classical", "candidate")


def result(of: Trial) -> TrialResult:
    """A made-up result that follows from the trial's name alone, but for its cost."""
    rng = np.random.default_rng(int(hashlib.sha256(of.name.encode()).hexdigest()[:8], 16))
    predicted = rng.integers(0, 2, 20)
    return TrialResult(
        trial=of,
        accuracy=float(predicted.mean()),
        correct=int(predicted.sum()),
        rows=20,
        macro_f1=float(rng.random()),
        log_loss=float(rng.random()) if of.split % 2 else None,
        parameters=7,
        epochs=None,
        confusion=((3, 4), (5, 8)),
        calibration=((20, float(rng.random()), 0.5),),
        predictions=packed(predicted) if of.scored_on == "test" else None,
        versions=as_text(versions()),
        cost=Cost(fit_seconds=time.perf_counter(), score_seconds=0.0, host="here", finished="now"),
    )


def perform(of: Trial, store_url: str) -> TrialResult:
    """Does what the trial's method says, and keeps the result."""
    if of.method == "raises":
        raise ZeroDivisionError(f"nothing can be divided by {of.split}")
    if of.method == "dies":
        os.kill(os.getpid(), signal.SIGKILL)
    if of.method == "dies once" and not (mark := Path(store_url) / f"died-{of.split}").exists():
        mark.touch()
        os.kill(os.getpid(), signal.SIGKILL)
    if of.method == "hangs":
        time.sleep(600)
    if of.method == "slow":
        time.sleep(0.05)
    made = result(of)
    Store(store_url).keep(made)
    return made


def perform_slowly(of: Trial, store_url: str) -> TrialResult:
    """The same after a while."""
    time.sleep(0.2)
    return perform(of, store_url)


def asks(*batches: Sequence[Entry], got: list[list[TrialResult | None]] | None = None) -> Procedure:
    """A procedure of these batches; what it is sent is added to `got`."""
    for batch in batches:
        answers = yield list(batch)
        if got is not None:
            got.append(answers)


def rows_of_slow_study(trials: int) -> str:
    """What its results are, whoever runs it."""
    return to_csv(result(trial(number, method="slow")) for number in range(trials))


def slow_study(trials: int) -> Iterator[Procedure]:
    """Two procedures with several batches and some trials in common."""
    entries = [entry(number, method="slow") for number in range(trials)]
    half = trials // 2
    yield asks(entries[:half], entries[half // 2 : half + 3])
    yield asks(entries[half:])
