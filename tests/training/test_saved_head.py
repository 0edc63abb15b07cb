"""The head of a run as a small directory: it says what the run said, and nothing of it goes unnoticed when it is damaged."""

from __future__ import annotations

import errno
import json
import multiprocessing
import os
import re
import shutil
import signal
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import yaml
from safetensors.numpy import load_file

from tfq_llm import InputError, data, load_run
from tfq_llm.cache import atomic_directory, directory_digests, former
from tfq_llm.cli import main
from tfq_llm.config import load_config
from tfq_llm.pipelines.configs import find
from tfq_llm.pipelines.evaluate import evaluate
from tfq_llm.pipelines.train import train
from tfq_llm.training.keep import keep_head
from tfq_llm.training.provenance import Provenance
from tfq_llm.training.run import RunDirectory
from tfq_llm.training.saved_head import SavedHead

SAVED = Path(__file__).parents[2] / "saved_models" / "movie-reviews"


@pytest.fixture
def run(config, tmp_path) -> Path:
    train(config, tmp_path / "run")
    return tmp_path / "run"


def front_matter(directory: Path) -> dict:
    return yaml.safe_load((directory / "card.md").read_text(encoding="utf-8").split("---")[1])


def test_a_saved_head_says_what_its_run_says(run, config, tmp_path):
    keep_head([run], tmp_path / "heads" / "blobs", licence="MIT", commands=["make it"])
    kept, trained = load_run(tmp_path / "heads" / "blobs"), load_run(run)
    dataset = data.load_embeddings(config.data.embeddings)
    np.testing.assert_array_equal(kept.probabilities(dataset.embeddings), trained.probabilities(dataset.embeddings))
    assert kept.class_names == trained.class_names
    np.testing.assert_array_equal(kept.unseen_rows(dataset), trained.unseen_rows(dataset))
    assert len(kept.unseen_rows(dataset)) == len(dataset) - 30
    of_run, of_head = (
        json.loads(evaluate(path, config.data.embeddings, None, None, as_json=True)) for path in (run, kept_at(tmp_path))
    )
    assert of_run == of_head
    scored = RunDirectory(run).results()[-1]
    card = front_matter(kept_at(tmp_path))
    assert card["license"] == "mit"
    assert card["model-index"][0]["results"][0]["metrics"][0]["value"] == pytest.approx(scored.accuracy, abs=1e-4)
    assert "    make it\n" in (kept_at(tmp_path) / "card.md").read_text(encoding="utf-8")


def kept_at(tmp_path: Path) -> Path:
    return tmp_path / "heads" / "blobs"


def test_of_several_runs_the_one_that_validates_best_is_kept(run, config, tmp_path):
    deeper = config.model_copy(update={"head": config.head.model_copy(update={"encoder_layers": 2})})
    train(deeper, tmp_path / "deeper")
    losses = {}
    for path in (run, tmp_path / "deeper"):
        epochs = json.loads((path / "history" / "head-given.json").read_text())["epochs"]
        losses[load_config(path / "config.yaml").head.encoder_layers] = min(epoch["val_loss"] for epoch in epochs)
    saved = keep_head([run, tmp_path / "deeper"], tmp_path / "best")
    assert saved.config.head.encoder_layers == min(losses, key=losses.get)
    text = (tmp_path / "best" / "card.md").read_text(encoding="utf-8")
    assert re.search(r"\| encoder_layers +\| validation loss", text)
    assert all(f"{loss:.4f}" in text for loss in losses.values())
    other_rows = config.model_copy(update={"seed": 1})
    train(other_rows, tmp_path / "other")
    with pytest.raises(InputError, match="learned from different rows"):
        keep_head([run, tmp_path / "other"], tmp_path / "never")
    assert not (tmp_path / "never").exists()


def test_a_directory_that_is_there_is_replaced_only_if_wanted(run, tmp_path):
    keep_head([run], tmp_path / "head")
    with pytest.raises(InputError, match=r"exists.*--replace"):
        keep_head([run], tmp_path / "head")
    (tmp_path / "head" / "notes.txt").touch()
    with pytest.raises(
        InputError, match=r"holds other things too \(notes\.txt\), and --replace replaces nothing but a saved head"
    ):
        keep_head([run], tmp_path / "head", replace=True)
    with pytest.raises(InputError, match="is no saved head, and --replace replaces nothing else"):
        keep_head([run], run, replace=True)
    with pytest.raises(InputError, match=r"notes\.txt' is a file"):
        keep_head([run], tmp_path / "head" / "notes.txt", replace=True)
    (tmp_path / "head" / "notes.txt").unlink()
    (tmp_path / "head" / "card.md").write_text("stale")
    keep_head([run], tmp_path / "head", replace=True)
    assert (tmp_path / "head" / "card.md").read_text() != "stale"
    assert sorted(path.name for path in tmp_path.iterdir() if path.name.startswith(".")) == []


def test_an_empty_directory_is_replaced(run, tmp_path):
    (tmp_path / "head").mkdir()
    keep_head([run], tmp_path / "head", replace=True)
    assert load_run(tmp_path / "head").class_names == load_run(run).class_names


def test_what_is_no_run_is_named(run, tmp_path):
    for path, message in (
        (SAVED, f"'{SAVED}' is a saved head, not a run directory: give the run that it was made of"),
        (tmp_path / "none", "there is no run directory"),
        (run / "config.yaml", "config.yaml' is a file, and a model is a directory"),
    ):
        with pytest.raises(InputError, match=re.escape(message)):
            keep_head([path], tmp_path / "head")
    assert not (tmp_path / "head").exists()


def _replace_until(moment: int, target: Path, new: Path) -> None:
    """What `keep_head(..., replace=True)` does on the disk, killed before its `moment`-th change of a directory there."""
    left = iter(range(moment))

    def step(function: Callable[..., object]) -> Callable[..., object]:
        def call(path: Path, *arguments: object, **named: object) -> object:
            if Path(path).exists() and next(left, None) is None:
                os.kill(os.getpid(), signal.SIGKILL)
            return function(path, *arguments, **named)

        return call

    Path.rename, shutil.rmtree = step(Path.rename), step(shutil.rmtree)
    with atomic_directory(target, replace=True) as directory:
        shutil.copytree(new, directory, dirs_exist_ok=True, ignore=shutil.ignore_patterns("MANIFEST.json"))
    os._exit(0)


def test_a_kill_at_any_step_of_replacing_leaves_a_head(run, tmp_path):
    old, new, target = (tmp_path / name / "head" for name in ("old", "new", "there"))
    saved = keep_head([run], old, licence="MIT")
    keep_head([run], new, licence="Apache-2.0")
    killed = []
    for moment in range(10):
        shutil.rmtree(target.parent, ignore_errors=True)
        shutil.copytree(old, target)
        process = multiprocessing.get_context("fork").Process(target=_replace_until, args=(moment, target, new))
        process.start()
        process.join()
        try:
            load_run(target)
            killed.append(front_matter(target)["license"])
        except InputError as error:
            found = re.search(r"there is no saved head .*killed.* The old one is in '(.*)': rename that to", str(error))
            load_run(Path(found[1]))
            killed.append("moved aside")
        if process.exitcode == 0:
            break
        assert process.exitcode == -signal.SIGKILL
        # The same command again, or renaming the old one as the message says.
        if moment % 2:
            keep_head([run], target, replace=True)
            assert [path.name for path in target.parent.iterdir()] == ["head"]
        elif killed[-1] == "moved aside":
            former(target).rename(target)
        np.testing.assert_array_equal(SavedHead.read(target).weights[0], saved.weights[0])
    assert killed == ["mit", "moved aside", "apache-2.0", "apache-2.0", "apache-2.0"]
    assert [path.name for path in target.parent.iterdir()] == ["head"]


def test_a_head_that_cannot_be_put_in_place_leaves_the_old_one(run, tmp_path, monkeypatch):
    keep_head([run], tmp_path / "head", licence="MIT")
    rename = Path.rename

    def full(path: Path, to: Path) -> Path:
        if to == tmp_path / "head" and path != former(to):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return rename(path, to)

    monkeypatch.setattr(Path, "rename", full)
    with pytest.raises(InputError, match=r"cannot write '.*head' \(No space left"):
        keep_head([run], tmp_path / "head", replace=True)
    assert front_matter(tmp_path / "head")["license"] == "mit"
    assert not [path.name for path in tmp_path.iterdir() if path.name.startswith(".")]


def test_what_a_killed_replacement_left_goes_when_there_is_a_head_again(run, tmp_path):
    keep_head([run], former(tmp_path / "head"))
    keep_head([run], tmp_path / "head")
    assert [path.name for path in tmp_path.iterdir() if "head" in path.name] == ["head"]


def test_sigterm_leaves_nothing_of_a_head(run, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(SavedHead, "write", lambda saved, directory: os.kill(os.getpid(), signal.SIGTERM))
    previous = signal.signal(signal.SIGTERM, signal.SIG_IGN)
    try:
        assert main(["keep-head", str(run), "--to", str(tmp_path / "head")]) == 143
    finally:
        signal.signal(signal.SIGTERM, previous)
    assert "terminated. Nothing of it is kept" in capsys.readouterr().err
    assert not [path for path in tmp_path.iterdir() if "head" in path.name]


@pytest.mark.parametrize("name", ["head.json", "config.yaml", "head.safetensors", "MANIFEST.json"])
def test_a_damaged_file_is_refused(name, run, tmp_path):
    keep_head([run], tmp_path / "head")
    file = tmp_path / "head" / name
    file.write_bytes(file.read_bytes().replace(b"a", b"b"))
    with pytest.raises(InputError, match="damaged"):
        load_run(tmp_path / "head")
    file.unlink()
    with pytest.raises(InputError, match=r"damaged|not a run directory"):
        load_run(tmp_path / "head")


def test_a_later_format_is_refused(run, tmp_path):
    keep_head([run], tmp_path / "head")
    facts = json.loads((tmp_path / "head" / "head.json").read_text()) | {"format": 2}
    (tmp_path / "head" / "head.json").write_text(json.dumps(facts))
    with pytest.raises(InputError, match="of format 2, and this version of tfq_llm reads format 1"):
        load_run(tmp_path / "head")


def test_a_run_that_is_not_finished_is_refused(run, tmp_path):
    (run / "model" / "model.json").unlink()
    with pytest.raises(InputError, match="is not finished"):
        keep_head([run], tmp_path / "head")
    with pytest.raises(InputError, match="not a run directory"):
        keep_head([tmp_path], tmp_path / "head")


def with_facts(tmp_path: Path, **changed: object) -> Path:
    """A copy of the committed head with other facts and a manifest that fits."""
    copy = tmp_path / "copy"
    shutil.copytree(SAVED, copy)
    facts = json.loads((copy / "head.json").read_text(encoding="utf-8")) | changed
    (copy / "head.json").write_text(json.dumps(facts), encoding="utf-8")
    (copy / "MANIFEST.json").write_text(json.dumps(directory_digests(copy)))
    return copy


def test_the_head_that_comes_with_the_project_is_small_and_whole():
    assert sum(path.stat().st_size for path in SAVED.iterdir()) <= 100_000
    assert json.loads((SAVED / "MANIFEST.json").read_text()) == directory_digests(SAVED)
    saved = SavedHead.read(SAVED)
    assert [weight.shape for weight in saved.head().get_weights()] == [weight.shape for weight in saved.weights]
    assert len(saved.seen) == 2 * saved.config.data.per_class
    assert load_file(SAVED / "head.safetensors")["seen"].shape == (len(saved.seen), 5)
    metrics = front_matter(SAVED)["model-index"][0]["results"][0]["metrics"][0]
    low, high = metrics["interval_95"]
    assert 0.7 < low < metrics["value"] < high < 0.9


def test_it_says_of_the_examples_what_its_card_says(capsys):
    examples = SavedHead.read(SAVED).facts["examples"]
    card = (SAVED / "card.md").read_text(encoding="utf-8")
    assert main(["predict", str(SAVED), *(example["text"] for example in examples), "--json"]) == 0
    for example, line in zip(examples, capsys.readouterr().out.splitlines(), strict=True):
        said = json.loads(line)
        assert (said["text"], said["class"]) == (example["text"], example["class"])
        assert said["probabilities"][said["class"]] == pytest.approx(example["probability"], abs=1e-3)
        assert re.search(rf"\| {re.escape(example['text'])} +\| {example['class']} +\| {example['probability']:.3f} ", card)


def test_another_sentence_encoder_under_its_name_is_refused(tmp_path):
    encoder = SavedHead.read(SAVED).facts["encoder"]
    copy = with_facts(tmp_path, encoder=encoder | {"fingerprint": "0" * 64})
    with pytest.raises(InputError, match=r"fingerprint 0000.*'minilm' now has"):
        load_run(copy)


@pytest.mark.slow
def test_its_score_holds_on_the_rows_it_has_not_seen_and_a_short_training_comes_near(tmp_path):
    saved = SavedHead.read(SAVED)
    result = json.loads(evaluate(SAVED, "movie-reviews", None, None, as_json=True))
    promised = Provenance.of_saved_head(saved).quantum
    # The data as they come have a few texts with contradictory labels, which no run uses.
    assert promised.test_rows <= result["test_rows"] <= promised.test_rows + 20
    assert result["accuracy"] == pytest.approx(promised.accuracy, abs=0.005)
    settings = load_config(find("saved-head"), ["data.per_class=400", "head_training.epochs=8", "data.test_rows=1000"])
    settings = settings.model_copy(update={"head": saved.config.head})
    train(settings, tmp_path / "run")
    short = keep_head([tmp_path / "run"], tmp_path / "head")
    assert [weight.shape for weight in short.weights] == [weight.shape for weight in saved.weights]
    assert short.facts["encoder"] == saved.facts["encoder"]
    reached = Provenance.of_saved_head(short).quantum
    assert promised.accuracy - 0.12 < reached.accuracy < promised.accuracy + 0.04
