"""What each kind of study runs, without running it."""

from __future__ import annotations

import dataclasses
from collections import Counter
from typing import ClassVar

import numpy as np
import pytest

from tfq_llm.errors import InputError
from tfq_llm.pipelines.configs import find
from tfq_llm.studies.config import StudyConfig, load_study_config, make_study_config
from tfq_llm.studies.desk import Draw
from tfq_llm.studies.plans import plan
from tfq_llm.studies.statistics import paired
from tfq_llm.studies.statistics.verdict import verdict
from tfq_llm.studies.trial import Entry

HEAD = {"encoder_layers": 2, "connectivity": 1}


class Scored:
    """The part of a result that plans look at: later candidates are better."""

    def __init__(self, entry: Entry) -> None:
        self.accuracy = 0.5 + 0.01 * entry.candidate


def draw(split: int = 0, **changes: object) -> Draw:
    return dataclasses.replace(Draw("frozen", "d" * 16, split, False, 7, 2, 34, 6), **changes)  # type: ignore[arg-type]


def config(kind: str, **settings: object) -> StudyConfig:
    values = {"kind": kind, "head": HEAD, "splits": 2, "data": {"per_class": 20}, "selection": {"candidates": 3, "folds": 2}}
    return make_study_config({**values, **settings})


def entries(settings: StudyConfig, *draws: Draw) -> list[Entry]:
    """All that a study asks for, with results that are never bad; and there are as many as it says."""
    planned = plan(settings, draws or [draw(split) for split in settings.split_seeds])
    found = []
    for make in planned.procedures:
        procedure, results = make(), None
        try:
            while True:
                asked = procedure.send(results)
                found += asked
                results = [Scored(entry) for entry in asked]
        except StopIteration:
            pass
    assert len(found) == planned.size
    return found


class TestCompare:
    def test_every_arm_has_the_same_budget_and_one_score_on_each_split(self):
        found = entries(config("compare"))
        finals = Counter((entry.arm, entry.trial.split) for entry in found if entry.role == "final")
        assert set(finals.values()) == {1}
        assert {arm for arm, _ in finals} >= {
            "quantum head",
            "quantum head, literal",
            "logistic regression",
            "PCA MLP",
            "MLP[192]",
        }
        tuned = Counter(entry.arm for entry in found if entry.role == "candidate")
        assert {tuned[arm] for arm in ("quantum head", "logistic regression", "MLP[48]")} == {2 * 3 * 2}

    def test_the_best_candidate_is_scored_and_selection_sees_no_test_row(self):
        found = list(entries(config("compare", arms=["quantum head"]), draw()))
        *candidates, final = found
        assert {entry.trial.scored_on for entry in candidates} == {"validation"}
        assert final.trial.settings == candidates[-1].trial.settings
        assert final.trial.scored_on == "test"

    def test_all_arms_see_the_same_rows(self):
        found = entries(config("compare"))
        rows = {(entry.trial.split, entry.trial.fold, entry.trial.scored_on, entry.trial.data) for entry in found}
        assert len(rows) == 2 * (2 + 1)

    def test_tuned_embeddings_have_one_validation_part_and_no_folds(self):
        found = entries(config("compare", arms=["SVC"]), draw(has_seen=True))
        assert {entry.trial.fold for entry in found} == {None}
        assert len(found) == 3 + 1

    def test_initialisations_are_apart_from_splits(self):
        found = entries(config("compare", arms=["MLP[0]"], inits=3), draw())
        assert [entry.trial.init for entry in found if entry.role == "final"] == [0, 1, 2]

    def test_an_arm_of_ones_own(self):
        own = {"wide": {"like": "MLP[48]", "settings": {"hidden": 7}}}
        found = entries(config("compare", arms=["wide"], more_arms=own), draw())
        assert {entry.trial.settings["hidden"] for entry in found} == {7}

    def test_an_arm_of_ones_own_is_compared_with_all_others_if_the_rule_names_it(self):
        own = {"mine": {"like": "quantum head", "settings": {"reuploads": 1}}}
        settings = {"arms": ["mine", "SVC"], "more_arms": own}
        found = entries(config("compare", verdict={"quantum": "mine"}, **settings), draw())
        assert {entry.arm for entry in found} == {"mine", "SVC"}

    @pytest.mark.parametrize(
        ("verdict", "message"),
        [
            ({}, "verdict.quantum is 'quantum head', the arm .* is none of the quantum arms of this study: mine"),
            ({"quantum": "mien"}, "verdict.quantum is 'mien', .* Did you mean 'mine'"),
            ({"quantum": "mine", "against": "mine"}, "both 'mine', and no arm is better than itself"),
        ],
    )
    def test_a_rule_that_names_no_quantum_arm_of_the_study_is_refused(self, verdict, message):
        own = {"mine": {"like": "quantum head"}}
        with pytest.raises(InputError, match=message):
            plan(config("compare", arms=["mine", "SVC"], more_arms=own, verdict=verdict), [draw()])

    def test_classical_arms_alone_have_no_verdict_and_need_no_quantum_arm(self):
        assert {entry.arm for entry in entries(config("compare", arms=["SVC"]), draw())} == {"SVC"}

    @pytest.mark.parametrize(
        ("settings", "message"),
        [
            ({"arms": ["quantun head"]}, "no arm 'quantun head'. Did you mean 'quantum head'"),
            ({"more_arms": {"x": {"like": "MLP"}}}, "more_arms.x is like 'MLP', which is no arm"),
            ({"more_arms": {"x": {"like": "SVC", "settings": {"c": 1.0}}}}, "sets 'c', which 'SVC' does not have"),
        ],
    )
    def test_arms_that_there_are_not(self, settings, message):
        with pytest.raises(InputError, match=message.replace("[", r"\[")):
            plan(config("compare", **settings), [draw()])


def test_tuning_scores_no_test_row():
    assert {entry.role for entry in entries(config("tune"))} == {"candidate"}


def test_ablations_have_the_settings_that_were_chosen_for_the_whole_head():
    found = entries(config("ablation"), draw())
    finals = {entry.arm: entry.trial.settings for entry in found if entry.role == "final"}
    whole = finals["quantum head"]
    assert whole == [entry for entry in found if entry.role == "candidate"][-1].trial.settings
    assert finals["no entanglement"] == {**whole, "entangling": False}
    assert finals["padding zero"] == {**whole, "padding": "zero"}
    assert {"PQC frozen at random", "no QPU", "PCA for the amplitude encoder"} < set(finals)


def test_the_ablations_of_an_arm_of_ones_own():
    own = {"mine": {"like": "quantum head", "settings": {"reuploads": 1, "encoder_layers": 3}}}
    found = entries(config("ablation", more_arms=own, verdict={"quantum": "mine"}, selection={"candidates": 1}), draw())
    finals = {entry.arm: entry.trial.settings for entry in found if entry.role == "final"}
    assert finals["no entanglement"] == {**finals["mine"], "entangling": False}
    assert finals["mine"]["encoder_layers"] == 3
    # It has one upload already.
    assert "no re-uploading" not in finals
    assert "quantum head" not in finals


@pytest.mark.parametrize(
    ("name", "what"), [("SVC", "of the family classical"), ("padding zero", "of the family ablation"), ("quantun head", "no arm")]
)
@pytest.mark.parametrize("kind", ["ablation", "noise", "shots", "qubits"])
def test_what_is_no_quantum_arm_cannot_be_studied_as_one(kind, name, what):
    with pytest.raises(InputError, match=f"verdict.quantum is '{name}', which is {what}"):
        plan(config(kind, verdict={"quantum": name}), [draw()])


class TestScreen:
    FACTORS: ClassVar = {
        "encoder_layers": [1, 2],
        "reuploads": [1, 2],
        "padding_value": [1.0, 3.0],
        "learning_rate": [0.002, 0.01],
    }

    def test_every_run_is_on_every_split_and_fold_and_no_test_row(self):
        found = entries(config("screen", screen={"factors": self.FACTORS, "centre_points": 1}))
        assert len(found) == (8 + 1) * 2 * 2
        assert {entry.trial.scored_on for entry in found} == {"validation"}
        for name, (low, high) in self.FACTORS.items():
            at = Counter(entry.trial.settings[name] for entry in found)
            assert min(at[low], at[high]) == 16

    def test_centre_points_that_are_alike_have_other_initialisations(self):
        found = entries(config("screen", screen={"factors": self.FACTORS, "centre_points": 3}), draw())
        assert Counter(entry.trial.init for entry in found) == {0: (8 + 1) * 2, 1: 2, 2: 2}
        assert len({entry.trial.name for entry in found}) == len(found)

    def test_every_run_has_the_initialisations_of_the_study(self):
        def names(**settings):
            centre_points = settings.pop("centre_points", 2)
            screen = {"factors": self.FACTORS, "centre_points": centre_points}
            found = entries(config("screen", screen=screen, **settings), draw())
            assert len({entry.trial.name for entry in found}) == len(found)
            return {entry.trial.name for entry in found}

        once, twice, more_centres = names(), names(inits=2), names(inits=2, centre_points=3)
        assert (len(once), len(twice), len(more_centres)) == ((8 + 2) * 2, (8 + 2) * 4, (8 + 3) * 4)
        assert once < twice < more_centres
        with pytest.raises(InputError, match="3 runs with the same levels and 334 inits"):
            names(inits=334, centre_points=3)

    def test_another_level_reuses_the_rest(self):
        first = entries(config("screen", screen={"factors": self.FACTORS}))
        wider = {**self.FACTORS, "padding_value": [1.0, 6.0]}
        names = {entry.trial.name for entry in first} & {
            entry.trial.name for entry in entries(config("screen", screen={"factors": wider}))
        }
        assert len(names) == 4 * 2 * 2

    @pytest.mark.parametrize(
        ("settings", "message"),
        [
            ({"factors": {"reuploads": [1, 1], "layers": [1, 2]}}, "reuploads"),
            ({"factors": {"layers": [1, 2]}}, "factors"),
        ],
    )
    def test_designs_that_there_are_not(self, settings, message):
        with pytest.raises(InputError, match=message):
            plan(config("screen", screen=settings), [draw()])


class TestQubits:
    def test_growing_inputs_fill_the_register_as_far_as_there_are_components(self):
        found = entries(config("qubits", qubits={"qubits": [2, 3, 4]}), draw(dim=20))
        inputs = {entry.factors["qubits"]: entry.trial.input_dim for entry in found}
        assert inputs == {2: 3, 3: 7, 4: 15}
        assert {entry.arm for entry in found} == {"quantum head", "logistic regression"}

    def test_connectivity_is_all_to_all_unless_it_is_set(self):
        for given, expected in ((None, [None, None]), (2, [1, 2])):
            found = entries(config("qubits", qubits={"qubits": [2, 3]}, head={"encoder_connectivity": given, "connectivity": 1}))
            quantum = {entry.factors["qubits"]: entry.trial.settings for entry in found if entry.arm == "quantum head"}
            assert [quantum[qubits]["encoder_connectivity"] for qubits in (2, 3)] == expected

    def test_fixed_inputs_are_those_of_the_fewest_qubits(self):
        found = entries(config("qubits", qubits={"qubits": [2, 3], "inputs": "fixed"}), draw(dim=20))
        assert {entry.trial.input_dim for entry in found} == {3}

    def test_few_qubits_come_first_on_all_splits(self):
        asked = [entry.factors["qubits"] for entry in entries(config("qubits", qubits={"qubits": [2, 3, 4]}))]
        assert asked == sorted(asked)
        assert {entry.trial.split for entry in entries(config("qubits"))[:4]} == {0, 1}

    def test_an_arm_that_sets_its_qubits_cannot_be_varied_in_them(self):
        own = {"mine": {"like": "quantum head", "settings": {"num_qubits": 3}}}
        with pytest.raises(InputError, match=r"more_arms\.mine sets num_qubits"):
            plan(config("qubits", more_arms=own, verdict={"quantum": "mine"}), [draw()])

    def test_a_register_that_holds_the_embedding_gets_all_of_its_components(self):
        found = entries(config("qubits", qubits={"qubits": [3, 4]}), draw(dim=6))
        assert {entry.trial.input_dim for entry in found} == {6}


def test_noise_has_an_arm_for_each_training_and_scores_it_under_every_noise():
    levels = {"train": ["none", "aria-1"], "test": ["none", "aria-1", "depolarizing:0.001,0.01"]}
    found = entries(config("noise", noise=levels), draw())
    assert Counter(entry.arm for entry in found) == {"noise-blind": 3, "trained under aria-1": 3, "logistic regression": 1}
    blind = [entry.trial for entry in found if entry.arm == "noise-blind"]
    assert len({trial.training_name for trial in blind}) == 1
    assert {trial.conditions["noise"] for trial in blind} == set(levels["test"])


def test_a_grid_of_p1_and_p2_is_scored_and_if_asked_for_trained_under():
    levels = {"train": ["none"], "test": ["none", "forte-1"], "p1": [0.001, 0.003], "p2": [0.01, 0.03]}
    grid = {f"depolarizing:{p1},{p2}" for p1 in (0.001, 0.003) for p2 in (0.01, 0.03)}
    found = entries(config("noise", noise=levels), draw())
    scored = {entry.factors["test noise"] for entry in found if entry.arm == "noise-blind"}
    assert scored == {"none", "forte-1"} | grid
    both = entries(config("noise", noise={**levels, "grid": ["train", "test"]}), draw())
    assert {entry.factors["train noise"] for entry in both if entry.factors} == {"none"} | grid


@pytest.mark.parametrize(
    ("levels", "message"),
    [
        ({"p1": [0.001]}, "noise.p1 and noise.p2 make a grid together"),
        ({"p1": [0.001], "p2": [1.5]}, "noise.p2"),
        ({"train": ["aria-2"]}, "Did you mean 'aria-1'"),
    ],
)
def test_noise_that_there_is_not(levels, message):
    with pytest.raises(InputError, match=message):
        plan(config("noise", noise=levels), [draw()])


def test_shots_score_one_training_and_train_with_shots():
    found = entries(config("shots", shots={"shots": [10, 100], "train_shots": [50]}), draw())
    exact = [entry.trial for entry in found if entry.arm == "trained exactly"]
    assert [trial.conditions for trial in exact] == [{}, {"shots": 10}, {"shots": 100}]
    assert len({trial.training_name for trial in exact}) == 1
    assert len(plan(config("shots", shots={"train_shots": [10, 100]}), [draw(0), draw(1)]).procedures) == 2 * (1 + 2)
    (sampled,) = [entry.trial for entry in found if entry.arm == "trained with shots"]
    assert (sampled.settings["shots"], sampled.settings["gradient"]) == (50, "parameter-shift")


@pytest.mark.parametrize("kind", ["compare", "ablation", "noise", "shots", "qubits"])
def test_one_split_is_refused_where_differences_over_splits_are_tested(kind: str) -> None:
    with pytest.raises(InputError, match="was given one split: use --set splits=10"):
        plan(make_study_config({"kind": kind, "splits": 1}), [])


@pytest.mark.parametrize("name", ["study-ablation", "study-noise", "study-shots", "study-qubits", "reproduce-quick-ablation"])
def test_with_the_splits_of_shipped_studies_a_large_difference_is_seen(name: str) -> None:
    config = load_study_config(find(name))
    differences = np.linspace(0.40, 0.45, config.splits)
    found = paired(0.5 + differences, np.full(config.splits, 0.5), config.verdict)
    family = 8
    assert verdict(found, found.p * family, config.verdict, family).kind == "better"
