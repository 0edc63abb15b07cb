"""A measured section: its table, what must hold, and their Markdown."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Mark:
    """Something that must hold: `measured` at least (or at most) `bound`, in `unit`."""

    what: str
    measured: float
    bound: float
    unit: str = "×"
    at_least: bool = True

    @property
    def holds(self) -> bool:
        return self.measured >= self.bound if self.at_least else self.measured <= self.bound

    def row(self) -> tuple[str, str, str, str]:
        sign = "≥" if self.at_least else "≤"
        return self.what, f"{sign} {self.bound:,g}{self.unit}", f"{number(self.measured)}{self.unit}", verdict(self.holds)


@dataclass(frozen=True)
class Section:
    """One heading of the page.

    Attributes:
        text: what was measured, one paragraph or more.
        header, rows: its table; none if the header is empty.
        marks: what must hold of it.
        plots: file names and what each shows.
    """

    title: str
    text: str
    header: tuple[str, ...] = ()
    rows: tuple[tuple[str, ...], ...] = ()
    marks: tuple[Mark, ...] = ()
    plots: tuple[tuple[str, str], ...] = field(default=())

    def markdown(self, plot_folder: str = "") -> str:
        parts = [f"## {self.title}", self.text]
        parts += [table(self.header, self.rows)] if self.header else []
        parts += [f"![{caption}]({plot_folder}/{name})" for name, caption in self.plots]
        return "\n\n".join(parts)


def page(title: str, machine: Sequence[tuple[str, str]], notes: str, sections: Sequence[Section], plot_folder: str = "") -> str:
    """The whole page: what ran, what must hold and did, then the sections."""
    marks = [mark.row() for section in sections for mark in section.marks]
    held = sum(mark.holds for section in sections for mark in section.marks)
    parts = [
        f"# {title}",
        notes,
        table(("", "this run"), machine),
        f"## What must hold: {held} of {len(marks)} do",
        table(("", "at least / at most", "measured", "holds"), marks),
        *(section.markdown(plot_folder) for section in sections),
    ]
    return "\n\n".join(parts) + "\n"


def table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table."""
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def verdict(holds: bool) -> str:
    return "yes" if holds else "**no**"


def number(value: float) -> str:
    """Three significant digits, without an exponent."""
    if not math.isfinite(value):
        return "–"
    digits = max(0, 2 - math.floor(math.log10(abs(value)))) if value else 0
    return f"{value:,.{digits}f}"


def milliseconds(seconds: float) -> str:
    return number(seconds * 1e3)
