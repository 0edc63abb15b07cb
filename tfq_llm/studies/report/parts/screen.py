"""screen: main effects and two-factor interactions of a two-level design."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import pandas as pd

from tfq_llm.errors import InputError, listed
from tfq_llm.studies.report.charts.forest import Estimate, draw_forest
from tfq_llm.studies.report.charts.panels import Levels, draw_levels
from tfq_llm.studies.report.document import Block, Chart, Headline, Section, Table, Text
from tfq_llm.studies.report.input import ReportInput
from tfq_llm.studies.report.parts.means import mean_of
from tfq_llm.studies.report.parts.numbers import chance, counted, interval, percent, points, probability, resolution
from tfq_llm.studies.report.parts.tally import by_kind, tally, that_matter
from tfq_llm.studies.report.parts.trials import level
from tfq_llm.studies.statistics.effects import Effect, Effects, MeanAt, screening

# More panels than these say little; all effects are in the table.
_MOST_PANELS = 12


def screened(study: ReportInput, state: str) -> Effects | str:
    """The effects, or why they cannot be estimated yet."""
    assert study.design is not None
    try:
        return screening(study.of_state(state), study.design, study.rule)
    except InputError as error:
        return str(error)


def _scope(study: ReportInput, state: str) -> str:
    rows = study.of_state(state)
    splits = counted(rows["split"].nunique(), "split")
    return f"{state.capitalize()} embeddings, {splits}, validation rows only: no test row was scored."


def report(study: ReportInput) -> tuple[list[Headline], list[Section]]:
    """The answer for each state of the embeddings, and what belongs to it."""
    found = {state: screened(study, state) for state in study.states}
    return [_headline(study, state, of_state) for state, of_state in found.items()], _sections(study, found)


def _headline(study: ReportInput, state: str, found: Effects | str) -> Headline:
    """How many factors matter, and which."""
    if isinstance(found, str):
        return Headline(state, _scope(study, state), "too few runs", "Too few runs to tell", found)
    main = [effect for effect in found.effects if len(effect.term) == 1]
    kinds = {effect.name: _kind(study, effect) for effect in main}
    blocks = (_effects_chart(study, state, found), effects_table(study, state, found))
    sentence = " ".join(filter(None, _said(study, found, main, kinds)))
    if set(kinds.values()) == {"too few runs"}:
        return Headline(state, _scope(study, state), "too few runs", "Too few runs to tell", sentence, blocks)
    first = that_matter(list(kinds.values()).count("clear"), counted(len(main), "factor"))
    rest = {"no difference seen": "no difference seen for {}", "too few runs": "too few runs for {}"}
    return Headline(state, _scope(study, state), None, tally(first, kinds.values(), rest), sentence, blocks)


def _said(study: ReportInput, found: Effects, main: Sequence[Effect], kinds: Mapping[str, str]) -> Iterator[str]:
    """Which factors matter and by how much; which do not, within the resolution; for which it is open."""
    clear = sorted((effect for effect in main if kinds[effect.name] == "clear"), key=lambda effect: -abs(effect.points))
    said = listed(f"{effect.name} ({points(effect.points)} points, {chance(effect.adjusted_p)})" for effect in clear)
    yield f"From low to high level: {said}." if clear else "No main effect is told from chance."
    small = f"No effect beyond ± {resolution(study.rule.resolution)}: {{}}."
    others = {"no difference seen": small, "too few runs": "Too few runs to tell for: {}."}
    yield by_kind(kinds, others)
    if any(effect.aliases for effect in clear):
        yield "In this design main effects are mixed with interactions, so an effect may be another's: see the table."
    pairs = [effect for effect in found.effects if len(effect.term) == 2]
    mixing = sum(_is_clear(study, effect) for effect in pairs)
    if mixing:
        yield f"{mixing} of {counted(len(pairs), 'interaction')} {'is' if mixing == 1 else 'are'} clear too: see below."
    yield f"p after Holm's correction over {counted(len(found.effects), 'effect')}."


def _kind(study: ReportInput, effect: Effect) -> str:
    """As the rule has it for differences: an effect that is not clear is small only if the whole interval is."""
    if _is_clear(study, effect):
        return "clear"
    small = max(-effect.interval.low, effect.interval.high) <= study.rule.resolution
    return "no difference seen" if small else "too few runs"


def _is_clear(study: ReportInput, effect: Effect) -> bool:
    return effect.adjusted_p < study.rule.alpha


def effects_table(study: ReportInput, state: str, found: Effects) -> Table:
    """All effects with their aliases."""
    rows, data = [], []
    for effect in found.effects:
        kind = "main effect" if len(effect.term) == 1 else "interaction"
        aliases = ", ".join(effect.aliases)
        rows.append(
            (effect.name, kind, f"{points(effect.points)}  {interval(effect.interval)}", probability(effect.p),
             probability(effect.adjusted_p), "yes" if _is_clear(study, effect) else "no", aliases or "none")
        )  # fmt: skip
        data.append({"state": state, "effect": effect.name, "kind": kind, "points": effect.points, "low": effect.interval.low,
                     "high": effect.interval.high, "p": effect.p, "p_holm": effect.adjusted_p, "aliases": aliases})  # fmt: skip
    return Table(
        name=f"effects-{state}",
        caption=f"Effects from low to high level, in points of validation accuracy. {_scope(study, state)} Aliases: effects that "
        "the design cannot tell from the one named; what is shown is their sum.",
        header=("effect", "kind", "points", "p", "p (Holm)", "clear", "mixed with"),
        rows=tuple(rows),
        data=pd.DataFrame(data),
        numeric=frozenset({2, 3, 4}),
    )


def _effects_chart(study: ReportInput, state: str, found: Effects) -> Chart:
    ordered = sorted(found.effects, key=lambda effect: -abs(effect.points))[: 2 * _MOST_PANELS]
    estimates = [Estimate(one.name, one.points, one.interval.low, one.interval.high, _is_clear(study, one)) for one in ordered]
    heard = "; ".join(f"{one.name} {points(one.points)}" for one in ordered)
    return Chart(
        name=f"effects-{state}",
        title=f"Effects on validation accuracy, {state} embeddings, largest first",
        description=f"Effect of going from the low to the high level, in points, with intervals: {heard}. Filled dots are "
        "clear effects.",
        draw=lambda width: draw_forest(width, estimates, "high level worse", "high level better"),
        data=effects_table(study, state, found),
    )


def _sections(study: ReportInput, screened_states: dict[str, Effects | str]) -> list[Section]:
    """Main effects, interactions, the fit, and the runs."""
    blocks: dict[str, list[Block]] = {"main": [], "pairs": [], "fit": [], "runs": []}
    for state, found in screened_states.items():
        blocks["runs"].append(_runs_table(study, state))
        if isinstance(found, str):
            continue
        blocks["main"].append(_main_chart(state, found))
        if found.interaction_means:
            blocks["pairs"].append(_pairs_chart(state, found))
        if found.not_estimated:
            blocks["pairs"].append(Text(_left_out(found)))
        blocks["fit"].append(Text(_fit(study, state, found)))
    design = study.design
    assert design is not None
    relation = "; ".join(" × ".join(word) for word in design.defining_relation) or "none"
    about = (
        f"{design.kind.capitalize()} design of {counted(len(design.runs), 'run')} "
        f"({counted(int(design.is_centre.sum()), 'centre point')}), "
        f"resolution {design.resolution or 'full'}. Products of factors that never change: {relation}."
    )
    notes = [Text(f"Note: {note}.") for note in design.notes]
    return [
        Section("main-effects", "Main effects", tuple(blocks["main"])),
        Section("interactions", "Interactions", tuple(blocks["pairs"])),
        Section("fit", "Curvature and fit", tuple(blocks["fit"])),
        Section("design", "The design and its runs", (Text(about), *notes, *blocks["runs"])),
    ]


def _main_chart(state: str, found: Effects) -> Chart:
    panels = [
        Levels(name, tuple(level(mean.levels[name]) for mean in means), (("", tuple(100 * mean.mean for mean in means)),))
        for name, means in found.main_means.items()
    ]
    rows = [(name, *_mean_row(mean, name)) for name, means in found.main_means.items() for mean in means]
    heard = "; ".join(
        f"{panel.label} {panel.levels[0]}: {panel.lines[0][1][0]:.2f}, {panel.levels[1]}: {panel.lines[0][1][1]:.2f}"
        for panel in panels
    )
    return Chart(
        name=f"main-effects-{state}",
        title=f"Mean validation accuracy at low and high level, {state} embeddings",
        description=f"A panel for each factor, in percent: {heard}. The dashed line is the mean of all runs, "
        f"{100 * found.mean:.2f}.",
        draw=lambda width: draw_levels(width, panels, 100 * found.mean),
        data=_means_table(f"main-effects-{state}", f"Mean validation accuracy by level. {state.capitalize()} embeddings.", rows),
    )


def _pairs_chart(state: str, found: Effects) -> Chart:
    strength = {effect.term: abs(effect.points) for effect in found.effects}
    ordered = sorted(found.interaction_means, key=lambda term: -strength[term])
    panels, rows = [], []
    for first, second in ordered:
        low_low, low_high, high_low, high_high = (mean for mean in found.interaction_means[first, second])
        places = (level(low_low.levels[first]), level(high_low.levels[first]))
        lines = tuple(
            (level(at_low.levels[second]), (100 * at_low.mean, 100 * at_high.mean))
            for at_low, at_high in ((low_low, high_low), (low_high, high_high))
        )
        panels.append(Levels(first, places, lines, second))
        rows += [(f"{first} × {second}", *_mean_row(mean, first, second)) for mean in found.interaction_means[first, second]]
    shown = panels[:_MOST_PANELS]
    heard = "; ".join(f"{panel.label} × {panel.other}" for panel in shown)
    return Chart(
        name=f"interactions-{state}",
        title=f"Interactions, {state} embeddings, strongest first",
        description=f"A panel for each pair of factors; lines that are not parallel interact: {heard}.",
        draw=lambda width: draw_levels(width, shown),
        data=_means_table(
            f"interactions-{state}", f"Mean validation accuracy by two levels. {state.capitalize()} embeddings.", rows
        ),
    )


def _mean_row(mean: MeanAt, *names: str) -> tuple[str, float, float, float]:
    return ", ".join(f"{name} {level(mean.levels[name])}" for name in names), mean.mean, mean.interval.low, mean.interval.high


def _means_table(name: str, caption: str, rows: list[tuple[str, str, float, float, float]]) -> Table:
    return Table(
        name=name,
        caption=caption,
        header=("factor", "level", "accuracy, %", "interval"),
        rows=tuple((term, at, percent(mean), f"[{percent(low)}, {percent(high)}]") for term, at, mean, low, high in rows),
        data=pd.DataFrame(rows, columns=["term", "levels", "accuracy", "low", "high"]),
        numeric=frozenset({2, 3}),
    )


def _left_out(found: Effects) -> str:
    named = "; ".join(f"{name} (with {listed(others)})" for name, others in found.not_estimated)
    return f"Interactions that are mixed with main effects are not estimated: {named}."


def _fit(study: ReportInput, state: str, found: Effects) -> str:
    said = [f"{state.capitalize()} embeddings: runs vary by {found.error_sd:.2f} points (sd) around the model."]
    if found.curvature is not None:
        bend = found.curvature
        clear = "are clearly off it: the response is curved" if bend.p < study.rule.alpha else "are not clearly off it"
        size = f"{points(bend.points)} points {interval(bend.interval)}"
        said.append(f"Centre points lie {size} from the plane through the corners ({chance(bend.p)}), so they {clear}.")
    if found.lack_of_fit_p is not None:
        misses = found.lack_of_fit_p < study.rule.alpha
        said.append(f"The model {'leaves something out' if misses else 'fits'} (lack of fit: {chance(found.lack_of_fit_p)}).")
    if found.missing:
        said.append(f"Runs without any result: {', '.join(str(run) for run in found.missing)}.")
    return " ".join(said)


def _runs_table(study: ReportInput, state: str) -> Table:
    assert study.design is not None
    frame = study.of_state(state)
    names = list(study.design.factors)
    design = frame[frame["role"] == "design"]
    rows, data = [], []
    for run, trials in design.groupby("factor run"):
        number, mean = int(float(str(run))), mean_of(study, str(run), trials)
        levels = study.design.runs[number]
        centre = " (centre)" if study.design.is_centre[number] else ""
        rows.append((f"{number}{centre}", *(level(levels[name]) for name in names), percent(mean.accuracy), str(mean.splits)))
        data.append({"state": state, "run": number, **levels, "accuracy": mean.accuracy, "splits": mean.splits})
    return Table(
        name=f"design-{state}",
        caption=f"Runs of the design and their mean validation accuracy. {_scope(study, state)}",
        header=("run", *names, "accuracy, %", "splits"),
        rows=tuple(rows),
        data=pd.DataFrame(data),
    )
