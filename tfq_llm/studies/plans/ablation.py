"""The quantum head with one part taken out at a time: the settings are those chosen for the whole head on the same split."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from tfq_llm.studies.arms import Arm
from tfq_llm.studies.arms.ablations import ablations
from tfq_llm.studies.config import StudyConfig
from tfq_llm.studies.desk import Desk, Draw
from tfq_llm.studies.plans.step import Step, all_arms, chosen_settings, quantum_arm, selection_size
from tfq_llm.studies.trial import Procedure


def steps(config: StudyConfig, draw: Draw) -> Iterator[Step]:
    """One step: the whole head, then it and all its ablations at once."""
    desk = Desk(config, draw)
    whole = quantum_arm(config, all_arms(desk))
    without = ablations(whole, desk.input_dim or draw.dim)
    size = selection_size(desk, whole) + (1 + len(without)) * config.inits
    yield Step(lambda: _procedure(desk, whole, without), size)


def _procedure(desk: Desk, whole: Arm, without: Sequence[Arm]) -> Procedure:
    settings = yield from chosen_settings(desk, whole)
    if settings is not None:
        entries = desk.final(whole, settings)
        for arm in without:
            entries += desk.final(arm, arm.settings(settings))
        yield entries
