"""Where a study's arms meet, and the entries it makes there: one split of one state of the embeddings, the same rows for all."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from tfq_llm.studies.arms import Arm
from tfq_llm.studies.config import MOST_INITS, StudyConfig
from tfq_llm.studies.trial import Entry, Role, Settings, Trial


@dataclass(frozen=True)
class Draw:
    """One split of one state of the embeddings.

    Attributes:
        state: "frozen", "tuned" or "given".
        data: digest of the embeddings.
        split: its seed.
        has_seen: the sentence encoder was tuned on the training rows, so only the validation rows can judge settings.
        dim: of the embeddings.
        num_classes: of the data.
        train_rows: of the split.
        validation_rows: of the split.
        texts: digest of the texts that were embedded; None of given embeddings, and of studies that did not keep it.
    """

    state: str
    data: str
    split: int
    has_seen: bool
    dim: int
    num_classes: int
    train_rows: int
    validation_rows: int
    texts: str | None = None


@dataclass(frozen=True)
class Desk:
    """Makes the entries of a study on a draw of rows.

    Attributes:
        config: of the study.
        draw: which rows.
        input_dim: principal components in place of the embeddings.
    """

    config: StudyConfig
    draw: Draw
    input_dim: int | None = None

    @property
    def fold_numbers(self) -> list[int | None]:
        """The folds that judge settings; [None]: the split's own validation rows do."""
        folds = self.config.selection.folds
        return [None] if self.draw.has_seen or folds == 1 else list(range(folds))

    @property
    def fewest_rows(self) -> int:
        """That anything is fitted on, in a fold or in the split."""
        of = len(self.fold_numbers)
        drawn = self.draw.train_rows + self.draw.validation_rows
        return self.draw.train_rows if of == 1 else min(self.draw.train_rows, drawn * (of - 1) // of)

    def folds(
        self, arm: Arm, settings: Settings, role: Role = "candidate", factors: Settings | None = None, init: int = 0
    ) -> list[Entry]:
        """What scores settings of an arm on validation rows: one entry for each fold. `init` counts within a split."""
        numbers = self.fold_numbers
        of = len(numbers)
        values = {"init": init, "scored_on": "validation", "folds": of}
        return [self._entry(arm, settings, role, factors, fold=number, **values) for number in numbers]

    def final(
        self, arm: Arm, settings: Settings, factors: Settings | None = None, conditions: Settings | None = None
    ) -> list[Entry]:
        """What scores a finished arm on the test rows, one entry for each initialisation."""
        return [
            self._entry(arm, settings, "final", factors, init=init, scored_on="test", conditions=dict(conditions or {}))
            for init in range(self.config.inits)
        ]

    def _entry(self, arm: Arm, settings: Settings, role: Role, factors: Settings | None, **values: Any) -> Entry:
        data, draw = self.config.data, self.draw
        # Of one seed for all splits the intervals would not know: every split has initial weights and random features of its own.
        values["init"] += draw.split * MOST_INITS
        trial = Trial(
            data=draw.data,
            per_class=data.per_class,
            validation_fraction=data.validation_fraction,
            test_rows=data.test_rows if role == "final" else None,
            input_dim=self.input_dim,
            split=draw.split,
            method=arm.method,
            settings=dict(settings),
            **values,
        )
        return Entry(trial, arm.name, arm.family, role, factors=dict(factors or {}), state=draw.state)
