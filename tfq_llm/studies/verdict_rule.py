"""The rule by which a study decides, written down before its runs."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from tfq_llm.sections import Section

BEST_CLASSICAL = "best classical"
"""The opponent that validation chooses."""


class VerdictRule(Section):
    """When an arm is called better, worse or not different than another, and when there are too few runs to say."""

    test: Literal["permutation", "t", "corrected-t"] = Field(
        "permutation",
        description="of paired differences over splits; corrected-t is Nadeau and Bengio's, for few test rows",
    )
    alpha: float = Field(0.05, gt=0, lt=0.5, description="level of the tests; intervals cover 1 − alpha")
    quantum: str = Field("quantum head", description="the arm that all others are compared with, and whose parts are ablated")
    against: str = Field(
        BEST_CLASSICAL,
        description="the arm that the headline compares with, tested alone; or best classical: by validation accuracy",
    )
    fewest_splits: int = Field(
        6,
        ge=2,
        description="below it there is no verdict; a permutation test needs six for one comparison, and more for a family",
    )
    resolution: float = Field(1.0, gt=0, description="points: 'no difference seen' needs an interval within ± this")
    power: float = Field(
        0.8, gt=0, lt=1, description="chance to see a difference of `resolution`, by which the number of splits is planned"
    )
    resamples: int = Field(10_000, ge=100, description="of bootstrap intervals and permutation tests")
    seed: int = Field(0, ge=0, description="of resampling")
