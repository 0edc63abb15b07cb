"""What an arm of a study is, and what comes of fitting one."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np

from tfq_llm.errors import InputError
from tfq_llm.studies.arms.space import Space
from tfq_llm.studies.trial import Family, Rows, Scalar, Settings


@dataclass(frozen=True)
class Arm:
    """A named way to make a head.

    Attributes:
        name: of the arm.
        method: a key of `METHODS`.
        family: "quantum", "classical" or "ablation".
        defaults: settings of the method, all of them.
        space: the settings that are searched; every default lies in it.
        ablates: the arm of which this is an ablation.
        changes: the settings in which it differs from that arm, so that `chosen | changes` are its settings where those of the
            other arm were chosen.
        derived: changes that depend on the other arm's settings, from these; `changes` are then those of its defaults.
    """

    name: str
    method: str
    family: Family
    defaults: Settings
    space: Space
    ablates: str | None = None
    changes: Settings = field(default_factory=dict)
    derived: Callable[[Settings], Settings] | None = None

    def settings(self, chosen: Mapping[str, Scalar]) -> dict[str, Scalar]:
        """The complete settings where some, such as those of a candidate, were chosen."""
        return {**self.defaults, **chosen, **(self.derived(chosen) if self.derived else self.changes)}


class FittedHead(Protocol):
    """A trained head.

    Attributes:
        parameters: numbers that were trained on labels; what was drawn at random or, as principal components, computed from
            embeddings alone is not among them.
        epochs: trained; None for a method without epochs.
    """

    @property
    def parameters(self) -> int: ...

    @property
    def epochs(self) -> int | None: ...

    def predict(self, embeddings: np.ndarray) -> np.ndarray:
        """Class indices, int64 [rows], of embeddings [rows, dim]."""

    def probabilities(self, embeddings: np.ndarray) -> np.ndarray | None:
        """Of each class, float64 [rows, classes], each row summing to 1; None for a method without probabilities."""

    def weights(self) -> list[np.ndarray] | None:
        """What `restored` rebuilds the head from; None for methods it does not know."""


def checked_rows(part: str, rows: Rows, num_classes: int) -> Rows:
    """Rows as float32 and int64.

    Args:
        part: what to call them in messages.
        rows: embeddings and labels.
        num_classes: labels must be below it.

    Raises:
        InputError: the arrays do not fit together, there are no rows, or a value is not finite.
    """
    embeddings, labels = np.asarray(rows[0]), np.asarray(rows[1])
    if embeddings.ndim != 2 or labels.shape != embeddings.shape[:1] or 0 in embeddings.shape:
        raise InputError(
            f"the {part} rows must be embeddings [rows, dim] and as many labels [rows], not {list(embeddings.shape)} and "
            f"{list(labels.shape)}."
        )
    if embeddings.dtype.kind != "f" or not np.isfinite(embeddings).all():
        raise InputError(f"the {part} embeddings must be finite floating-point numbers.")
    if labels.dtype.kind not in "iu" or labels.min() < 0 or labels.max() >= num_classes:
        raise InputError(f"the {part} labels must be whole numbers from 0 to {num_classes - 1}.")
    return embeddings.astype(np.float32), labels.astype(np.int64)
