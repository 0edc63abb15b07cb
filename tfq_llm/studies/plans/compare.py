"""All arms, each with settings of its own: chosen on the validation folds of every split, then scored once on its test rows."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from tfq_llm.studies.arms import Arm
from tfq_llm.studies.config import StudyConfig
from tfq_llm.studies.desk import Desk, Draw
from tfq_llm.studies.plans.step import Step, all_arms, chosen_arms, chosen_settings, selection_size
from tfq_llm.studies.trial import Procedure


def steps(config: StudyConfig, draw: Draw) -> Iterator[Step]:
    """One step for each arm."""
    desk = Desk(config, draw)
    for arm in chosen_arms(config, all_arms(desk)):
        yield Step(partial(_procedure, desk, arm, is_scored=True), selection_size(desk, arm) + config.inits)


def tuning_steps(config: StudyConfig, draw: Draw) -> Iterator[Step]:
    """The same without test rows."""
    desk = Desk(config, draw)
    for arm in chosen_arms(config, all_arms(desk)):
        yield Step(partial(_procedure, desk, arm, is_scored=False), selection_size(desk, arm))


def _procedure(desk: Desk, arm: Arm, is_scored: bool) -> Procedure:
    settings = yield from chosen_settings(desk, arm)
    if settings is not None and is_scored:
        yield desk.final(arm, settings)
