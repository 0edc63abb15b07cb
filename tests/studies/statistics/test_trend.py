"""Trends against SciPy and a model with split constants."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import statsmodels.formula.api as smf
from scipy.stats import ttest_1samp

from tfq_llm.errors import InputError
from tfq_llm.studies.statistics import mean_interval, trend
from tfq_llm.studies.verdict_rule import VerdictRule

RULE = VerdictRule(resamples=1000)


def rows(levels, slope, splits=6, log=False):
    rng = np.random.default_rng(0)
    table = pd.DataFrame([(level, split) for split in range(splits) for level in levels], columns=["level", "split"])
    x = np.log10(table["level"]) if log else table["level"]
    table["accuracy"] = 0.7 + slope / 100 * x + 0.02 * table["split"] + rng.normal(0, 0.003, len(table))
    return table.sample(frac=1, random_state=0)


def of(table, **more):
    return trend(*(table[name].to_numpy() for name in ("level", "accuracy", "split")), RULE, **more)


@pytest.mark.parametrize(("levels", "log"), [([4, 6, 8, 10], False), ([10, 100, 1000], True)])
def test_the_slope_is_that_of_a_model_with_a_constant_for_each_split(levels, log):
    table = rows(levels, 1.0, log=log)
    found = of(table, log=log)
    fit = smf.ols("accuracy ~ C(split) + np.log10(level)" if log else "accuracy ~ C(split) + level", table).fit()
    assert found.slope == pytest.approx(100 * fit.params.iloc[-1])
    assert found.interval.low < found.slope < found.interval.high
    assert found.interval.high - found.interval.low < 0.5
    assert found.p == 2 / 2**6
    assert found.rank_correlation == pytest.approx(1.0)
    assert found.per == ("10 times as many" if log else "1 more")


def test_levels_are_means_over_splits_with_their_intervals():
    table = rows([4, 8], 0.0)
    found = of(table)
    of_four = table[table["level"] == 4].sort_values("split")["accuracy"].to_numpy()
    assert [level.level for level in found.levels] == [4, 8]
    assert found.levels[0].mean == pytest.approx(of_four.mean())
    assert found.levels[0].interval == mean_interval(of_four, RULE.alpha, RULE.resamples, RULE.seed)
    assert found.levels[0].splits == found.splits == 6


def test_one_split_has_a_slope_and_no_interval():
    found = of(rows([4, 6, 8], 1.0, splits=1))
    assert (found.interval, found.p, found.levels[0].interval, found.splits) == (None, None, None, 1)


def test_few_splits_are_tested_by_the_rules_test():
    table = rows([4, 6, 8], 1.0, splits=4)
    slopes = [100 * np.polyfit(one["level"], one["accuracy"], 1)[0] for _, one in table.groupby("split")]
    columns = [table[name].to_numpy() for name in ("level", "accuracy", "split")]
    assert trend(*columns, RULE).least_p == trend(*columns, RULE).p == 2 / 2**4
    by_t = trend(*columns, VerdictRule(test="t", fewest_splits=4))
    assert (by_t.least_p, by_t.p) == (0, pytest.approx(ttest_1samp(slopes, 0).pvalue))


def test_equal_accuracies_have_no_trend():
    table = rows([4, 6, 8], 0.0).assign(accuracy=0.8)
    found = of(table)
    assert (found.slope, found.p, found.rank_correlation) == (pytest.approx(0), 1.0, 0.0)


def test_a_split_that_lacks_levels_is_left_out_of_the_slope_only():
    table = rows([4, 8], 1.0)
    found = of(table[(table["split"] != 5) | (table["level"] == 4)])
    assert (found.splits, found.levels[0].splits, found.levels[1].splits) == (5, 6, 5)


def test_what_has_no_trend_is_told():
    with pytest.raises(InputError, match="two levels or more of the same split, got 1 level"):
        of(rows([4], 1.0))
    with pytest.raises(InputError, match="needs levels above 0, got 0"):
        of(rows([4, 8], 1.0).assign(level=0), log=True)
