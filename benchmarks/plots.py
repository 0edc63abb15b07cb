"""Plots of growth, as SVG."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("svg")
from matplotlib import pyplot as plt
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter, NullLocator


@dataclass(frozen=True)
class Line:
    """One line of a plot: seconds a step at every place; dashed if it is another program's, in the colour of the engine's."""

    label: str
    places: tuple[int, ...]
    seconds: tuple[float, ...]
    dashed: bool = False


@dataclass(frozen=True)
class Growth:
    """One plot: what is on its horizontal axis, and its lines."""

    name: str
    axis: str
    title: str
    lines: tuple[Line, ...]


# Labels are drawn by the reader's fonts, and the same numbers give the same file.
_STYLE: dict[Any, Any] = {
    "svg.fonttype": "none",
    "svg.hashsalt": "tfq-llm",
    "font.family": "sans-serif",
    "font.size": 11,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.alpha": 0.3,
    "legend.frameon": False,
    "lines.marker": "o",
    "lines.markersize": 5,
}
_COLOURS = ("#1b6ca8", "#d1495b", "#2e933c", "#8d5a97", "#b7791f", "#4a5568")


def save_plot(growth: Growth, folder: Path) -> str:
    """Writes a plot and returns its file's name."""
    folder.mkdir(parents=True, exist_ok=True)
    name = f"{growth.name}.svg"
    with matplotlib.rc_context(_STYLE):
        figure, axes = plt.subplots(figsize=(8, 4.2), layout="constrained")
        _draw(growth, axes)
        figure.savefig(folder / name, metadata={"Date": None})
        plt.close(figure)
    return name


def _draw(growth: Growth, axes: Any) -> None:
    for dashed in (False, True):
        lines = [line for line in growth.lines if line.dashed == dashed]
        for line, colour in zip(lines, _COLOURS, strict=False):
            milliseconds = [second * 1e3 for second in line.seconds]
            axes.plot(line.places, milliseconds, label=line.label, color=colour, linestyle="--" if dashed else "-")
    axes.set(xlabel=growth.axis, ylabel="milliseconds a step", title=f"Value and gradient: {growth.title}", yscale="log")
    lowest, highest = axes.get_ylim()
    # Few powers of ten, or none, may lie within a short axis.
    steps = (1.0, 2.0, 5.0) if highest < 1000 * lowest else (1.0,)
    axes.yaxis.set_major_locator(LogLocator(subs=steps, numticks=20))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,g}"))
    axes.yaxis.set_minor_formatter(NullFormatter())
    places = sorted({place for line in growth.lines for place in line.places})
    # Time grows as a power of everything but the qubits, of which it is an exponential.
    if growth.name not in ("qubits", "threads"):
        axes.set_xscale("log")
        axes.xaxis.set_minor_locator(NullLocator())
    axes.set_xticks(places, [f"{place:,}" for place in places])
    if len(growth.lines) > 1:
        axes.legend(loc="upper left", bbox_to_anchor=(1, 1))
