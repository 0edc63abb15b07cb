"""What a study has so far: its plan gone through again with the results that are there, as one table."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from tfq_llm.studies.plans import Plan
from tfq_llm.studies.store import Store
from tfq_llm.studies.trial import Entry, Procedure, TrialResult
from tfq_llm.studies.trial_rows import final_rows

COLUMNS = (
    "state", "arm", "family", "role", "candidate", "data", "split", "fold", "init", "method", "settings", "scored_on",
    "accuracy", "correct", "rows", "macro_f1", "log_loss", "parameters", "epochs", "trial",
)  # fmt: skip
COST_COLUMNS = ("trial", "fit_seconds", "score_seconds", "host", "finished")


@dataclass(frozen=True)
class Replayed:
    """A study as far as it has come.

    Attributes:
        found: entries with their results.
        failed: entries whose trial failed.
        size: how many entries there are in all, when none fails.
        is_finished: nothing is left to run; what follows on a failed trial does not run.
    """

    found: tuple[tuple[Entry, TrialResult], ...]
    failed: tuple[Entry, ...]
    size: int
    is_finished: bool

    def finals(self) -> dict[str, TrialResult]:
        """Results of test rows, by name of the trial."""
        return {result.trial.name: result for entry, result in self.found if entry.role == "final"}


def replay(plan: Plan, store: Store) -> Replayed:
    """Goes through a plan without running anything."""
    failures = store.failures()
    found: list[tuple[Entry, TrialResult]] = []
    failed: list[Entry] = []
    ended = []
    for make in plan.procedures:
        entries, has_ended = _gone_through(make(), store, failures)
        ended.append(has_ended)
        for entry, result in entries:
            if result is None:
                failed.append(entry)
            else:
                found.append((entry, result))
    return Replayed(tuple(found), tuple(failed), plan.size, all(ended))


def _gone_through(procedure: Procedure, store: Store, failures: set[str]) -> tuple[list[tuple[Entry, TrialResult | None]], bool]:
    """Entries of a procedure up to the first that are still to run, and whether there are none of these.

    None is the result of a failed trial.
    """
    gone: list[tuple[Entry, TrialResult | None]] = []
    try:
        entries = next(procedure)
        while True:
            there = store.found(entry.trial for entry in entries)
            results = [there.get(entry.trial.name) for entry in entries]
            known = [result is not None or entry.trial.name in failures for entry, result in zip(entries, results, strict=True)]
            gone += [(entry, result) for entry, result, is_known in zip(entries, results, known, strict=True) if is_known]
            if not all(known):
                return gone, False
            entries = procedure.send(results)
    except StopIteration:
        return gone, True


def frame(replayed: Replayed) -> pd.DataFrame:
    """One row for each entry with a result, in an order that depends on nothing but the results.

    Columns are `COLUMNS` and "factor NAME" for every factor. `accuracy` is a share, `log_loss` in nats, `fold` without a value
    where there are no folds; `trial` is the trial's name.
    """
    factors = list(dict.fromkeys(name for entry, _ in replayed.found for name in entry.factors))
    rows = [_row(entry, result, factors) for entry, result in replayed.found]
    columns = [*COLUMNS, *(f"factor {name}" for name in factors)]
    table = pd.DataFrame(rows, columns=columns).astype({"fold": "Int64", "epochs": "Int64"})
    table["log_loss"] = table["log_loss"].astype(float)
    order = table.assign(**{"factors": [json.dumps(row[len(COLUMNS) :]) for row in rows]})
    order = order.sort_values(["state", "arm", "role", "candidate", "split", "fold", "init", "factors", "trial"], kind="stable")
    return table.loc[order.index].reset_index(drop=True)


def _row(entry: Entry, result: TrialResult, factors: Iterable[str]) -> list[object]:
    trial = entry.trial
    settings = json.dumps(trial.settings, sort_keys=True)
    of_entry = [entry.state, entry.arm, entry.family, entry.role, entry.candidate]
    of_trial = [trial.data, trial.split, trial.fold, trial.init, trial.method, settings, trial.scored_on]
    score = [result.accuracy, result.correct, result.rows, result.macro_f1, result.log_loss, result.parameters, result.epochs]
    return [*of_entry, *of_trial, *score, trial.name, *(entry.factors.get(name) for name in factors)]


def right(replayed: Replayed, store: Store) -> dict[str, np.ndarray]:
    """Which test rows each final trial got right, bool [test rows], by name of the trial."""
    found = {}
    for name, result in replayed.finals().items():
        dataset = store.embeddings(result.trial.data)
        found[name] = result.predicted() == dataset.labels[final_rows(dataset, result.trial)]
    return found


def tested_rows(replayed: Replayed, store: Store) -> dict[str, dict[int, np.ndarray]]:
    """Numbers of the test rows in the data set, by state and split."""
    found: dict[str, dict[int, np.ndarray]] = {}
    for entry, _ in replayed.found:
        if entry.role == "final" and entry.trial.split not in found.setdefault(entry.state, {}):
            found[entry.state][entry.trial.split] = final_rows(store.embeddings(entry.trial.data), entry.trial)
    return found


def costs(results: Mapping[str, TrialResult]) -> pd.DataFrame:
    """What each trial took, with `COST_COLUMNS`; sorted by name."""
    rows = [[name, *result.cost.model_dump().values()] for name, result in sorted(results.items())]
    return pd.DataFrame(rows, columns=COST_COLUMNS)
