"""Numbers in a grid of colours: noise of training by noise of the test, and confusion of classes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from tfq_llm.studies.report.charts.style import grid_of_axes, is_narrow, new_figure, panel_title, shortened


@dataclass(frozen=True)
class Grid:
    """Numbers by row and column; NaN where there is none. `texts` are what cells say."""

    label: str
    rows: tuple[str, ...]
    columns: tuple[str, ...]
    values: np.ndarray
    texts: tuple[tuple[str, ...], ...]


def draw_grid(width: float, grid: Grid, row_axis: str, column_axis: str) -> Figure:
    """One grid over the whole width."""
    height = 1.0 + 0.42 * len(grid.rows)
    figure = new_figure(min(width, 2.2 + 0.95 * len(grid.columns)) if not is_narrow(width) else width, height)
    axes = figure.add_subplot()
    _cells(axes, grid, 26, slanted=is_narrow(width) and len(grid.columns) > 3)
    axes.set(xlabel=column_axis, ylabel=row_axis)
    return figure


def draw_panels(
    width: float, grids: Sequence[Grid], row_axis: str, column_axis: str, ends: tuple[float, float] | None = None
) -> Figure:
    """A small grid for each arm or condition, all of the same rows and columns; see `_cells` for `ends`."""
    lines, columns = len(grids[0].rows), len(grids[0].columns)
    figure, all_axes = grid_of_axes(width, len(grids), max(1.75, 0.75 + 0.36 * columns), max(1.9, 1.0 + 0.3 * lines))
    for axes, grid in zip(all_axes, grids, strict=True):
        _cells(axes, grid, 10, ends=ends)
        axes.set_title(panel_title(grid.label), fontsize=8.5)
        axes.set_xlabel(column_axis)
        if axes.get_subplotspec().is_first_col():  # type: ignore[union-attr]
            axes.set_ylabel(row_axis)
    return figure


def _cells(axes: Axes, grid: Grid, longest: int, slanted: bool = False, ends: tuple[float, float] | None = None) -> None:
    """One colour, light to dark; the number in a cell is black or white, whichever can be read.

    The lightest and darkest colour are the least and largest number, or `ends` where several grids are read together.
    """
    finite = grid.values[np.isfinite(grid.values)]
    low, high = ends or ((float(finite.min()), float(finite.max())) if finite.size else (0.0, 1.0))
    shades = np.clip((grid.values - low) / (high - low or 1), 0, 1)
    colours = colormaps["Blues"](0.08 + 0.8 * np.nan_to_num(shades))
    colours[~np.isfinite(grid.values)] = (0.93, 0.93, 0.93, 1)
    for row in range(len(grid.rows)):
        for column in range(len(grid.columns)):
            colour = tuple(float(part) for part in colours[row, column])
            axes.add_patch(Rectangle((column - 0.5, row - 0.5), 1, 1, color=colour))
            text = "#ffffff" if np.nan_to_num(shades[row, column]) > 0.6 else "#000000"
            axes.text(column, row, grid.texts[row][column], ha="center", va="center", color=text, fontsize=8.5)
    axes.set_xlim(-0.5, len(grid.columns) - 0.5)
    axes.set_ylim(len(grid.rows) - 0.5, -0.5)
    columns = [shortened(name, longest) for name in grid.columns]
    if slanted:
        axes.set_xticks(range(len(columns)), columns, rotation=40, ha="right", rotation_mode="anchor")
    else:
        axes.set_xticks(range(len(columns)), [name.replace(":", ":\n") for name in columns])
    axes.set_yticks(range(len(grid.rows)), [shortened(name, longest).replace(":", ":\n") for name in grid.rows])
    axes.tick_params(length=0)
    for side in ("left", "bottom"):
        axes.spines[side].set_visible(False)
