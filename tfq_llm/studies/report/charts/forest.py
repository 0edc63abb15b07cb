"""Differences or effects with their intervals, one line each, around zero."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.transforms import blended_transform_factory

from tfq_llm.studies.report.charts.style import COLOURS, FAINT, INK, PAGE, is_narrow, new_figure, shortened

# Spaces that SVG does not draw together.
_GAP = "\u00a0" * 3


@dataclass(frozen=True)
class Estimate:
    """A number in points with its interval; `clear` if its test says that it is not zero."""

    label: str
    value: float
    low: float
    high: float
    clear: bool


def draw_forest(width: float, estimates: Sequence[Estimate], below: str, above: str, band: float | None = None) -> Figure:
    """A line per estimate, in the order given from the top; `band` shades ± what counts as no difference.

    `below` and `above` say what values left and right of zero mean.
    """
    narrow = is_narrow(width)
    pitch = 0.42 if narrow else 0.3
    figure = new_figure(width, 0.85 + pitch * len(estimates))
    axes = figure.add_subplot()
    if band is not None:
        axes.axvspan(-band, band, color=FAINT, alpha=0.13, linewidth=0)
    axes.axvline(0, color=FAINT, linewidth=0.9)
    for place, estimate in enumerate(estimates):
        colour = (COLOURS[0] if estimate.value > 0 else COLOURS[1]) if estimate.clear else FAINT
        axes.plot([estimate.low, estimate.high], [place, place], color=colour, solid_capstyle="butt", linewidth=1.8)
        # Hollow is what may be nothing, so that the chart reads without its colours.
        axes.plot(estimate.value, place, "o", color=colour, markerfacecolor=colour if estimate.clear else PAGE, markersize=6)
        right = blended_transform_factory(axes.transAxes, axes.transData)
        numbers = f"{_points(estimate.value)}  [{_points(estimate.low)}, {_points(estimate.high)}]"
        axes.text(1.02, place, numbers, transform=right, va="center", color=INK, fontsize=8.5)
        if narrow:
            axes.text(0, place - 0.4, shortened(estimate.label, 44), transform=right, va="center", fontsize=8.5)
    axes.set_ylim(len(estimates) - 0.4, -0.85 if narrow else -0.6)
    _frame(axes, estimates, narrow)
    between = _GAP if narrow else f"{_GAP}·{_GAP}points{_GAP}·{_GAP}"
    axes.set_xlabel(f"← {below}{between}{above} →", fontsize=8.5)
    return figure


def _points(value: float) -> str:
    text = f"{value:+.2f}"
    return text.replace("-", "−") if float(text) else "0.00"


def _frame(axes: Axes, estimates: Sequence[Estimate], narrow: bool) -> None:
    labels = [] if narrow else [shortened(estimate.label, 50) for estimate in estimates]
    axes.set_yticks(range(len(labels)), labels)
    axes.tick_params(axis="y", length=0)
    axes.spines["left"].set_visible(False)
    axes.grid(axis="x")
