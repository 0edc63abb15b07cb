"""Choosing an arm's settings by validation, every arm with the same number of candidates."""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from dataclasses import replace
from itertools import chain, islice

import optuna

from tfq_llm.studies.arms import Arm, Choice, Range, Space
from tfq_llm.studies.config import SelectionConfig
from tfq_llm.studies.trial import Entry, Scalar, Settings, TrialResult

Folds = Callable[[Settings], list[Entry]]
"""The entries that score settings: one for each validation fold."""

Selected = tuple[Settings, float]
"""Settings, and their mean validation accuracy."""


def select(
    arm: Arm, folds: Folds, selection: SelectionConfig, seed: int
) -> Generator[list[Entry], list[TrialResult | None], Selected | None]:
    """Tries candidates and returns the best by mean validation accuracy; of equals the first, which is nearer to the default.

    Args:
        arm: whose default is the first candidate, and whose space the others come from. Without a space there is one candidate.
        folds: the entries for given settings.
        selection: how many candidates, and how they are drawn. They come in batches of a fixed size, so that they do not depend
            on how many trials run at once.
        seed: of the sampler.

    Returns:
        None if no candidate could be scored.
    """
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    study = optuna.create_study(direction="maximize", sampler=_sampler(selection, seed))
    if arm.space:
        study.enqueue_trial({name: arm.defaults[name] for name in arm.space})
    best: Selected | None = None
    total = num_candidates(arm, selection)
    for start in range(0, total, selection.batch):
        asked = [study.ask() for _ in range(start, min(start + selection.batch, total))]
        settings: list[Settings] = [{**arm.defaults, **_suggested(trial, arm.space)} for trial in asked]
        entries = [[replace(entry, candidate=start + place) for entry in folds(one)] for place, one in enumerate(settings)]
        results = iter((yield list(chain.from_iterable(entries))))
        for trial, one, own in zip(asked, settings, entries, strict=True):
            score = mean_accuracy(list(islice(results, len(own))))
            study.tell(trial, score, state=optuna.trial.TrialState.FAIL if score is None else None)
            if score is not None and (best is None or score > best[1]):
                best = one, score
    return best


def num_candidates(arm: Arm, selection: SelectionConfig) -> int:
    """How many settings are tried for an arm."""
    return selection.candidates if arm.space else 1


def mean_accuracy(results: Sequence[TrialResult | None]) -> float | None:
    """Over folds; None if one of them failed."""
    found = [result.accuracy for result in results if result is not None]
    return sum(found) / len(found) if len(found) == len(results) else None


def _sampler(selection: SelectionConfig, seed: int) -> optuna.samplers.BaseSampler:
    if selection.sampler == "random":
        return optuna.samplers.RandomSampler(seed)
    return optuna.samplers.TPESampler(seed=seed, n_startup_trials=min(5, selection.candidates))


def _suggested(trial: optuna.Trial, space: Space) -> dict[str, Scalar]:
    found: dict[str, Scalar] = {}
    for name, values in space.items():
        if isinstance(values, Choice):
            found[name] = trial.suggest_categorical(name, list(values.values))
        elif isinstance(values, Range) and values.whole:
            found[name] = trial.suggest_int(name, int(values.low), int(values.high), log=values.log)
        else:
            found[name] = trial.suggest_float(name, values.low, values.high, log=values.log)
    return found
