"""What a report is made of, before it is HTML or Markdown: sections of paragraphs, tables, charts, pictures and code."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

import pandas as pd
from matplotlib.figure import Figure

Word: TypeAlias = Literal["better", "worse", "no difference seen", "too few runs"]


@dataclass(frozen=True)
class Text:
    """A paragraph of plain text."""

    text: str


@dataclass(frozen=True)
class Table:
    """A table as it is shown, and its numbers unrounded as they go to its CSV file.

    Attributes:
        name: of its file, and in links.
        caption: what it shows, and of which rows and embeddings.
        header: a title for every column.
        rows: cells as text, as many in each row as there are titles.
        data: what is written to `tables/NAME.csv`.
        numeric: which columns are numbers, and aligned at the right; all but the first if not said.
        marked: rows that are set in bold, from 0.
    """

    name: str
    caption: str
    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    data: pd.DataFrame
    numeric: frozenset[int] | None = None
    marked: frozenset[int] = frozenset()

    def is_numeric(self, column: int) -> bool:
        """Whether a column holds numbers."""
        return column > 0 if self.numeric is None else column in self.numeric


@dataclass(frozen=True, eq=False)
class Chart:
    """A chart that can be drawn at any width.

    Attributes:
        name: of its file, and in links.
        title: what is seen, in a few words.
        description: what somebody who cannot see it has to know.
        draw: makes the figure for a width in inches.
        data: the table of what is drawn.
    """

    name: str
    title: str
    description: str
    draw: Callable[[float], Figure]
    data: Table


@dataclass(frozen=True)
class Picture:
    """A finished SVG document, shown at its own size in a frame that scrolls."""

    name: str
    caption: str
    svg: str


@dataclass(frozen=True)
class Code:
    """Text that is shown as it is: commands, settings, tracebacks. With a summary it is folded away until it is asked for."""

    text: str
    summary: str | None = None


Block: TypeAlias = "Text | Table | Chart | Picture | Code"


@dataclass(frozen=True)
class Section:
    """A part of the report with a heading; `anchor` is its name in links."""

    anchor: str
    title: str
    blocks: tuple[Block, ...]


@dataclass(frozen=True)
class Headline:
    """The answer that the first screen gives.

    Attributes:
        state: of the embeddings.
        scope: what it is about: the embeddings, and the rows that were scored.
        word: the verdict; None for a finding that is not better or worse.
        claim: the verdict as the shortest sentence.
        sentence: its numbers: difference, interval, p, splits.
        blocks: the table and the chart it rests on.
    """

    state: str
    scope: str
    word: Word | None
    claim: str
    sentence: str
    blocks: tuple[Block, ...] = ()


@dataclass(frozen=True)
class Document:
    """A whole report.

    Attributes:
        title: of the study.
        subtitle: its kind, rows and splits, in one line.
        warnings: what limits the answer: trials that are missing or failed, versions that are mixed.
        headlines: one for frozen embeddings, one for tuned ones.
        sections: the rest, in order.
    """

    title: str
    subtitle: str
    warnings: tuple[str, ...]
    headlines: tuple[Headline, ...]
    sections: tuple[Section, ...] = field(default_factory=tuple)

    def blocks(self) -> list[Block]:
        """All blocks in reading order."""
        parts = [*(headline.blocks for headline in self.headlines), *(section.blocks for section in self.sections)]
        return [block for blocks in parts for block in blocks]

    def charts(self) -> list[Chart]:
        """All charts in reading order."""
        return [block for block in self.blocks() if isinstance(block, Chart)]

    def tables(self) -> list[Table]:
        """All tables in reading order, those of charts among them, each name once."""
        tables = [block.data if isinstance(block, Chart) else block for block in self.blocks()]
        return list({table.name: table for table in tables if isinstance(table, Table)}.values())
