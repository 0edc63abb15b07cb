"""A study's frame as people have it: which arm is the best classical one, what is corrected with what, what is refused."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from statsmodels.stats.multitest import multipletests

from tfq_llm.errors import InputError
from tfq_llm.studies.statistics import compare_arms, mcnemar, paired
from tfq_llm.studies.verdict_rule import VerdictRule

RULE = VerdictRule(resamples=1000)
ROWS, SPLITS = 200, 8
# Arm: family, test accuracy, validation accuracies of two candidates.
ARMS = {
    "SVC": ("classical", 0.80, (0.70, 0.78)),
    "quantum head": ("quantum", 0.80, (0.75, 0.76)),
    "k-NN": ("classical", 0.83, (0.77, 0.71)),
    "MLP": ("classical", 0.70, (0.60, 0.50)),
    "zero padding": ("quantum", 0.78, (0.75, 0.70)),
    "no CNOTs": ("ablation", 0.60, ()),
}


@pytest.fixture(scope="module")
def study():
    rng = np.random.default_rng(0)
    rows, right = [], {}
    for arm, (family, accuracy, candidates) in ARMS.items():
        for split in range(SPLITS):
            common = {
                "arm": arm,
                "family": family,
                "state": "frozen",
                "split": split,
                "init": 0,
                "rows": ROWS,
                "parameters": 10 * len(arm),
            }
            for number, score in enumerate(candidates):
                for fold in range(2):
                    known = score + (0.01 if fold else -0.01)
                    rows.append(
                        {**common, "role": "candidate", "candidate": number, "fold": fold, "accuracy": known, "trial": "c"}
                    )
            trial = f"{arm}-{split}"
            right[trial] = rng.permutation(np.arange(ROWS) < round(ROWS * (accuracy + rng.normal(0, 0.01))))
            score = right[trial].mean()
            rows.append({**common, "role": "final", "candidate": 0, "fold": None, "accuracy": score, "trial": trial})
    return pd.DataFrame(rows), right


def accuracies(frame, arm):
    final = frame[(frame["role"] == "final") & (frame["arm"] == arm)]
    return final.sort_values("split")["accuracy"].to_numpy()


def test_the_best_classical_arm_is_chosen_by_validation_and_not_by_test(study):
    frame, _ = study
    found = compare_arms(frame, "quantum head", RULE)
    scores = {score.arm: score for score in found.scores}
    assert scores["k-NN"].accuracy > scores["SVC"].accuracy
    assert scores["SVC"].validation == pytest.approx(0.78)
    assert found.opponent == "SVC"
    assert found.overall == found.of("SVC").verdict
    assert found.overall.sentence.startswith("'quantum head' against 'SVC': ")


def test_p_values_are_corrected_within_families(study):
    frame, _ = study
    found = compare_arms(frame, "quantum head", RULE)
    own = accuracies(frame, "quantum head")
    classical = ["k-NN", "MLP"]
    p = [paired(own, accuracies(frame, arm), RULE).p for arm in classical]
    assert [found.of(arm).adjusted_p for arm in classical] == pytest.approx(multipletests(p, method="holm")[1])
    # The opponent is tested alone.
    for arm in ("SVC", "zero padding", "no CNOTs"):
        assert found.of(arm).adjusted_p == found.of(arm).paired.p
    assert [(one.other, one.family) for one in found.comparisons] == [
        ("SVC", "classical"), ("k-NN", "classical"), ("MLP", "classical"), ("zero padding", "quantum"), ("no CNOTs", "ablation")
    ]  # fmt: skip
    assert found.of("no CNOTs").verdict.kind == found.of("MLP").verdict.kind == "better"


def test_a_rule_can_name_the_arm_to_beat(study):
    frame, _ = study
    found = compare_arms(frame, "quantum head", VerdictRule(resamples=1000, against="MLP"))
    assert (found.opponent, found.level, found.overall) == ("MLP", (), found.of("MLP").verdict)
    assert found.of("MLP").adjusted_p == found.of("MLP").paired.p
    with pytest.raises(InputError, match="compares with 'GPT', which has no final trials"):
        compare_arms(frame, "quantum head", VerdictRule(resamples=1000, against="GPT"))


def test_the_arm_to_beat_may_be_another_quantum_arm(study):
    frame, _ = study
    some = frame[frame["family"] != "classical"]
    assert compare_arms(some, "quantum head", RULE).overall is None
    found = compare_arms(some, "quantum head", VerdictRule(resamples=1000, against="zero padding"))
    assert found.overall == found.of("zero padding").verdict
    # Parts are all asked about alike.
    parts = frame[frame["arm"].isin(["quantum head", "no CNOTs"])]
    assert compare_arms(parts, "quantum head", VerdictRule(resamples=1000, against="SVC")).opponent is None


def test_of_classical_arms_that_are_level_on_validation_rows_the_smallest_is_to_be_beaten(study):
    frame, _ = study
    candidates = frame["role"] == "candidate"
    level = frame.assign(accuracy=frame["accuracy"].mask(candidates & (frame["family"] == "classical"), 0.75))
    found = compare_arms(level, "quantum head", RULE)
    assert (found.opponent, found.level) == ("MLP", ("SVC", "k-NN"))


def test_right_rows_give_mcnemars_tests_and_intervals_over_rows(study):
    frame, right = study
    found = compare_arms(frame, "quantum head", RULE, right, {split: np.arange(ROWS) + split for split in range(SPLITS)}).of(
        "MLP"
    )
    of_arm = [{split: right[f"{arm}-{split}"] for split in range(SPLITS)} for arm in ("quantum head", "MLP")]
    assert found.mcnemar == mcnemar(*of_arm)
    assert found.paired.over_rows is not None
    assert compare_arms(frame, "quantum head", RULE).of("MLP").mcnemar == ()


def test_arms_are_paired_on_the_splits_that_both_have(study):
    frame, _ = study
    some = frame[(frame["arm"] != "SVC") | frame["split"].isin([1, 3, 4])]
    found = compare_arms(some, "quantum head", RULE).of("SVC")
    assert found.common_splits == (1, 3, 4)
    assert found.verdict.kind == "too few runs"
    own, other = accuracies(frame, "quantum head"), accuracies(frame, "SVC")
    assert found.paired.differences == pytest.approx(100 * (own - other)[[1, 3, 4]])


def test_the_order_of_rows_does_not_matter(study):
    frame, _ = study
    shuffled = frame.sample(frac=1, random_state=0)
    for one, other in ((compare_arms(frame, "quantum head", RULE), compare_arms(shuffled, "quantum head", RULE)),):
        assert {c.other: c for c in one.comparisons} == {c.other: c for c in other.comparisons}
        assert one.overall == other.overall


def test_inits_are_averaged_within_a_split(study):
    frame, right = study
    again = frame[(frame["role"] == "final") & (frame["arm"] == "quantum head")].assign(init=1, accuracy=0.5)
    again = again.assign(trial=[f"{trial} again" for trial in again["trial"]])
    right = right | {trial: np.arange(ROWS) < ROWS // 2 for trial in again["trial"]}
    found = compare_arms(pd.concat([frame, again]), "quantum head", RULE, right).of("SVC").paired
    assert found.own_mean == pytest.approx((accuracies(frame, "quantum head").mean() + 0.5) / 2)
    assert found.over_rows is not None


def test_a_study_without_classical_arms_has_no_overall_verdict(study):
    frame, _ = study
    found = compare_arms(frame[frame["family"] != "classical"], "quantum head", RULE)
    assert (found.opponent, found.overall) == (None, None)


def test_the_corrected_test_takes_rows_from_the_frame(study):
    frame, _ = study
    found = compare_arms(frame, "quantum head", VerdictRule(test="corrected-t", resamples=200), train_rows=50)
    assert found.of("SVC").paired.shared == 4


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda f: f[f["role"] != "final"], "no final trials"),
        (lambda f: f[(f["arm"] == "SVC") | (f["arm"] == "k-NN")], "'quantum head' has no final trials; arms that do: SVC, k-NN"),
        (lambda f: pd.concat([f, f.assign(state="tuned")]), "different states .frozen, tuned. are compared one state at a time"),
        (lambda f: f[f["split"] == 0], "one split in common, and a test needs several: run at least 2 splits"),
        (lambda f: f[(f["arm"] != "SVC") | (f["role"] != "final") | (f["split"] > 9)], None),
        (
            lambda f: f.assign(split=f["split"] + 100 * (f["arm"] == "SVC")),
            "have no split in common: run both on the same splits",
        ),
        (lambda f: pd.concat([f, f[f["arm"] == "MLP"]]), "'MLP' has several final trials of split 0 and init 0"),
        (lambda f: f[(f["arm"] != "MLP") | (f["role"] == "final")], "MLP have no candidates on the same splits"),
    ],
)
def test_what_cannot_be_compared_is_told(study, change, message):
    frame = change(study[0])
    if message is None:
        assert "SVC" not in {one.other for one in compare_arms(frame, "quantum head", RULE).comparisons}
        return
    with pytest.raises(InputError, match=message):
        compare_arms(frame, "quantum head", RULE)
