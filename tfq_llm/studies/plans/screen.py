"""A two-level design over settings of the quantum head: every run on every split, scored on validation rows only."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from tfq_llm.errors import InputError
from tfq_llm.studies.config import MOST_INITS, ScreenConfig, StudyConfig
from tfq_llm.studies.designs import Design, two_level
from tfq_llm.studies.desk import Desk, Draw
from tfq_llm.studies.plans.step import Step, all_arms, at_once, quantum_arm
from tfq_llm.studies.trial import Scalar


def design_of(screen: ScreenConfig) -> Design:
    """The runs of a screening study.

    Raises:
        InputError: there are more factors than runs, levels that are equal, or no such design.
    """
    return two_level(
        screen.factors,
        kind=screen.design,
        runs=screen.runs,
        resolution=screen.resolution,
        centre_points=screen.centre_points,
        log=[name for name in screen.log if name in screen.factors],
    )


def steps(config: StudyConfig, draw: Draw) -> Iterator[Step]:
    """One step: all runs at once, with the default of every setting that is no factor.

    Every run has the study's number of initialisations. Runs of the same levels, as of centre points, share out the next ones;
    with the same initialisation they would be the same trial.

    Raises:
        InputError: one combination of levels has more initialisations than a split has seeds.
    """
    desk = Desk(config, draw)
    arm = quantum_arm(config, all_arms(desk))
    entries = []
    runs = design_of(config.screen).runs
    for number, levels in enumerate(runs):
        settings = {**arm.defaults, **{name: _typed(value, arm.defaults[name]) for name, value in levels.items()}}
        for init in _inits(runs, number, config.inits):
            entries += desk.folds(arm, settings, "design", {**levels, "run": number}, init=init)
    yield at_once(entries)


def _inits(runs: Sequence[Mapping[str, Scalar]], number: int, inits: int) -> range:
    """Initialisations of a run: of r runs that are alike, the k-th has k, k + r, k + 2r, ….

    So more inits leave those that were there in their places, and more runs that are alike leave them among those of all.
    """
    alike, before = runs.count(runs[number]), runs[:number].count(runs[number])
    if alike * inits > MOST_INITS:
        raise InputError(
            f"{alike} runs with the same levels and {inits} inits are more than the {MOST_INITS:,} initialisations of a split: "
            f"set fewer screen.centre_points, or fewer inits."
        )
    return range(before, alike * inits, alike)


def _typed(value: Scalar, default: Scalar) -> Scalar:
    """A level as the setting takes it: 3 for a setting of real numbers is 3.0."""
    return float(value) if isinstance(default, float) and isinstance(value, int) and not isinstance(value, bool) else value
