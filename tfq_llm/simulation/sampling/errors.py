"""Where noise strikes: draws of a program's noise sites, with few trajectories well spent.

The trajectory without any error is the most likely one, so it is simulated once and counts with its probability. All others are
drawn under the condition that there is an error somewhere, and the place of the first error is stratified: T trajectories see it
once in every Tth part of its distribution. The mean is unbiased.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from tfq_llm.simulation.program import Site

_DRAWS_AT_ONCE = 2**24


@dataclass(frozen=True)
class Trajectories:
    """Some trajectories of some samples.

    Attributes:
        sample: the sample of each, [L], ascending.
        weight: its share in the sample's mean, [L].
        clean: whether it is the one without errors, [L].
        draws: the operator that strikes at every site, uint8 [sites, L].
    """

    sample: np.ndarray
    weight: np.ndarray
    clean: np.ndarray
    draws: np.ndarray


class ErrorModel:
    """The distribution of errors over the sites of a program, at least one.

    Sites of quantum jumps always draw 0 here. With them no trajectory is known to be the same twice, so none is set apart.

    Args:
        sites: the program's.
        lanes_at_once: most trajectories in one piece.
    """

    def __init__(self, sites: Sequence[Site], lanes_at_once: int = 8192) -> None:
        probabilities = [np.ones(1) if site.probabilities is None else site.probabilities for site in sites]
        self._ends = np.full([len(sites), max(map(len, probabilities))], 2.0)
        for row, own in zip(self._ends, probabilities, strict=True):
            row[: len(own) - 1] = np.cumsum(own)[:-1]
        none = np.array([own[0] for own in probabilities])
        self._none, self._any = none, 1 - np.prod(none)
        self._hazard = np.cumsum(-np.log(none))
        has_jumps = any(site.probabilities is None for site in sites)
        self.clean_probability = 0.0 if has_jumps else float(np.prod(none))
        self._step = max(1, min(lanes_at_once, _DRAWS_AT_ONCE // len(sites)))

    def __len__(self) -> int:
        return len(self._ends)

    def trajectories(self, samples: int, count: int, rng: np.random.Generator) -> Iterator[Trajectories]:
        """`count` trajectories of every sample, a bounded number at a time."""
        erring = count - 1 if count > 1 and self.clean_probability > 0 else count
        for start, end in self._slices(samples * count):
            lane = np.arange(start, end)
            sample, number = lane // count, lane % count
            clean = number >= erring
            weight = np.where(clean, self.clean_probability, (1 - self.clean_probability * (erring < count)) / max(erring, 1))
            place = (number + rng.random(end - start)) / max(erring, 1)
            draws = self._draws(place, clean, rng, conditional=erring < count)
            yield Trajectories(sample, weight, clean, draws)

    def single(self, samples: np.ndarray, rng: np.random.Generator, *, erring: bool) -> Iterator[Trajectories]:
        """A trajectory for every entry of `samples`, ascending, a bounded number at a time; each with an error if `erring`."""
        for start, end in self._slices(len(samples)):
            place, none = rng.random(end - start), np.zeros(end - start, dtype=bool)
            draws = self._draws(place, none, rng, conditional=erring)
            yield Trajectories(samples[start:end], np.ones(end - start), none, draws)

    def _slices(self, lanes: int) -> Iterator[tuple[int, int]]:
        for start in range(0, lanes, self._step):
            yield start, min(start + self._step, lanes)

    def _draws(self, place: np.ndarray, clean: np.ndarray, rng: np.random.Generator, conditional: bool) -> np.ndarray:
        """Operators [sites, L]; `place` in [0, 1) is the first error's quantile, if conditional among lanes that have one."""
        drawn = np.zeros([len(self._ends), len(place)], np.uint8)
        lanes = np.flatnonzero(~clean)
        # An error strikes where the hazard reaches an exponentially distributed number, the next one as much further on.
        reach = -np.log1p(-place[lanes] * (self._any if conditional else 1.0))
        reach = np.minimum(reach, self._hazard[-1]) if conditional else reach
        while len(lanes):
            site = np.searchsorted(self._hazard, reach)
            lanes, site = lanes[site < len(self._hazard)], site[site < len(self._hazard)]
            none = self._none[site]
            number = none + rng.random(len(site)) * (1 - none)
            drawn[site, lanes] = (number[:, None] >= self._ends[site]).sum(axis=1)
            reach = self._hazard[site] + rng.standard_exponential(len(site))
        return drawn
