"""Differences with their intervals: the forest, and its table."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from tfq_llm.studies.report.charts.forest import Estimate, draw_forest
from tfq_llm.studies.report.contrasts import Contrast
from tfq_llm.studies.report.document import Chart, Table
from tfq_llm.studies.report.input import ReportInput
from tfq_llm.studies.report.parts import numbers
from tfq_llm.studies.report.parts.numbers import interval, points, probability, said
from tfq_llm.studies.report.parts.trials import scope
from tfq_llm.studies.statistics.comparisons import Comparison


def differences_chart(
    study: ReportInput, state: str, name: str, title: str, compared: Sequence[Comparison | Contrast], below: str, above: str,
    in_order: bool = False,
) -> Chart:  # fmt: skip
    """The forest of differences, largest first unless they are in order, with the band of what counts as none."""
    ordered = list(compared) if in_order else sorted(compared, key=lambda comparison: -comparison.paired.difference)
    estimates = [
        Estimate(
            comparison.label if isinstance(comparison, Contrast) else comparison.other,
            comparison.paired.difference,
            comparison.paired.interval.low,
            comparison.paired.interval.high,
            comparison.verdict.kind in ("better", "worse"),
        )
        for comparison in ordered
    ]
    band = study.rule.resolution
    coverage = f"{100 * (1 - study.rule.alpha):g} %"
    heard = "; ".join(f"{one.label}: {points(one.value)}, from {interval_text(one)}" for one in estimates)
    return Chart(
        name=f"{name}-{state}",
        title=f"{title}, {state} embeddings",
        description=f"Differences in points with {coverage} intervals. {heard}. Filled dots are clear differences, hollow "
        f"ones are not; the grey band is ± {band:g}, the difference that the study was to resolve.",
        draw=lambda width: draw_forest(width, estimates, below, above, band),
        data=differences_table(study, state, f"{name}-{state}-differences", title, ordered),
    )


def differences_table(study: ReportInput, state: str, name: str, title: str, compared: Sequence[Comparison | Contrast]) -> Table:
    """Differences with interval, p, effect size and verdict."""
    rows = [
        (
            _label(one),
            f"{points(one.paired.difference)}  {interval(one.paired.interval)}",
            probability(one.paired.p),
            probability(one.adjusted_p),
            "–" if one.paired.g_z is None else numbers.signless_zero(f"{one.paired.g_z:+.2f}"),
            f"{100 * one.paired.superiority:.0f} %",
            said(one.verdict.kind),
        )
        for one in compared
    ]
    data = [
        {"state": state, "comparison": _label(one), "splits": one.paired.splits, **comparison_data(one), "g_z": one.paired.g_z,
         "superiority": one.paired.superiority}
        for one in compared
    ]  # fmt: skip
    return Table(
        name=name,
        caption=f"{title}. {scope(study, state)} Effect size: Hedges' g of paired differences; ahead: share of splits, ties "
        "half, in which the difference is above 0.",
        header=("comparison", "difference, points", "p", "p (Holm)", "effect size", "ahead", "verdict"),
        rows=tuple(rows),
        data=pd.DataFrame(data),
        numeric=frozenset({1, 2, 3, 4, 5}),
    )


def _label(compared: Comparison | Contrast) -> str:
    return compared.label if isinstance(compared, Contrast) else f"against {compared.other}"


def interval_text(estimate: Estimate) -> str:
    """For somebody who listens."""
    return numbers.signless_zero(f"{estimate.low:+.2f}") + " to " + numbers.signless_zero(f"{estimate.high:+.2f}")


def comparison_data(comparison: Comparison | Contrast | None) -> dict[str, object]:
    """Its numbers as they go to CSV."""
    found = comparison.paired if comparison else None
    return {
        "difference_points": found.difference if found else None,
        "difference_low": found.interval.low if found else None,
        "difference_high": found.interval.high if found else None,
        "p": found.p if found else None,
        "p_holm": comparison.adjusted_p if comparison else None,
        "verdict": comparison.verdict.kind if comparison else None,
    }
