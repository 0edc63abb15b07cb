"""The least-squares fit of a two-level design whose runs are repeated over splits (statsmodels)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.stats import f as f_distribution
from scipy.stats import t as t_distribution
from statsmodels.regression.linear_model import OLS

from tfq_llm.errors import InputError
from tfq_llm.studies.designs import Design, Term
from tfq_llm.studies.statistics.intervals import Interval

# Points; what is smaller is rounding.
_ROUNDING = 1e-9


@dataclass(frozen=True)
class Estimate:
    """A number of points with its interval of 1 − alpha, and p of the hypothesis that it is 0."""

    points: float
    interval: Interval
    p: float


def term_name(term: Term) -> str:
    """ "a" or "a × b"."""
    return " × ".join(term)


def first_alike(design: Design) -> np.ndarray:
    """For each run the first with the same levels: centre points that are alike are one run."""
    return np.array([design.runs.index(run) for run in design.runs])


class BlockFit:
    """The least-squares fit of a model to mean points by run and split."""

    def __init__(self, design: Design, cells: pd.DataFrame, interactions: bool, alpha: float) -> None:
        """Fits `cells`, one row for each run and split: columns run, split and points."""
        self._cells, self._alpha = cells, alpha
        self.mixed, self.not_estimated = _estimated(design, interactions)
        self.terms = list(self.mixed)
        run = cells["run"].to_numpy()
        centres = sorted({int(one) for one in run if design.is_centre[one]})
        columns = [np.ones(len(run)), *_blocks(cells["split"].to_numpy()).T]
        self._places: dict[Term | int, int] = {}
        for term in self.terms:
            self._places[term] = len(columns)
            columns.append(design.column(term, design.coded[run]))
        for centre in centres:
            self._places[centre] = len(columns)
            columns.append((run == centre).astype(np.float64))
        self._matrix = np.column_stack(columns)
        self._centres = centres
        if np.linalg.matrix_rank(self._matrix) < self._matrix.shape[1]:
            raise InputError(
                f"{len(set(run))} of {len(set(first_alike(design)))} runs have results, too few for {len(self.terms)} effects: "
                "let the study finish, or see why trials failed."
            )
        self.degrees = len(run) - self._matrix.shape[1]
        if self.degrees < 1:
            raise InputError(
                f"{len(self.terms)} effects take all {len(run)} results, and nothing is left to tell them from chance: run the "
                "design on at least 2 splits."
            )
        self._result = OLS(cells["points"].to_numpy(), self._matrix).fit()
        self.sd = float(np.sqrt(self._result.ssr / self.degrees))

    def contrast(self, weights: dict[Term | int, float], constant: float = 1.0) -> Estimate:
        """A weighted sum of coefficients with its interval and p value."""
        vector = np.zeros(self._matrix.shape[1])
        vector[0] = constant
        for key, weight in weights.items():
            vector[self._places[key]] = weight
        points = float(vector @ self._result.params)
        spread = float(np.sqrt(vector @ self._result.normalized_cov_params @ vector)) * self.sd
        reach = float(t_distribution.ppf(1 - self._alpha / 2, self.degrees)) * spread
        if spread < _ROUNDING:
            p = float(abs(points) < _ROUNDING)
        else:
            p = float(2 * t_distribution.sf(abs(points) / spread, self.degrees))
        return Estimate(points, Interval(points - reach, points + reach), p)

    def effect(self, term: Term) -> Estimate:
        """From low to high: twice the coefficient of the coded level."""
        return self.contrast({term: 2.0}, 0.0)

    def curvature(self) -> Estimate | None:
        """The mean of the centre points' own constants."""
        return self.contrast({centre: 1 / len(self._centres) for centre in self._centres}, 0.0) if self._centres else None

    def lack_of_fit(self) -> tuple[float | None, int, float | None]:
        """Pure error of a run on a split, its degrees of freedom, and p of the F test of what the model leaves beyond it."""
        runs = pd.get_dummies(self._cells["run"]).to_numpy(np.float64)
        full = np.column_stack([runs, _blocks(self._cells["split"].to_numpy())])
        degrees = int(len(full) - np.linalg.matrix_rank(full))
        if degrees < 1:
            return None, 0, None
        rest = float(OLS(self._cells["points"].to_numpy(), full).fit().ssr)
        sd = float(np.sqrt(rest / degrees))
        between = self.degrees - degrees
        if between < 1 or sd < _ROUNDING:
            return sd, degrees, None
        ratio = (self._result.ssr - rest) / between / (rest / degrees)
        return sd, degrees, float(f_distribution.sf(ratio, between, degrees))


def _blocks(splits: np.ndarray) -> np.ndarray:
    """Columns [rows, splits − 1] of split constants that add up to 0, so that the model's constant is the mean over splits."""
    dummies = pd.get_dummies(splits).to_numpy(np.float64)
    return dummies[:, 1:] - dummies[:, :1]


def _estimated(design: Design, interactions: bool) -> tuple[dict[Term, tuple[str, ...]], tuple[tuple[str, tuple[str, ...]], ...]]:
    """The terms of the model with the names of what each stands for besides, and the interactions that are left out."""
    with_: dict[Term, list[tuple[Term, float]]] = {term: [] for term in design.terms()}
    for alias in design.aliases():
        with_[alias.term].append((alias.other, alias.share))
        with_[alias.other].append((alias.term, alias.share))
    mixed: dict[Term, tuple[str, ...]] = {}
    left_out = []
    for term, others in with_.items():
        mains = tuple(term_name(other) for other, _ in others if len(other) == 1)
        if len(term) == 1:
            mixed[term] = tuple(_signed(other, share) for other, share in others)
        elif mains:
            left_out.append((term_name(term), mains))
        elif interactions and not any(other in mixed for other, _ in others):
            mixed[term] = tuple(_signed(other, share) for other, share in others)
    return mixed, tuple(left_out)


def _signed(term: Term, share: float) -> str:
    size = "" if abs(share) > 1 - 1e-9 else f"{abs(share):.2f} · "
    return f"{'−' if share < 0 else ''}{size}{term_name(term)}"
