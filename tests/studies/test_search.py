"""Selection: as many candidates for every arm, and the best by validation."""

from __future__ import annotations

import math

import pytest

from tests.studies.test_trial import trial
from tfq_llm.studies.arms import Arm, Choice, Range
from tfq_llm.studies.config import SelectionConfig
from tfq_llm.studies.search import select
from tfq_llm.studies.trial import Entry

ARM = Arm(
    "an arm",
    "k-NN",
    "classical",
    {"x": 0.5, "n": 4, "kind": "a", "fixed": 7},
    {"x": Range(low=0.01, high=10.0, log=True), "n": Range(low=1, high=9, whole=True), "kind": Choice(values=("a", "b"))},
)


class Scored:
    """The part of a result that selection looks at."""

    def __init__(self, accuracy: float) -> None:
        self.accuracy = accuracy


def run(arm: Arm, score, **selection: object):
    """Candidates' settings in the order they were asked for, and what was selected."""
    asked: list[dict] = []

    def folds(settings):
        trials = [trial(settings=dict(settings), scored_on="validation", folds=2, fold=fold) for fold in range(2)]
        return [Entry(each, arm.name, "classical", "candidate") for each in trials]

    procedure = select(arm, folds, SelectionConfig(**selection), seed=1)
    results = None
    try:
        while True:
            entries = procedure.send(results)
            asked += [entry.trial.settings for entry in entries[::2]]
            results = [score(entry) for entry in entries]
    except StopIteration as end:
        return asked, end.value


def peak(entry: Entry):
    """Best at x = 2."""
    return Scored(1 - abs(math.log(entry.trial.settings["x"] / 2)) / 10)


def test_the_default_is_the_first_candidate_and_the_best_is_returned():
    asked, (settings, accuracy) = run(ARM, peak, candidates=12)
    assert len(asked) == 12
    assert asked[0] == ARM.defaults
    best = min(asked, key=lambda each: abs(math.log(each["x"] / 2)))
    assert settings == best
    assert accuracy == pytest.approx(1 - abs(math.log(best["x"] / 2)) / 10)
    assert all(0.01 <= each["x"] <= 10 and each["n"] in range(1, 10) and each["fixed"] == 7 for each in asked)


def test_a_search_learns_from_what_it_saw():
    """Of 40 candidates those by TPE come nearer than those at random."""
    asked, _ = run(ARM, peak, candidates=40)
    late = [abs(math.log(each["x"] / 2)) for each in asked[20:]]
    early = [abs(math.log(each["x"] / 2)) for each in asked[1:6]]
    assert sum(late) / len(late) < sum(early) / len(early)


@pytest.mark.parametrize("sampler", ["tpe", "random"])
def test_candidates_do_not_depend_on_anything_but_seed_and_scores(sampler):
    assert run(ARM, peak, candidates=9, sampler=sampler) == run(ARM, peak, candidates=9, sampler=sampler)


def test_an_arm_without_a_choice_has_one_candidate():
    asked, (settings, accuracy) = run(Arm("fixed", "SVC", "classical", {"C": 1.0}, {}), lambda entry: Scored(0.7), candidates=9)
    assert asked == [{"C": 1.0}] == [settings]
    assert accuracy == 0.7


def test_of_equals_the_first_is_taken():
    assert run(ARM, lambda entry: Scored(0.5), candidates=6)[1] == (ARM.defaults, 0.5)


def test_a_candidate_that_failed_in_a_fold_is_no_candidate():
    def fails(entry):
        return None if entry.trial.settings == ARM.defaults and entry.trial.fold == 1 else Scored(0.4)

    asked, (settings, _) = run(ARM, fails, candidates=4)
    assert settings == asked[1]
    assert run(ARM, lambda entry: None, candidates=4)[1] is None
