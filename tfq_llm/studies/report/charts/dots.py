"""Every run as a dot: what lies behind a mean."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.figure import Figure
from matplotlib.transforms import blended_transform_factory

from tfq_llm.studies.report.charts.style import COLOURS, FAINT, is_narrow, new_figure, shortened


@dataclass(frozen=True)
class Runs:
    """Accuracies in percent of one arm, a number per run, and their mean."""

    label: str
    values: tuple[float, ...]
    mean: float
    marked: bool = False


def draw_dots(width: float, arms: Sequence[Runs]) -> Figure:
    """A line of dots per arm, in the order given from the top; a stroke is the mean."""
    narrow = is_narrow(width)
    figure = new_figure(width, 0.6 + (0.42 if narrow else 0.28) * len(arms))
    axes = figure.add_subplot()
    for place, arm in enumerate(arms):
        colour = COLOURS[1] if arm.marked else COLOURS[0]
        # Dots of equal accuracy are set beside one another, the same way every time.
        values = np.sort(arm.values)
        jitter = 0.12 * ((np.arange(len(values)) + 1) % 3 - 1)
        axes.plot(values, place + jitter, "s" if arm.marked else "o", color=colour, alpha=0.65, markersize=3.5, markeredgewidth=0)
        axes.plot([arm.mean, arm.mean], [place - 0.3, place + 0.3], color=colour, linewidth=2)
        if narrow:
            left = blended_transform_factory(axes.transAxes, axes.transData)
            axes.text(0, place - 0.45, shortened(arm.label, 44), transform=left, va="center", fontsize=8.5)
    axes.set_ylim(len(arms) - 0.45, -0.85 if narrow else -0.6)
    axes.set_yticks([] if narrow else range(len(arms)), [] if narrow else [shortened(arm.label, 40) for arm in arms])
    axes.tick_params(axis="y", length=0)
    axes.spines["left"].set_visible(False)
    axes.set_xlabel("accuracy, %")
    axes.grid(axis="x")
    axes.set_axisbelow(True)
    for place in range(len(arms)):
        axes.axhline(place, color=FAINT, linewidth=0.4, alpha=0.4, zorder=0)
    return figure
