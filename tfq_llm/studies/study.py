"""A study in its store: what was decided before its runs, and what may still change."""

from __future__ import annotations

import dataclasses
import json
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from omegaconf import OmegaConf

from tfq_llm.errors import InputError
from tfq_llm.studies import growth, rows
from tfq_llm.studies.config import StudyConfig, make_study_config
from tfq_llm.studies.desk import Desk, Draw
from tfq_llm.studies.growth import MAY_GROW, Growth
from tfq_llm.studies.plans import Plan, plan
from tfq_llm.studies.plans.step import all_arms, chosen_arms
from tfq_llm.studies.prepare import draws
from tfq_llm.studies.replay import Replayed, replay
from tfq_llm.studies.store import Store
from tfq_llm.studies.versions import versions_of_study
from tfq_llm.yaml_settings import dump_yaml

logger = logging.getLogger(__name__)

CONFIG, DRAWS, COMMANDS = "study.yaml", "draws.json", "commands.txt"


@dataclass(frozen=True)
class Study:
    """A study that has begun.

    Attributes:
        store: its files.
        config: all settings.
        draws: the rows of every split and state.
        plan: what it runs.
    """

    store: Store
    config: StudyConfig
    draws: tuple[Draw, ...]
    plan: Plan

    @classmethod
    def begun(cls, config: StudyConfig, url: str, known: str | None = None) -> Study:
        """Begins a study or goes on with it: its embeddings are made, its plan is checked.

        Args:
            config: all settings.
            url: a directory, or what fsspec knows.
            known: trial rows of `Store.export_rows`, such as those of another machine: what is in them is not run again. A log
                line says how many fit.

        Raises:
            InputError: the place cannot be written; the study there was begun with other versions, other data, or other settings
                than may grow; it has results that would be left out; the rows or the data are bad; or there is no such plan.
        """
        store = Store(url)
        before = _config_of(store)
        if before is not None:
            _check_same(store, before, config)
        store.check_versions(versions_of_study())
        opened = cls._opened(store)
        remember_growth = None if opened is None else _grown(opened, config)
        new = None if known is None else store.import_rows(known)
        drawn = tuple(draws(config, store, () if opened is None else opened.draws))
        planned = plan(config, drawn)
        if opened is None and new:
            remember_growth = _begun_with(store, drawn)
        if remember_growth is not None:
            remember_growth()
        store.write_text(CONFIG, dump_yaml(config))
        store.write_text(DRAWS, json.dumps([dataclasses.asdict(draw) for draw in drawn], indent=1))
        study = cls(store, config, drawn, planned)
        if known is not None and new is not None:
            study._tell_known(rows.names(known), new)
        return study

    @classmethod
    def opened(cls, url: str) -> Study:
        """A study as it is in its store, to be reported; nothing is computed.

        Raises:
            InputError: there is none.
        """
        found = cls._opened(Store(url))
        if found is None:
            raise InputError(f"there is no study in '{url}': name the directory or URL that 'tfq-llm study' printed.")
        return found

    @classmethod
    def _opened(cls, store: Store) -> Study | None:
        config, drawn = _config_of(store), store.text(DRAWS)
        if config is None or drawn is None:
            return None
        found = tuple(Draw(**draw) for draw in json.loads(drawn))
        return cls(store, config, found, plan(config, found))

    def _tell_known(self, names: set[str], new: int) -> None:
        """Says what known rows are worth here: a search may come to more of them when its other results are there."""
        fitting = sum(name in names for name in {entry.trial.name for entry, _ in self.replayed().found})
        if fitting:
            logger.info("Known trials: %d of %d fit this study as it stands; %d were new to it.", fitting, len(names), new)
        else:
            ours = {draw.data for draw in self.draws}
            strange = all(result.trial.data not in ours for name, result in self.store.results().items() if name in names)
            why = "they are of other embeddings or data" if strange else "they are of other splits or settings"
            logger.warning("Known trials: none of %d fits this study, for %s: everything is run.", len(names), why)

    def remember(self, command: str) -> None:
        """Keeps a command that ran the study, unless it was given before."""
        known = self.commands()
        if command not in known:
            self.store.write_text(COMMANDS, "\n".join([*known, command]) + "\n")

    def commands(self) -> list[str]:
        """What was asked to run it, the first first."""
        return (self.store.text(COMMANDS) or "").splitlines()

    def replayed(self) -> Replayed:
        """What there is of its results."""
        return replay(self.plan, self.store)

    @property
    def growths(self) -> tuple[Growth, ...]:
        """How it was made larger since it was begun."""
        return growth.growths(self.store)


def _begun_with(store: Store, drawn: Sequence[Draw]) -> Callable[[], None] | None:
    """What remembers that results of these data were known before anything was decided."""
    ours = {draw.data for draw in drawn}
    known = [result.trial for result in store.results().values() if result.trial.data in ours]
    decided = ["the whole configuration, with its arms and its rule"]
    of_test_rows = sum(trial.scored_on == "test" for trial in known)
    return partial(growth.remember, store, decided, len(known), of_test_rows) if known else None


def _config_of(store: Store) -> StudyConfig | None:
    """All settings of the study that is there, if one is."""
    text = store.text(CONFIG)
    return None if text is None else make_study_config(OmegaConf.create(text), f"{store.url}/{CONFIG}")


def _check_same(store: Store, before: StudyConfig, config: StudyConfig) -> None:
    """Refuses what would change the meaning of numbers; data are compared by what is in them, when they are read."""
    was, now = ({**one.model_dump(mode="json"), "data": _columns_and_rows(one)} for one in (before, config))
    changed = [name for name in now if now[name] != was[name] and name not in MAY_GROW]
    if changed:
        raise InputError(
            f"the study in '{store.url}' was begun with other settings of {', '.join(changed)}. Only {', '.join(MAY_GROW)} may "
            f"change, by growing, after a study was begun: give the first settings again, or another directory."
        )


def _columns_and_rows(config: StudyConfig) -> dict[str, Any]:
    """All settings of the data but where they are."""
    return config.data.model_dump(mode="json", exclude={"name", "embeddings", "test"})


def _grown(before: Study, config: StudyConfig) -> Callable[[], None] | None:
    """Refuses to leave out or change what has results; returns what remembers a growth, for when everything else is checked."""

    def arms(of: StudyConfig) -> list[str]:
        desk = Desk(of, before.draws[0])
        return [arm.name for arm in chosen_arms(of, all_arms(desk))] if of.kind in ("compare", "tune") else []

    change = growth.change(before.config, config, arms)
    if not change.grown and not change.taken:
        return None
    replayed = before.replayed()
    results, test_scores = len(replayed.found), len(replayed.finals())
    if change.taken and results:
        raise InputError(
            f"the study in '{before.store.url}' has {results:,} results and may only grow now, but this takes away or changes "
            f"what they are of: {'; '.join(change.taken)}. Results that could be left out after they were seen would prove "
            f"nothing: give the first settings again ({before.store.url}/{CONFIG} has them) and add to them, or begin a new "
            f"study in another directory."
        )
    return partial(growth.remember, before.store, change.grown, results, test_scores) if change.grown else None
