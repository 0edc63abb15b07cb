"""A study in its store: what was decided before its runs, and what may still change."""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass

from omegaconf import OmegaConf

from tfq_llm.config import dump_yaml
from tfq_llm.errors import InputError
from tfq_llm.studies.config import StudyConfig, make_study_config
from tfq_llm.studies.desk import Draw
from tfq_llm.studies.plans import Plan, plan
from tfq_llm.studies.prepare import draws
from tfq_llm.studies.replay import Replayed, replay
from tfq_llm.studies.store import Store

CONFIG, DRAWS, COMMANDS = "study.yaml", "draws.json", "commands.txt"
MAY_GROW = ("splits", "inits", "arms", "more_arms", "screen", "qubits", "noise", "shots")
"""Settings that say how much is run. All others decide what a number means; the verdict's rule comes before the numbers."""


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
            known: trial rows of `Store.export_rows`, such as those of another machine: what is in them is not run again.

        Raises:
            InputError: the place cannot be written; the study there was begun with other versions, or with other settings than
                may grow; the rows or the data are bad; or there is no such plan.
        """
        store = Store(url)
        _check_same(store, config)
        store.check_versions()
        if known is not None:
            store.import_rows(known)
        drawn = tuple(draws(config, store))
        planned = plan(config, drawn)
        store.write_text(CONFIG, dump_yaml(config))
        store.write_text(DRAWS, json.dumps([dataclasses.asdict(draw) for draw in drawn], indent=1))
        return cls(store, config, drawn, planned)

    @classmethod
    def opened(cls, url: str) -> Study:
        """A study as it is in its store, to be reported; nothing is computed.

        Raises:
            InputError: there is none.
        """
        store = Store(url)
        settings, drawn = store.text(CONFIG), store.text(DRAWS)
        if settings is None or drawn is None:
            raise InputError(f"there is no study in '{url}': name the directory or URL that 'tfq-llm study' printed.")
        config = make_study_config(OmegaConf.create(settings), f"{url}/{CONFIG}")
        found = tuple(Draw(**draw) for draw in json.loads(drawn))
        return cls(store, config, found, plan(config, found))

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


def _check_same(store: Store, config: StudyConfig) -> None:
    """Refuses what would change the meaning of numbers that are there."""
    text = store.text(CONFIG)
    if text is None:
        return
    before = make_study_config(OmegaConf.create(text), f"{store.url}/{CONFIG}").model_dump(mode="json")
    now = config.model_dump(mode="json")
    changed = [name for name in now if now[name] != before[name] and name not in MAY_GROW]
    if changed:
        raise InputError(
            f"the study in '{store.url}' was begun with other settings of {', '.join(changed)}. Only {', '.join(MAY_GROW)} may "
            f"change after results are there: give the first settings again, or another directory."
        )
