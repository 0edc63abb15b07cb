"""Which products of base factors set the other factors of a two-level fraction, so that it mixes as little as possible."""

from __future__ import annotations

import string
from collections.abc import Sequence

import numpy as np

# Sets of generators that are kept at each step of the search.
_KEPT = 50


def best_generators(count: int, base: int, resolution: int) -> tuple[int, ...] | None:
    """Generators for the factors beyond the base ones; None if no set with the resolution is found.

    pyDOE3's `fracfact_by_res` looks at each generator alone and not at their products: its 7 factors "of resolution 5" in 32 runs
    have resolution 4. `fracfact_opt` tries every set, which takes minutes for ten factors in 32 runs. Here sets grow by one
    generator at a time. A set is better that has fewer words of length 3, of equals fewer of length 4, and so on (the aberration
    of A. Fries and W. G. Hunter, Technometrics 22, 1980). Of sets with the same numbers of words one is kept, for most of them
    differ only in the names of factors, and a set that looks worse at first may grow into the best.

    Args:
        count: factors in all.
        base: factors that are varied freely; there are 2^base runs.
        resolution: the least length of a word.

    Returns:
        Bits of base factors, one number for each further factor; () for a full design.
    """
    possible = [bits for bits in range(2**base) if bits.bit_count() >= resolution - 1]
    kept: list[tuple[int, ...]] = [()]
    for _ in range(count - base):
        grown = {tuple(sorted((*generators, bits))) for generators in kept for bits in possible if bits not in generators}
        # The first in order of those with the same lengths: dict keeps the last.
        of_lengths = {_word_lengths(base, generators): generators for generators in sorted(grown, reverse=True)}
        kept = [of_lengths[lengths] for lengths in sorted(of_lengths) if not any(lengths[:resolution])][:_KEPT]
    return kept[0] if kept else None


def defining_words(base: int, generators: Sequence[int]) -> list[int]:
    """The products of factors that are the same in every run, as bits of factors: shortest first."""
    return sorted((int(word) for word in _words(base, generators)[1:]), key=lambda word: (word.bit_count(), word))


def alphabet(base: int, bits: int = -1) -> list[str]:
    """pyDOE3's letters of base factors: all, or those of the bits."""
    return [letter for place, letter in enumerate(string.ascii_lowercase[:base]) if bits >> place & 1]


def _words(base: int, generators: Sequence[int]) -> np.ndarray:
    """All products of words "generator times its factor", as bits; the first is the empty product."""
    words = np.zeros(1, np.int64)
    for place, bits in enumerate(generators):
        words = np.concatenate([words, words ^ (bits | 1 << (base + place))])
    return words


def _word_lengths(base: int, generators: Sequence[int]) -> tuple[int, ...]:
    """How many words there are of length 0, 1, 2, …; the empty product is left out."""
    lengths = np.bitwise_count(_words(base, generators)[1:])
    return tuple(np.bincount(lengths, minlength=base + len(generators) + 1).tolist())
