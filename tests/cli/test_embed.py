"""`tfq-llm embed`: files that other commands take with `--embeddings`."""

from __future__ import annotations

import contextlib
import io
from pathlib import Path

import numpy as np
import pytest

from tests.support import write_reviews
from tests.tiny_models import write_sentence_transformers
from tfq_llm import data, encoders
from tfq_llm.cli import main
from tfq_llm.studies.arrays import embeddings_digest
from tfq_llm.studies.config import make_study_config
from tfq_llm.studies.prepare import draws
from tfq_llm.studies.store import Store

pytestmark = pytest.mark.usefixtures("module_cache")

ROWS = 60
TUNED = ["--tuned", "--per-class", "12", "--set", "tuning.epochs=1", "--set", "tuning.batch_size=8"]


@pytest.fixture(scope="module")
def reviews(tmp_path_factory) -> Path:
    """Reviews, one of them twice."""
    file = write_reviews(tmp_path_factory.mktemp("data") / "reviews.csv", ROWS)
    lines = file.read_text().splitlines()
    file.write_text("\n".join([*lines, lines[1].upper().replace(",GOOD", ",good")]) + "\n", encoding="utf-8")
    return file


@pytest.fixture(scope="module")
def tiny(tmp_path_factory) -> Path:
    return write_sentence_transformers(tmp_path_factory.mktemp("encoders") / "tiny-mpnet", "mpnet")


def embed(reviews: Path, encoder: Path, out: Path, *more: str) -> int:
    given = ["--data", str(reviews), "--encoder", str(encoder), "--out", str(out), "--set", "encoder.max_tokens=32"]
    return main(["embed", *given, *more])


def test_frozen_embeddings_of_mpnet_size_are_those_of_the_texts(tmp_path, reviews, capsys):
    encoder = write_sentence_transformers(tmp_path / "mpnet", "mpnet", hidden=768)
    out = tmp_path / "new" / "frozen.npz"
    assert embed(reviews, encoder, out) == 0
    said = capsys.readouterr().out
    found, texts = data.load_embeddings(out), data.load(reviews).deduplicated()
    assert found.embeddings.shape == (ROWS, 768)
    assert found.class_names == texts.class_names
    assert found.labels.tolist() == texts.labels.tolist()
    assert found.train is found.validation is found.test is None
    direct = encoders.load(encoder, max_tokens=32)(np.array(texts.texts[:5], dtype=object)).numpy()
    np.testing.assert_allclose(found.embeddings[:5], direct, atol=1e-5)
    assert "60 rows of 768 dimensions (30 bad, 30 good)" in said
    assert f"digest {embeddings_digest(found)}" in said
    assert f"Next: tfq-llm study compare --embeddings {out}" in said


@pytest.fixture(scope="module")
def tuned(tmp_path_factory, reviews, tiny) -> tuple[Path, str]:
    """Tuned embeddings of split 1, and what was printed: of a command that was interrupted when it had tuned, and given again."""
    out = tmp_path_factory.mktemp("tuned") / "here" / "tuned-1.npz"

    def interrupted(_dataset: object) -> None:
        raise KeyboardInterrupt

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr("tfq_llm.pipelines.embed.arrays_of", interrupted)
        assert embed(reviews, tiny, out, *TUNED, "--split", "1") == 130
    assert not list(out.parent.iterdir())
    said = io.StringIO()
    with pytest.MonkeyPatch.context() as patched, contextlib.redirect_stdout(said):
        patched.setattr("tfq_llm.training.contrastive.tune_sentence_encoder", None)
        assert embed(reviews, tiny, out, *TUNED, "--split", "1") == 0
    return out, said.getvalue()


@pytest.mark.slow
def test_a_file_is_there_when_it_is_whole_and_tuning_is_not_done_again(tuned):
    out, said = tuned
    assert data.load_embeddings(out).train is not None
    assert "tuned on the 20 training rows of split 1, which the file binds, as it does the 4 that validate" in said
    assert f"--embeddings {out} --set splits=1" in said


@pytest.mark.slow
def test_tuned_embeddings_are_those_that_a_study_of_the_texts_makes(tmp_path, reviews, tiny, tuned, monkeypatch):
    def never(*_arguments: object, **_more: object) -> None:
        raise AssertionError("it was tuned already")

    monkeypatch.setattr("tfq_llm.training.contrastive.tune_sentence_encoder", never)
    split = {"kind": "compare", "splits": 1, "first_split": 1}
    texts = {"name": str(reviews), "states": ["tuned"], "per_class": 12}
    tuning = {"epochs": 1, "batch_size": 8, "learning_rate": 6e-5, "weight_decay": 0.01, "patience": 4}
    encoder = {"name": str(tiny), "max_tokens": 32}
    (made,) = draws(
        make_study_config({**split, "encoder": encoder, "data": texts, "tuning": tuning}), Store(tmp_path / "of texts")
    )
    assert made.data == embeddings_digest(data.load_embeddings(tuned[0]))
    given = make_study_config({**split, "data": {"embeddings": [str(tuned[0])]}})
    assert [(draw.data, draw.has_seen) for draw in draws(given, Store(tmp_path / "of files"))] == [(made.data, True)]


def test_what_is_there_is_replaced_only_when_asked_for(tmp_path, reviews, tiny, capsys):
    out = tmp_path / "mine.npz"
    out.write_text("precious")
    assert embed(reviews, tiny, out) == 2
    assert "is there already" in capsys.readouterr().err
    assert out.read_text() == "precious"
    assert embed(reviews, tiny, out, "--overwrite") == 0
    assert len(data.load_embeddings(out)) == ROWS


@pytest.mark.parametrize(
    ("out", "more", "message"),
    [
        ("mine.csv", [], "a name that ends with .npz"),
        ("folder.npz", [], "is a directory"),
        ("file/mine.npz", [], "cannot write to the directory"),
        ("mine.npz", ["--split", "1"], "split=1: this is about tuning"),
        ("mine.npz", ["--set", "tuning.epochs=2"], "give --tuned too"),
        ("mine.npz", ["--tuned", "--set", "tuning.epoch=2"], "Did you mean 'epochs'"),
        ("mine.npz", ["--tuned", "--per-class", "31"], "31"),
        ("mine.npz", ["--encoder", "nowhere"], "nowhere"),
    ],
)
def test_bad_input_is_told_before_anything_is_embedded(tmp_path, reviews, tiny, capsys, monkeypatch, out, more, message):
    monkeypatch.setattr("tfq_llm.training.trained.embed", None)
    (tmp_path / "folder.npz").mkdir()
    (tmp_path / "file").write_text("")
    assert embed(reviews, tiny, tmp_path / out, *more) == 2
    said = capsys.readouterr().err
    assert message in said, said
    assert not (tmp_path / "mine.npz").exists()
