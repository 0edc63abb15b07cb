"""A part of the campaign, and that it would find out what it is there for."""

from __future__ import annotations

import csv
from dataclasses import replace

import numpy as np
import pytest

from tests.kills.comparison import Outcome, run, study_at, tables, write_embeddings
from tests.kills.page import page, summary
from tests.kills.runner import Blow, Killed
from tests.kills.strikes import VICTIMS, Timing, plan

SMALL = (
    "splits=2",
    "data.per_class=20",
    "head.encoder_layers=1",
    "head.connectivity=1",
    "fit.epochs=2",
    "selection.candidates=2",
    "selection.folds=2",
    "arms=[quantum head,logistic regression]",
    "verdict.resamples=200",
)


@pytest.mark.campaign
def test_a_study_that_was_killed_gives_the_results_of_one_that_was_not(tmp_path):
    outcome = run(tmp_path, kills=3, workers=2, seed=1, settings=SMALL)
    assert outcome.passed, summary(outcome)
    assert [blow.victim for blow in outcome.killed.blows] == [strike.victim for strike in plan(3, 1)]
    assert len(outcome.files) > 3
    with (tmp_path / "killed" / "rows.csv").open(newline="") as file:
        assert len(list(csv.DictReader(file))) == outcome.timing.trials == 2 * 2 * (2 * 2 + 1)


def test_kills_are_spread_over_the_study_and_are_the_seeds():
    strikes = plan(24, 0)
    assert strikes == plan(24, 0) != plan(24, 1)
    assert {strike.victim for strike in strikes} == set(VICTIMS)
    assert {strike.moment for strike in strikes} == {"start-up", "fit", "write", "report"}
    assert np.diff([0.0, *(strike.after for strike in strikes)]).max() < 0.11
    assert [strike.after for strike in strikes] == sorted(strike.after for strike in strikes)


def outcome(**changes: object) -> Outcome:
    blow = Blow("driver", "fit", 12.5, 7, in_flight=2, undone=0, left_behind=0)
    made = Outcome(Timing(20, 8.0, 0.5, 2.0, 20.0), Killed([blow], attempts=2), ("rows.csv", "arms.csv"), (), 60.0)
    return replace(made, **changes)  # type: ignore[arg-type]


def test_what_is_wrong_is_told():
    good = outcome()
    assert good.passed
    assert "Nothing was lost" in page(good, 2, "this command")
    blow = good.killed.blows[0]
    for bad in (
        outcome(different=("killed/rows.csv",)),
        outcome(killed=Killed([blow], attempts=2, undone=1)),
        outcome(killed=Killed([blow._replace(undone=1)], attempts=2)),
        outcome(killed=Killed([blow._replace(left_behind=1)], attempts=2)),
    ):
        assert not bad.passed
        assert "did not pass" in page(bad, 2, "this command")
    assert "killed/rows.csv" in summary(outcome(different=("killed/rows.csv",)))


def test_costs_are_not_compared(tmp_path):
    study = study_at(tmp_path, write_embeddings(tmp_path / "x.npz", 0), workers=1)
    (study.place / "report" / "tables").mkdir(parents=True)
    for name in ("arms.csv", "costs.csv"):
        (study.place / "report" / "tables" / name).write_text("a,b")
    (tmp_path / "rows.csv").write_text("c,d")
    assert set(tables(study)) == {"rows.csv", "arms.csv"}
