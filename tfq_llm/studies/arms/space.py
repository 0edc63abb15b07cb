"""What may be searched: ranges and choices of settings."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeAlias

from pydantic import model_validator

from tfq_llm.sections import Section
from tfq_llm.studies.trial import Scalar


class Range(Section):
    """Numbers from `low` to `high`, both included.

    Attributes:
        low: the least.
        high: the greatest.
        log: whether to draw evenly in the logarithm.
        whole: whole numbers only.
    """

    low: float
    high: float
    log: bool = False
    whole: bool = False

    @model_validator(mode="after")
    def _is_a_range(self) -> Range:
        if not self.low < self.high or (self.log and self.low <= 0):
            least = "above 0 and " if self.log else ""
            raise ValueError(f"a range goes from a low number {least}below the high one, not from {self.low} to {self.high}")
        if self.whole and (self.low != int(self.low) or self.high != int(self.high)):
            raise ValueError(f"a range of whole numbers goes from one to another, not from {self.low} to {self.high}")
        return self


class Choice(Section):
    """One of some values.

    Attributes:
        values: at least one, no two alike.
    """

    values: tuple[Scalar, ...]

    @model_validator(mode="after")
    def _is_a_choice(self) -> Choice:
        if not self.values or any(value in self.values[:place] for place, value in enumerate(self.values)):
            raise ValueError(f"a choice is between different values, at least one; {self.values} was given")
        return self


Space: TypeAlias = Mapping[str, "Range | Choice"]
"""Settings that are searched, by name; all others keep their default."""
