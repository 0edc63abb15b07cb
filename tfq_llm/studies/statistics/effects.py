"""Effects of a two-level screening study, by ordinary least squares (statsmodels)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np
import pandas as pd

from tfq_llm.errors import InputError
from tfq_llm.studies.designs import Design, Term
from tfq_llm.studies.statistics.block_fit import BlockFit, Estimate, first_alike, term_name
from tfq_llm.studies.statistics.correction import holm
from tfq_llm.studies.statistics.intervals import Interval
from tfq_llm.studies.trial import Scalar
from tfq_llm.studies.verdict_rule import VerdictRule


@dataclass(frozen=True)
class Effect:
    """What going from low to high does to the response.

    Attributes:
        term: one factor, or two whose interaction it is: half the difference between the one's effect at the other's high and
            low.
        aliases: main effects and two-factor interactions that the design cannot tell from it; the effect is their sum (or, with a
            "−", difference). All are named by the first term.
        points: the effect.
        interval: of 1 − alpha, without correction.
        p: of the hypothesis that it is 0.
        adjusted_p: after Holm's correction over all effects of the study.
    """

    term: Term
    aliases: tuple[str, ...]
    points: float
    interval: Interval
    p: float
    adjusted_p: float

    @property
    def name(self) -> str:
        """The term to read."""
        return term_name(self.term)


@dataclass(frozen=True)
class MeanAt:
    """The mean response at levels of one or two factors, over all levels of the others and all splits.

    Attributes:
        levels: by factor.
        mean: a share.
        interval: of 1 − alpha, for these splits; shares.
    """

    levels: dict[str, Scalar]
    mean: float
    interval: Interval


@dataclass(frozen=True)
class Effects:
    """What a screening study found.

    Attributes:
        mean: response over all corners, a share.
        effects: main effects in order of factors, then interactions.
        not_estimated: interactions that are mixed with main effects, by name, each with what it is mixed with.
        curvature: how far the centre points are from the plane through the corners; far off, effects are no straight lines. None
            without centre points.
        error_sd: of one run on one split around the model, in points.
        error_degrees: degrees of freedom it is estimated with.
        pure_error_sd: the same between splits of a run, which no model can explain; None with one split.
        pure_error_degrees: 0 with one split.
        lack_of_fit_p: of the hypothesis that the model leaves no more than pure error; None if there is nothing to test it with.
        main_means: for each factor, the mean at low and at high.
        interaction_means: for each estimated interaction, the means at low–low, low–high, high–low and high–high.
        splits: how many.
        missing: runs of the design without any result, by number.
    """

    mean: float
    effects: tuple[Effect, ...]
    not_estimated: tuple[tuple[str, tuple[str, ...]], ...]
    curvature: Estimate | None
    error_sd: float
    error_degrees: int
    pure_error_sd: float | None
    pure_error_degrees: int
    lack_of_fit_p: float | None
    main_means: dict[str, tuple[MeanAt, MeanAt]]
    interaction_means: dict[Term, tuple[MeanAt, MeanAt, MeanAt, MeanAt]]
    splits: int
    missing: tuple[int, ...]


def screening(frame: pd.DataFrame, design: Design, rule: VerdictRule) -> Effects:
    """The effects of a study's design trials on accuracy; see `effects`.

    Args:
        frame: of the study, for one state of the embeddings; rows with role "design" count, and their "factor …" columns.
        design: whose runs they are.
        rule: its alpha counts.

    Raises:
        InputError: no such rows, or levels that are not of the design, and what `effects` raises.
    """
    rows = frame[frame["role"] == "design"]
    if rows.empty:
        raise InputError("there are no trials of a design: run `tfq-llm study screen` first.")
    if rows["state"].nunique() > 1:
        raise InputError("embeddings of different states are screened one state at a time: give the rows of one of them.")
    names = list(design.factors)
    number = {tuple(run.values()): place for place, run in reversed(list(enumerate(design.runs)))}
    found = []
    for row in rows[[f"factor {name}" for name in names]].itertuples(index=False, name=None):
        levels = tuple(None if pd.isna(level) else level for level in row)  # pandas has no other None among numbers
        if levels not in number:
            raise InputError(f"a trial has the levels {dict(zip(names, levels, strict=True))}, which are no run of this design.")
        found.append(number[levels])
    return effects(design, np.array(found), rows["accuracy"].to_numpy(np.float64), rows["split"].to_numpy(), rule)


def effects(
    design: Design, runs: np.ndarray, response: np.ndarray, splits: np.ndarray, rule: VerdictRule, interactions: bool = True
) -> Effects:
    """Estimates all main effects, and every two-factor interaction that no main effect is mixed with.

    The model has a constant, a constant for each split (splits are blocks: some are easier than others), and half of each effect
    times the coded level. Every centre point has a constant of its own, so effects come from the corners alone; what those
    constants are on average is the curvature. Folds and inits of a run on a split are averaged first. Errors are taken to be
    alike in all runs.

    Args:
        design: of the study.
        runs: int [rows], which run of the design each row is.
        response: shares [rows].
        splits: [rows].
        rule: its alpha counts.
        interactions: whether to estimate them.

    Raises:
        InputError: an effect that cannot be estimated for want of runs, or one split only of a design whose effects take all
            runs, so that there is nothing to tell effects from chance.
    """
    table = pd.DataFrame({"run": first_alike(design)[runs], "split": splits, "points": 100 * np.asarray(response, np.float64)})
    cells = table.groupby(["run", "split"], as_index=False).mean()
    fit = BlockFit(design, cells, interactions, rule.alpha)
    found = [fit.effect(term) for term in fit.terms]
    adjusted = holm([effect.p for effect in found])
    pure_sd, pure_degrees, lack_of_fit_p = fit.lack_of_fit()
    return Effects(
        mean=fit.contrast({}).points / 100,
        effects=tuple(
            Effect(term, fit.mixed[term], each.points, each.interval, each.p, float(p or 0.0))
            for term, each, p in zip(fit.terms, found, adjusted, strict=True)
        ),
        not_estimated=fit.not_estimated,
        curvature=fit.curvature(),
        error_sd=fit.sd,
        error_degrees=fit.degrees,
        pure_error_sd=pure_sd,
        pure_error_degrees=pure_degrees,
        lack_of_fit_p=lack_of_fit_p,
        main_means={
            name: (_mean_at(fit, design, (name,), (-1,)), _mean_at(fit, design, (name,), (1,))) for name in design.factors
        },
        interaction_means={term: _four_means(fit, design, term) for term in fit.terms if len(term) == 2},
        splits=int(cells["split"].nunique()),
        missing=tuple(sorted(set(first_alike(design).tolist()) - set(cells["run"]))),
    )


def _mean_at(fit: BlockFit, design: Design, term: Term, signs: Sequence[int]) -> MeanAt:
    """By the model at low (−1) or high (+1) of the term's factors, everything else in the middle."""
    weights: dict[Term | int, float] = {(name,): float(sign) for name, sign in zip(term, signs, strict=True)}
    if len(term) == 2:
        weights[term] = float(signs[0] * signs[1])
    found = fit.contrast(weights)
    levels = {name: design.factors[name][int(sign > 0)] for name, sign in zip(term, signs, strict=True)}
    return MeanAt(levels, found.points / 100, Interval(found.interval.low / 100, found.interval.high / 100))


def _four_means(fit: BlockFit, design: Design, term: Term) -> tuple[MeanAt, MeanAt, MeanAt, MeanAt]:
    low_low, low_high, high_low, high_high = (_mean_at(fit, design, term, signs) for signs in product((-1, 1), repeat=2))
    return low_low, low_high, high_low, high_high
