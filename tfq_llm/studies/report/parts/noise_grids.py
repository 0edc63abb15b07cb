"""Accuracy by noise of training and of test; a grid of p1 and p2 is a panel for each way of training."""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np
import pandas as pd

from tfq_llm.studies.report.charts.grids import Grid, draw_grid, draw_panels
from tfq_llm.studies.report.document import Block, Chart, Table
from tfq_llm.studies.report.input import ReportInput
from tfq_llm.studies.report.parts.means import Mean, mean_of
from tfq_llm.studies.report.parts.numbers import interval, percent
from tfq_llm.studies.report.parts.trials import scope

TRAIN, TEST = "factor train noise", "factor test noise"
_OF_THE_TEST = "noise of the test"
_DEPOLARIZING = re.compile(r"depolarizing:([^,]+),([^,]+)")


def noise_grids(study: ReportInput, state: str, final: pd.DataFrame) -> list[Block]:
    """The grid of all named noises, and panels for those that are a grid of p1 and p2.

    Args:
        study: of the kind noise.
        state: of the embeddings.
        final: its trials of quantum heads.
    """
    trains, tests = (list(map(str, dict.fromkeys(final[column]))) for column in (TRAIN, TEST))
    # No noise first; the rest as the configuration has it.
    trains, tests = (sorted(names, key=lambda name: name != "none") for names in (trains, tests))
    means = {
        (str(train), str(test)): mean_of(study, f"{train}, {test}", trials)
        for (train, test), trials in final.groupby([TRAIN, TEST])
    }
    in_grid = _grid_of(tests)
    named = [test for test in tests if test not in in_grid]
    blocks: list[Block] = []
    if any(test in named for _, test in means):
        blocks.append(_named_chart(study, state, means, trains, named))
    if in_grid:
        blocks.append(_panels_chart(study, state, means, trains, in_grid))
    return blocks


def _grid_of(tests: Sequence[str]) -> dict[str, tuple[float, float]]:
    """Of depolarizing noises p1 and p2, without those whose p1 or p2 no other one has."""
    found = {test: (float(match[1]), float(match[2])) for test in tests if (match := _DEPOLARIZING.fullmatch(test))}
    while True:
        rows, columns = ([pair[place] for pair in found.values()] for place in (0, 1))
        kept = {test: pair for test, pair in found.items() if rows.count(pair[0]) > 1 and columns.count(pair[1]) > 1}
        if len(kept) == len(found):
            return kept
        found = kept


def _named_chart(
    study: ReportInput, state: str, means: dict[tuple[str, str], Mean], trains: Sequence[str], tests: Sequence[str]
) -> Chart:
    pairs = [[(train, test) for test in tests] for train in trains]
    grid = _grid("", trains, tests, [[means.get(pair) for pair in line] for line in pairs])
    rows = [(train, test, means[train, test]) for line in pairs for train, test in line if (train, test) in means]
    heard = "; ".join(f"trained under {train}, tested under {test}: {100 * mean.accuracy:.1f}" for train, test, mean in rows)
    return Chart(
        name=f"noise-{state}",
        title=f"Test accuracy by noise of training and of test, {state} embeddings",
        description=f"Mean test accuracy in percent. {heard}.",
        draw=lambda width: draw_grid(width, grid, "noise of training", "noise of test"),
        data=_table(f"noise-{state}", f"Mean test accuracy by noise of training and of test. {scope(study, state)}", state, rows),
    )


def _panels_chart(
    study: ReportInput,
    state: str,
    means: dict[tuple[str, str], Mean],
    trains: Sequence[str],
    noises: dict[str, tuple[float, float]],
) -> Chart:
    firsts, seconds = (sorted({pair[place] for pair in noises.values()}) for place in (0, 1))
    names = {pair: test for test, pair in noises.items()}
    cells = [[names.get((first, second), "") for second in seconds] for first in firsts]
    panels = {train: [[means.get((train, test)) for test in line] for line in cells] for train in trains}
    if any((test, test) in means for test in noises):
        panels[_OF_THE_TEST] = [[means.get((test, test)) for test in line] for line in cells]
    ticks = [tuple(f"{value:g}" for value in values) for values in (firsts, seconds)]
    grids = [_grid(_panel_label(train), ticks[0], ticks[1], lines) for train, lines in panels.items()]
    shown = np.concatenate([grid.values.ravel() for grid in grids])
    ends = (float(np.nanmin(shown)), float(np.nanmax(shown)))
    rows = [(train, test, means[train, test]) for train in trains for test in noises if (train, test) in means]
    heard = "; ".join(
        f"{grid.label}, from {np.nanmin(grid.values):.1f} to {np.nanmax(grid.values):.1f}"
        for grid in grids
        if np.isfinite(grid.values).any()
    )
    return Chart(
        name=f"noise-grid-{state}",
        title=f"Test accuracy under depolarizing noise: p1 after one-qubit gates, p2 after two-qubit gates, {state} embeddings",
        description=f"A panel for each noise of training, with p1 downwards and p2 to the right, in percent: {heard}.",
        draw=lambda width: draw_panels(width, grids, "p1", "p2", ends),
        data=_table(f"noise-grid-{state}", f"Mean test accuracy under depolarizing noise. {scope(study, state)}", state, rows),
    )


def _panel_label(train: str) -> str:
    """Of a panel, which is narrow: what comes behind a comma is a line of its own."""
    match = _DEPOLARIZING.fullmatch(train)
    if match:
        return f"trained under, p1 {match[1]}, p2 {match[2]}"
    return f"trained under{',' if train == _OF_THE_TEST else ''} {train}"


def _grid(label: str, rows: Sequence[str], columns: Sequence[str], cells: Sequence[Sequence[Mean | None]]) -> Grid:
    values = np.array([[np.nan if mean is None else 100 * mean.accuracy for mean in line] for line in cells])
    texts = tuple(tuple("" if np.isnan(value) else f"{value:.1f}" for value in line) for line in values)
    return Grid(label, tuple(rows), tuple(columns), values, texts)


def _table(name: str, caption: str, state: str, rows: Sequence[tuple[str, str, Mean]]) -> Table:
    return Table(
        name=name,
        caption=caption,
        header=("noise of training", "noise of test", "accuracy, %", "interval", "splits"),
        rows=tuple((train, test, *_cells(mean)) for train, test, mean in rows),
        data=pd.DataFrame(
            [{"state": state, "train_noise": train, "test_noise": test, "accuracy": mean.accuracy, "splits": mean.splits,
              "low": mean.interval.low if mean.interval else None, "high": mean.interval.high if mean.interval else None}
             for train, test, mean in rows]
        ),
        numeric=frozenset({2, 3, 4}),
    )  # fmt: skip


def _cells(mean: Mean) -> tuple[str, str, str]:
    return percent(mean.accuracy), interval(mean.interval, 100, signed=False) or "–", str(mean.splits)
