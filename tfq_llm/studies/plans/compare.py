"""All arms, each with settings of its own: chosen on the validation folds of every split, then scored once on its test rows."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial

from tfq_llm.errors import InputError, did_you_mean
from tfq_llm.studies.arms import Arm
from tfq_llm.studies.config import StudyConfig
from tfq_llm.studies.desk import Desk, Draw
from tfq_llm.studies.plans.step import Step, all_arms, chosen_arms, chosen_settings, selection_size
from tfq_llm.studies.trial import Procedure
from tfq_llm.studies.verdict_rule import BEST_CLASSICAL, VerdictRule


def steps(config: StudyConfig, draw: Draw) -> Iterator[Step]:
    """One step for each arm."""
    desk = Desk(config, draw)
    arms = chosen_arms(config, all_arms(desk))
    _check_rule(config.verdict, arms)
    for arm in arms:
        yield Step(partial(_procedure, desk, arm, is_scored=True), selection_size(desk, arm) + config.inits)


def _check_rule(rule: VerdictRule, arms: Sequence[Arm]) -> None:
    """Both sides of the verdict must be among the arms; a study of classical arms alone has no verdict."""
    names, quantum = [arm.name for arm in arms], [arm.name for arm in arms if arm.family == "quantum"]
    if quantum and rule.quantum not in quantum:
        raise InputError(
            f"verdict.quantum is '{rule.quantum}', the arm that all others are compared with, and it is none of the quantum arms "
            f"of this study: {', '.join(quantum)}.{did_you_mean(rule.quantum, quantum)} Name one of them, or add it to arms."
        )
    if rule.against not in (BEST_CLASSICAL, *names):
        raise InputError(
            f"verdict.against is '{rule.against}', which is none of the arms: {', '.join(names)}."
            f"{did_you_mean(rule.against, names)}"
        )
    if rule.against == rule.quantum:
        raise InputError(
            f"verdict.against and verdict.quantum are both '{rule.quantum}', and no arm is better than itself: name another."
        )


def tuning_steps(config: StudyConfig, draw: Draw) -> Iterator[Step]:
    """The same without test rows."""
    desk = Desk(config, draw)
    for arm in chosen_arms(config, all_arms(desk)):
        yield Step(partial(_procedure, desk, arm, is_scored=False), selection_size(desk, arm))


def _procedure(desk: Desk, arm: Arm, is_scored: bool) -> Procedure:
    settings = yield from chosen_settings(desk, arm)
    if settings is not None and is_scored:
        yield desk.final(arm, settings)
