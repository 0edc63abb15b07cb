"""McNemar's test against SciPy's distributions, and Holm's correction against statsmodels and by hand."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import binomtest, chi2
from statsmodels.stats.multitest import multipletests

from tfq_llm.errors import InputError
from tfq_llm.studies.statistics import holm, mcnemar


def answers(both, own_only, other_only, neither):
    counts = [both, own_only, other_only, neither]
    return np.repeat([True, True, False, False], counts), np.repeat([True, False, True, False], counts)


@pytest.mark.parametrize(("own_only", "other_only"), [(5, 12), (0, 6), (8, 8), (0, 0), (0, 24)])
def test_few_rows_that_differ_are_tested_by_the_binomial_distribution(own_only, other_only):
    own, other = answers(50, own_only, other_only, 9)
    (found,) = mcnemar({3: own}, {3: other})
    expected = binomtest(own_only, own_only + other_only, 0.5).pvalue if own_only + other_only else 1.0
    assert (found.split, found.both, found.own_only, found.other_only, found.neither) == (3, 50, own_only, other_only, 9)
    assert found.p == found.adjusted_p == pytest.approx(expected)


def test_agrestis_approval_ratings():
    """A. Agresti, Categorical Data Analysis, § 10.1: 794, 150, 86, 570, z² = 64² / 236; with continuity correction 63² / 236."""
    own, other = answers(794, 150, 86, 570)
    (found,) = mcnemar({0: own}, {0: other})
    assert found.p == pytest.approx(chi2.sf(63**2 / 236, 1))


def test_splits_are_corrected_together_and_only_common_ones_tested():
    pairs = {split: answers(50, 4 * split, 2, 9) for split in range(4)}
    found = mcnemar({split: own for split, (own, _) in pairs.items()}, {split: pairs[split][1] for split in (3, 1, 2)})
    assert [test.split for test in found] == [1, 2, 3]
    assert [test.adjusted_p for test in found] == pytest.approx(holm([test.p for test in found]))


def test_holm_by_hand_and_without_tests_that_could_not_be_made():
    """0.01 · 4, 0.02 · 3, 0.03 · 2 and 0.04, none below the one before it."""
    assert holm([0.04, None, 0.01, 0.03, 0.02]) == pytest.approx((0.06, None, 0.04, 0.06, 0.06))
    assert holm([]) == ()
    assert holm([None]) == (None,)


def test_holm_is_statsmodels_to_the_last_bit():
    rng = np.random.default_rng(0)
    for size in (1, 2, 40):
        p_values = rng.random(size).round(1) ** 3  # with ties and zeros
        assert holm(p_values.tolist()) == tuple(multipletests(p_values, method="holm")[1])


def test_arms_without_common_rows_are_told():
    with pytest.raises(InputError, match="no split in common"):
        mcnemar({0: np.ones(3, bool)}, {1: np.ones(3, bool)})
    with pytest.raises(InputError, match="scored on 3 rows and the other on 4"):
        mcnemar({0: np.ones(3, bool)}, {0: np.ones(4, bool)})
