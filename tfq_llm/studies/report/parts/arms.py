"""All arms beside the quantum arm, as one table."""

from __future__ import annotations

import pandas as pd

from tfq_llm.errors import InputError
from tfq_llm.studies.report.document import Table
from tfq_llm.studies.report.input import ReportInput
from tfq_llm.studies.report.parts import numbers
from tfq_llm.studies.report.parts.differences import comparison_data
from tfq_llm.studies.report.parts.numbers import interval, percent, points, probability, said
from tfq_llm.studies.report.parts.trials import finals, scope
from tfq_llm.studies.statistics.comparisons import ArmScore, Comparisons, compare_arms


def compared(study: ReportInput, state: str) -> Comparisons | str:
    """Every arm that shares two splits with the reference beside it; or why nothing can be compared yet."""
    frame, final = study.of_state(state), finals(study, state)
    splits = {arm: set(trials["split"]) for arm, trials in final.groupby("arm", sort=False)}
    own = splits.get(study.reference)
    if own is None:
        return f"'{study.reference}' has no final result yet."
    ready = [arm for arm, there in splits.items() if len(there & own) >= 2]
    if ready in ([], [study.reference]):
        return f"No other arm shares two finished splits with '{study.reference}' yet, and a test needs several."
    try:
        rows = study.test_rows.get(state)
        return compare_arms(frame[frame["arm"].isin(ready)], study.reference, study.rule, study.right, rows, study.train_rows)
    except InputError as error:
        return str(error)


def arms_table(study: ReportInput, state: str, found: Comparisons) -> Table:
    """The arms, best first."""
    final = finals(study, state)
    comparisons = {comparison.other: comparison for comparison in found.comparisons}
    scores = sorted(found.scores, key=lambda score: -score.accuracy)
    coverage = f"{100 * (1 - study.rule.alpha):g} %"
    header = (
        "arm",
        "test accuracy, %",
        f"{found.quantum_arm} − arm, points",
        "p",
        f"{found.quantum_arm} is",
        "parameters",
        "seconds",
        "splits",
    )
    rows, data = [], []
    for score in scores:
        of_arm, comparison = final[final["arm"] == score.arm], comparisons.get(score.arm)
        rows.append(
            (
                score.arm + (" (to beat)" if score.arm == found.opponent else ""),
                f"{percent(score.accuracy)}  {interval(score.interval, 100, signed=False)}",
                f"{points(comparison.paired.difference)}  {interval(comparison.paired.interval)}" if comparison else "–",
                probability(comparison.adjusted_p) if comparison else "–",
                said(comparison.verdict.kind) if comparison else "–",
                numbers.span(of_arm["parameters"]),
                numbers.seconds(_median_seconds(study, of_arm)),
                str(score.splits),
            )
        )
        data.append(
            {**_score_data(state, score), **comparison_data(comparison), "parameters": int(of_arm["parameters"].median())}
        )
    opponent = "To beat: tested alone, chosen before the test; p of others" if found.opponent else "p"
    return Table(
        name=f"arms-{state}",
        caption=f"Arms, best first. {scope(study, state)} In brackets: {coverage} intervals, of accuracies over splits, of "
        f"differences over splits and test rows. {opponent}: by Holm's correction within each family of arms. Seconds: median to "
        "fit one final head.",
        header=header,
        rows=tuple(rows),
        data=pd.DataFrame(data),
        numeric=frozenset({1, 2, 3, 5, 6, 7}),
        marked=frozenset(place for place, score in enumerate(scores) if score.arm == found.quantum_arm),
    )


def _score_data(state: str, score: ArmScore) -> dict[str, object]:
    return {
        "state": state,
        "arm": score.arm,
        "family": score.family,
        "splits": score.splits,
        "accuracy": score.accuracy,
        "accuracy_low": score.interval.low if score.interval else None,
        "accuracy_high": score.interval.high if score.interval else None,
        "accuracy_sd": score.sd,
        "validation_accuracy": score.validation,
    }


def _median_seconds(study: ReportInput, trials: pd.DataFrame) -> float | None:
    seconds = study.costs.loc[study.costs["trial"].isin(trials["trial"]), "fit_seconds"].dropna()
    return float(seconds.median()) if len(seconds) else None
