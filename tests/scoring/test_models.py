"""Real models, small ones, as scorers: what a file gets is what `predict` says."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from tests.support import write_reviews
from tfq_llm import InputError, data, load_run
from tfq_llm.cli import main
from tfq_llm.export import Provenance, export_model
from tfq_llm.scoring import Job, models, score
from tfq_llm.scoring.models import RunScorer, load_scorer


def read(path: Path) -> list[dict]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def test_the_command_scores_as_predict_does(model, tmp_path, capsys):
    given = write_reviews(tmp_path / "reviews.csv", 50)
    arguments = ["--input", given, "--output", tmp_path / "scored.jsonl", "--keep-columns", "--chunk-rows", 16]
    assert main(["score", str(model), *map(str, arguments)]) == 0
    printed = capsys.readouterr().out
    assert printed.startswith("50 rows scored in ")
    rows, texts = read(tmp_path / "scored.jsonl"), data.load(given).texts
    assert [row["text"] for row in rows] == list(texts)
    trained = load_run(model)
    expected = trained.predict(texts)
    np.testing.assert_allclose(
        [[row["probabilities"][name] for name in trained.class_names] for row in rows], expected, atol=1e-5
    )
    assert [row["class"] for row in rows] == [trained.class_names[row.argmax()] for row in expected]
    # The same command again leaves the file alone.
    assert main(["score", str(model), *map(str, arguments)]) == 2
    assert "exists" in capsys.readouterr().err


def test_long_texts_are_counted(model, tmp_path):
    (tmp_path / "texts.csv").write_text("text\nfine\n" + "fine " * 60 + "\n", encoding="utf-8")
    assert score(Job(model, tmp_path / "texts.csv", tmp_path / "scored.csv")).state.truncated == 1


@pytest.mark.slow
def test_an_exported_model_scores_as_what_it_was_exported_from(model, tmp_path):
    given = write_reviews(tmp_path / "reviews.csv", 30)
    export_model(load_run(model), Provenance.of_run(model), tmp_path / "exported", command="")
    for name, of in (("saved", model), ("served", tmp_path / "exported")):
        score(Job(of, given, tmp_path / f"{name}.jsonl", chunk_rows=8))
    saved, served = read(tmp_path / "saved.jsonl"), read(tmp_path / "served.jsonl")
    for one, other in zip(saved, served, strict=True):
        assert (one["row"], one["class"]) == (other["row"], other["class"])
        assert one["probabilities"] == pytest.approx(other["probabilities"], abs=1e-5)
    assert len({load_scorer(path).fingerprint for path in (model, tmp_path / "exported")}) == 2
    # A newer version is another model.
    first = load_scorer(tmp_path / "exported")
    assert load_scorer(tmp_path / "exported") is first
    export_model(load_run(model), Provenance.of_run(model), tmp_path / "exported", command="")
    assert load_scorer(tmp_path / "exported") is not first


def test_a_fingerprint_is_that_of_weights_and_settings(model):
    trained = load_run(model)
    before = RunScorer(trained, model).fingerprint
    assert RunScorer(load_run(model), model).fingerprint == before
    trained.head.set_weights([weight + 1e-6 for weight in trained.head.get_weights()])
    assert RunScorer(trained, model).fingerprint != before


@pytest.mark.parametrize("files", [["head.json", "MANIFEST.json"], ["model/model.json", "model/head-raw.keras"]])
def test_a_saved_head_or_run_that_was_replaced_is_loaded_anew(files, tmp_path, monkeypatch):
    loaded = []
    monkeypatch.setattr(models, "load_run", loaded.append)
    monkeypatch.setattr(models, "RunScorer", lambda trained, path: len(loaded))

    def write(directory: Path) -> None:
        for name in files:
            (directory / name).parent.mkdir(parents=True, exist_ok=True)
            (directory / name).write_text("as large as the other")

    write(tmp_path / "model-of-reviews")
    assert [load_scorer(tmp_path / "model-of-reviews") for _ in range(2)] == [1, 1]
    write(tmp_path / "newer")
    (tmp_path / "model-of-reviews").rename(tmp_path / "former")
    (tmp_path / "newer").rename(tmp_path / "model-of-reviews")
    assert [load_scorer(tmp_path / "model-of-reviews") for _ in range(2)] == [2, 2]


def test_an_exported_model_without_a_complete_version_says_what_is_wrong(tmp_path):
    given = write_reviews(tmp_path / "reviews.csv", 3)
    (tmp_path / "m" / "1").mkdir(parents=True)
    (tmp_path / "m" / "1" / "manifest.json").write_text('{"format": 1, "files": {"saved_model.pb": {"bytes": 9}}}')
    (tmp_path / "m" / "2").mkdir()
    with pytest.raises(InputError, match=r"m/2' is not an exported model: it has no manifest\.json"):
        score(Job(tmp_path / "m", given, tmp_path / "scored.csv"))


def test_a_directory_that_is_no_model_is_refused(tmp_path):
    given = write_reviews(tmp_path / "reviews.csv", 3)
    with pytest.raises(InputError, match="there is no run directory"):
        score(Job(tmp_path / "nothing", given, tmp_path / "scored.csv"))
    assert [path.name for path in tmp_path.iterdir()] == ["reviews.csv"]
