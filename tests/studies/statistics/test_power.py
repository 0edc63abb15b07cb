"""Power against statsmodels' solver and a simulation."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.stats import binomtest, norm, ttest_1samp
from statsmodels.stats.power import TTestPower

from tfq_llm.errors import InputError
from tfq_llm.studies.statistics import power
from tfq_llm.studies.statistics.paired import p_value
from tfq_llm.studies.verdict_rule import VerdictRule

T = VerdictRule(test="t", fewest_splits=2)


@pytest.mark.parametrize(("sd", "comparisons"), [(2.0, 1), (1.0, 1), (3.0, 8)])
def test_the_number_of_splits_is_statsmodels(sd, comparisons):
    needed = TTestPower().solve_power(effect_size=1 / sd, alpha=0.05 / comparisons, power=0.8)
    assert power(sd, 10, T, comparisons).splits_needed == math.ceil(needed)


def test_a_standardised_difference_of_one_half_needs_34_pairs():
    """As in J. Cohen's tables (1988) and G*Power."""
    assert power(2.0, 10, T).splits_needed == 34


@pytest.mark.parametrize("splits", [3, 10, 100])
def test_the_smallest_difference_seen_is_statsmodels(splits):
    effect = TTestPower().solve_power(nobs=splits, alpha=0.05, power=0.8)
    assert power(0.7, splits, T).smallest_seen == pytest.approx(0.7 * effect, rel=1e-4)


def test_the_needed_splits_see_a_difference_of_the_resolution_as_often_as_planned():
    needed = power(1.5, 10, T).splits_needed
    draws = np.random.default_rng(0).normal(1.0, 1.5, size=(1000, needed))
    seen = int(np.sum(ttest_1samp(draws, 0, axis=1).pvalue < 0.05))
    assert binomtest(seen, 1000, 0.81).pvalue > 1e-4


def test_a_permutation_test_needs_splits_enough_to_reach_the_level_at_all():
    """2 / 2⁶ < 0.05, but 2 / 2⁹ > 0.05 / 15 and 2 / 2¹⁰ < 0.05 / 15."""
    rule = VerdictRule(fewest_splits=2)
    assert power(0.0, 5, rule).splits_needed == 6
    assert power(0.0, 5, rule, comparisons=15).splits_needed == 10
    assert power(0.1, 5, rule).smallest_seen is None
    assert power(0.1, 6, rule).smallest_seen is not None


@pytest.mark.parametrize(("splits", "comparisons"), [(6, 1), (8, 1), (9, 8), (12, 8)])
def test_a_permutation_test_sees_its_smallest_difference_as_often_as_planned(splits, comparisons):
    rule = VerdictRule(fewest_splits=2)
    smallest = power(1.0, splits, rule, comparisons).smallest_seen
    draws = np.random.default_rng(1).normal(smallest, 1.0, size=(400, splits))
    seen = sum(p_value(differences, rule) * comparisons < 0.05 for differences in draws)
    assert binomtest(seen, 400, 0.8).pvalue > 1e-3


def test_a_t_test_of_six_splits_would_promise_too_much_for_a_permutation_test():
    """Only differences that are all positive reach 2 / 2⁶, with the chance Φ(d)⁶: Φ(1.80)⁶ = 0.80, while t needs d = 1.44."""
    needed = norm.ppf(0.8 ** (1 / 6))
    assert power(1.0, 6, VerdictRule()).smallest_seen == pytest.approx(needed, rel=0.05)
    assert power(1.0, 6, T).smallest_seen < 0.85 * needed


def test_without_spread_the_fewest_splits_are_enough():
    assert (power(0.0, 8, T).splits_needed, power(0.0, 8, T).smallest_seen) == (2, 0.0)


def test_many_shared_rows_make_the_corrected_test_blind_however_many_splits():
    rule = VerdictRule(test="corrected-t")
    assert power(1.0, 10, rule, shared=20.0).splits_needed is None
    assert power(1.0, 10, rule, shared=0.05).splits_needed > power(1.0, 10, T).splits_needed


@pytest.mark.parametrize("sd", [1e-6, 1e-3, 0.05, 0.1, 1.0, 50.0])
@pytest.mark.parametrize("splits", [2, 3, 10, 1000])
def test_there_are_numbers_for_any_spread(sd, splits):
    found = power(sd, splits, T)
    assert found.splits_needed is None or found.splits_needed >= 2
    assert found.smallest_seen is None or 0 < found.smallest_seen < math.inf


def test_bad_spreads_are_told():
    with pytest.raises(InputError, match="sd must be a finite number"):
        power(math.nan, 10, T)
    with pytest.raises(InputError, match="at least 2 splits, got 1"):
        power(1.0, 1, T)
