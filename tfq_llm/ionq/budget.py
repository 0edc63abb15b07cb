"""What a fine-tuning may cost, and what its steps do cost: settled before anything is sent."""

from __future__ import annotations

import math
from dataclasses import dataclass

from tfq_llm.checks import one_of, real_number, whole_number
from tfq_llm.errors import InputError
from tfq_llm.ionq.tunable import METHODS

# Spall's decay of the steps, and how many of them pass before it begins to show, as a share of all.
_DECAY, _STABILITY = 0.602, 0.1
# Sums of prices are rounded; what is less than this is no money.
_ROUNDING = 1e-6


@dataclass(frozen=True)
class Settings:
    """How parameters are fine-tuned.

    Attributes:
        max_dollars: everything together may cost this, by the table of prices. 0 for a target that is free.
        max_evaluations: so many may be made at most; None is any number. One is one circuit of one sentence with all its shots.
        method: "spsa", two evaluations for each sentence of a batch whatever the number of parameters, or "parameter-shift", two
            for each rotation that they stand in, and one more, but with less noise.
        parameters: P, the last ones of the circuit.
        steps: at most. The learning rate falls over them, so they are part of what a resumed run must be given again.
        learning_rate: of the first step, in radians for a slope of 1; it falls as (steps / 10 + step) to the power of −0.602.
        perturbation: of "spsa" in the first step, in radians.
        batch_size: sentences of a step, drawn anew for each; all of them if there are fewer.
        held_out: sentences of which the best weights are chosen, the same in every step; only if none are given for it.
        seed: of sentences and directions.

    Raises:
        InputError: a value is out of its range.

    Source of the learning rate: Spall, see `tfq_llm.ionq.tunable.Spsa`.
    """

    max_dollars: float
    max_evaluations: int | None = None
    method: str = "spsa"
    parameters: int = 4
    steps: int = 20
    learning_rate: float = 1.0
    perturbation: float = 0.3
    batch_size: int = 16
    held_out: int = 16
    seed: int = 0

    def __post_init__(self) -> None:
        one_of("method", self.method, METHODS)
        for name in ("parameters", "steps", "batch_size", "held_out"):
            whole_number(name, getattr(self, name), 1)
        whole_number("seed", self.seed, 0)
        if self.max_evaluations is not None:
            whole_number("max_evaluations", self.max_evaluations, 1)
        for name in ("learning_rate", "perturbation"):
            if not 0 < real_number(name, getattr(self, name)) < math.inf:
                raise InputError(f"{name} must be a finite number greater than 0, not {getattr(self, name)!r}.")
        if not 0 <= real_number("max_dollars", self.max_dollars) < math.inf:
            raise InputError(f"max_dollars must be a finite number and not negative, not {self.max_dollars!r}.")

    def rate(self, step: int) -> float:
        """The learning rate of a step."""
        offset = _STABILITY * self.steps + 1
        return self.learning_rate * (offset / (offset + step)) ** _DECAY


@dataclass(frozen=True)
class Costs:
    """Of a fine-tuning, at full price: what results are there already does not change where it stops.

    Attributes:
        each: dollars of one evaluation.
        check: evaluations that measure the held-out sentences.
        gradient: evaluations that a gradient takes.
    """

    each: float
    check: int
    gradient: int

    @property
    def step(self) -> int:
        """Evaluations of a step."""
        return self.check + self.gradient

    def lacking(self, settings: Settings, made: int, lost: float) -> str | None:
        """What there is not enough of for a step and the last check: "dollars", "evaluations" or None."""
        needed = made + self.step + self.check
        if settings.max_evaluations is not None and needed > settings.max_evaluations:
            return "evaluations"
        return "dollars" if needed * self.each + lost > settings.max_dollars + _ROUNDING else None

    def steps(self, settings: Settings) -> int:
        """How many of the steps the budget is enough for."""
        return next((step for step in range(settings.steps) if self.lacking(settings, step * self.step, 0.0)), settings.steps)

    def total(self, settings: Settings) -> int:
        """Evaluations until it stops."""
        return self.steps(settings) * self.step + self.check
