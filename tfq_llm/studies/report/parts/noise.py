"""noise: what gate noise costs, and whether training under it helps."""

from __future__ import annotations

import pandas as pd

from tfq_llm.studies.report.contrasts import Asked, Contrast, contrasts
from tfq_llm.studies.report.document import Block, Headline, Section, Text
from tfq_llm.studies.report.input import ReportInput
from tfq_llm.studies.report.parts.differences import differences_chart, differences_table
from tfq_llm.studies.report.parts.means import mean_of, means_table
from tfq_llm.studies.report.parts.noise_grids import TEST, TRAIN, noise_grids
from tfq_llm.studies.report.parts.numbers import counted, interval, points
from tfq_llm.studies.report.parts.tally import tally
from tfq_llm.studies.report.parts.trials import finals, scope

# A forest of more lines is long on a telephone; all are in its table.
_MOST_LINES = 12


def report(study: ReportInput) -> tuple[list[Headline], list[Section]]:
    """The answer for each state of the embeddings, and what belongs to it."""
    return [_headline(study, state) for state in study.states], _sections(study)


def _headline(study: ReportInput, state: str) -> Headline:
    """Noise-aware training beside noise-blind training, under the noise that was trained for if that is one."""
    final = _noisy(study, state)
    aware, where = _aware(study, final), scope(study, state)
    blocks: list[Block] = noise_grids(study, state, final)
    cost = _cost(study, final)
    if not aware:
        why = f"Noise-aware and noise-blind training share no two finished splits. {cost}"
        return Headline(state, where, "too few runs", "Too few runs to tell", why, tuple(blocks))
    title = "Noise-aware − noise-blind training"
    own = [one for one in aware if one.asked.own_trials[TRAIN].iloc[0] == one.asked.own_trials[TEST].iloc[0]]
    ends = ("noise-blind better", "noise-aware better")
    blocks += _forest(study, state, "aware", title, aware, own, *ends)
    if len(own) == 1:
        claims = {
            "better": "Training under noise is better",
            "worse": "Training under noise is worse",
            "no difference seen": "Training under noise: no difference seen",
            "too few runs": "Too few runs to tell",
        }
        kind = own[0].verdict.kind
        where = f"{where} Under the noise that was trained for, {own[0].asked.own_trials[TRAIN].iloc[0]}."
        return Headline(state, where, kind, claims[kind], f"{own[0].verdict.sentence} {cost}", tuple(blocks))
    # Where heads are tested under the noise that they were trained for, if there is such; else everywhere.
    asked = own or aware
    kinds = {one.label: one.verdict.kind for one in asked}
    if set(kinds.values()) <= {"too few runs"}:
        sentence = f"{asked[0].verdict.sentence} {cost}"
        return Headline(state, where, "too few runs", "Too few runs to tell", sentence, tuple(blocks))
    helps = list(kinds.values()).count("better")
    first = f"Training under noise helps in {helps} of {counted(len(kinds), 'case')}"
    rest = {"worse": "worse in {}", "no difference seen": "no difference seen in {}", "too few runs": "too few runs for {}"}
    if own:
        where = f"{where} A case is a noise that was trained for and tested under."
    return Headline(state, where, None, tally(first, kinds.values(), rest), cost, tuple(blocks))


def _forest(
    study: ReportInput, state: str, name: str, title: str, found: list[Contrast], first: list[Contrast], below: str, above: str
) -> list[Block]:
    """All differences as a chart; of very many only the first ones, and the others in a table."""
    shown = first if first and len(found) > _MOST_LINES else found
    labels = {one.label for one in shown}
    rest = [one for one in found if one.label not in labels]
    blocks: list[Block] = []
    if shown:
        blocks.append(differences_chart(study, state, name, title, shown, below, above, in_order=True))
    if rest:
        blocks.append(differences_table(study, state, f"{name}-{state}-others", f"{title}, the others", rest))
    return blocks


def _cost(study: ReportInput, final: pd.DataFrame) -> str:
    """What the worst noise costs a head that was trained without; nothing if that is not known."""
    costs = _costs(study, final[final[TRAIN] == "none"])
    if not costs:
        return ""
    worst = min(costs, key=lambda one: one.paired.difference)
    found = f"{points(worst.paired.difference)} points {interval(worst.paired.interval)}"
    under = str(worst.asked.own_trials[TEST].iloc[0])
    return f"Of {counted(len(costs), 'noise')}, {under} costs a noise-blind head the most: {found}, {worst.verdict.kind}."


def _noisy(study: ReportInput, state: str) -> pd.DataFrame:
    final = finals(study, state)
    return final[final[TRAIN].notna()]


def _aware(study: ReportInput, final: pd.DataFrame) -> list[Contrast]:
    """Noise-aware beside noise-blind training: under the noise that was trained for, one family of tests; then the others.

    These are a family for each noise of training, or a grid of noise would need more splits than anybody has.
    """
    blind = final[final[TRAIN] == "none"]
    families: dict[str, list[Asked]] = {"": []}
    for (train, test), trials in final[final[TRAIN] != "none"].groupby([TRAIN, TEST], sort=False):
        label = f"{test}, trained for" if train == test else f"trained {train}, test {test}"
        own = f"training under {train}, tested under {test},"
        asked = Asked(label, own, "noise-blind training", trials, blind[blind[TEST] == test])
        families.setdefault("" if train == test else str(train), []).append(asked)
    return [one for family in families.values() for one in contrasts(study, family)]


def _costs(study: ReportInput, final: pd.DataFrame) -> list[Contrast]:
    """What noise costs: scored under noise beside scored without, the same trained heads."""
    clean = final[final[TEST] == "none"]
    found = []
    # Each way of training is a question of its own, so p values are corrected in each.
    for train, trained in final[final[TEST] != "none"].groupby(TRAIN, sort=False):
        own = "trained blind" if train == "none" else f"trained {train}"
        found += contrasts(
            study,
            [
                Asked(
                    f"{own}, test {test}",
                    f"{own}, scored under {test},",
                    "scoring without noise",
                    trials,
                    clean[clean[TRAIN] == train],
                )
                for test, trials in trained.groupby(TEST, sort=False)
            ],
        )
    return found


def _sections(study: ReportInput) -> list[Section]:
    """What noise costs, and the arms without noise beside it."""
    blocks: list[Block] = []
    for state in study.states:
        costs = _costs(study, _noisy(study, state))
        blind = [one for one in costs if one.asked.own_trials[TRAIN].iloc[0] == "none"]
        title = "Scored under noise − scored without"
        blocks += _forest(study, state, "noise-costs", title, costs, blind, "noise costs", "noise helps")
        others = finals(study, state)
        others = others[others[TRAIN].isna()]
        if len(others):
            means = [mean_of(study, str(arm), trials) for arm, trials in others.groupby("arm", sort=False)]
            blocks.append(
                means_table(study, state, "references", f"Classical arms on the same splits. {scope(study, state)}", means)
            )
    return [
        Section(
            "noise-costs",
            "What noise costs",
            (Text("The same trained heads, scored with and without noise."), *blocks) if blocks else (),
        )
    ]
