"""Who scores the chunks: this process, or others."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Protocol

from tfq_llm.scoring.chunks import Chunk
from tfq_llm.scoring.models import Scorer, Scores


class Workers(Protocol):
    """Scores chunks."""

    def scored(self, chunks: Iterable[Chunk]) -> Iterator[tuple[Chunk, Scores]]:
        """Yields every chunk with its scores, in the order given; few chunks are read ahead of what was taken."""


class Here:
    """Scores one chunk after the other in this process, with all its cores."""

    def __init__(self, scorer: Scorer) -> None:
        self._scorer = scorer

    def scored(self, chunks: Iterable[Chunk]) -> Iterator[tuple[Chunk, Scores]]:
        for chunk in chunks:
            yield chunk, self._scorer.score(chunk.texts)
