"""Paired differences against SciPy, Darwin's maize, and arithmetic by hand; simulations of what intervals and tests promise."""

from __future__ import annotations

import math
from itertools import product

import numpy as np
import pytest
from scipy.stats import binomtest, ttest_rel

from tfq_llm.errors import InputError
from tfq_llm.studies.statistics import mean_interval, paired, two_level_interval
from tfq_llm.studies.statistics.intervals import student_interval
from tfq_llm.studies.verdict_rule import VerdictRule

RULE = VerdictRule()
# Heights of crossed minus self-fertilised plants, in eighths of an inch (Darwin 1876).
MAIZE = np.array([49, -67, 8, 16, 6, 23, 28, 41, 14, 29, 56, 24, 75, 60, -48])


def shares(points):
    """Two arms whose differences are these points."""
    return 0.5 + np.asarray(points) / 100, np.full(len(points), 0.5)


def test_darwins_maize_has_fishers_permutation_p_value():
    """R. A. Fisher, The Design of Experiments (1935), § 21: 863 of 2^15 sums are as large as 314, on either side."""
    found = paired(*shares(MAIZE / 10), VerdictRule(resamples=40_000))
    assert found.p == pytest.approx(2 * 863 / 2**15, abs=1e-12)
    assert found.difference == pytest.approx(31.4 / 15)
    assert (found.splits, found.least_p, found.superiority) == (15, 2 / 2**15, pytest.approx(13 / 15))


def test_drawn_signs_cannot_be_rarer_than_one_among_all_draws():
    """SciPy counts the observed signs as one more draw: 2 / 201 is the least that 200 draws give, not 2 / 2¹²."""
    found = paired(*shares(np.linspace(1, 2, 12)), VerdictRule(resamples=200))
    assert found.p == found.least_p == pytest.approx(2 / 201)


def test_equal_sums_count_as_equal_whatever_floats_make_of_them():
    """Accuracies are counts of 9,101 rows: the permutation test must be that of whole numbers."""
    counts = np.array([30, -30, 10, -10, 20, -20, 5, -5, 10, 10])
    signs = np.array(list(product([-1, 1], repeat=10)))
    exact = np.mean(np.abs(signs @ counts) >= abs(counts.sum()))
    assert paired((8000 + counts) / 9101, np.full(10, 8000 / 9101), RULE).p == exact
    assert paired(*shares(counts[:8] / 1000), RULE).p == 1


def test_the_t_test_is_scipys():
    own, other = shares(MAIZE / 10)
    found = paired(own, other, VerdictRule(test="t"))
    assert found.p == pytest.approx(ttest_rel(own, other).pvalue)
    assert found.p == pytest.approx(0.0497, abs=5e-5)  # as Fisher prints
    assert found.d_z == pytest.approx(ttest_rel(own, other).statistic / math.sqrt(15))
    assert found.g_z == pytest.approx(found.d_z * (1 - 3 / (4 * 14 - 1)), rel=1e-3)  # Hedges' approximation of the factor
    assert found.least_p == 0


def test_nadeau_and_bengios_test_by_hand():
    """Differences 0, 1, 2: t = 1 / √(1 / 3 + 1 / 6) = √2, and with 2 degrees of freedom p = 1 − t / √(2 + t²)."""
    found = paired(*shares([0, 1, 2]), VerdictRule(test="corrected-t"), test_rows=100, train_rows=600)
    assert found.shared == pytest.approx(1 / 6)
    assert found.p == pytest.approx(1 - math.sqrt(2) / 2)


def test_inits_of_a_split_are_averaged_before_anything_else():
    own = np.array([[0.6, 0.8], [0.5, 0.5], [0.9, 0.7]])
    assert paired(own, np.array([0.5, 0.6, 0.7]), RULE) == paired(own.mean(axis=1), np.array([0.5, 0.6, 0.7]), RULE)


@pytest.mark.parametrize("test", ["permutation", "t", "corrected-t"])
@pytest.mark.parametrize(("points", "p"), [(0.0, 1.0), (2.0, 2 / 2**6), (-1.3, 2 / 2**6)])
def test_equal_differences_are_no_division_by_zero(test, points, p):
    found = paired(*shares([points] * 6), VerdictRule(test=test), test_rows=9, train_rows=9)
    assert (found.sd, found.p, found.test) == (0, p, "permutation")
    assert (found.over_splits.low, found.over_splits.high) == (pytest.approx(points), pytest.approx(points))
    assert (found.d_z, found.superiority) == ((0.0, 0.5) if points == 0 else (None, float(points > 0)))


def test_two_splits_are_enough_to_compute_and_prove_nothing():
    found = paired(*shares([1.0, 3.0]), RULE)
    assert (found.p, found.least_p, found.g_z) == (0.5, 0.5, None)


@pytest.mark.parametrize("kind", ["normal", "uniform"])
@pytest.mark.parametrize("count", [6, 10])
def test_intervals_cover_as_often_as_they_say(kind, count):
    rng = np.random.default_rng(count)
    draws = {"normal": rng.normal, "uniform": lambda size: rng.uniform(-1, 1, size)}[kind](size=(400, count))
    intervals = [mean_interval(values, 0.05, 1500, seed) for seed, values in enumerate(draws)]
    covered = sum(interval.low <= 0 <= interval.high for interval in intervals)
    assert binomtest(covered, 400, 0.95).pvalue > 1e-4
    # The plain percentile interval does not: T. Hesterberg (2015), table 3, has 0.87 and 0.90 for such numbers of values.
    assert covered > 0.92 * 400


def test_the_interval_over_rows_covers_when_rows_are_shared_and_the_one_over_splits_does_not():
    rng = np.random.default_rng(0)
    over_rows = over_splits = 0
    for seed in range(150):
        differences = rng.normal(0, 1, 200) + rng.normal(0, 0.05, (8, 1)) + rng.normal(0, 0.5, (8, 200))
        wide, narrow = two_level_interval(differences, None, 0.05, 500, seed), mean_interval(differences.mean(1), 0.05, 500, seed)
        over_rows += wide.low <= 0 <= wide.high
        over_splits += narrow.low <= 0 <= narrow.high
    assert binomtest(over_rows, 150, 0.95, alternative="less").pvalue > 1e-4
    assert over_splits < 0.85 * 150


@pytest.mark.parametrize("splits", [3, 5, 10])
def test_few_splits_do_not_stretch_what_comes_from_rows(splits):
    """Where all splits say the same of every row, the interval is that of the rows: 1.96 standard errors to either side."""
    rng = np.random.default_rng(splits)
    covered, widths = 0, []
    for seed in range(200):
        of_rows = rng.normal(0, 1, 150)
        found = two_level_interval([of_rows] * splits, None, 0.05, 400, seed)
        covered += found.low <= 0 <= found.high
        widths.append(found.half_width / (1.96 * of_rows.std() / np.sqrt(150)))
    assert binomtest(covered, 200, 0.95).pvalue > 1e-3
    assert np.mean(widths) == pytest.approx(1, abs=0.03)


@pytest.mark.parametrize("splits", [3, 5, 10])
def test_what_comes_from_few_splits_is_stretched_as_by_student(splits):
    differences = np.random.default_rng(splits).normal(0, 1, splits)
    found = two_level_interval([np.full(4, each) for each in differences], None, 0.05, 20_000, 0)
    # Resamples of three values are few and no normal distribution.
    assert found.half_width == pytest.approx(student_interval(differences, 0.05).half_width, rel=0.3 if splits == 3 else 0.1)


def test_rows_are_resampled_by_their_numbers():
    """With one kind of row the interval over rows and splits is that over splits; renumbering rows changes nothing."""
    rng = np.random.default_rng(1)
    differences = rng.integers(-1, 2, (6, 40)).astype(float)
    plain = two_level_interval(differences, None, 0.05, 800, 0)
    assert plain == two_level_interval(differences, [np.arange(40) * 3 + 7] * 6, 0.05, 800, 0)
    order = rng.permutation(40)
    assert plain == two_level_interval(differences[:, order], [order] * 6, 0.05, 800, 0)
    apart = two_level_interval(differences, [np.arange(40) + 40 * split for split in range(6)], 0.05, 800, 0)
    assert apart != plain
    alike = two_level_interval(np.repeat(differences[:, :1], 5, axis=1), None, 0.05, 20_000, 0)
    single = mean_interval(differences[:, 0], 0.05, 20_000, 0)
    assert (alike.low, alike.high) == pytest.approx((single.low, single.high), abs=0.17)


def test_the_interval_to_decide_by_is_the_wider_one():
    rng = np.random.default_rng(2)
    right = [rng.random((2, 300)) < 0.8 for _ in range(8)]
    own, other = (np.array([pair[arm].mean() for pair in right]) for arm in (0, 1))
    found = paired(own, other, VerdictRule(resamples=500), right_own=[p[0] for p in right], right_other=[p[1] for p in right])
    assert found.over_rows is not None
    assert found.interval.low == min(found.over_splits.low, found.over_rows.low)
    assert found.interval.high == max(found.over_splits.high, found.over_rows.high)


RIGHT = [np.array([True, False])] * 3


@pytest.mark.parametrize(
    ("own", "other", "more", "message"),
    [
        ([0.5], [0.6], {}, "one split cannot show how results differ from split to split: run at least 2"),
        ([0.5, 0.6], [0.5], {}, "one has 2 and the other 1"),
        ([50.0, 60.0], [0.5, 0.6], {}, "own must be accuracies as shares from 0 to 1, got 50.0"),
        ([0.5, np.nan], [0.5, 0.6], {}, "shares from 0 to 1, got nan"),
        ([], [], {}, "accuracies"),
        ([0.5] * 3, [0.5] * 3, {"right_own": RIGHT, "right_other": RIGHT[:2]}, "right rows are of 3 and 2 splits"),
        ([0.6] * 3, [0.5] * 3, {"right_own": RIGHT, "right_other": RIGHT}, "they are of other trials"),
        ([0.5] * 3, [0.5] * 3, {"right_own": RIGHT, "right_other": RIGHT, "rows": [np.arange(3)] * 3}, "3 row numbers"),
    ],
)  # fmt: skip
def test_what_cannot_be_paired_is_told(own, other, more, message):
    with pytest.raises(InputError, match=message):
        paired(np.array(own), np.array(other), RULE, **more)


def test_the_corrected_test_wants_to_know_how_many_rows_there_are():
    with pytest.raises(InputError, match="'corrected-t' needs how many rows a split trains and tests on"):
        paired(*shares([1, 2, 3]), VerdictRule(test="corrected-t"), test_rows=100)


def test_splits_of_different_sizes_need_row_numbers():
    with pytest.raises(InputError, match="say which rows they are"):
        two_level_interval([np.zeros(3), np.zeros(4)], None, 0.05, 100, 0)
