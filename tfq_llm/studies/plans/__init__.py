"""What each kind of study runs, as procedures: a procedure says what may run together, and goes on when it has the results.

A study is planned anew whenever it is run or reported: what it wants follows from its configuration and from results alone.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from tfq_llm.errors import InputError
from tfq_llm.studies.config import StudyConfig
from tfq_llm.studies.desk import Draw
from tfq_llm.studies.plans import ablation, compare, noise, qubits, screen, shots
from tfq_llm.studies.trial import Procedure

TESTED = ("compare", "ablation", "noise", "shots", "qubits")
"""Kinds whose report tests differences over splits."""
LEVEL_BY_LEVEL = ("qubits", "noise", "shots")
"""Kinds that run a level on all splits before the next one, so that what was stopped early is whole as far as it came."""


@dataclass(frozen=True)
class Plan:
    """What a study runs.

    Attributes:
        procedures: each makes a procedure, for a procedure can be gone through once only.
        size: how many entries they have in all, when none fails.
    """

    procedures: tuple[Callable[[], Procedure], ...]
    size: int


def plan(config: StudyConfig, draws: Sequence[Draw]) -> Plan:
    """The plan of a study at its places.

    Raises:
        InputError: the configuration does not go together, or names arms or levels that there are not.
    """
    kinds = {
        "screen": screen.steps,
        "qubits": qubits.steps,
        "ablation": ablation.steps,
        "noise": noise.steps,
        "shots": shots.steps,
        "compare": compare.steps,
        "tune": compare.tuning_steps,
    }
    if config.kind in TESTED and config.splits < 2:
        raise InputError(
            f"a study of the kind {config.kind} tests how results differ from split to split, and was given one split: use "
            "--set splits=10."
        )
    of_draws = [list(kinds[config.kind](config, draw)) for draw in draws]
    ordered = zip(*of_draws, strict=True) if config.kind in LEVEL_BY_LEVEL else of_draws
    steps = [step for together in ordered for step in together]
    return Plan(tuple(step.procedure for step in steps), sum(step.size for step in steps))
