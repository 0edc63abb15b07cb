"""Training and scoring with a finite number of shots."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from tfq_llm.studies.arms import Arm
from tfq_llm.studies.config import StudyConfig
from tfq_llm.studies.desk import Desk, Draw
from tfq_llm.studies.plans.step import Step, all_arms, at_once, quantum_arm
from tfq_llm.studies.trial import Procedure

EXACT = "trained exactly"
SAMPLED = "trained with shots"


def steps(config: StudyConfig, draw: Draw) -> Iterator[Step]:
    """A step for the head that is trained exactly, and one for each number of shots that others are trained with."""
    desk = Desk(config, draw)
    quantum = quantum_arm(config, all_arms(desk))
    exact = replace(quantum, name=EXACT)
    yield Step(lambda: _exact(desk, exact), (1 + len(config.shots.shots)) * config.inits)
    sampled = replace(quantum, name=SAMPLED)
    for shots in config.shots.train_shots:
        settings = {**sampled.defaults, "shots": shots, "gradient": config.shots.gradient}
        yield at_once(desk.final(sampled, settings, {"shots": shots}))


def _exact(desk: Desk, arm: Arm) -> Procedure:
    """First the exact score, which leaves the trained weights for all the others."""
    yield desk.final(arm, arm.defaults, {"shots": None})
    entries = []
    for shots in desk.config.shots.shots:
        entries += desk.final(arm, arm.defaults, {"shots": shots}, {"shots": shots})
    yield entries
