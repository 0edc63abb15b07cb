"""Designs against published ones: Montgomery's table of fractions, and what is known of Plackett and Burman's."""

from __future__ import annotations

import numpy as np
import pytest
from pyDOE3 import fracfact_aliasing, fracfact_opt

from tfq_llm.errors import InputError
from tfq_llm.studies.designs import two_level


def factors(count):
    return dict.fromkeys("ABCDEFGHJKLMNOP"[:count], (1.0, 2.0))


# D. C. Montgomery, Design and Analysis of Experiments, table of 2^(k−p) fractions: factors, runs, resolution.
TABLE = [
    (3, 4, 3), (4, 8, 4), (5, 8, 3), (5, 16, 5), (6, 8, 3), (6, 16, 4), (6, 32, 6), (7, 8, 3), (7, 16, 4), (7, 32, 4), (7, 64, 7),
    (8, 16, 4), (8, 32, 4), (8, 64, 5), (9, 16, 3), (9, 32, 4), (9, 64, 4), (9, 128, 6), (10, 16, 3), (10, 32, 4), (10, 64, 4),
    (10, 128, 5), (11, 16, 3), (11, 32, 4), (11, 64, 4), (12, 16, 3), (13, 16, 3), (14, 16, 3), (15, 16, 3),
]  # fmt: skip


@pytest.mark.parametrize(("count", "runs", "resolution"), TABLE)
def test_a_fraction_has_the_resolution_of_montgomerys_table(count, runs, resolution):
    design = two_level(factors(count), runs=runs)
    assert design.resolution == resolution
    np.testing.assert_allclose(design.coded.T @ design.coded, runs * np.eye(count))
    for word in design.defining_relation[:50]:
        assert abs(design.column(word).sum()) == runs


@pytest.mark.parametrize(("count", "erased"), [(5, 1), (6, 2), (7, 3), (8, 4)])
def test_no_set_of_generators_is_better_by_pydoe3s_own_search(count, erased):
    best = fracfact_opt(count, erased)[2]
    ours = fracfact_aliasing(two_level(factors(count), runs=2 ** (count - erased)).coded)[1]
    assert list(ours[:6]) == list(best[:6])


@pytest.mark.parametrize(
    ("count", "resolution", "runs"), [(6, 4, 16), (6, 3, 8), (7, 5, 64), (8, 5, 64), (5, 5, 16), (9, 4, 32), (3, 4, 8)]
)
def test_the_smallest_fraction_that_has_the_resolution_is_taken(count, resolution, runs):
    design = two_level(factors(count), resolution=resolution)
    assert len(design.runs) == runs
    assert design.resolution is None or design.resolution >= resolution


def test_the_fraction_of_seven_factors_at_resolution_4_mixes_interactions_in_threes():
    design = two_level(factors(7))
    assert len(design.runs) == 16
    aliases = design.aliases()
    assert {len(alias.term) + len(alias.other) for alias in aliases} == {4}
    assert len(aliases) == 21
    assert {alias.share for alias in aliases} == {1.0}


def test_plackett_and_burmans_twelve_runs_mix_each_main_effect_with_a_third_of_45_interactions():
    design = two_level(factors(11), kind="plackett-burman")
    assert (len(design.runs), design.resolution, design.defining_relation) == (12, 3, ())
    np.testing.assert_allclose(design.coded.T @ design.coded, 12 * np.eye(11))
    of_a = [alias for alias in design.aliases() if alias.term == ("A",)]
    assert len(of_a) == 45
    assert all(abs(alias.share) == pytest.approx(1 / 3) for alias in of_a)


@pytest.mark.parametrize(("count", "runs"), [(3, 4), (4, 8), (8, 12), (12, 16), (15, 16)])
def test_plackett_and_burmans_designs_come_in_multiples_of_four(count, runs):
    assert len(two_level(factors(count), kind="plackett-burman").runs) == runs


def test_a_full_design_has_every_combination_once_and_no_aliases():
    design = two_level({"qubits": (4, 8), "padding": ("zero", "constant"), "gain": (False, True)}, kind="full-factorial")
    runs = {(run["qubits"], run["padding"], run["gain"]) for run in design.runs}
    assert len(runs) == len(design.runs) == 8
    assert design.aliases() == ()
    assert design.resolution is None


def test_centre_points_are_means_and_names_take_turns():
    levels = {"qubits": (4, 7), "rate": (0.001, 0.1), "value": (1.0, 2.0), "padding": ("zero", "constant"), "layers": (1, 2)}
    design = two_level(levels, centre_points=3, log=["rate"])
    centres = [run for run, is_centre in zip(design.runs, design.is_centre, strict=True) if is_centre]
    assert [run["padding"] for run in centres] == ["zero", "constant", "zero"]
    assert [(run["qubits"], run["value"], run["layers"]) for run in centres] == [(6, 1.5, 2)] * 3
    assert centres[0]["rate"] == pytest.approx(0.01)
    np.testing.assert_allclose(design.coded[-3:], [[1 / 3, 0, 0, -1, 1], [1 / 3, 0, 0, 1, 1], [1 / 3, 0, 0, -1, 1]], atol=1e-12)
    assert design.notes == ("the centre of 'layers' is its level 2: there is no whole number between its levels",)


def test_runs_have_the_levels_that_the_signs_say():
    design = two_level({"b": (5, 3), "a": ("x", "y"), "c": (0.1, 0.2)}, kind="full-factorial", centre_points=1)
    for run, signs in zip(design.runs[:-1], design.coded, strict=False):
        assert list(run.values()) == [pair[int(sign > 0)] for pair, sign in zip(design.factors.values(), signs, strict=True)]
    assert design.runs[-1] == {"b": 4, "a": "x", "c": pytest.approx(0.15)}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"factors": factors(1)}, "at least 2 factors, got 1"),
        ({"factors": {"a": (1, 1), "b": (1, 2)}}, "'a' has the same level twice, 1"),
        ({"factors": {"a": (1, "x"), "b": (1, 2)}}, "levels of two kinds, 1 and 'x'"),
        ({"factors": {"a": (1, 2, 3), "b": (1, 2)}}, "needs two levels, low and high"),
        ({"factors": {"a": (1, float("inf")), "b": (1, 2)}}, "must be finite"),
        ({"kind": "taguchi"}, "kind must be one of fractional-factorial, plackett-burman, full-factorial"),
        ({"runs": 5}, "5 factors need at least 6 runs, got 5: add runs or leave out factors"),
        ({"runs": 12}, "a power of 2 of runs, up to 32, not 12"),
        ({"runs": 64}, "a power of 2 of runs, up to 32, not 64"),
        ({"runs": 8, "resolution": 4}, "no design of 5 factors in 8 runs has resolution 4: give more runs"),
        ({"kind": "plackett-burman", "resolution": 4}, "has resolution 3, not 4"),
        ({"kind": "plackett-burman", "runs": 28}, "no Plackett–Burman design of 28 runs here; for 5 factors take one of 8, 12"),
        ({"kind": "full-factorial", "runs": 16}, "a full design of 5 factors has 32 runs, not 16"),
        ({"kind": "full-factorial", "factors": factors(12)}, "has 4,096 runs: take a fraction"),
        ({"log": ["E", "Q"]}, "log names 'Q', which is no factor"),
        ({"factors": {"a": (0.0, 1.0), "b": (1, 2)}, "log": ["a"]}, "'a' is in log, so its levels must be numbers above 0"),
        ({"factors": {"a": ("x", "y"), "b": (False, True)}, "centre_points": 1}, "centre points need a factor of numbers"),
        ({"centre_points": -1}, "centre_points must be a whole number of at least 0"),
    ],
)  # fmt: skip
def test_bad_designs_are_told(change, message):
    with pytest.raises(InputError, match=message.replace("(", r"\(")):
        two_level(**{"factors": factors(5), **change})
