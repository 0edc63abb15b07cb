"""How many comparisons came out how, for headlines: those that there are too few runs for are never passed over."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping

from tfq_llm.errors import listed


def tally(first: str, kinds: Iterable[str], phrases: Mapping[str, str]) -> str:
    """A claim about some, and how many others there are of each kind, in the order of the phrases."""
    counts = Counter(kinds)
    return "; ".join([first, *(phrase.format(counts[kind]) for kind, phrase in phrases.items() if counts[kind])])


def that_matter(number: int, of: str) -> str:
    """How many of "8 parts" matter; none that matter is none that is shown to, which is less than that none does."""
    return f"{number} of {of} {'matters' if number == 1 else 'matter'}" if number else f"None of {of} is shown to matter"


def by_kind(kinds: Mapping[str, str], phrases: Mapping[str, str]) -> str:
    """A sentence for each kind that there is, with the names of those that it is said of."""
    named = {kind: [name for name, found in kinds.items() if found == kind] for kind in phrases}
    return " ".join(phrase.format(listed(named[kind])) for kind, phrase in phrases.items() if named[kind])
