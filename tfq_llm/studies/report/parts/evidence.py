"""What the comparison of arms rests on: every run, the power of the tests, the test rows of each split."""

from __future__ import annotations

from typing import Any

import pandas as pd

from tfq_llm.studies.report.charts.dots import Runs, draw_dots
from tfq_llm.studies.report.document import Chart, Table
from tfq_llm.studies.report.input import ReportInput
from tfq_llm.studies.report.parts.numbers import optional, percent, probability, resolution
from tfq_llm.studies.report.parts.trials import finals, mean_accuracy, scope
from tfq_llm.studies.statistics.comparisons import Comparisons
from tfq_llm.studies.statistics.mcnemar import McNemar


def runs_chart(study: ReportInput, state: str) -> Chart:
    """Every final trial as a dot."""
    final = finals(study, state)
    arms = [
        Runs(str(arm), tuple(100 * trials["accuracy"]), mean_accuracy(trials), arm == study.reference)
        for arm, trials in final.groupby("arm", sort=False)
    ]
    arms.sort(key=lambda arm: -arm.mean)
    heard = "; ".join(f"{arm.label}: {min(arm.values):.2f} to {max(arm.values):.2f}, mean {arm.mean:.2f}" for arm in arms)
    data = final[["arm", "split", "init", "accuracy", "macro_f1", "log_loss", "parameters", "epochs", "trial"]]
    data = data.sort_values(["arm", "split", "init"]).reset_index(drop=True)
    return Chart(
        name=f"runs-{state}",
        title=f"Test accuracy of every final run, {state} embeddings; squares: {study.reference}, strokes: means",
        description=f"One dot a run, squares for the {study.reference}, a stroke for the mean of an arm. In percent: {heard}.",
        draw=lambda width: draw_dots(width, arms),
        data=Table(
            name=f"runs-{state}",
            caption=f"Final runs. {scope(study, state)}",
            header=("arm", "split", "init", "test accuracy, %", "macro-F1", "log loss", "parameters", "epochs"),
            rows=tuple(_run_cells(run) for run in data.to_dict("records")),
            data=data,
        ),
    )


def _run_cells(run: dict[Any, Any]) -> tuple[str, ...]:
    scores = (percent(run["accuracy"]), f"{run['macro_f1']:.4f}", optional(run["log_loss"], ".4f"))
    return run["arm"], str(run["split"]), str(run["init"]), *scores, f"{run['parameters']:,}", optional(run["epochs"], ".0f")


def power_table(study: ReportInput, state: str, found: Comparisons) -> Table:
    """How many splits each comparison would need."""
    rows, data = [], []
    for one in found.comparisons:
        power = one.power
        enough = power.splits_needed is not None and power.splits >= power.splits_needed
        rows.append(
            (
                f"against {one.other}",
                str(power.splits),
                f"{power.sd:.2f}",
                "–" if power.smallest_seen is None else f"{power.smallest_seen:.2f}",
                "more than 10,000" if power.splits_needed is None else f"{power.splits_needed:,}",
                "yes" if enough else "no",
            )
        )
        data.append({"state": state, "other": one.other, "splits": power.splits, "sd_points": power.sd,
                     "smallest_seen_points": power.smallest_seen, "splits_needed": power.splits_needed})  # fmt: skip
    rule = study.rule
    return Table(
        name=f"power-{state}",
        caption=f"How many splits it takes to see a difference of {resolution(rule.resolution)} "
        f"with a chance of {100 * rule.power:g} %. {scope(study, state)} "
        "The spread is itself estimated from few splits, so numbers are a guide.",
        header=("comparison", "splits", "sd of differences", "smallest difference seen", "splits needed", "enough"),
        rows=tuple(rows),
        data=pd.DataFrame(data),
        numeric=frozenset({1, 2, 3, 4}),
    )


def mcnemar_tables(study: ReportInput, state: str, found: Comparisons) -> list[Table]:
    """McNemar's tests: how many splits show a difference, and every split; none if it is not known which rows were right."""
    tests = [(one.other, test) for one in found.comparisons for test in one.mcnemar]
    return [_mcnemar_counts(study, state, found), _mcnemar_splits(study, state, tests)] if tests else []


def _mcnemar_counts(study: ReportInput, state: str, found: Comparisons) -> Table:
    data = []
    for one in found.comparisons:
        clear = [test for test in one.mcnemar if test.adjusted_p < study.rule.alpha]
        ahead = sum(test.own_only > test.other_only for test in clear)
        counts = {"ahead": ahead, "behind": len(clear) - ahead, "not_clear": len(one.mcnemar) - len(clear)}
        data.append({"state": state, "other": one.other, **counts})
    return Table(
        name=f"mcnemar-counts-{state}",
        caption=f"Splits in which the trained {study.reference} is clearly ahead of another head, or behind it, by McNemar's "
        f"test, p corrected over splits. {scope(study, state)}",
        header=("against", "ahead", "behind", "not clear"),
        rows=tuple((str(row["other"]), str(row["ahead"]), str(row["behind"]), str(row["not_clear"])) for row in data),
        data=pd.DataFrame(data),
    )


def _mcnemar_splits(study: ReportInput, state: str, tests: list[tuple[str, McNemar]]) -> Table:
    data = [
        {
            "state": state,
            "other": other,
            "split": test.split,
            "both_right": test.both,
            "own_only": test.own_only,
            "other_only": test.other_only,
            "neither": test.neither,
            "p": test.p,
            "p_holm": test.adjusted_p,
        }
        for other, test in tests
    ]
    counts = [(f"{test.own_only:,}", f"{test.other_only:,}", f"{test.both:,}", f"{test.neither:,}") for _, test in tests]
    return Table(
        name=f"mcnemar-{state}",
        caption=f"McNemar's test on every split. {scope(study, state)} Only {study.reference}: rows that it alone got right. "
        "It says whether these two trained heads differ, not whether the arms do on other splits.",
        header=("against", "split", f"only {study.reference}", "only the other", "both", "neither", "p", "p (Holm)"),
        rows=tuple(
            (other, str(test.split), *cells, probability(test.p), probability(test.adjusted_p))
            for (other, test), cells in zip(tests, counts, strict=True)
        ),
        data=pd.DataFrame(data),
    )
