"""compare and ablation: all arms beside the quantum head."""

from __future__ import annotations

import math

from tfq_llm.errors import listed
from tfq_llm.studies.report.document import Block, Headline, Section, Text
from tfq_llm.studies.report.input import ReportInput
from tfq_llm.studies.report.parts.arms import arms_table, compared
from tfq_llm.studies.report.parts.differences import differences_chart
from tfq_llm.studies.report.parts.evidence import mcnemar_tables, power_table, runs_chart
from tfq_llm.studies.report.parts.means import mean_of, means_table
from tfq_llm.studies.report.parts.numbers import counted, the
from tfq_llm.studies.report.parts.tally import by_kind, tally, that_matter
from tfq_llm.studies.report.parts.trials import finals, scope
from tfq_llm.studies.statistics.comparisons import Comparisons
from tfq_llm.studies.verdict_rule import BEST_CLASSICAL

_BESIDE = {
    "better": "It is better than: {}.",
    "worse": "It is worse than: {}.",
    "no difference seen": "No difference is seen to: {}.",
    "too few runs": "There are too few runs to tell for: {}.",
}
"""What is said of the quantum arm and others."""
_WHOLE = _BESIDE | {
    "better": "The whole head is better than: {}.",
    "worse": "The whole head is worse than: {}.",
    "at chance": "What is left stays at chance on most splits, so it may be training that fails: {}.",
}
_GUESSING = 0.99
"""A head whose cross-entropy is above this part of that of guessing has not learned anything."""


def report(study: ReportInput) -> tuple[list[Headline], list[Section]]:
    """The answer for each state of the embeddings, and what belongs to it."""
    found = {state: compared(study, state) for state in study.states}
    return [_headline(study, state, of_state) for state, of_state in found.items()], _sections(study, found)


def _headline(study: ReportInput, state: str, found: Comparisons | str) -> Headline:
    """The verdict against the best classical arm, or what every ablation costs."""
    if isinstance(found, str):
        return _nothing_yet(study, state, found)
    blocks: tuple[Block, ...] = (arms_table(study, state, found), _forest(study, state, found))
    if study.kind == "ablation":
        return _ablations(study, state, found, blocks)
    if found.overall is None:
        return _counted(study, state, found, blocks)
    own = the(found.quantum_arm)
    claims = {
        "better": f"{own} is better than {found.opponent}",
        "worse": f"{own} is worse than {found.opponent}",
        "no difference seen": f"No difference seen to {found.opponent}",
        "too few runs": "Too few runs to tell",
    }
    where = f"{scope(study, state)} Against {found.opponent}, {_chosen(study, found)}."
    sentence = " ".join([found.overall.sentence, *_others(found)])
    return Headline(state, where, found.overall.kind, claims[found.overall.kind], sentence, blocks)


def _others(found: Comparisons) -> list[str]:
    """Where other classical arms stand otherwise, which who reads the claim alone would not expect."""
    assert found.overall is not None
    kinds = {
        one.other: one.verdict.kind for one in found.comparisons if one.family == "classical" and one.other != found.opponent
    }
    phrases = {
        kind: f"Beside other classical arms it is {kind} than: {{}}."
        for kind in ("better", "worse")
        if kind != found.overall.kind
    }
    said = by_kind(kinds, phrases)
    return [said] if said else []


def _chosen(study: ReportInput, found: Comparisons) -> str:
    """How the opponent was chosen."""
    if study.rule.against != BEST_CLASSICAL:
        return "which the rule names"
    level = f", level with {listed(found.level)} and smaller" if found.level else ""
    return f"the best classical arm by validation{level}"


def _nothing_yet(study: ReportInput, state: str, why: str) -> Headline:
    """When there is nothing to compare."""
    means = [mean_of(study, str(arm), trials) for arm, trials in finals(study, state).groupby("arm", sort=False)]
    table = means_table(study, state, "arms", f"Arms so far. {scope(study, state)}", means)
    return Headline(
        state, f"{state.capitalize()} embeddings.", "too few runs", "Too few runs to tell", why, (table,) if means else ()
    )


def _forest(study: ReportInput, state: str, found: Comparisons) -> Block:
    if study.kind == "ablation":
        title, below, above = "What each part is worth: whole head − head without it", "better without", "part helps"
    else:
        title, below, above = f"{found.quantum_arm} − other arm", "other arm better", f"{found.quantum_arm} better"
    return differences_chart(study, state, "differences", title, found.comparisons, below, above)


def _ablations(study: ReportInput, state: str, found: Comparisons, blocks: tuple[Block, ...]) -> Headline:
    kinds: dict[str, str] = {one.other: one.verdict.kind for one in found.comparisons if one.family == "ablation"}
    kinds |= dict.fromkeys(_at_chance(study, state) & set(kinds), "at chance")
    if set(kinds.values()) <= {"too few runs"}:
        sentence = found.comparisons[0].verdict.sentence if found.comparisons else "No ablation has finished."
        return Headline(state, scope(study, state), "too few runs", "Too few runs to tell", sentence, blocks)
    first = that_matter(list(kinds.values()).count("better"), counted(len(kinds), "part"))
    rest = {
        "worse": "better without {}",
        "no difference seen": "no difference seen for {}",
        "at chance": "{} at chance",
        "too few runs": "too few runs for {}",
    }
    sentence = " ".join([by_kind(kinds, _WHOLE), *_without_effect(study, state, found.quantum_arm)])
    return Headline(state, scope(study, state), None, tally(first, kinds.values(), rest), sentence, blocks)


def _at_chance(study: ReportInput, state: str) -> set[str]:
    """Ablations whose log loss is that of guessing, or more, on most splits."""
    final = finals(study, state)
    final = final[(final["family"] == "ablation") & final["log_loss"].notna()]
    if final.empty:
        return set()
    guessing = math.log(max(2, len(study.classes)))
    learned = final.assign(at=final["log_loss"] > _GUESSING * guessing).groupby("arm")["at"].mean()
    return set(learned.index[learned > 0.5])


def _without_effect(study: ReportInput, state: str, whole: str) -> list[str]:
    """What was no ablation on some splits, because the settings chosen for the whole head lack the part already."""
    final = finals(study, state)
    own = final[final["arm"] == whole]
    found = []
    for arm, trials in final[final["family"] == "ablation"].groupby("arm", sort=False):
        same = trials.loc[trials["trial"].isin(own["trial"]), "split"].nunique()
        if same:
            of = counted(trials["split"].nunique(), "split")
            found.append(f"On {same} of {of} '{arm}' changes nothing: the head has no such part there.")
    return found


def _counted(study: ReportInput, state: str, found: Comparisons, blocks: tuple[Block, ...]) -> Headline:
    kinds = {one.other: one.verdict.kind for one in found.comparisons}
    if set(kinds.values()) <= {"too few runs"}:
        return Headline(
            state, scope(study, state), "too few runs", "Too few runs to tell", found.comparisons[0].verdict.sentence, blocks
        )
    number = list(kinds.values()).count("better")
    first = f"{the(found.quantum_arm)} is better than {number} of {counted(len(kinds), 'arm')}"
    rest = {"worse": "worse than {}", "no difference seen": "no difference seen to {}", "too few runs": "too few runs for {}"}
    sentence = f"There is no classical arm to compare it with. {by_kind(kinds, _BESIDE)}"
    return Headline(state, scope(study, state), None, tally(first, kinds.values(), rest), sentence, blocks)


def _sections(study: ReportInput, compared_states: dict[str, Comparisons | str]) -> list[Section]:
    """Every run, power, and McNemar's tests."""
    runs: list[Block] = []
    power: list[Block] = []
    tests: list[Block] = []
    for state, found in compared_states.items():
        if not finals(study, state).empty:
            runs.append(runs_chart(study, state))
        if not isinstance(found, str):
            power.append(power_table(study, state, found))
            tests += mcnemar_tables(study, state, found)
    asked = "Are there enough splits? Splits are draws of the few labelled rows; accuracy differs from draw to draw."
    same = "On the test rows of one split, two trained heads can be compared row by row."
    return [
        Section("runs", "Every run", tuple(runs)),
        Section("power", "Power", (Text(asked), *power) if power else ()),
        Section("mcnemar", "McNemar's test, split by split", (Text(same), *tests) if tests else ()),
    ]
