"""Reports of synthetic studies: read back as a browser, a spreadsheet and TensorBoard would."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pandas as pd
import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.plugins.hparams import metadata, plugin_data_pb2

from tests.studies.report.synthetic import (
    ABLATIONS,
    ARMS,
    QUANTUM,
    RULE,
    STUDIES,
    ablation,
    circuit,
    compare,
    noise_grid,
    qubits,
    screen,
    shots,
)
from tfq_llm.errors import InputError
from tfq_llm.studies.report import ReportInput, summary, write_report
from tfq_llm.studies.report.assemble import document
from tfq_llm.studies.report.html import html
from tfq_llm.studies.statistics import compare_arms

HOSTILE = '<script>alert("1")</script> & $a$ | `b` ![x](y)'


class Page(HTMLParser):
    """What a page consists of."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: Counter[str] = Counter()
        self.attributes: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[str] = []
        self._open: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags[tag] += 1
        self.attributes.append((tag, dict(attrs)))
        self._open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        while self._open and self._open.pop() != tag:
            pass

    def handle_data(self, data: str) -> None:
        if "style" not in self._open:
            self.texts.append(data)

    @property
    def text(self) -> str:
        """All that is read."""
        return " ".join(" ".join(self.texts).split())

    def values(self, name: str) -> list[str]:
        """Of an attribute, wherever it stands."""
        return [value for _, attributes in self.attributes if (value := attributes.get(name)) is not None]


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> tuple[ReportInput, Path]:
    """The report of a study in which every name is an attack, in two states, unfinished and with a failure."""
    arms = {QUANTUM: ARMS[QUANTUM], HOSTILE: ("classical", 0.86, 10), "k-nearest neighbours": ARMS["k-nearest neighbours"]}
    study = compare(
        arms,
        name=HOSTILE,
        states=("frozen", "tuned"),
        done=81,
        expected=120,
        is_finished=False,
        failures={f"trial {HOSTILE}": f"Traceback\n  File {HOSTILE}\nValueError: {HOSTILE}", "other": "MemoryError"},
        commands=(f"tfq-llm study compare --name '{HOSTILE}'",),
        circuits={HOSTILE: circuit()},
        classes=(HOSTILE, "positive"),
    )
    return study, write_report(study, tmp_path_factory.mktemp("report"))


# Comparisons and ablations have the page of the next test.
@pytest.mark.parametrize("kind", sorted(STUDIES.keys() - {"ablation", "compare"}))
def test_every_kind_of_study_has_a_page_with_an_answer_and_charts_that_can_be_read_aloud(kind: str) -> None:
    # Spaces that do not break are spaces to a reader.
    made = document(STUDIES[kind]())
    page = Page(html(made))
    assert made.headlines[0].claim in page.text
    assert " ".join(made.headlines[0].sentence.split()) in page.text
    check_structure(page, len(made.charts()))


def test_a_page_of_two_states_has_as_many_charts_that_can_be_read_aloud(hostile: tuple[ReportInput, Path]) -> None:
    study, path = hostile
    check_structure(Page(path.read_text(encoding="utf-8")), len(document(study).charts()))


def check_structure(page: Page, charts: int) -> None:
    """Headings, tables, and charts whose names inside do not meet."""
    names = Counter(page.values("id"))
    assert [name for name, count in names.items() if count > 1] == []
    for name in ("href", "xlink:href"):
        assert all(link[1:] in names for link in page.values(name) if link.startswith("#"))
    assert all(name in names for value in page.values("clip-path") for name in re.findall(r"url\(#(.*?)\)", value))
    drawings = [attributes for tag, attributes in page.attributes if tag == "svg" and "aria-hidden" not in attributes]
    assert len(drawings) == 2 * charts > 0
    for drawing in drawings:
        assert drawing["role"] == "img"
        assert drawing["aria-labelledby"] in names
        assert drawing["aria-describedby"] in names
    assert page.tags["h1"] == 1
    assert page.tags["caption"] == page.tags["table"] > 0
    assert page.tags["script"] == 0


def test_names_of_a_study_are_shown_and_never_taken_for_html_or_markdown(hostile: tuple[ReportInput, Path]) -> None:
    _, path = hostile
    page = Page(path.read_text(encoding="utf-8"))
    assert page.tags["script"] == page.tags["link"] - 1 == 0
    assert page.text.count(HOSTILE) > 10
    assert {value[:5] for value in page.values("src")} == {"data:"}
    assert all(not link or link.startswith(("#", "data:")) for link in page.values("href"))
    assert [name for _, attributes in page.attributes for name in attributes if name.startswith("on")] == []
    text = path.with_name("report.md").read_text(encoding="utf-8")
    outside = re.sub(r"(?ms)^(`{3,})text$.*?^\1$", "", text)
    assert "<script" not in outside.replace("\\<", "")
    assert "![x]" not in outside
    assert all("<script" not in plot.read_text(encoding="utf-8") for plot in (path.parent / "plots").glob("*.svg"))


def test_an_unfinished_study_says_so_first_and_shows_its_tracebacks(hostile: tuple[ReportInput, Path]) -> None:
    text = Page(hostile[1].read_text(encoding="utf-8")).text
    said = "Not finished: 81 of 120 trials; 2 failed."
    assert said in text
    assert text.index(said) < text.index("The answer")
    assert "MemoryError" in text
    assert said.replace("#", "") in summary(hostile[0])


def test_states_of_the_embeddings_have_answers_and_tables_of_their_own(hostile: tuple[ReportInput, Path]) -> None:
    study, path = hostile
    assert [headline.state for headline in document(study).headlines] == ["frozen", "tuned"]
    for state in ("frozen", "tuned"):
        table = pd.read_csv(path.parent / "tables" / f"arms-{state}.csv")
        assert set(table["state"]) == {state}
        assert len(table) == 3


def test_the_numbers_are_those_of_the_statistics(hostile: tuple[ReportInput, Path]) -> None:
    study, path = hostile
    found = compare_arms(study.of_state("frozen"), QUANTUM, RULE, study.right)
    table = pd.read_csv(path.parent / "tables" / "arms-frozen.csv").set_index("arm")
    for one in found.comparisons:
        row = table.loc[one.other]
        assert row["difference_points"] == pytest.approx(one.paired.difference, abs=1e-6)
        assert row["difference_low"] == pytest.approx(one.paired.interval.low, abs=1e-6)
        assert row["p_holm"] == pytest.approx(one.adjusted_p)
        assert row["verdict"] == one.verdict.kind
    assert found.overall is not None
    assert document(study).headlines[0].word == found.overall.kind
    text = Page(path.read_text(encoding="utf-8")).text
    assert f"{100 * found.scores[0].accuracy:.2f} [" in text


def test_the_same_results_give_the_same_files_whatever_they_cost_and_old_ones_go(tmp_path: Path) -> None:
    study = compare({QUANTUM: ARMS[QUANTUM], "logistic regression": ARMS["logistic regression"]}, splits=3)
    write_report(study, tmp_path)
    first = {path.relative_to(tmp_path): path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    assert first
    (tmp_path / "tables" / "old.csv").write_text("of another study")
    (tmp_path / "notes.txt").write_text("the reader's own")
    write_report(replace(study, costs=study.costs.assign(fit_seconds=7.0)), tmp_path)
    second = {path.relative_to(tmp_path): path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    assert second.pop(Path("notes.txt"))
    assert first.keys() == second.keys()
    # Pages and one table say what it cost.
    assert {str(name) for name in first if first[name] != second[name]} == {"report.html", "report.md", "tables/costs.csv"}


def test_tensorboard_reads_scalars_and_settings(hostile: tuple[ReportInput, Path]) -> None:
    study, path = hostile
    board = path.parent / "tensorboard"
    finals = study.frame[study.frame["role"] == "final"].set_index("trial")
    runs = [events.parent for events in board.rglob("events.out.tfevents.*")]
    assert sorted(run.name for run in runs) == sorted(finals.index)
    events = EventAccumulator(str(runs[0])).Reload()
    assert events.Scalars("accuracy")[0].value == pytest.approx(finals.loc[runs[0].name, "accuracy"])
    content = events.summary_metadata[metadata.SESSION_START_INFO_TAG].plugin_data.content
    start = plugin_data_pb2.HParamsPluginData.FromString(content).session_start_info
    assert start.hparams["arm"].string_value == finals.loc[runs[0].name, "arm"]
    assert start.hparams["rate"].number_value == 0.001


@pytest.mark.parametrize("kind", STUDIES)
@pytest.mark.parametrize("left", [1, 3, 8])
def test_a_study_that_has_hardly_begun_is_reported_too(kind: str, left: int) -> None:
    whole = STUDIES[kind]()
    trials = whole.frame.sample(left, random_state=0).sort_index()
    made = document(replace(whole, frame=trials, done=left, is_finished=False))
    assert made.warnings[0].startswith("Not finished")
    # Three validation scores or so cannot be a verdict.
    assert made.headlines[0].word in ("too few runs", None)
    if kind != "tune":
        assert made.headlines[0].claim == "Too few runs to tell"
    assert made.tables()


@pytest.mark.parametrize(("splits", "word"), [(1, "too few runs"), (3, "too few runs"), (8, "worse")])
def test_the_first_screen_gives_the_verdict_of_the_rule(splits: int, word: str) -> None:
    arms = {QUANTUM: ("quantum", 0.80, 634), "logistic regression": ("classical", 0.87, 769)}
    made = document(compare(arms, splits=splits))
    assert made.headlines[0].word == word
    claims = {"too few runs": "Too few runs to tell", "worse": "The quantum head is worse than logistic regression"}
    assert made.headlines[0].claim == claims[word]


def test_an_ablation_says_which_parts_matter() -> None:
    headline = document(ablation(splits=12)).headlines[0]
    assert headline.word is None
    parts = len(ABLATIONS) - 1
    assert headline.claim == f"3 of {parts} parts matter; too few runs for 3"
    said = "The whole head is better than: no entanglement, nearest neighbours only and PCA for the amplitude encoder."
    assert said in headline.sentence
    assert "There are too few runs to tell for: no re-uploading, PQC frozen at random and no QPU." in headline.sentence
    coarse = RULE.model_copy(update={"resolution": 3.0})
    assert document(ablation(splits=12, rule=coarse)).headlines[0].claim == f"3 of {parts} parts matter; no difference seen for 3"


def test_an_ablation_that_stays_at_chance_is_not_said_to_show_that_a_part_matters() -> None:
    study = ablation(splits=12)
    # ln 2 = 0.693 nats is what guessing has.
    stuck = (study.frame["arm"] == "no entanglement") & (study.frame["split"] < 7)
    frame = study.frame.assign(log_loss=study.frame["log_loss"].mask(stuck, 0.6932))
    headline = document(replace(study, frame=frame)).headlines[0]
    assert headline.claim == f"2 of {len(ABLATIONS) - 1} parts matter; 1 at chance; too few runs for 3"
    assert "stays at chance on most splits, so it may be training that fails: no entanglement." in headline.sentence
    few = frame.assign(log_loss=frame["log_loss"].mask(frame["split"] > 4, 0.3))
    assert "at chance" not in document(replace(study, frame=few)).headlines[0].claim


def test_costs_of_trials_from_elsewhere_are_not_counted_as_nothing() -> None:
    study = compare()
    unknown = study.costs.assign(fit_seconds=float("nan"), score_seconds=float("nan"), host="imported")
    some = pd.concat([study.costs.head(2), unknown.tail(-2)])

    def said(costs: pd.DataFrame) -> str:
        (section,) = [one for one in document(replace(study, costs=costs)).sections if one.anchor == "costs"]
        return section.blocks[0].text

    assert said(study.costs).startswith("All trials together took")
    assert said(some).startswith("2 trials together took")
    assert said(unknown) == f"What {len(unknown)} trials from elsewhere took is not known."
    assert "imported" not in said(some)


def test_an_ablation_with_too_few_runs_for_some_parts_says_so_and_not_that_they_do_not_matter() -> None:
    study = ablation(splits=12)
    early = study.frame["split"] < 5
    some = study.frame[early | ~study.frame["arm"].isin(["no entanglement", "no QPU"])]
    headline = document(replace(study, frame=some)).headlines[0]
    assert headline.claim == "2 of 6 parts matter; too few runs for 4"
    alike = {QUANTUM: ("quantum", 0.858, 634), "no QPU": ("ablation", 0.858, 591), "no entanglement": ("ablation", 0.858, 634)}
    none = compare(alike, kind="ablation", splits=12, rule=RULE.model_copy(update={"resolution": 3.0}))
    assert document(none).headlines[0].claim == "None of 2 parts is shown to matter; no difference seen for 2"


def test_a_quantum_arm_of_ones_own_is_the_one_that_is_reported() -> None:
    arms = {"mine": ("quantum", 0.80, 634), QUANTUM: ("quantum", 0.87, 634), "logistic regression": ("classical", 0.87, 769)}
    headline = document(compare(arms, reference="mine")).headlines[0]
    assert headline.claim == "'mine' is worse than logistic regression"


def test_who_reads_that_one_classical_head_is_beaten_also_reads_of_those_that_are_not() -> None:
    arms = {QUANTUM: ("quantum", 0.80, 634), "MLP": ("classical", 0.70, 769), "SVC": ("classical", 0.90, 300)}
    study = replace(compare(arms), rule=RULE.model_copy(update={"against": "MLP"}))
    headline = document(study).headlines[0]
    assert headline.claim == "The quantum head is better than MLP"
    assert headline.sentence.endswith("Beside other classical arms it is worse than: SVC.")


def test_splits_that_no_test_can_use_are_too_few_for_a_trend() -> None:
    study = qubits()
    some = study.frame[study.frame["split"] < 4]
    rule = RULE.model_copy(update={"fewest_splits": 4})
    assert document(replace(study, frame=some, rule=rule)).headlines[0].claim == "Too few runs to tell"
    by_t = document(replace(study, frame=some, rule=rule.model_copy(update={"test": "t"})))
    assert by_t.headlines[0].claim == "Accuracy rises with qubits and inputs"


def test_where_more_qubits_see_more_inputs_the_claim_says_so_and_gives_the_other_slope() -> None:
    headline = document(qubits()).headlines[0]
    assert headline.claim == "Accuracy rises with qubits and inputs"
    assert re.search(r"Logistic regression on the same inputs: \+1\.\d\d points for each more qubit", headline.sentence)


def test_shots_say_where_it_is_open_and_what_training_with_them_does() -> None:
    assert document(shots()).headlines[0].claim == "No number of shots is known to be enough"
    headline = document(shots(rule=RULE.model_copy(update={"resolution": 3.0}))).headlines[0]
    assert re.fullmatch(r"[\d,]+ shots are enough to score", headline.claim)
    assert "Trained and scored with " in headline.sentence


def test_noise_says_what_it_costs_and_a_grid_of_p1_and_p2_is_panels() -> None:
    made = document(noise_grid())
    assert made.headlines[0].claim.startswith("Training under noise helps in ")
    assert "depolarizing:0.003,0.03 costs a noise-blind head the most: −" in made.headlines[0].sentence
    chart = next(chart for chart in made.charts() if chart.name == "noise-grid-frozen")
    assert set(chart.data.data["test_noise"]) == {f"depolarizing:{p1},{p2}" for p1 in (0.001, 0.003) for p2 in (0.01, 0.03)}
    named = next(chart for chart in made.charts() if chart.name == "noise-frozen")
    assert set(named.data.data["test_noise"]) == {"none", "aria-1"}
    # Two points of a plane are no grid.
    assert "noise-grid-frozen" not in [chart.name for chart in document(STUDIES["noise"]()).charts()]


def test_a_screening_says_which_factors_are_open() -> None:
    headline = document(screen()).headlines[0]
    assert headline.claim == "3 of 6 factors matter; no difference seen for 3"
    assert "1 of 7 interactions is clear too" in headline.sentence
    unsure = replace(screen(), rule=RULE.model_copy(update={"resolution": 0.01}))
    assert document(unsure).headlines[0].claim == "3 of 6 factors matter; too few runs for 3"


def test_an_ablation_says_where_it_took_nothing_away() -> None:
    study = ablation(splits=12)
    frame = study.frame.copy()
    whole = frame[(frame["arm"] == QUANTUM) & (frame["role"] == "final")].set_index("split")
    same = (frame["arm"] == "no re-uploading") & (frame["split"] < 2)
    for column in ("trial", "accuracy", "correct"):
        frame.loc[same, column] = frame.loc[same, "split"].map(whole[column])
    sentence = document(replace(study, frame=frame)).headlines[0].sentence
    assert "On 2 of 12 splits 'no re-uploading' changes nothing" in sentence
    assert "changes nothing" not in document(study).headlines[0].sentence


def test_a_frame_without_its_columns_and_a_screening_without_its_design_are_refused() -> None:
    study = shots()
    with pytest.raises(InputError, match="lacks the columns accuracy"):
        replace(study, frame=study.frame.drop(columns="accuracy"))
    with pytest.raises(InputError, match="needs its design"):
        replace(study, kind="screen")
