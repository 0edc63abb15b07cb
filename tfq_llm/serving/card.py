"""The model card as HTML for the page."""

from __future__ import annotations

import re

from markdown_it import MarkdownIt

_FRONT_MATTER = re.compile(r"\A---\n.*?\n---\n", re.DOTALL)


def card_html(card: str) -> str:
    """A card's Markdown as HTML without scripts, styles or raw HTML of its own; its front matter, for machines, is left out."""
    markdown = MarkdownIt("commonmark", {"html": False}).enable("table")
    tokens = markdown.parse(_FRONT_MATTER.sub("", card))
    for token in tokens:
        token.attrs.pop("style", None)  # the alignment of columns; the page allows no styles of this kind
        if token.type in ("heading_open", "heading_close"):
            token.tag = f"h{min(int(token.tag[1]) + 2, 6)}"  # the page has headings above
    html: str = markdown.renderer.render(tokens, markdown.options, {})
    return html
