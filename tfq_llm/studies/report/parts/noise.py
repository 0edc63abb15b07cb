"""noise: what gate noise costs, and whether training under it helps."""

from __future__ import annotations

import numpy as np
import pandas as pd

from tfq_llm.studies.report.charts.grids import Grid, draw_grid
from tfq_llm.studies.report.contrasts import Asked, Contrast, contrasts
from tfq_llm.studies.report.document import Block, Chart, Headline, Section, Table, Text
from tfq_llm.studies.report.input import ReportInput
from tfq_llm.studies.report.parts.differences import differences_chart
from tfq_llm.studies.report.parts.means import Mean, mean_of, means_table
from tfq_llm.studies.report.parts.numbers import counted, interval, percent
from tfq_llm.studies.report.parts.trials import finals, scope

_TRAIN, _TEST = "factor train noise", "factor test noise"


def report(study: ReportInput) -> tuple[list[Headline], list[Section]]:
    """The answer for each state of the embeddings, and what belongs to it."""
    return [_headline(study, state) for state in study.states], _sections(study)


def _headline(study: ReportInput, state: str) -> Headline:
    """Noise-aware training beside noise-blind training, under the noise that was trained for if that is one."""
    final = _noisy(study, state)
    aware = _aware(study, final)
    blocks: list[Block] = [_grid(study, state, final)] if len(final) else []
    if not aware:
        why = "Noise-aware and noise-blind training share no two finished splits yet."
        return Headline(state, scope(study, state), "too few runs", "Too few runs to tell", why, tuple(blocks))
    title = "Noise-aware − noise-blind training"
    blocks.append(
        differences_chart(study, state, "aware", title, aware, "noise-blind better", "noise-aware better", in_order=True)
    )
    own = [one for one in aware if one.asked.own_trials[_TRAIN].iloc[0] == one.asked.own_trials[_TEST].iloc[0]]
    if len(own) == 1:
        claims = {
            "better": "Training under noise is better",
            "worse": "Training under noise is worse",
            "no difference seen": "Training under noise: no difference seen",
            "too few runs": "Too few runs to tell",
        }
        kind = own[0].verdict.kind
        return Headline(
            state,
            f"{scope(study, state)} Under the noise that was trained for, {own[0].asked.own_trials[_TRAIN].iloc[0]}.",
            kind,
            claims[kind],
            own[0].verdict.sentence,
            tuple(blocks),
        )
    kinds: list[str] = [one.verdict.kind for one in aware]
    if set(kinds) <= {"too few runs"}:
        return Headline(
            state, scope(study, state), "too few runs", "Too few runs to tell", aware[0].verdict.sentence, tuple(blocks)
        )
    claim = f"Training under noise helps in {kinds.count('better')} of {counted(len(kinds), 'case')}"
    others = (
        ("worse", "It is worse in"),
        ("no difference seen", "no difference is seen in"),
        ("too few runs", "too few runs for"),
    )
    sentence = "; ".join(f"{said} {kinds.count(kind)}" for kind, said in others) + "."
    return Headline(state, scope(study, state), None, claim, sentence, tuple(blocks))


def _noisy(study: ReportInput, state: str) -> pd.DataFrame:
    final = finals(study, state)
    return final[final[_TRAIN].notna()]


def _aware(study: ReportInput, final: pd.DataFrame) -> list[Contrast]:
    blind = final[final[_TRAIN] == "none"]
    family = [
        Asked(
            f"trained {train}, test {test}", f"training under {train}, tested under {test},", "noise-blind training",
            trials, blind[blind[_TEST] == test],
        )
        for (train, test), trials in final[final[_TRAIN] != "none"].groupby([_TRAIN, _TEST], sort=False)
    ]  # fmt: skip
    return contrasts(study, family)


def _costs(study: ReportInput, final: pd.DataFrame) -> list[Contrast]:
    """What noise costs: scored under noise beside scored without, the same trained heads."""
    clean = final[final[_TEST] == "none"]
    found = []
    # Each way of training is a question of its own, so p values are corrected in each.
    for train, trained in final[final[_TEST] != "none"].groupby(_TRAIN, sort=False):
        own = "trained blind" if train == "none" else f"trained {train}"
        found += contrasts(
            study,
            [
                Asked(
                    f"{own}, test {test}",
                    f"{own}, scored under {test},",
                    "scoring without noise",
                    trials,
                    clean[clean[_TRAIN] == train],
                )
                for test, trials in trained.groupby(_TEST, sort=False)
            ],
        )
    return found


def _grid(study: ReportInput, state: str, final: pd.DataFrame) -> Chart:
    trains, tests = (list(dict.fromkeys(final[column])) for column in (_TRAIN, _TEST))
    # No noise first; the rest as the configuration has it.
    trains, tests = (sorted(names, key=lambda name: name != "none") for names in (trains, tests))
    means: dict[tuple[str, str], Mean] = {
        (str(train), str(test)): mean_of(study, f"{train}, {test}", trials)
        for (train, test), trials in final.groupby([_TRAIN, _TEST])
    }
    values = np.array(
        [[100 * means[pair].accuracy if (pair := (train, test)) in means else np.nan for test in tests] for train in trains]
    )
    texts = tuple(tuple("" if np.isnan(value) else f"{value:.1f}" for value in row) for row in values)
    grid = Grid("", tuple(trains), tuple(tests), values, texts)
    rows = [(train, test, means[train, test]) for train in trains for test in tests if (train, test) in means]
    heard = "; ".join(f"trained under {train}, tested under {test}: {100 * mean.accuracy:.1f}" for train, test, mean in rows)
    return Chart(
        name=f"noise-{state}",
        title=f"Test accuracy by noise of training and of test, {state} embeddings",
        description=f"Mean test accuracy in percent. {heard}.",
        draw=lambda width: draw_grid(width, grid, "noise of training", "noise of test"),
        data=Table(
            name=f"noise-{state}",
            caption=f"Mean test accuracy by noise of training and of test. {scope(study, state)}",
            header=("noise of training", "noise of test", "accuracy, %", "interval", "splits"),
            rows=tuple((train, test, *_cells(mean)) for train, test, mean in rows),
            data=pd.DataFrame(
                [{"state": state, "train_noise": train, "test_noise": test, "accuracy": mean.accuracy, "splits": mean.splits,
                  "low": mean.interval.low if mean.interval else None, "high": mean.interval.high if mean.interval else None}
                 for train, test, mean in rows]
            ),
            numeric=frozenset({2, 3, 4}),
        ),
    )  # fmt: skip


def _cells(mean: Mean) -> tuple[str, str, str]:
    return percent(mean.accuracy), interval(mean.interval, 100, signed=False) or "–", str(mean.splits)


def _sections(study: ReportInput) -> list[Section]:
    """What noise costs, and the arms without noise beside it."""
    blocks: list[Block] = []
    for state in study.states:
        costs = _costs(study, _noisy(study, state))
        if costs:
            title = "Scored under noise − scored without"
            blocks.append(
                differences_chart(study, state, "noise-costs", title, costs, "noise costs", "noise helps", in_order=True)
            )
        others = finals(study, state)
        others = others[others[_TRAIN].isna()]
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
