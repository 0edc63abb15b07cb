"""Studies as a user runs them: begun, replayed, grown and reported. Those that are killed are in tests/kills."""

from __future__ import annotations

import dataclasses
import logging
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from tests.kills.processes import alive, until, worker_processes
from tests.support import blobs, write_reviews
from tfq_llm.cli import main
from tfq_llm.errors import InputError
from tfq_llm.pipelines.report import report, report_input
from tfq_llm.pipelines.study import study
from tfq_llm.studies.config import StudyConfig, load_study_config, make_study_config
from tfq_llm.studies.driver import driving
from tfq_llm.studies.perform import perform
from tfq_llm.studies.replay import frame, right
from tfq_llm.studies.report.assemble import document
from tfq_llm.studies.study import Study
from tfq_llm.studies.trial import Entry, TrialResult

TINY = {"head": {"encoder_layers": 1, "connectivity": 1}, "fit": {"epochs": 2}, "selection": {"candidates": 2, "folds": 2}}
ARMS = ["logistic regression", "random Fourier features"]
MINE = {"mine": {"like": "SVC", "settings": {"C": 2.0}}}
QUANTUM = ["quantum head", "logistic regression"]


@pytest.fixture
def embeddings(tmp_path) -> Path:
    vectors, labels = blobs(140)
    vectors += np.random.default_rng(3).normal(size=vectors.shape).astype(np.float32)
    np.savez(tmp_path / "blobs.npz", embeddings=vectors, labels=labels)
    return tmp_path / "blobs.npz"


def config(embeddings: Path, kind: str = "compare", **changes: object) -> StudyConfig:
    data = {"embeddings": [str(embeddings)], "per_class": 20, **dict(changes.pop("data", {}))}  # type: ignore[call-overload]
    return make_study_config({"kind": kind, "splits": 2, "arms": ARMS, **TINY, **changes, "data": data})


def run_here(study: Study) -> list[tuple[Entry, TrialResult]]:
    """All trials in this process, one after another."""
    found = []
    for make in study.plan.procedures:
        procedure, results = make(), None
        try:
            while True:
                entries = procedure.send(results)
                results = [perform(entry.trial, study.store.url) for entry in entries]
                found += list(zip(entries, results, strict=True))
        except StopIteration:
            pass
    return found


class TestReplay:
    def test_a_study_can_be_read_from_its_store_alone(self, embeddings, tmp_path):
        done = run_here(Study.begun(config(embeddings), str(tmp_path / "s")))
        embeddings.unlink()
        replayed = Study.opened(str(tmp_path / "s")).replayed()
        assert replayed.is_finished
        table = frame(replayed)
        assert len(table) == len(done) == 2 * 2 * (2 * 2 + 1)
        assert set(table["accuracy"]) == {result.accuracy for _, result in done}

    def test_which_rows_were_right_follows_from_what_was_predicted(self, embeddings, tmp_path):
        study = Study.begun(config(embeddings), str(tmp_path / "s"))
        run_here(study)
        found = right(study.replayed(), study.store)
        assert len(found) == 2 * 2
        for name, result in study.replayed().finals().items():
            assert found[name].mean() == pytest.approx(result.accuracy)
            assert len(found[name]) == result.rows == 100

    def test_what_has_not_run_is_not_there(self, embeddings, tmp_path):
        study = Study.begun(config(embeddings), str(tmp_path / "s"))
        assert not study.replayed().found
        first = next(study.plan.procedures[0]())
        perform(first[0].trial, study.store.url)
        assert [entry.trial for entry, _ in study.replayed().found] == [first[0].trial]
        assert not study.replayed().is_finished


class TestWhatMayChange:
    def test_more_splits_reuse_the_rest(self, embeddings, tmp_path):
        run_here(Study.begun(config(embeddings), str(tmp_path / "s")))
        grown = Study.begun(config(embeddings, splits=3), str(tmp_path / "s"))
        assert len(grown.replayed().found) == 20
        assert grown.plan.size == 30

    @pytest.mark.parametrize(
        ("changes", "name"),
        [
            ({"verdict": {"alpha": 0.1}}, "verdict"),
            ({"data": {"per_class": 30}}, "data"),
            ({"selection": {"candidates": 3, "folds": 2}}, "selection"),
        ],
    )
    def test_what_numbers_mean_and_the_rule_may_not(self, embeddings, tmp_path, changes, name):
        Study.begun(config(embeddings), str(tmp_path / "s"))
        with pytest.raises(InputError, match=f"begun with other settings of {name}"):
            Study.begun(config(embeddings, **changes), str(tmp_path / "s"))

    @pytest.mark.parametrize(
        ("first", "changes", "taken"),
        [
            ({"splits": 3}, {"splits": 2}, "splits from 3 to 2"),
            ({}, {"arms": ARMS[:1]}, "arms without 'random Fourier features'"),
            ({"more_arms": MINE}, {"more_arms": {"mine": {"like": "SVC"}}}, "more_arms.mine with another definition"),
        ],
    )
    def test_what_has_results_may_not_be_taken_away(self, embeddings, tmp_path, first, changes, taken):
        study = Study.begun(config(embeddings, **first), str(tmp_path / "s"))
        # Before there are results, anybody may think again.
        Study.begun(config(embeddings, **changes), str(tmp_path / "s"))
        study = Study.begun(config(embeddings, **first), str(tmp_path / "s"))
        perform(next(study.plan.procedures[0]())[0].trial, study.store.url)
        with pytest.raises(InputError, match=rf"has 1 results and may only grow now.*{re.escape(taken)}.*new study"):
            Study.begun(config(embeddings, **changes), str(tmp_path / "s"))
        assert Study.opened(str(tmp_path / "s")).config == study.config

    def test_no_arms_named_means_all_but_ablations(self, embeddings, tmp_path):
        study = Study.begun(config(embeddings, arms=[]), str(tmp_path / "s"))
        perform(next(study.plan.procedures[0]())[0].trial, study.store.url)
        with pytest.raises(InputError, match="arms without 'quantum head', 'quantum head, literal', "):
            Study.begun(config(embeddings), str(tmp_path / "s"))
        named = [*dict.fromkeys(entry.arm for make in study.plan.procedures for entry in next(make()))]
        Study.begun(config(embeddings, arms=named), str(tmp_path / "s"))
        assert Study.begun(config(embeddings, arms=[]), str(tmp_path / "s")).growths == ()

    def test_what_was_seen_before_it_grew_is_told_by_the_report(self, embeddings, tmp_path):
        run_here(Study.begun(config(embeddings), str(tmp_path / "s")))
        grown = Study.begun(config(embeddings, splits=3), str(tmp_path / "s"))
        Study.begun(config(embeddings, splits=3), str(tmp_path / "s"))
        (growth,) = grown.growths
        assert (growth.what, growth.results, growth.test_scores) == (("splits from 2 to 3",), 20, 4)
        (_, warning) = document(report_input(Study.opened(str(tmp_path / "s")))).warnings
        assert warning.startswith("When 20 results (4 of test rows) were there already, this was decided: splits from 2 to 3. p")

    def test_files_may_be_moved_but_not_changed(self, embeddings, tmp_path):
        run_here(Study.begun(config(embeddings), str(tmp_path / "s")))
        moved = embeddings.rename(tmp_path / "elsewhere.npz")
        assert Study.begun(config(moved), str(tmp_path / "s")).replayed().is_finished
        vectors, labels = blobs(140)
        np.savez(moved, embeddings=vectors + 1, labels=labels)
        with pytest.raises(InputError, match=r"data of split 0 are not those.*may be renamed or moved.*content may not change"):
            Study.begun(config(moved), str(tmp_path / "s"))

    def test_versions_may_not(self, embeddings, tmp_path):
        Study.begun(config(embeddings), str(tmp_path / "s"))
        file = tmp_path / "s" / "versions.json"
        file.write_text(file.read_text().replace('"numpy": "', '"numpy": "1.'), encoding="utf-8")
        with pytest.raises(InputError, match="numpy 1"):
            Study.begun(config(embeddings), str(tmp_path / "s"))

    def test_rows_of_another_machine_are_not_run_again(self, embeddings, tmp_path, caplog):
        first = Study.begun(config(embeddings), str(tmp_path / "s"))
        run_here(first)
        rows = first.store.export_rows()
        with caplog.at_level(logging.INFO):
            second = Study.begun(config(embeddings), str(tmp_path / "t"), rows)
            assert second.replayed().is_finished
            assert second.store.export_rows() == rows
            Study.begun(config(embeddings, arms=ARMS[:1]), str(tmp_path / "u"), rows)
            Study.begun(config(embeddings, arms=ARMS[:1]), str(tmp_path / "u"), rows)
            Study.begun(config(embeddings, first_split=7), str(tmp_path / "v"), rows)
            vectors, labels = blobs(140, seed=5)
            np.savez(tmp_path / "others.npz", embeddings=vectors, labels=labels)
            Study.begun(config(tmp_path / "others.npz"), str(tmp_path / "w"), rows)
        assert [message for message in caplog.messages if message.startswith("Known")] == [
            "Known trials: 20 of 20 fit this study as it stands; 20 were new to it.",
            "Known trials: 10 of 20 fit this study as it stands; 20 were new to it.",
            "Known trials: 10 of 20 fit this study as it stands; 0 were new to it.",
            "Known trials: none of 20 fits this study, for they are of other splits or settings: everything is run.",
            "Known trials: none of 20 fits this study, for they are of other embeddings or data: everything is run.",
        ]
        (growth,) = second.growths
        assert (growth.what, growth.test_scores) == (("the whole configuration, with its arms and its rule",), 4)

    def test_a_study_at_a_url_is_reported_on_this_machine(self, embeddings, tmp_path, monkeypatch):
        monkeypatch.chdir(tmp_path)
        run_here(Study.begun(config(embeddings), f"memory://{tmp_path.name}/far"))
        assert "runs/reports/far/report.html" in report(f"memory://{tmp_path.name}/far")
        assert "The circuit" not in (tmp_path / "runs" / "reports" / "far" / "report.html").read_text()

    def test_the_circuits_that_are_drawn_say_which_they_are(self, embeddings, tmp_path):
        small = {"arms": QUANTUM, "splits": 2, "selection": {"candidates": 1, "folds": 1}}
        run_here(Study.begun(config(embeddings, **small), str(tmp_path / "s")))
        shown = list(report_input(Study.opened(str(tmp_path / "s"))).circuits)
        assert shown == [
            "re-uploading circuit of the quantum head, as on split 0",
            "amplitude encoder of the quantum head, as on split 0, the layer",
        ]

    def test_a_search_by_another_optuna_is_another_study(self, embeddings, tmp_path):
        Study.begun(config(embeddings), str(tmp_path / "s"))
        assert '"optuna": "' in (tmp_path / "s" / "versions.json").read_text()


def bound_files(directory: Path, count: int) -> list[str]:
    """Files of embeddings that bind their rows, one for each split."""
    vectors, labels = blobs(80)
    files = [str(directory / f"tuned-{seed}.npz") for seed in range(count)]
    for seed, file in enumerate(files):
        np.savez(file, embeddings=vectors + seed, labels=labels, train=np.arange(30), validation=np.arange(30, 40))
    return files


class TestEmbeddings:
    def test_files_that_bind_their_rows_are_one_for_each_split(self, tmp_path):
        files = bound_files(tmp_path, 2)
        settings = config(tmp_path / "x", data={"embeddings": files})
        draws = Study.begun(settings, str(tmp_path / "s")).draws
        assert [draw.has_seen for draw in draws] == [True, True]
        assert len({draw.data for draw in draws}) == 2
        for bad, message in ((files[:1], "set splits to 1"), ([*files, files[0]], "3 files of embeddings and 2 splits")):
            with pytest.raises(InputError, match=message):
                Study.begun(config(tmp_path / "x", data={"embeddings": bad}), str(tmp_path / "t"))

    def test_one_more_file_is_one_more_split(self, tmp_path):
        files = bound_files(tmp_path, 3)
        Study.begun(config(tmp_path / "x", data={"embeddings": files[:2]}), str(tmp_path / "s"))
        Study.begun(config(tmp_path / "x", splits=3, data={"embeddings": files}), str(tmp_path / "s"))
        with pytest.raises(InputError, match="data of split 0 are not those"):
            Study.begun(config(tmp_path / "x", splits=3, data={"embeddings": files[::-1]}), str(tmp_path / "s"))

    def test_a_test_set_that_shares_texts_with_the_training_texts_is_refused(self, tmp_path):
        reviews = write_reviews(tmp_path / "reviews.csv")
        other = tmp_path / "test.csv"
        other.write_text(
            "text,label\nsomething new,good\nsomething old,bad\n" + reviews.read_text().splitlines()[1], encoding="utf-8"
        )
        settings = make_study_config({"kind": "compare", "data": {"name": str(reviews), "test": str(other)}})
        with pytest.raises(InputError, match="1 texts of the test set 'test' are in 'reviews' too"):
            Study.begun(settings, str(tmp_path / "s"))

    def test_bad_ones_are_refused_before_anything_is_written(self, tmp_path):
        with pytest.raises(InputError, match="cannot read"):
            Study.begun(config(tmp_path / "none.npz"), str(tmp_path / "s"))
        with pytest.raises(InputError, match="there is no study in"):
            Study.opened(str(tmp_path / "s"))


def test_an_interrupted_study_exports_what_is_finished(embeddings, tmp_path, monkeypatch):
    begun = Study.begun(config(embeddings), str(tmp_path / "s"))
    run_here(begun)
    finished = begun.store.export_rows()

    def interrupted(*_arguments: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("tfq_llm.pipelines.study.run", interrupted)
    with pytest.raises(KeyboardInterrupt):
        study(config(embeddings), str(tmp_path / "s"), workers=1, export=tmp_path / "rows.csv")
    assert (tmp_path / "rows.csv").read_text() == finished


def command(embeddings: Path, place: Path, *more: str) -> list[str]:
    settings = ["splits=2", "data.per_class=20", "head.encoder_layers=1", "head.connectivity=1", "fit.epochs=2"]
    settings += ["selection.candidates=2", "selection.folds=2", f"arms=[{','.join(QUANTUM)}]", "verdict.resamples=200"]
    options = [option for setting in settings for option in ("--set", setting)]
    return ["study", "compare", "--embeddings", str(embeddings), "--study-dir", str(place), *options, *more]


COMMAND = """
import functools, sys
from tfq_llm.cli import main
import tfq_llm.pipelines.study as driver
driver.LocalWorkers = functools.partial(driver.LocalWorkers, perform="tests.studies.doubles:perform_slowly")
sys.exit(main(sys.argv[1:]))
"""


@pytest.mark.slow
@pytest.mark.parametrize(
    ("sent", "code", "word"),
    [
        (signal.SIGTERM, 143, "terminated"),
        pytest.param(signal.SIGINT, 130, "interrupted", marks=pytest.mark.campaign),
    ],
)
def test_a_study_that_is_told_to_end_leaves_no_worker(embeddings, tmp_path, sent, code, word):
    place = tmp_path / "s"
    running = subprocess.Popen(
        [sys.executable, "-c", COMMAND, *command(embeddings, place, "--workers", "2"), "--set", "splits=30"],
        stderr=subprocess.PIPE,
        text=True,
        # A test run in the background of a shell has it ignored, and so would its processes.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )
    try:
        until(lambda: list(place.glob("trials/*.json")), 120)
        workers = worker_processes(running.pid)
        assert len(workers) == 2
        running.send_signal(sent)
        said = running.communicate(timeout=60)[1]
    finally:
        running.kill()
    assert running.returncode == code, said
    assert f"tfq-llm: {word}. What was finished is kept; the same command goes on from there." in said
    assert "Traceback" not in said
    until(lambda: not any(map(alive, workers)))


def test_a_study_is_driven_by_one_command_and_reported_meanwhile(embeddings, tmp_path, capsys):
    run_here(Study.begun(config(embeddings), str(tmp_path / "s")))
    with driving(str(tmp_path / "s")):
        assert main(command(embeddings, tmp_path / "s")) == 2
        assert f"another command runs the study in '{tmp_path / 's'}': process {os.getpid()} on" in capsys.readouterr().err
        assert main(["report", str(tmp_path / "s")]) == 0


def test_the_configuration_and_the_command_are_of_one_kind(tmp_path, capsys):
    assert main(["study", "compare", "reproduce-ablation-frozen", "--study-dir", str(tmp_path / "s")]) == 2
    said = capsys.readouterr().err
    assert "is of the study 'ablation', and 'compare' was to be run: give the command 'tfq-llm study ablation'" in said
    assert not (tmp_path / "s").exists()
    plain = tmp_path / "plain.yaml"
    plain.write_text("splits: 3\n", encoding="utf-8")
    assert load_study_config(plain, [], "shots").kind == "shots"
    with pytest.raises(InputError, match="kind"):
        load_study_config(plain)


def test_rows_that_cannot_be_written_are_told(embeddings, tmp_path, monkeypatch):
    run_here(Study.begun(config(embeddings), str(tmp_path / "s")))
    with pytest.raises(InputError, match="cannot write the trial rows"):
        study(config(embeddings), str(tmp_path / "s"), workers=1, export=tmp_path)
    monkeypatch.setattr("tfq_llm.pipelines.study.run", lambda *_: (_ for _ in ()).throw(InputError("the first reason")))
    with pytest.raises(InputError, match="the first reason"):
        study(config(embeddings), str(tmp_path / "s"), workers=1, export=tmp_path)


def test_a_report_of_nothing_is_refused(tmp_path, capsys):
    assert main(["report", str(tmp_path / "none")]) == 2
    assert "there is no study in" in capsys.readouterr().err


def test_the_design_of_a_study_is_checked_before_anything_runs(embeddings, tmp_path, capsys):
    given = ["study", "screen", "--embeddings", str(embeddings), "--study-dir", str(tmp_path / "s"), "--set", "data.per_class=20"]
    factors = "screen.factors={encoder_layers: [1, 2], reuploads: [1, 2], layers: [1, 2], padding_value: [1.0, 3.0]}"
    assert main([*given, "--set", factors, "--set", "screen.design=plackett-burman", "--set", "screen.runs=4"]) == 2
    assert "factors" in capsys.readouterr().err


def test_draws_are_plain_values(embeddings, tmp_path):
    (first, *_) = Study.begun(config(embeddings), str(tmp_path / "s")).draws
    assert dataclasses.asdict(first)["train_rows"] == 34
