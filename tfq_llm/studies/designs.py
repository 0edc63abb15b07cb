"""Two-level designs: which runs tell the effects of several factors apart, and which effects they cannot tell apart."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import combinations
from typing import Literal, TypeAlias

import numpy as np
from pyDOE3 import ff2n, fracfact, pbdesign

from tfq_llm.checks import is_real, one_of, whole_number
from tfq_llm.errors import InputError, did_you_mean
from tfq_llm.studies.factor_levels import centre, position, two_levels
from tfq_llm.studies.generators import alphabet, best_generators, defining_words
from tfq_llm.studies.trial import Scalar

Kind: TypeAlias = Literal["fractional-factorial", "plackett-burman", "full-factorial"]
KINDS = ("fractional-factorial", "plackett-burman", "full-factorial")

Term: TypeAlias = "tuple[str, ...]"
"""A main effect ("a",) or an interaction ("a", "b")."""

# More is a mistake rather than a screening study.
_MOST_RUNS = 1024


@dataclass(frozen=True)
class Alias:
    """Two terms whose effects the design mixes.

    Attributes:
        term: a main effect or a two-factor interaction.
        other: another.
        share: of the other's effect that is added to the term's: ±1 if they cannot be told apart at all, ±1/3 and the like in a
            Plackett–Burman design.
    """

    term: Term
    other: Term
    share: float


@dataclass(frozen=True, eq=False)
class Design:
    """Runs over factors of two levels.

    Attributes:
        kind: of design.
        factors: low and high level of each factor.
        log: factors whose centre is the geometric mean.
        coded: float [runs, factors], −1 low, +1 high; centre points come last, at where their levels are between −1 and +1.
        runs: the levels of each run, by factor.
        is_centre: bool [runs].
        generators: factors that are set by products of others, as a product: {"d": ("a", "b", "c")}.
        defining_relation: products of factors that never change, shortest first; empty for a full design and for one that has
            none.
        resolution: the length of the shortest of them; None for a full design.
        notes: what to know of the centre points.
    """

    kind: Kind
    factors: Mapping[str, tuple[Scalar, Scalar]]
    log: tuple[str, ...]
    coded: np.ndarray
    runs: tuple[dict[str, Scalar], ...]
    is_centre: np.ndarray
    generators: Mapping[str, Term] = field(default_factory=dict)
    defining_relation: tuple[Term, ...] = ()
    resolution: int | None = None
    notes: tuple[str, ...] = ()

    @property
    def corners(self) -> np.ndarray:
        """`coded` without centre points."""
        return self.coded[~self.is_centre]

    def terms(self) -> list[Term]:
        """All main effects, then all two-factor interactions."""
        return [*((name,) for name in self.factors), *combinations(self.factors, 2)]

    def column(self, term: Term, coded: np.ndarray | None = None) -> np.ndarray:
        """The product of a term's factors [runs], of `coded` or of the corners."""
        names = list(self.factors)
        return np.prod((self.corners if coded is None else coded)[:, [names.index(name) for name in term]], axis=1)

    def aliases(self) -> tuple[Alias, ...]:
        """Every pair of main effects and two-factor interactions that are mixed, in order of terms; each pair once."""
        terms = self.terms()
        columns = np.array([self.column(term) for term in terms])
        shares = columns @ columns.T / columns.shape[1]
        pairs = combinations(range(len(terms)), 2)
        return tuple(Alias(terms[i], terms[j], float(shares[i, j])) for i, j in pairs if abs(shares[i, j]) > 1e-9)


def two_level(
    factors: Mapping[str, Sequence[Scalar]],
    kind: str = "fractional-factorial",
    runs: int | None = None,
    resolution: int | None = None,
    centre_points: int = 0,
    log: Iterable[str] = (),
) -> Design:
    """Plans the runs of a screening study.

    - "fractional-factorial": 2^(k−p) runs. Of all fractions of a size, one that mixes as few short products as can be found. If
      `runs` is not given, it is the smallest that has the resolution; if no fraction has it, it is the full design.
    - "plackett-burman": a multiple of 4 runs, for main effects only; interactions are spread over them.
    - "full-factorial": all 2^k combinations.

    Centre points show whether the response is curved between the levels. A numeric factor stands at its mean there, one in `log`
    at the geometric mean; if both levels are whole numbers the mean is rounded. A factor without a mean (texts, true or false)
    stands at its low level in the first centre point, at its high level in the next, and so on. Centre points with the same
    levels are the same run: they tell more only if they are run with other seeds.

    Args:
        factors: low and high level of each, at least two factors.
        kind: of design.
        runs: without centre points; None: as few as will do.
        resolution: 3: main effects are mixed with interactions; 4: interactions with each other; 5: neither. None is 4, unless
            `runs` is given: then it is as high as can be found.
        centre_points: how many are added.
        log: names of factors.

    Raises:
        InputError: fewer than two factors, equal levels, more factors than the runs allow, an unknown kind, a number of runs or a
            resolution that there is no such design for, or centre points without any numeric factor.
    """
    kind = one_of("kind", kind, KINDS)
    log = tuple(log)
    levels = {name: two_levels(name, pair, name in log) for name, pair in factors.items()}
    if len(levels) < 2:
        raise InputError(f"a design needs at least 2 factors, got {len(levels)}: name more settings and their levels.")
    for name in log:
        if name not in levels:
            raise InputError(f"log names '{name}', which is no factor.{did_you_mean(name, levels)}")
    runs = None if runs is None else whole_number("runs", runs, 2)
    if runs is not None and runs <= len(levels):
        raise InputError(
            f"{len(levels)} factors need at least {len(levels) + 1} runs, got {runs}: add runs or leave out factors."
        )
    resolution = None if resolution is None else whole_number("resolution", resolution, 3)
    centre_points = whole_number("centre_points", centre_points, 0)
    make = {"fractional-factorial": _fractional, "plackett-burman": _plackett_burman, "full-factorial": _full}[kind]
    corners, words = make(len(levels), runs, resolution)
    return _design(kind, levels, log, corners, words, centre_points)  # type: ignore[arg-type]


_Corners: TypeAlias = "tuple[np.ndarray, tuple[int, ...] | None]"
"""Coded corners, and the generators of a regular fraction as bits of base factors; None if it is none."""


def _full(count: int, runs: int | None, resolution: int | None) -> _Corners:
    if runs not in (None, 2**count):
        raise InputError(
            f"a full design of {count} factors has {2**count:,} runs, not {runs:,}: leave runs out, or take a fraction."
        )
    if 2**count > _MOST_RUNS:
        raise InputError(f"a full design of {count} factors has {2**count:,} runs: take a fraction, kind 'fractional-factorial'.")
    return ff2n(count), ()


def _plackett_burman(count: int, runs: int | None, resolution: int | None) -> _Corners:
    if resolution not in (None, 3):
        raise InputError(
            f"a Plackett–Burman design has resolution 3, not {resolution}: leave it out, or take a fractional factorial."
        )
    # The sizes that pyDOE3 makes.
    sizes = sorted(first * 2**power for first in (4, 12, 20) for power in range(9) if first * 2**power <= _MOST_RUNS)
    size = runs if runs is not None else next((size for size in sizes if size > count), 0)
    if size not in sizes:
        listed = ", ".join(str(size) for size in sizes if size > count)
        raise InputError(
            f"there is no Plackett–Burman design of {size} runs here; for {count} factors take one of {listed or 'none'}."
        )
    return pbdesign(size - 1)[:, :count], None


def _fractional(count: int, runs: int | None, resolution: int | None) -> _Corners:
    if runs is not None:
        base = runs.bit_length() - 1
        if runs != 2**base or base > count:
            raise InputError(
                f"a fraction of a design of {count} factors has a power of 2 of runs, up to {2**count:,}, not {runs:,}."
            )
        found = best_generators(count, base, resolution or 3)
        if found is None:
            raise InputError(f"no design of {count} factors in {runs} runs has resolution {resolution or 3}: give more runs.")
    else:
        smallest = count.bit_length()  # more runs than factors
        tried = (best_generators(count, base, resolution or 4) for base in range(smallest, count + 1))
        found = next(generators for generators in tried if generators is not None)
    base = count - len(found)
    if 2**base > _MOST_RUNS:
        raise InputError(
            f"{count} factors at resolution {resolution or 4} take {2**base:,} runs: leave out factors or ask for less."
        )
    return fracfact(" ".join([*alphabet(base), *("".join(alphabet(base, bits)) for bits in found)])), found


def _design(
    kind: Kind,
    levels: Mapping[str, tuple[Scalar, Scalar]],
    log: tuple[str, ...],
    corners: np.ndarray,
    generators: tuple[int, ...] | None,
    centre_points: int,
) -> Design:
    names = list(levels)
    if centre_points and not any(is_real(low) for low, _ in levels.values()):
        raise InputError(
            "centre points need a factor of numbers, and all factors are names or true or false: set centre_points to 0."
        )
    centres = [{name: centre(pair, name in log, number) for name, pair in levels.items()} for number in range(centre_points)]
    coded = [[position(point[name], levels[name], name in log) for name in names] for point in centres]
    base = len(names) - len(generators or ())
    words = defining_words(base, generators or ())
    notes = [
        f"the centre of '{name}' is its level {centres[0][name]!r}: there is no whole number between its levels"
        for name in names
        if centres and is_real(levels[name][0]) and centres[0][name] in levels[name]
    ]
    return Design(
        kind=kind,
        factors=levels,
        log=log,
        coded=np.vstack([corners, np.array(coded).reshape(centre_points, len(names))]),
        runs=tuple({name: levels[name][int(sign > 0)] for name, sign in zip(names, row, strict=True)} for row in corners)
        + tuple(centres),
        is_centre=np.arange(len(corners) + centre_points) >= len(corners),
        generators={names[base + place]: _named(bits, names) for place, bits in enumerate(generators or ())},
        defining_relation=tuple(_named(word, names) for word in words),
        resolution=3 if generators is None else min(map(int.bit_count, words)) if words else None,
        notes=tuple(notes),
    )


def _named(bits: int, names: Sequence[str]) -> Term:
    return tuple(name for place, name in enumerate(names) if bits >> place & 1)
