"""Accuracy against a number, by series, with intervals: qubits and shots."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import NullFormatter, NullLocator

from tfq_llm.studies.report.charts.style import COLOURS, DASHES, FAINT, MARKERS, is_narrow, new_figure, shortened


@dataclass(frozen=True)
class Series:
    """One line: means in percent at every place, with intervals if there are any."""

    label: str
    places: tuple[float, ...]
    means: tuple[float, ...]
    lows: tuple[float, ...]
    highs: tuple[float, ...]


def draw_lines(
    width: float, series: Sequence[Series], axis: str, logarithmic: bool = False, level: tuple[str, float] | None = None
) -> Figure:
    """Lines of mean test accuracy; `level` is a named horizontal line to compare with."""
    narrow = is_narrow(width)
    legend = len(series) > 1 or level is not None
    figure = new_figure(width, 3.1 + (0.2 * (len(series) + 1) if legend and narrow else 0))
    axes = figure.add_subplot()
    for number, line in enumerate(series):
        look = number % len(COLOURS)
        below = [mean - low for mean, low in zip(line.means, line.lows, strict=True)]
        over = [high - mean for mean, high in zip(line.means, line.highs, strict=True)]
        axes.errorbar(
            line.places,
            line.means,
            yerr=[below, over] if any(below) or any(over) else None,
            label=shortened(line.label, 40),
            color=COLOURS[look],
            marker=MARKERS[look],
            linestyle=DASHES[look],
            elinewidth=1,
            capsize=2,
        )
    if level is not None:
        axes.axhline(level[1], color=FAINT, linewidth=1, linestyle=(0, (2, 2)), label=shortened(level[0], 40))
    _scale(axes, sorted({place for line in series for place in line.places}), logarithmic)
    axes.set(xlabel=axis, ylabel="accuracy, %")
    axes.grid(axis="y")
    if legend:
        figure.legend(loc="outside lower left" if narrow else "outside right upper")
    return figure


def _scale(axes: Axes, places: Sequence[float], logarithmic: bool) -> None:
    if logarithmic:
        axes.set_xscale("log")
        axes.xaxis.set_minor_formatter(NullFormatter())
    axes.xaxis.set_minor_locator(NullLocator())
    axes.set_xticks(places, [f"{place:,g}" for place in places])
