"""What single heads do: how honest their confidence is, which classes they mix up, and the circuit of a quantum one."""

from __future__ import annotations

from collections.abc import Sequence, Sized

import numpy as np
import pandas as pd

from tfq_llm.studies.report.charts.grids import Grid, draw_panels
from tfq_llm.studies.report.charts.panels import Bins, draw_reliability
from tfq_llm.studies.report.document import Block, Chart, Picture, Section, Table, Text
from tfq_llm.studies.report.input import ReportInput
from tfq_llm.studies.report.parts.trials import finals, is_missing, level, scope

# Of a grid of noises more panels say little; all numbers are in the tables.
_MOST_PANELS = 20


def calibration_section(study: ReportInput) -> Section:
    """Accuracy against confidence, an arm a panel."""
    blocks: list[Block] = []
    for state in study.states:
        arms = {name: pooled for name, trials in _labelled(study, state) if (pooled := _pooled_bins(study, trials))}
        if arms:
            blocks.append(_calibration_chart(study, state, arms))
    text = "Dots below the dashed line are over-confident. All final runs of an arm are pooled; larger dots hold more test rows."
    return Section("calibration", "Calibration", (Text(text), *blocks) if blocks else ())


def _labelled(study: ReportInput, state: str) -> list[tuple[str, pd.DataFrame]]:
    """Final trials by arm; of arms that are scored under several conditions by condition too."""
    final = finals(study, state)
    if study.kind not in ("noise", "shots", "qubits"):
        return [(str(arm), trials) for arm, trials in final.groupby("arm", sort=False)]
    # What is trained is in the arm's name.
    factors = [
        name for name in final.columns if name.startswith("factor ") and name not in ("factor inputs", "factor train noise")
    ]
    found = []
    for (arm, *levels), trials in final.groupby(["arm", *factors], sort=False, dropna=False):
        said = [
            f"{name.removeprefix('factor ')} {level(value)}"
            for name, value in zip(factors, levels, strict=True)
            if not is_missing(value)
        ]
        found.append((", ".join([str(arm), *said]), trials))
    return found


def _pooled_bins(study: ReportInput, trials: pd.DataFrame) -> tuple[tuple[int, float, float], ...]:
    bins = [found for name in trials["trial"] if (found := study.calibration.get(name))]
    pooled = []
    for same in zip(*bins, strict=False):
        rows = sum(one[0] for one in same)
        if rows:
            pooled.append((int(rows), *(float(sum(one[0] * one[part] for one in same) / rows) for part in (1, 2))))
    return tuple(pooled)  # type: ignore[arg-type]


def _calibration_chart(study: ReportInput, state: str, arms: dict[str, tuple[tuple[int, float, float], ...]]) -> Chart:
    rows = [(name, rows, confidence, accuracy) for name, bins in arms.items() for rows, confidence, accuracy in bins]
    panels = [Bins(name, bins) for name, bins in arms.items()][:_MOST_PANELS]
    gaps = "; ".join(f"{name}: {_mean_gap(bins):.3f}" for name, bins in arms.items())
    return Chart(
        name=f"calibration-{state}",
        title=f"Accuracy against confidence, {state} embeddings{_first(arms)}",
        description=f"A panel for each arm{_first(arms)}. Mean distance of confidence and accuracy, weighted by rows: {gaps}.",
        draw=lambda width: draw_reliability(width, panels),
        data=Table(
            name=f"calibration-{state}",
            caption=f"Calibration: test rows by confidence in the predicted class. {scope(study, state)}",
            header=("arm", "rows", "mean confidence", "accuracy"),
            rows=tuple(
                (name, f"{count:,}", f"{confidence:.3f}", f"{accuracy:.3f}") for name, count, confidence, accuracy in rows
            ),
            data=pd.DataFrame(rows, columns=["arm", "rows", "mean_confidence", "accuracy"]),
        ),
    )


def _first(arms: Sized) -> str:
    """That there are more than are drawn."""
    return f", the first {_MOST_PANELS} of {len(arms)}" if len(arms) > _MOST_PANELS else ""


def _mean_gap(bins: Sequence[tuple[int, float, float]]) -> float:
    return sum(rows * abs(confidence - accuracy) for rows, confidence, accuracy in bins) / sum(rows for rows, _, _ in bins)


def confusion_section(study: ReportInput) -> Section:
    """Rows of each true class by predicted class, an arm a panel."""
    blocks = [chart for state in study.states if (chart := _confusion_chart(study, state)) is not None]
    text = "Shares of each true class, all final runs of an arm pooled."
    return Section("confusion", "Confusion of classes", (Text(text), *blocks) if blocks else ())


def _confusion_chart(study: ReportInput, state: str) -> Chart | None:
    counts: dict[str, np.ndarray] = {}
    for name, trials in _labelled(study, state):
        found = [np.array(study.confusion[trial]) for trial in trials["trial"] if trial in study.confusion]
        if found:
            counts[name] = np.sum(found, axis=0)
    if not counts:
        return None
    number = len(next(iter(counts.values())))
    classes = tuple(study.classes) if len(study.classes) == number else tuple(str(place) for place in range(number))
    grids, rows = [], []
    for name, table in counts.items():
        shares = 100 * table / np.maximum(table.sum(1, keepdims=True), 1)
        grids.append(Grid(name, classes, classes, shares, tuple(tuple(f"{share:.0f} %" for share in row) for row in shares)))
        rows += [
            (name, classes[i], classes[j], int(table[i, j]), float(shares[i, j])) for i in range(number) for j in range(number)
        ]
    right = "; ".join(
        f"{grid.label}: " + ", ".join(f"{name} {grid.values[i, i]:.0f} %" for i, name in enumerate(classes)) for grid in grids
    )
    return Chart(
        name=f"confusion-{state}",
        title=f"True class by predicted class, {state} embeddings{_first(grids)}",
        description=f"A panel for each arm{_first(grids)}. Share of each class that is recognised: {right}.",
        draw=lambda width: draw_panels(width, grids[:_MOST_PANELS], "true class", "predicted class"),
        data=Table(
            name=f"confusion-{state}",
            caption=f"Confusion of classes, in rows and in percent of the true class. {scope(study, state)}",
            header=("arm", "true class", "predicted class", "rows", "%"),
            rows=tuple((arm, true, predicted, f"{count:,}", f"{share:.1f}") for arm, true, predicted, count, share in rows),
            data=pd.DataFrame(rows, columns=["arm", "true_class", "predicted_class", "rows", "percent"]),
            numeric=frozenset({3, 4}),
        ),
    )


def circuit_section(study: ReportInput) -> Section:
    """The circuits, drawn."""
    pictures = tuple(
        Picture(f"circuit-{number}", f"{what[:1].upper()}{what[1:]}", svg)
        for number, (what, svg) in enumerate(study.circuits.items())
    )
    text = (
        "The re-uploading circuit is what would run on a quantum computer; the amplitude encoder is simulated. Settings that are "
        "searched may differ on other splits. Time runs from left to right. Scroll sideways to see all of it."
    )
    return Section("circuit", "The circuit", (Text(text), *pictures) if pictures else ())
