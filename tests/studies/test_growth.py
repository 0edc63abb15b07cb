"""A study that has results may only grow, and remembers that it did."""

from __future__ import annotations

from pathlib import Path

import pytest

from tfq_llm.studies.config import StudyConfig, make_study_config
from tfq_llm.studies.growth import Growth, change, growths, remember
from tfq_llm.studies.store import Store

ALL = ("quantum head", "SVC", "MLP[0]")


def config(kind: str = "compare", **settings: object) -> StudyConfig:
    return make_study_config({"kind": kind, "splits": 3, **settings})


def arms(of: StudyConfig) -> tuple[str, ...]:
    """As the catalogue has it: no name means all."""
    return of.arms or ALL


MINE = {"mine": {"like": "SVC", "settings": {"C": 2.0}}}
OTHER = {"mine": {"like": "SVC"}}
FACTORS = {"factors": {"layers": [1, 2], "reuploads": [1, 3], "padding_value": [1.0, 3.0], "learning_rate": [0.001, 0.01]}}
REVERSED = {"factors": dict(reversed(FACTORS["factors"].items()))}


@pytest.mark.parametrize(
    ("kind", "before", "now", "grown", "taken"),
    [
        ("compare", {}, {}, (), ()),
        ("compare", {}, {"splits": 5, "inits": 2}, ("splits from 3 to 5", "inits from 1 to 2"), ()),
        ("compare", {"inits": 2}, {"splits": 2}, (), ("splits from 3 to 2", "inits from 2 to 1")),
        ("compare", {"arms": ["SVC"]}, {"arms": ["MLP[0]", "SVC"]}, ("arms with 'MLP[0]'",), ()),
        ("compare", {"arms": ["SVC"]}, {"arms": ["MLP[0]"]}, ("arms with 'MLP[0]'",), ("arms without 'SVC'",)),
        ("compare", {}, {"arms": ["SVC"]}, (), ("arms without 'quantum head', 'MLP[0]'",)),
        ("compare", {}, {"arms": [*reversed(ALL)]}, (), ()),
        ("compare", {"more_arms": MINE}, {}, (), ("more_arms without 'mine'",)),
        ("compare", {"more_arms": MINE}, {"more_arms": OTHER}, (), ("more_arms.mine with another definition",)),
        ("compare", {}, {"shots": {"shots": [7]}}, (), ()),
        ("screen", {}, {"screen": {"centre_points": 3}}, ("screen.centre_points from 2 to 3",), ()),
        ("screen", {}, {"screen": {"runs": 8}}, (), ("screen.runs from None to 8",)),
        ("screen", {"screen": FACTORS}, {"screen": REVERSED}, (), ("screen.factors",)),
        ("qubits", {"qubits": {"qubits": [4, 6]}}, {"qubits": {"qubits": [2, 4, 6]}}, ("qubits.qubits with 2",), ()),
        (
            "qubits",
            {"qubits": {"inputs": "fixed", "qubits": [4, 6]}},
            {"qubits": {"inputs": "fixed", "qubits": [2, 4, 6]}},
            ("qubits.qubits with 2",),
            ("fewer inputs at all numbers of qubits, for 2 hold fewer than 4",),
        ),
        ("noise", {}, {"noise": {"train": ["none", "aria-1", "forte-1"]}}, ("noise.train with 'forte-1'",), ()),
        ("noise", {}, {"noise": {"train": ["none", "forte-1", "aria-1"]}}, ("noise.train with 'forte-1'",), ("another order",)),
        ("noise", {}, {"noise": {"test_trajectories": 9}}, (), ("noise.test_trajectories from 64 to 9",)),
        ("shots", {}, {"shots": {"shots": [10], "gradient": "spsa"}}, (), ("shots.shots without 30", "shots.gradient")),
    ],
)  # fmt: skip
def test_what_grows_and_what_is_taken_away(kind, before, now, grown, taken):  # type: ignore[no-untyped-def]
    found = change(config(kind, **before), config(kind, **now), arms)
    assert found.grown == grown
    assert len(found.taken) == len(taken)
    assert all(part in phrase for part, phrase in zip(taken, found.taken, strict=True))


def test_a_growth_is_remembered_once(tmp_path: Path) -> None:
    store = Store(tmp_path)
    assert growths(store) == ()
    for _ in range(2):
        # Who was killed in between says it again.
        remember(store, ["splits from 2 to 3"], 20, 4)
    remember(store, ["arms with 'SVC'"], 30, 6)
    found = growths(Store(tmp_path))
    assert [(one.what, one.results, one.test_scores) for one in found] == [
        (("splits from 2 to 3",), 20, 4),
        (("arms with 'SVC'",), 30, 6),
    ]
    assert isinstance(found[0], Growth)
    assert found[0].time.endswith("+00:00")
