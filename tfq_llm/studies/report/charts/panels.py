"""Small panels side by side: main effects, interactions, reliability."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from tfq_llm.studies.report.charts.style import COLOURS, FAINT, grid_of_axes, panel_title, shortened

_LEGEND: dict[str, Any] = {"fontsize": 7.5, "title_fontsize": 7.5, "handlelength": 1.6, "columnspacing": 0.8, "borderpad": 0}


@dataclass(frozen=True)
class Levels:
    """Mean accuracy in percent at every level of a factor; in an interaction a line for every level of the `other` factor."""

    label: str
    levels: tuple[str, ...]
    lines: tuple[tuple[str, tuple[float, ...]], ...]
    other: str = ""


@dataclass(frozen=True)
class Bins:
    """Of an arm: rows, mean confidence and accuracy (shares) in every bin of confidence that has rows."""

    label: str
    bins: tuple[tuple[int, float, float], ...]


def draw_levels(width: float, panels: Sequence[Levels], level: float | None = None) -> Figure:
    """A panel per factor, or pair of factors, on one scale; `level` is the mean of all runs."""
    figure, all_axes = grid_of_axes(width, len(panels), 1.75, 2.0)
    for axes, panel in zip(all_axes, panels, strict=True):
        places = range(len(panel.levels))
        for number, (name, means) in enumerate(panel.lines):
            marker, dashes = "os"[number], ("-", "--")[number]
            axes.plot(places, means, color=COLOURS[number], marker=marker, linestyle=dashes, label=shortened(name, 12))
        if level is not None:
            axes.axhline(level, color=FAINT, linewidth=0.8, linestyle=(0, (2, 2)))
        if panel.other:
            legend = axes.legend(title=shortened(panel.other, 22), loc="upper left", ncols=2, **_LEGEND)
            legend.set_alignment("left")
        axes.set_xticks(list(places), [shortened(name, 12) for name in panel.levels])
        axes.set_xlim(-0.35, len(panel.levels) - 0.65)
        axes.set_xlabel(shortened(panel.label, 26))
    if any(panel.other for panel in panels):
        # Room for the legends above the lines.
        low, high = all_axes[0].get_ylim()
        all_axes[0].set_ylim(low, high + 0.4 * (high - low))
    _left_labels(all_axes, "accuracy, %")
    return figure


def draw_reliability(width: float, arms: Sequence[Bins]) -> Figure:
    """A panel per arm: accuracy against confidence, the area of a dot as its share of rows; the diagonal is honest."""
    figure, all_axes = grid_of_axes(width, len(arms), 1.75, 1.95)
    for axes, arm in zip(all_axes, arms, strict=True):
        axes.plot([0, 1], [0, 1], color=FAINT, linewidth=0.8, linestyle=(0, (2, 2)))
        total = sum(rows for rows, _, _ in arm.bins) or 1
        confidence, accuracy = [mean for _, mean, _ in arm.bins], [share for _, _, share in arm.bins]
        axes.plot(confidence, accuracy, color=COLOURS[0], linewidth=1)
        areas = [6 + 160 * rows / total for rows, _, _ in arm.bins]
        axes.scatter(confidence, accuracy, s=areas, color=COLOURS[0], alpha=0.75, linewidth=0)
        axes.set(xlim=(0, 1.04), ylim=(0, 1.04), xticks=(0, 0.5, 1), yticks=(0, 0.5, 1), aspect="equal")
        axes.set_title(panel_title(arm.label), fontsize=8.5)
        axes.set_xlabel("confidence")
    _left_labels(all_axes, "accuracy")
    return figure


def _left_labels(all_axes: Sequence[Axes], label: str) -> None:
    """Panels share the vertical scale, so only those at the left are labelled."""
    for axes in all_axes:
        axes.grid(axis="y")
        if axes.get_subplotspec().is_first_col():  # type: ignore[union-attr]
            axes.set_ylabel(label)
