"""The four verdicts, what they say, and how often they are wrong."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import binomtest

from tfq_llm.studies.statistics import paired, verdict
from tfq_llm.studies.verdict_rule import VerdictRule

RULE = VerdictRule(resamples=2000)


def compared(points, rule=RULE, **rows):
    return paired(0.5 + np.array(points) / 100, np.full(len(points), 0.5), rule, **rows)


def judged(points, rule=RULE, comparisons=1, adjusted_p=None):
    found = compared(points, rule)
    p = min(1.0, found.p * comparisons) if adjusted_p is None else adjusted_p
    return verdict(found, p, rule, comparisons, "'quantum head'", "'SVC'")


AROUND_ZERO = np.array([0.3, -0.3, 0.1, -0.1, 0.2, -0.2, 0.05, -0.05])


@pytest.mark.parametrize(
    ("points", "kind"),
    [
        (AROUND_ZERO + 2, "better"),
        (AROUND_ZERO - 2, "worse"),
        (AROUND_ZERO, "no difference seen"),
        (AROUND_ZERO * 0, "no difference seen"),
        (AROUND_ZERO * 20, "too few runs"),
        (AROUND_ZERO[:5] + 2, "too few runs"),
        ([2.0] * 8, "better"),
        # Not significant, and its interval ends beyond the resolution, though it is no longer.
        (np.array([0.9, 2.2, 1.4, -0.4, 1.5, 0.2, 0.1, -0.3]), "too few runs"),
    ],
)
def test_the_four_verdicts(points, kind):
    assert judged(points).kind == kind


def test_a_verdict_says_its_numbers():
    said = judged(AROUND_ZERO + 2)
    assert said.sentence.startswith("'quantum head' against 'SVC': +2.00 points over 8 splits (95 % interval +1.")
    assert said.sentence.endswith("p = 0.008). It is better.")
    assert "p = 0.016 after correction" in judged(AROUND_ZERO + 2, comparisons=2).sentence
    assert said.more_splits == 0


def test_a_sure_but_small_difference_is_called_small():
    said = judged(AROUND_ZERO + 0.5)
    assert said.kind == "better"
    assert said.sentence.endswith("It is better. The difference is smaller than the 1 point that the study was to resolve.")


def test_no_difference_says_what_is_not_ruled_out():
    assert "No difference is seen; if there is one, it is likely no larger than 0.09 points" in judged(AROUND_ZERO / 2).sentence


def test_too_few_splits_says_how_many_more():
    said = judged(AROUND_ZERO[:5] + 2)
    assert said.more_splits == 1
    assert said.sentence.endswith("5 splits are fewer than the 6 that the rule asks for; about 1 more split is needed.")


def test_a_family_that_the_test_cannot_serve_with_so_few_splits():
    """12 comparisons of 8 splits: 12 · 2 / 2⁸ = 0.094, while 9 splits give 0.047."""
    said = judged(AROUND_ZERO + 2, comparisons=12)
    assert (said.kind, said.more_splits) == ("too few runs", 1)
    assert "with 8 splits and 12 comparisons the test cannot give p below 0.094" in said.sentence


def test_a_wide_interval_says_how_many_more():
    said = judged(AROUND_ZERO * 20)
    assert "the interval includes 0 and reaches beyond ± 1 point" in said.sentence
    assert said.more_splits is not None
    assert said.more_splits > 50


def test_when_other_rows_could_change_the_sign_it_is_rows_that_are_lacking():
    right_other = np.zeros((8, 20), bool)
    right_other[:, :10] = True
    right_own = right_other.copy()
    right_own[:, 10] = True
    rule = VerdictRule(resamples=2000, resolution=2.0)
    found = paired(right_own.mean(1), right_other.mean(1), rule, right_own=list(right_own), right_other=list(right_other))
    said = verdict(found, found.p, rule)
    assert (said.kind, said.more_splits) == ("too few runs", None)
    assert "the splits differ, but the interval that allows for other test rows includes 0; more test rows" in said.sentence


def test_a_test_that_can_never_reach_is_named():
    rule = VerdictRule(test="corrected-t", resamples=2000)
    found = compared(AROUND_ZERO * 20, rule, test_rows=9000, train_rows=435)
    said = verdict(found, found.p, rule)
    assert said.more_splits is None
    assert "no number of splits is enough" in said.sentence


def test_arms_that_do_not_differ_are_called_different_at_most_at_the_level():
    rng = np.random.default_rng(0)
    kinds = [judged(points, VerdictRule(resamples=1000)).kind for points in rng.normal(0, 0.8, (400, 8))]
    wrong = sum(kind in ("better", "worse") for kind in kinds)
    assert binomtest(wrong, 400, 0.05, alternative="greater").pvalue > 1e-4
    assert kinds.count("no difference seen") > 200


def test_a_difference_of_the_resolution_is_seen_as_often_as_planned_and_never_the_wrong_way():
    rng = np.random.default_rng(1)
    kinds = [judged(points, VerdictRule(resamples=1000)).kind for points in rng.normal(1, 0.9, (300, 10))]
    # The t test of these numbers has a power of 0.88; the interval has to exclude 0 besides.
    assert binomtest(kinds.count("better"), 300, 0.85).pvalue > 1e-4
    assert kinds.count("worse") == 0
