"""A run directory knows whose it is, and a run in it can be killed."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from tests.support import TINY_HEAD, write_reviews
from tests.tiny_models import write_sentence_transformers
from tfq_llm import InputError, load_run
from tfq_llm.config import Config, make_config
from tfq_llm.pipelines.train import train
from tfq_llm.training import RunDirectory
from tfq_llm.yaml_settings import dump_yaml


def test_a_run_leaves_everything_it_was_made_of(config, tmp_path):
    table = train(config, tmp_path / "run")
    run = tmp_path / "run"
    assert {path.relative_to(run).as_posix() for path in run.rglob("*") if path.is_file() and "tfevents" not in path.name} == {
        ".lock",
        "config.yaml",
        "history/head-given.json",
        "model/head-given.keras",
        "model/model.json",
        "results.json",
        "splits.json",
        "table.md",
        "versions.json",
    }
    assert [result["head"] for result in json.loads((run / "results.json").read_text())] == [
        "logistic regression",
        "SVC",
        "quantum head",
    ]
    assert "| quantum head" in table
    assert "On given embeddings the quantum head" in table
    split = json.loads((run / "splits.json").read_text())
    assert [len(split[part]) for part in ("train", "validation", "test")] == [25, 5, 30]


def test_the_trained_head_is_what_was_scored(config, tmp_path):
    train(config, tmp_path / "run")
    trained = load_run(tmp_path / "run")
    with np.load(config.data.embeddings) as file:
        embeddings, labels = file["embeddings"], file["labels"]
    test = json.loads((tmp_path / "run" / "splits.json").read_text())["test"]
    predicted = trained.probabilities(embeddings[test]).argmax(axis=1)
    scored = json.loads((tmp_path / "run" / "results.json").read_text())[-1]
    assert np.mean(predicted == labels[test]) == pytest.approx(scored["accuracy"])
    with pytest.raises(InputError, match="cannot read texts"):
        trained.predict(["a text"])


def test_a_finished_run_is_shown_again_and_not_repeated(config, tmp_path):
    first = train(config, tmp_path / "run")
    stamps = {path: path.stat().st_mtime_ns for path in (tmp_path / "run").rglob("*") if path.is_file() and path.name != ".lock"}
    assert train(config, tmp_path / "run") == first
    assert stamps == {path: path.stat().st_mtime_ns for path in stamps}


def test_other_settings_or_another_version_are_refused(config, tmp_path):
    run = tmp_path / "run"
    train(config, run)
    with pytest.raises(InputError, match="seed: 0 there, 1 now"):
        train(config.model_copy(update={"seed": 1}), run)
    versions = json.loads((run / "versions.json").read_text()) | {"tfq_llm": "0.0.1"}
    (run / "versions.json").write_text(json.dumps(versions))
    for use in (lambda: train(config, run), lambda: load_run(run)):
        with pytest.raises(InputError, match=r"was written by tfq_llm 0\.0\.1"):
            use()


def test_a_directory_of_something_else_is_left_alone(config, tmp_path):
    (tmp_path / "thesis.txt").write_text("chapter one")
    with pytest.raises(InputError, match="files that are not a run's"):
        train(config, tmp_path)
    file = tmp_path / "file"
    file.write_text("")
    with pytest.raises(InputError, match="cannot write to the directory"):
        train(config, file / "run")


def test_two_processes_do_not_share_a_run(config, tmp_path):
    with (
        RunDirectory.opened(tmp_path / "run", config),
        pytest.raises(InputError, match="another process is working"),
        RunDirectory.opened(tmp_path / "run", config),
    ):
        pass


def test_only_a_finished_run_can_be_loaded(config, tmp_path):
    with pytest.raises(InputError, match="there is no run directory"):
        load_run(tmp_path / "nowhere")
    with pytest.raises(InputError, match=r"is not a run directory: it has no versions\.json"):
        load_run(tmp_path)
    (tmp_path / "bad.csv").touch()
    with pytest.raises(InputError, match=r"bad\.csv' is a file, and a model is a directory"):
        load_run(tmp_path / "bad.csv")
    (tmp_path / "served" / "n" / "1").mkdir(parents=True)
    (tmp_path / "served" / "n" / "1" / "saved_model.pb").touch()
    for path in (tmp_path / "served" / "n", tmp_path / "served" / "n" / "1"):
        with pytest.raises(
            InputError, match=f"'{path}' is an exported model, not a run directory: give the run that it was made of"
        ):
            load_run(path)
    with pytest.raises(InputError, match=f"not a run directory; it holds exported models: {tmp_path / 'served' / 'n'}"):
        load_run(tmp_path / "served")
    with RunDirectory.opened(tmp_path / "run", config):
        pass
    with pytest.raises(InputError, match="is not finished"):
        load_run(tmp_path / "run")


@pytest.mark.slow
def test_a_run_killed_while_its_head_is_trained_ends_with_the_same_files(config, tmp_path):
    fit = config.head_training.model_copy(update={"epochs": 100, "patience": 100})
    check_kills(config.model_copy(update={"head_training": fit}), ("head-given",), tmp_path)


@pytest.mark.campaign
def test_a_run_killed_in_every_phase_ends_with_the_same_files(text_config, tmp_path):
    check_kills(text_config, ("head-frozen", "tuning", "head-tuned", "joint"), tmp_path)


def check_kills(config: Config, phases: Sequence[str], folder: Path) -> None:
    """Compares a run that is killed once in each of the phases with one that is not."""
    tf.keras.backend.clear_session()  # Keras numbers its layers within a process, and their names are in the saved heads
    train(config, folder / "undisturbed")
    run = folder / "killed"
    for phase in phases:
        kill_when_there(config, run, run / "state" / f"{phase}.safetensors")
        assert not (run / "history" / f"{phase}.json").exists()
    tf.keras.backend.clear_session()
    train(config, run)
    assert_same_run(folder / "undisturbed", run)


@pytest.fixture
def text_config(tmp_path) -> Config:
    """All three phases with a tiny sentence encoder."""
    encoder = {"name": str(write_sentence_transformers(tmp_path / "tiny-bert", "bert")), "max_tokens": 16}
    data = {"name": str(write_reviews(tmp_path / "reviews.csv")), "per_class": 12}
    fit = {"epochs": 8, "patience": 8, "batch_size": 4, "learning_rate": 0.01}
    phases = {"tuning": fit, "joint": fit | {"enabled": True}, "head_training": fit}
    return make_config({"data": data, "encoder": encoder, "head": TINY_HEAD} | phases)


def kill_when_there(config: Config, run: Path, file: Path) -> None:
    """Starts a run, or goes on with it, in a process of its own, and kills that as soon as the file is there."""
    settings = run.with_suffix(".yaml")
    settings.write_text(dump_yaml(config))
    command = [sys.executable, "-m", "tfq_llm.cli", "train", str(settings), "--run-dir", str(run)]
    with run.with_suffix(".log").open("w+") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log)
        while process.poll() is None and not file.exists():
            time.sleep(0.02)
        process.kill()
        process.wait()
        log.seek(0)
        assert process.returncode == -signal.SIGKILL, log.read()


def assert_same_run(first: Path, second: Path) -> None:
    """The same files, equal but for wall-clock times and what TensorBoard writes."""

    def files(run: Path) -> set[Path]:
        return {path.relative_to(run) for path in run.rglob("*") if path.is_file() and "tfevents" not in path.name}

    def timeless(path: Path) -> list[str]:
        return [line for line in path.read_text().splitlines() if "seconds" not in line and not line.startswith("|")]

    assert files(first) == files(second)
    for name in files(first):
        if name.suffix in (".json", ".yaml", ".md"):
            assert timeless(first / name) == timeless(second / name), name
    trained = [load_run(run) for run in (first, second)]
    models = [found.head if found.encoder is None else found.model for found in trained]
    for weights, others in zip(*(model.get_weights() for model in models), strict=True):
        np.testing.assert_array_equal(weights, others)
