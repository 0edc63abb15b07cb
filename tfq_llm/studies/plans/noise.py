"""Training and scoring under gate noise: what noise costs, and what training under it gives back."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import partial

from tfq_llm.circuits.noise import parse_noise
from tfq_llm.studies.arms import Arm
from tfq_llm.studies.arms.names import LOGISTIC
from tfq_llm.studies.config import StudyConfig
from tfq_llm.studies.desk import Desk, Draw
from tfq_llm.studies.plans.step import Step, all_arms, quantum_arm
from tfq_llm.studies.trial import Procedure

BLIND = "noise-blind"
"""The arm that is trained without noise."""


def steps(config: StudyConfig, draw: Draw) -> Iterator[Step]:
    """One step for each noise that is trained under, and one for the classical reference.

    Raises:
        InputError: there is no such noise.
    """
    for noise in (*config.noise.trained, *config.noise.scored):
        parse_noise(noise)
    desk = Desk(config, draw)
    found = all_arms(desk)
    quantum, levels = quantum_arm(config, found), config.noise
    for noise in levels.trained:
        name = BLIND if noise == "none" else f"trained under {noise}"
        settings = {"noise": noise, "trajectories": None if noise == "none" else levels.trajectories}
        arm = replace(quantum, name=name, defaults={**quantum.defaults, **settings})
        yield Step(partial(_procedure, desk, arm, noise), len(levels.scored) * config.inits)
    reference = found[LOGISTIC]
    yield Step(lambda: _scored(desk, reference), config.inits)


def _procedure(desk: Desk, arm: Arm, noise: str) -> Procedure:
    """First one score, which leaves the trained weights for all the others."""
    levels = desk.config.noise
    entries = []
    for test in levels.scored:
        conditions = {"noise": test, "trajectories": None if test == "none" else levels.test_trajectories}
        entries.append(desk.final(arm, arm.defaults, {"train noise": noise, "test noise": test}, conditions))
    yield entries[0]
    yield [entry for more in entries[1:] for entry in more]


def _scored(desk: Desk, arm: Arm) -> Procedure:
    """An arm with its default settings, scored on the test rows."""
    yield desk.final(arm, arm.defaults)
