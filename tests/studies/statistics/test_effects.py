"""Effects against Montgomery's filtration experiment and statsmodels' formulas."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import statsmodels.formula.api as smf
from scipy.stats import binomtest

from tfq_llm.errors import InputError
from tfq_llm.studies.designs import two_level
from tfq_llm.studies.statistics import effects, holm, screening
from tfq_llm.studies.verdict_rule import VerdictRule

RULE = VerdictRule()
FOUR = dict.fromkeys("ABCD", (-1, 1))
# D. C. Montgomery, Design and Analysis of Experiments, example 6.2: filtration rates in standard order, A changing fastest.
RATES = [45, 71, 48, 65, 68, 60, 80, 65, 43, 100, 45, 104, 75, 86, 70, 96]


def rates(design):
    """As shares, so that effects come out in the book's units."""
    places = [sum(2**bit for bit, name in enumerate("ABCD") if run[name] > 0) for run in design.runs]
    return np.array([RATES[place] for place in places]) / 100


def one_split(design, response, **more):
    return effects(design, np.arange(len(design.runs)), response, np.zeros(len(design.runs), int), RULE, **more)


def test_montgomerys_full_design():
    design = two_level(FOUR, kind="full-factorial")
    found = {effect.name: effect.points for effect in one_split(design, rates(design)).effects}
    expected = {
        "A": 21.625, "B": 3.125, "C": 9.875, "D": 14.625, "A × B": 0.125, "A × C": -18.125, "A × D": 16.625, "B × C": 2.375,
        "B × D": -0.375, "C × D": -1.125,
    }  # fmt: skip
    assert found == pytest.approx(expected)


def test_montgomerys_half_fraction():
    """Example 8.1: D = ABC, so interactions are mixed in pairs. Two equal splits leave the effects as they are."""
    design = two_level(FOUR, runs=8)
    assert design.defining_relation == (("A", "B", "C", "D"),)
    twice = np.tile(np.arange(8), 2)
    found = effects(design, twice, rates(design)[twice], np.repeat([0, 1], 8), RULE)
    assert {effect.name: effect.points for effect in found.effects} == pytest.approx(
        {"A": 19.0, "B": 1.5, "C": 14.0, "D": 16.5, "A × B": -1.0, "A × C": -18.5, "A × D": 19.0}
    )
    assert {effect.name: effect.aliases for effect in found.effects if len(effect.term) == 2} == {
        "A × B": ("C × D",), "A × C": ("B × D",), "A × D": ("B × C",)
    }  # fmt: skip
    assert found.mean == pytest.approx(0.7075)
    assert {effect.p for effect in found.effects} == {0.0}
    assert all(np.isfinite([effect.interval.low, effect.interval.high]).all() for effect in found.effects)


@pytest.fixture(scope="module")
def noisy():
    """Four factors in eight runs, two centre points that differ in a name, three splits."""
    levels = {"qubits": (4, 8), "rate": (0.001, 0.01), "value": (1.0, 3.0), "padding": ("zero", "constant")}
    design = two_level(levels, centre_points=2, log=["rate"])
    rng = np.random.default_rng(0)
    rows = []
    for split in range(3):
        for run, (coded, settings) in enumerate(zip(design.coded, design.runs, strict=True)):
            mean = (
                0.8
                + 0.02 * coded[0]
                - 0.01 * coded[1]
                + 0.015 * coded[0] * coded[1]
                + 0.01 * split
                + 0.03 * design.is_centre[run]
            )
            for fold in range(2):
                names = {f"factor {name}": level for name, level in settings.items()}
                rows.append({"split": split, "fold": fold, "accuracy": mean + rng.normal(0, 0.004), "run": run, **names})
    return design, pd.DataFrame(rows).assign(role="design", state="frozen")


def test_effects_errors_and_curvature_are_those_of_statsmodels_formula(noisy):
    design, frame = noisy
    found = screening(frame, design, RULE)
    table = frame.groupby(["run", "split"], as_index=False)["accuracy"].mean()
    table[["Q", "R", "V", "P"]] = design.coded[table["run"]]
    table["points"], table["low"], table["high"] = 100 * table["accuracy"], table["run"] == 8, table["run"] == 9
    fit = smf.ols("points ~ C(split, Sum) + Q + R + V + P + Q:R + Q:V + Q:P + low + high", table).fit()
    names = ["Q", "R", "V", "P", "Q:R", "Q:V", "Q:P"]
    assert [effect.points for effect in found.effects] == pytest.approx(2 * fit.params[names].to_numpy())
    assert [effect.p for effect in found.effects] == pytest.approx(fit.pvalues[names].to_numpy())
    assert [effect.interval.low for effect in found.effects] == pytest.approx(2 * fit.conf_int().loc[names, 0].to_numpy())
    assert [effect.adjusted_p for effect in found.effects] == pytest.approx(holm([effect.p for effect in found.effects]))
    bend = fit.t_test("low[T.True] / 2 + high[T.True] / 2 = 0")
    assert found.curvature.points == pytest.approx(bend.effect.item())
    assert found.curvature.p == pytest.approx(float(bend.pvalue))
    assert found.error_sd == pytest.approx(np.sqrt(fit.mse_resid))
    assert found.pure_error_degrees == found.error_degrees == 18
    assert found.lack_of_fit_p is None  # eight runs, eight coefficients
    assert (found.splits, found.missing) == (3, ())


def test_inits_of_a_run_on_a_split_are_one_result(noisy):
    """They are no replicates: only splits tell effects from chance."""
    design, frame = noisy
    rng = np.random.default_rng(1)
    inits = pd.concat(
        [frame.assign(init=init, accuracy=frame["accuracy"] + rng.normal(0, 0.01, len(frame))) for init in range(3)]
    )
    means = inits.groupby(["run", "split", "fold"], as_index=False)["accuracy"].mean()
    averaged = frame.drop(columns="accuracy").merge(means, on=["run", "split", "fold"])
    found, expected = screening(inits, design, RULE), screening(averaged, design, RULE)
    assert [effect.points for effect in found.effects] == pytest.approx([effect.points for effect in expected.effects])
    assert [effect.p for effect in found.effects] == pytest.approx([effect.p for effect in expected.effects])
    assert (found.error_degrees, found.splits) == (expected.error_degrees, 3)


def test_means_are_those_of_the_corners(noisy):
    design, frame = noisy
    found = screening(frame, design, RULE)
    corners = frame[~design.is_centre[frame["run"]]]
    low, high = corners.groupby("factor qubits")["accuracy"].mean()
    means = found.main_means["qubits"]
    assert (means[0].mean, means[1].mean) == pytest.approx((low, high))
    assert (means[0].levels, means[1].levels) == ({"qubits": 4}, {"qubits": 8})
    assert 100 * (high - low) == pytest.approx(found.effects[0].points)
    cells = corners.groupby(["factor qubits", "factor rate"])["accuracy"].mean()
    four = found.interaction_means["qubits", "rate"]
    assert [(*mean.levels.values(),) for mean in four] == list(cells.index)
    assert [mean.mean for mean in four] == pytest.approx(cells.to_numpy())
    assert all(mean.interval.low < mean.mean < mean.interval.high for mean in four)


def test_lack_of_fit_is_the_f_test_of_nested_models(noisy):
    design, frame = noisy
    runs = frame["run"].to_numpy()
    found = effects(design, runs, frame["accuracy"].to_numpy(), frame["split"].to_numpy(), RULE, interactions=False)
    table = frame.groupby(["run", "split"], as_index=False)["accuracy"].mean()
    table[["Q", "R", "V", "P"]] = design.coded[table["run"]]
    table["low"], table["high"] = table["run"] == 8, table["run"] == 9
    small = smf.ols("accuracy ~ C(split) + Q + R + V + P + low + high", table).fit()
    large = smf.ols("accuracy ~ C(split) + C(run)", table).fit()
    assert found.lack_of_fit_p == pytest.approx(large.compare_f_test(small)[1])
    assert found.pure_error_sd == pytest.approx(100 * np.sqrt(large.mse_resid))


def test_interactions_that_are_mixed_with_main_effects_are_left_out():
    design = two_level(dict.fromkeys("ABCDEFGH", (0.0, 1.0)), kind="plackett-burman")
    found = one_split(design, np.linspace(0.5, 0.9, 12) ** 2)
    assert [effect.name for effect in found.effects] == list("ABCDEFGH")
    assert len(found.not_estimated) == 28
    assert all(len(effect.aliases) == 21 and "0.33 · " in effect.aliases[0] for effect in found.effects)
    assert (found.pure_error_sd, found.pure_error_degrees, found.lack_of_fit_p, found.error_degrees) == (None, 0, None, 3)


def test_a_centre_point_without_results_is_named_and_the_others_still_tell(noisy):
    design, frame = noisy
    found = screening(frame[frame["run"] != 9], design, RULE)
    assert found.missing == (9,)
    assert [effect.points for effect in found.effects] == pytest.approx(
        [e.points for e in screening(frame, design, RULE).effects]
    )


def test_equal_results_have_no_effects_and_no_warnings():
    design = two_level(FOUR, runs=8)
    runs = np.tile(np.arange(8), 2)
    found = effects(design, runs, np.full(16, 0.8), np.repeat([0, 1], 8), RULE)
    assert {effect.adjusted_p for effect in found.effects} == {1.0}
    assert max(abs(effect.points) for effect in found.effects) < 1e-9


def test_no_effects_are_found_where_there_are_none():
    design = two_level(dict.fromkeys("ABCDEF", (0, 2)), centre_points=1)
    runs, splits = np.tile(np.arange(17), 3), np.repeat(np.arange(3), 17)
    rng = np.random.default_rng(0)
    draws = [effects(design, runs, 0.8 + rng.normal(0, 0.01, 51), splits, RULE) for _ in range(150)]
    wrong = sum(min(effect.adjusted_p for effect in found.effects) < 0.05 for found in draws)
    assert binomtest(wrong, 150, 0.05, alternative="greater").pvalue > 1e-4
    covered = sum(effect.interval.low <= 0 <= effect.interval.high for found in draws for effect in found.effects[:6])
    assert 0.93 < covered / 900 < 0.97


def test_what_cannot_be_estimated_is_told(noisy):
    design, frame = noisy
    with pytest.raises(InputError, match=r"7 effects take all 10 results.*run the design on at least 2 splits"):
        screening(frame[frame["split"] == 0], design, RULE)
    with pytest.raises(InputError, match="9 of 10 runs have results, too few for 7 effects"):
        screening(frame[frame["run"] != 3], design, RULE)
    with pytest.raises(InputError, match=r"'qubits': 5.* which are no run of this design"):
        screening(frame.assign(**{"factor qubits": 5}), design, RULE)
    with pytest.raises(InputError, match="no trials of a design"):
        screening(frame.assign(role="final"), design, RULE)
    with pytest.raises(InputError, match="one state at a time"):
        screening(pd.concat([frame, frame.assign(state="tuned")]), design, RULE)
