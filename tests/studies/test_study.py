"""Studies as a user runs them: begun, replayed, grown and reported. Those that are killed are in tests/kills."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from tests.support import blobs, write_reviews
from tfq_llm.cli import main
from tfq_llm.errors import InputError
from tfq_llm.pipelines.study import study
from tfq_llm.studies.config import StudyConfig, make_study_config
from tfq_llm.studies.perform import perform
from tfq_llm.studies.replay import frame, right
from tfq_llm.studies.study import Study
from tfq_llm.studies.trial import Entry, TrialResult

TINY = {"head": {"encoder_layers": 1, "connectivity": 1}, "fit": {"epochs": 2}, "selection": {"candidates": 2, "folds": 2}}
ARMS = ["logistic regression", "random Fourier features"]


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

    def test_versions_may_not(self, embeddings, tmp_path):
        Study.begun(config(embeddings), str(tmp_path / "s"))
        file = tmp_path / "s" / "versions.json"
        file.write_text(file.read_text().replace('"numpy": "', '"numpy": "1.'), encoding="utf-8")
        with pytest.raises(InputError, match="numpy 1"):
            Study.begun(config(embeddings), str(tmp_path / "s"))

    def test_rows_of_another_machine_are_not_run_again(self, embeddings, tmp_path):
        first = Study.begun(config(embeddings), str(tmp_path / "s"))
        run_here(first)
        rows = first.store.export_rows()
        second = Study.begun(config(embeddings), str(tmp_path / "t"), rows)
        assert second.replayed().is_finished
        assert second.store.export_rows() == rows


class TestEmbeddings:
    def test_files_that_bind_their_rows_are_one_for_each_split(self, tmp_path):
        vectors, labels = blobs(80)
        files = []
        for seed in range(2):
            files.append(str(tmp_path / f"tuned-{seed}.npz"))
            np.savez(files[-1], embeddings=vectors + seed, labels=labels, train=np.arange(30), validation=np.arange(30, 40))
        settings = config(tmp_path / "x", data={"embeddings": files})
        draws = Study.begun(settings, str(tmp_path / "s")).draws
        assert [draw.has_seen for draw in draws] == [True, True]
        assert len({draw.data for draw in draws}) == 2
        for bad, message in ((files[:1], "set splits to 1"), ([*files, files[0]], "3 files of embeddings and 2 splits")):
            with pytest.raises(InputError, match=message):
                Study.begun(config(tmp_path / "x", data={"embeddings": bad}), str(tmp_path / "t"))

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
