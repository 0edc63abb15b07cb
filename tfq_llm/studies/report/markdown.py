"""The same report as Markdown, its charts as files beside it."""

from __future__ import annotations

import re

from tfq_llm.metrics import markdown_table
from tfq_llm.studies.report.document import Block, Chart, Code, Document, Headline, Picture, Table, Text

_ICONS = {"better": "▲", "worse": "▼", "no difference seen": "≈", "too few runs": "…", None: "◆"}


def markdown(document: Document) -> str:
    """The text; charts are `plots/NAME.svg`, and everything that comes from the study is escaped."""
    parts = [f"# {escaped(document.title)}", escaped(document.subtitle)]
    parts += [f"> **{escaped(warning)}**" for warning in document.warnings]
    for headline in document.headlines:
        parts += _headline(headline)
    for section in document.sections:
        parts += [f"## {escaped(section.title)}", *(part for block in section.blocks for part in _block(block))]
    return "\n\n".join(parts) + "\n"


def escaped(text: str) -> str:
    """On one line, with nothing that Markdown or HTML would take for a sign."""
    return re.sub(r"([\\`*_\[\]<>|#~&])", r"\\\1", " ".join(text.split()))


def _headline(headline: Headline) -> list[str]:
    word = "" if headline.word is None or headline.word in headline.claim.lower() else f" ({headline.word})"
    return [
        f"## {_ICONS[headline.word]} {escaped(headline.state.capitalize())} embeddings: {escaped(headline.claim)}{word}",
        escaped(headline.sentence),
        escaped(headline.scope),
        *(part for block in headline.blocks for part in _block(block)),
    ]


def _block(block: Block) -> list[str]:
    match block:
        case Text():
            return [escaped(block.text)]
        case Table():
            return _table(block)
        case Chart():
            return [
                f"**{escaped(block.title)}**",
                f"![{escaped(block.description)}](plots/{block.name}.svg)",
                *_table(block.data),
            ]
        case Picture():
            return [f"**{escaped(block.caption)}**", f"![{escaped(block.caption)}](plots/{block.name}.svg)"]
        case Code():
            return [*([escaped(block.summary)] if block.summary else []), _fenced(block.text)]


def _table(table: Table) -> list[str]:
    rows = [[escaped(cell) for cell in row] for row in table.rows]
    return [escaped(table.caption), markdown_table([escaped(title) for title in table.header], rows)]


def _fenced(text: str) -> str:
    """In a fence longer than any in the text."""
    fence = "`" * max(3, 1 + max(map(len, re.findall(r"`+", text)), default=0))
    return f"{fence}text\n{text.rstrip()}\n{fence}"
