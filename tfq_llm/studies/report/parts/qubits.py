"""qubits: accuracy against the number of qubits, beside logistic regression on the same inputs."""

from __future__ import annotations

import numpy as np
import pandas as pd

from tfq_llm.errors import InputError, listed
from tfq_llm.studies.arms.names import LOGISTIC
from tfq_llm.studies.report.charts.lines import Series, draw_lines
from tfq_llm.studies.report.contrasts import Asked, Contrast, contrasts
from tfq_llm.studies.report.document import Block, Chart, Headline, Section, Table
from tfq_llm.studies.report.input import ReportInput
from tfq_llm.studies.report.parts.differences import differences_chart
from tfq_llm.studies.report.parts.numbers import chance, interval, percent, points
from tfq_llm.studies.report.parts.trials import finals, scope
from tfq_llm.studies.statistics.trend import LevelMean, Trend, trend

_QUBITS, _INPUTS = "factor qubits", "factor inputs"


def report(study: ReportInput) -> tuple[list[Headline], list[Section]]:
    """The answer for each state of the embeddings, and what belongs to it."""
    return [_headline(study, state) for state in study.states], []


def _headline(study: ReportInput, state: str) -> Headline:
    """Whether accuracy follows the number of qubits, and how the head stands beside the other arm at the largest."""
    trends = _trends(study, state)
    own = trends.get(study.reference)
    where = f"{scope(study, state)} {_inputs(study, state)} {_parameters(study, state)}".rstrip()
    against = _contrasts(study, state)
    blocks = tuple(_charts(study, state, trends, against))
    if own is None or own.splits < study.rule.fewest_splits or own.least_p >= study.rule.alpha:
        needed = study.rule.fewest_splits if own is None else max(study.rule.fewest_splits, own.splits + 1)
        why = f"The slope needs {needed} splits or more with two numbers of qubits or more."
        return Headline(state, where, "too few runs", "Too few runs to tell", why, blocks)
    rises = f"Accuracy {'rises' if own.slope > 0 else 'falls'} with qubits{' and inputs' if _grows(study, state) else ''}"
    sentence = f"{_slope(own)}, {own.splits} splits."
    for arm, found in trends.items():
        if arm != study.reference:
            sentence += f" {arm.capitalize() if arm == LOGISTIC else repr(arm)} on the same inputs: {_slope(found)}."
    if against:
        sentence += f" At the most qubits: {against[-1].verdict.sentence}"
    return Headline(state, where, None, rises if _is_clear(study, own) else "No clear trend with qubits", sentence, blocks)


def _is_clear(study: ReportInput, found: Trend) -> bool:
    return found.p is not None and found.p < study.rule.alpha and found.interval is not None and found.interval.excludes_zero()


def _slope(found: Trend) -> str:
    return f"{points(found.slope)} points for each more qubit {interval(found.interval)}, {chance(found.p)}"


def _grows(study: ReportInput, state: str) -> bool:
    """Whether more qubits see more inputs."""
    return finals(study, state)[_INPUTS].nunique() > 1


def _inputs(study: ReportInput, state: str) -> str:
    if not _grows(study, state):
        inputs = finals(study, state)[_INPUTS].dropna().unique()
        return f"The inputs are the same at every number of qubits: {listed(f'{int(number):,}' for number in inputs)}."
    return "The inputs grow with the qubits, as many principal components as they hold: more qubits also see more of the text."


def _parameters(study: ReportInput, state: str) -> str:
    final = finals(study, state)
    sizes = final[final["arm"] == study.reference].groupby(_QUBITS)["parameters"].mean().tolist()
    return f"Its parameters go from {sizes[0]:,.0f} to {sizes[-1]:,.0f}." if len(sizes) > 1 else ""


def _trends(study: ReportInput, state: str) -> dict[str, Trend]:
    found = {}
    for arm, trials in finals(study, state).groupby("arm", sort=False):
        try:
            levels = trials[_QUBITS].to_numpy(float)
            found[str(arm)] = trend(levels, trials["accuracy"].to_numpy(float), trials["split"].to_numpy(), study.rule)
        except InputError:
            continue  # one number of qubits so far
    return found


def _charts(study: ReportInput, state: str, trends: dict[str, Trend], against: list[Contrast]) -> list[Block]:
    blocks: list[Block] = []
    if trends:
        blocks.append(trend_chart(study, state, "qubits", trends, "qubits", "qubits"))
    if against:
        title = f"{study.reference} − other arm on the same inputs"
        blocks.append(
            differences_chart(
                study, state, "differences", title, against, "other arm better", f"{study.reference} better", in_order=True
            )
        )
    return blocks


def _contrasts(study: ReportInput, state: str) -> list[Contrast]:
    final = finals(study, state)
    family = []
    for qubits, trials in final.groupby(_QUBITS):
        own = trials[trials["arm"] == study.reference]
        for other, others in trials[trials["arm"] != study.reference].groupby("arm", sort=False):
            label = f"{qubits:g} qubits, against {other}"
            family.append(Asked(label, f"{study.reference} of {qubits:g} qubits", str(other), own, others))
    return contrasts(study, family)


def trend_chart(
    study: ReportInput, state: str, name: str, trends: dict[str, Trend], axis: str, noun: str, logarithmic: bool = False,
    level: tuple[str, float] | None = None,
) -> Chart:  # fmt: skip
    """Lines of mean accuracy with intervals, and a table of them with the slopes in its caption."""
    series = [_series(arm, found) for arm, found in trends.items()]
    rows = [(arm, one) for arm, found in trends.items() for one in found.levels]
    slopes = "; ".join(
        f"{arm}: {points(found.slope)} points for {found.per} {noun} {interval(found.interval)}, {chance(found.p)}, "
        f"rank correlation {found.rank_correlation:+.2f}".replace("-", "−")
        for arm, found in trends.items()
    )
    heard = "; ".join(
        f"{line.label}: " + ", ".join(f"{x:g} {noun} {y:.2f}" for x, y in zip(line.places, line.means, strict=True))
        for line in series
    )
    beside = f" {level[0]}: {level[1]:.2f}." if level else ""
    return Chart(
        name=f"{name}-{state}",
        title=f"Test accuracy against {axis}, {state} embeddings",
        description=f"Mean test accuracy in percent. {heard}.{beside}",
        draw=lambda width: draw_lines(width, series, axis, logarithmic, level),
        data=Table(
            name=f"{name}-{state}",
            caption=f"Mean test accuracy by {noun}. {scope(study, state)} Slopes: {slopes}.",
            header=("arm", noun, "accuracy, %", f"{100 * (1 - study.rule.alpha):g} % interval", "splits"),
            rows=tuple(
                (arm, f"{one.level:,g}", percent(one.mean), interval(one.interval, 100, signed=False) or "–", str(one.splits))
                for arm, one in rows
            ),
            data=pd.DataFrame([_level_data(state, arm, noun, one) for arm, one in rows]),
        ),
    )


def _level_data(state: str, arm: str, noun: str, one: LevelMean) -> dict[str, object]:
    low, high = (one.interval.low, one.interval.high) if one.interval else (None, None)
    return {"state": state, "arm": arm, noun: one.level, "splits": one.splits, "accuracy": one.mean, "low": low, "high": high}


def _series(arm: str, found: Trend) -> Series:
    means = np.array([one.mean for one in found.levels])
    ends = np.array([(one.interval.low, one.interval.high) if one.interval else (one.mean, one.mean) for one in found.levels])
    places = tuple(float(one.level) for one in found.levels)
    return Series(arm, places, tuple(100 * means), tuple(100 * ends[:, 0]), tuple(100 * ends[:, 1]))
