"""shots: what a finite number of measurements costs, in scoring and in training."""

from __future__ import annotations

import pandas as pd

from tfq_llm.errors import InputError, listed
from tfq_llm.studies.report.contrasts import Asked, Contrast, contrasts
from tfq_llm.studies.report.document import Block, Headline, Section
from tfq_llm.studies.report.input import ReportInput
from tfq_llm.studies.report.parts.differences import differences_chart
from tfq_llm.studies.report.parts.qubits import trend_chart
from tfq_llm.studies.report.parts.trials import finals, mean_accuracy, scope
from tfq_llm.studies.statistics.trend import Trend, trend

_SHOTS = "factor shots"
_EXACT = "trained exactly"


def report(study: ReportInput) -> tuple[list[Headline], list[Section]]:
    """The answer for each state of the embeddings, and what belongs to it."""
    return [_headline(study, state) for state in study.states], []


def _headline(study: ReportInput, state: str) -> Headline:
    """From how many shots on no difference to exact values is seen."""
    final = finals(study, state)
    found = _contrasts(study, final)
    scored, trained = (
        [one for one in found if (one.asked.own_trials["arm"].iloc[0] == _EXACT) is exact] for exact in (True, False)
    )
    blocks = tuple(_charts(study, state, final, found))
    if not scored:
        why = "There are no two splits yet that were scored exactly and with shots."
        return Headline(state, scope(study, state), "too few runs", "Too few runs to tell", why, blocks)
    enough, most = _enough(scored), scored[-1]
    sentence = " ".join([(enough or most).verdict.sentence, *_open(scored, enough), *_training(trained)])
    if enough is None and {one.verdict.kind for one in scored} <= {"too few runs"}:
        return Headline(state, scope(study, state), "too few runs", "Too few runs to tell", sentence, blocks)
    claims = {
        "worse": f"Even {_shots(most):,} shots cost accuracy in scoring",
        "better": f"{_shots(most):,} shots score better than exact values",
        "too few runs": "No number of shots is known to be enough",
    }
    claim = claims[most.verdict.kind] if enough is None else f"{_shots(enough):,} shots are enough to score"
    return Headline(state, scope(study, state), None, claim, sentence, blocks)


def _open(scored: list[Contrast], enough: Contrast | None) -> list[str]:
    """Where it is not known, so that the number that is enough is not taken for the least one."""
    unknown = [f"{_shots(one):,}" for one in scored if one.verdict.kind == "too few runs"]
    return [f"For {listed(unknown)} shots there are too few runs to tell."] if unknown and enough is not None else []


def _training(trained: list[Contrast]) -> list[str]:
    """The same of heads that were trained with shots, beside exact training."""
    if not trained:
        return []
    enough, most = _enough(trained), trained[-1]
    if enough is not None:
        return [f"Trained and scored with {_shots(enough):,} shots: no difference seen to exact training."]
    return [f"Trained and scored with {_shots(most):,} shots, beside exact training: {most.verdict.kind}."]


def _shots(one: Contrast) -> int:
    return int(one.asked.own_trials[_SHOTS].iloc[0])


def _enough(scored: list[Contrast]) -> Contrast | None:
    """The fewest shots from which on no difference is seen with any number."""
    enough = None
    for one in reversed(scored):
        if one.verdict.kind != "no difference seen":
            break
        enough = one
    return enough


def _contrasts(study: ReportInput, final: pd.DataFrame) -> list[Contrast]:
    """Each number of shots, of scoring and of training, beside exact training and scoring."""
    exact = final[(final["arm"] == _EXACT) & final[_SHOTS].isna()]
    sampled = final[final[_SHOTS].notna()]
    found = []
    # Scoring and training are two questions, so p values are corrected in each.
    for arm, of_arm in sampled.groupby("arm", sort=False):
        found += contrasts(
            study,
            [
                Asked(f"{arm}, {shots:,.0f} shots", f"{shots:,.0f} shots", "exact values", trials, exact)
                for shots, trials in of_arm.groupby(_SHOTS)
            ],
        )
    return found


def _charts(study: ReportInput, state: str, final: pd.DataFrame, found: list[Contrast]) -> list[Block]:
    blocks: list[Block] = []
    sampled = final[final[_SHOTS].notna()]
    exact = final[(final["arm"] == _EXACT) & final[_SHOTS].isna()]
    trends: dict[str, Trend] = {}
    for arm, trials in sampled.groupby("arm", sort=False):
        try:
            levels = trials[_SHOTS].to_numpy(float)
            trends[str(arm)] = trend(levels, trials["accuracy"].to_numpy(float), trials["split"].to_numpy(), study.rule, log=True)
        except InputError:
            continue  # one number of shots so far
    if trends:
        level = ("exact values", mean_accuracy(exact)) if len(exact) else None
        blocks.append(trend_chart(study, state, "shots", trends, "shots of each circuit", "shots", True, level))
    if found:
        title = "With shots − exact values"
        blocks.append(differences_chart(study, state, "differences", title, found, "shots worse", "shots better", in_order=True))
    return blocks
