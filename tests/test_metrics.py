"""Scores against SciPy and scikit-learn; what is said about them against numbers that are easy to see."""

from __future__ import annotations

import json

import numpy as np
import pytest
from scipy.stats import binomtest
from sklearn.metrics import accuracy_score, f1_score

from tfq_llm.metrics import HeadResult, markdown_table, results_table, score, verdict


def result(head: str, accuracy: float, margin: float = 0.02, embeddings: str = "frozen") -> HeadResult:
    return HeadResult(embeddings, head, accuracy, accuracy - margin, accuracy + margin, accuracy, 10, 1.0, 1000)


@pytest.mark.parametrize("classes", [2, 3])
@pytest.mark.parametrize("right", [0.0, 0.4, 1.0])
def test_score_is_that_of_scipy_and_scikit_learn(classes, right):
    rng = np.random.default_rng(classes)
    labels = rng.integers(classes, size=90)
    predicted = np.where(rng.random(90) < right, labels, (labels + 1) % classes)
    scored = score("frozen", "SVC", labels, predicted, parameters=7, seconds=1.25)
    interval = binomtest(int((labels == predicted).sum()), 90).proportion_ci(0.95, method="wilson")
    assert scored.accuracy == pytest.approx(accuracy_score(labels, predicted))
    assert (scored.low, scored.high) == pytest.approx((interval.low, interval.high))
    assert scored.macro_f1 == pytest.approx(f1_score(labels, predicted, average="macro", zero_division=0))
    assert (scored.embeddings, scored.head, scored.parameters, scored.seconds, scored.test_rows) == ("frozen", "SVC", 7, 1.2, 90)
    assert HeadResult(**json.loads(json.dumps(scored.as_dict()))) == scored


def test_a_class_that_is_never_predicted_counts_as_0_and_one_that_is_not_there_does_not_count():
    labels = np.array([0, 0, 1, 1])
    assert score("frozen", "SVC", labels, np.zeros(4, int)).macro_f1 == pytest.approx((2 / 3 + 0) / 2)
    assert score("frozen", "SVC", labels, np.array([0, 0, 1, 2])).macro_f1 == pytest.approx((1 + 2 / 3) / 2)


@pytest.mark.parametrize(
    ("quantum", "said"),
    [
        (0.91, "is 11.0 points above the best classical head (SVC, 80.0 %); the intervals do not overlap: the quantum head"),
        (0.82, "is 2.0 points above the best classical head (SVC, 80.0 %); the intervals overlap"),
        (0.78, "is 2.0 points below the best classical head (SVC, 80.0 %); the intervals overlap"),
        (0.70, "is 10.0 points below the best classical head (SVC, 80.0 %); the intervals do not overlap: the classical head"),
    ],
)
def test_the_verdict_names_the_better_head_or_none(quantum, said):
    sentence = verdict([result("logistic regression", 0.75), result("SVC", 0.8), result("quantum head", quantum)])
    assert sentence.startswith(f"On frozen embeddings the quantum head ({100 * quantum:.1f} %) {said}")


@pytest.mark.parametrize(("quantum", "margin"), [(0.8, 0.0), (0.8, 0.02), (0.8004, 0.02), (0.7996, 0.02)])
def test_heads_that_are_equal_in_the_digits_shown_are_level(quantum, margin):
    sentence = verdict([result("SVC", 0.8, margin), result("quantum head", quantum, margin)])
    assert "level with the best classical head (SVC, 80.0 %)" in sentence
    assert "above" not in sentence
    assert "below" not in sentence
    assert "better" not in sentence


def test_the_verdict_is_on_the_last_embeddings():
    tuned = [result("SVC", 0.7, embeddings="tuned"), result("quantum head", 0.71, embeddings="tuned")]
    sentence = verdict([result("SVC", 0.5), result("quantum head", 0.9), *tuned])
    assert sentence.startswith("On tuned embeddings the quantum head (71.0 %) is 1.0 points above")


def test_a_table_is_aligned_markdown():
    assert markdown_table(("head", "%"), [("SVC", "80.0"), ("quantum head", "9.1")]).splitlines() == [
        "| head         | %    |",
        "| ------------ | ---- |",
        "| SVC          | 80.0 |",
        "| quantum head | 9.1  |",
    ]


def test_a_table_of_no_rows_is_its_header():
    assert markdown_table(("head", "%"), []).splitlines() == ["| head | % |", "| ---- | - |"]


def test_the_table_of_a_run_has_a_row_per_head():
    rows = results_table([result("SVC", 0.8), HeadResult("joint", "quantum head", 0.5, 0.25, 0.75, 0.4567, 1234, 61.04, 8)])
    cells = [[cell.strip() for cell in line.split("|")[1:-1]] for line in rows.splitlines()]
    assert cells[2] == ["frozen", "SVC", "80.0 %", "78.0 – 82.0", "0.800", "10", "1.0"]
    assert cells[3] == ["joint", "quantum head", "50.0 %", "25.0 – 75.0", "0.457", "1,234", "61.0"]
