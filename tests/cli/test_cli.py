"""The command line as a user types it."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from tests.support import write_reviews
from tests.tiny_models import write_sentence_transformers
from tfq_llm import data

SETTINGS = ["head.encoder_layers=1", "head_training.epochs=2", "joint.enabled=true", "joint.epochs=1", "tuning.epochs=1"]


def tfq_llm(*arguments: object, expect: int = 0, stdin: bytes | None = None) -> tuple[str, str]:
    """Runs the installed command and returns what it prints on standard output and standard error."""
    command = [str(Path(sys.executable).with_name("tfq-llm")), *map(str, arguments)]
    result = subprocess.run(command, capture_output=True, check=False, input=stdin)
    said, complained = result.stdout.decode(), result.stderr.decode()
    assert result.returncode == expect, complained[-3000:]
    assert "Traceback" not in complained
    return said, complained


def with_settings(*settings: str) -> list[str]:
    return [part for setting in settings for part in ("--set", setting)]


@pytest.fixture(scope="module")
def reviews(tmp_path_factory) -> Path:
    return write_reviews(tmp_path_factory.mktemp("data") / "reviews.csv")


@pytest.fixture(scope="module")
def tiny_bert(tmp_path_factory) -> Path:
    return write_sentence_transformers(tmp_path_factory.mktemp("encoders") / "tiny-bert", "bert")


@pytest.fixture(scope="module")
def finished(tmp_path_factory, reviews, tiny_bert) -> tuple[Path, str]:
    """A run of all three phases with a tiny sentence encoder, and what the command printed."""
    run = tmp_path_factory.mktemp("runs") / "run"
    chosen = [
        f"data.name={reviews}",
        f"encoder.name={tiny_bert}",
        "encoder.max_tokens=48",
        "data.per_class=12",
        "data.test_rows=null",
        *SETTINGS,
    ]
    printed, _ = tfq_llm("train", "demo", "--run-dir", run, *with_settings(*chosen))
    return run, printed


def test_help_is_there_at_once_and_shows_every_command():
    start = time.monotonic()
    printed, _ = tfq_llm("--help")
    assert time.monotonic() - start < 5  # a bound that only a loaded TensorFlow breaks; the figure itself is in the docs
    for command in ("train", "evaluate", "predict", "draw", "data", "encoders", "results", "stock-pqc"):
        assert command in printed


@pytest.mark.slow
def test_train_prints_a_table_of_all_heads_on_all_embeddings(finished, tiny_bert):
    run, printed = finished
    rows = [[cell.strip() for cell in line.split("|")[1:3]] for line in printed.splitlines() if line.startswith("| ")][1:]
    heads = ["logistic regression", "SVC", "quantum head"]
    assert [row for row in rows if not row[0].startswith("-")] == [
        [state, head] for state in ("frozen", "tuned", "joint") for head in heads
    ]
    assert "On joint embeddings the quantum head" in printed
    assert {path.name for path in (run / "model").iterdir()} == {
        "encoder-joint.safetensors",
        "head-frozen.keras",
        "head-joint.keras",
        "head-tuned.keras",
        "model.json",
    }
    assert str(tiny_bert.parent) not in (run / "model" / "model.json").read_text()


@pytest.mark.slow
def test_predict_classifies_arguments_and_lines(finished, tmp_path):
    run, _ = finished
    printed, _ = tfq_llm("predict", run, "a fine film", "")
    assert [line.split()[0] in ("good", "bad") for line in printed.splitlines()] == [True, True]
    texts = tmp_path / "texts.txt"
    texts.write_bytes("a dull film\r\nune œuvre\n".encode())
    printed, _ = tfq_llm("predict", run, "--file", texts, "--json")
    records = [json.loads(line) for line in printed.splitlines()]
    assert [record["text"] for record in records] == ["a dull film", "une œuvre"]
    assert all(sum(record["probabilities"].values()) == pytest.approx(1, abs=1e-5) for record in records)
    same, _ = tfq_llm("predict", run, "--file", "-", "--json", stdin=texts.read_bytes())
    assert same == printed


@pytest.mark.slow
def test_evaluate_leaves_out_what_was_trained_on(finished, reviews):
    run, table = finished
    printed, said = tfq_llm("evaluate", run, "--data", reviews, "--json")
    assert "24 of 60 texts were trained or validated on and are left out." in said
    last = next(line for line in table.splitlines() if line.startswith("| joint") and "quantum" in line)
    assert f"{100 * json.loads(printed)['accuracy']:.1f} %" in last


@pytest.mark.slow
def test_evaluate_refuses_labels_that_were_not_trained(finished, tmp_path):
    run, _ = finished
    other = tmp_path / "other.csv"
    other.write_text("text,label\na film,good\nanother,superb\n")
    _, said = tfq_llm("evaluate", run, "--data", other, expect=2)
    assert "labels that are not in the training set: 'superb'" in said


@pytest.mark.slow
def test_four_classes_are_trained_reported_saved_and_predicted(tmp_path, tiny_bert):
    chosen = [f"encoder.name={tiny_bert}", "encoder.max_tokens=48", "data.per_class=16", "data.test_rows=200"]
    chosen += ["head.encoder_layers=1", "head_training.epochs=3"]
    printed, _ = tfq_llm("train", "domains", "--run-dir", tmp_path / "run", *with_settings(*chosen))
    assert "| frozen     | quantum head" in printed
    answered, _ = tfq_llm("predict", tmp_path / "run", "The committee will vote on the bill.", "--json")
    classes = {record.name: record.class_names for record in data.available()}["domains"]
    assert set(json.loads(answered)["probabilities"]) == set(classes)
    assert len(classes) == 4


def bad_inputs(tmp_path: Path, reviews: Path, tiny_bert: Path) -> list[tuple[list[object], str]]:
    def file(name: str, content: bytes) -> Path:
        (tmp_path / name).write_bytes(content)
        return tmp_path / name

    def train(data_name: object, *settings: str) -> list[object]:
        chosen = [f"data.name={data_name}", f"encoder.name={tiny_bert}", "encoder.max_tokens=48", "data.per_class=4", *settings]
        return ["train", "demo", "--run-dir", tmp_path / "run", *with_settings(*chosen)]

    columns = file("columns.csv", b"sentence_text,stars\na,1\n")
    vectors = tmp_path / "vectors.npz"
    np.savez(vectors, embeddings=np.random.default_rng(0).normal(size=[40, 300]), labels=np.arange(40) % 2)
    on_vectors = ["tuning.enabled=false", "joint.enabled=false", f"data.embeddings={vectors}"]
    locked = file("locked", b"")
    return [
        (["train", "demo", "--set", "head.layer=1"], "head.layer: there is no such setting. Did you mean 'layers'?"),
        (["train", "nowhere.yaml"], "there is no configuration 'nowhere.yaml'"),
        (train(tmp_path / "missing.csv"), "missing.csv"),
        (train(columns), "stars"),
        (train(file("empty.csv", b"")), "empty"),
        (train(file("one.csv", b"text,label\n" + b"".join(b"text %d,same\n" % i for i in range(20)))), "one class"),
        (train(reviews, "data.per_class=500"), "has 30"),
        (train(file("bytes.csv", b"text,label\nfine,a\n\xff\xfe,b\n")), "3"),
        (train(reviews, "head.num_qubits=4", "head.connectivity=1"), "do not fit the 16 amplitudes of 4 qubits"),
        (
            train(reviews, *on_vectors, "head.num_qubits=8"),
            "300 dimensions and the padding constant do not fit the 256 amplitudes",
        ),
        (train(reviews, "encoder.name=https://tfhub.dev/google/universal-sentence-encoder/4"), "minilm"),
        (["train", "demo", "--run-dir", locked / "run"], "cannot write to the directory"),
        (["predict", tmp_path / "nowhere", "text"], "there is no run directory"),
        (["predict", tmp_path / "nowhere"], "there is no text to classify"),
        (["draw", "--part", "qup"], "Did you mean 'qpu'?"),
        (["data", "fetch", "movie-review"], "movie-reviews"),
        (["encoders", "build", "minilmm"], "Did you mean 'minilm'?"),
    ]


@pytest.mark.slow
def test_bad_input_gets_one_clear_message_and_code_2(tmp_path, reviews, tiny_bert):
    for arguments, message in bad_inputs(tmp_path, reviews, tiny_bert):
        printed, said = tfq_llm(*arguments, expect=2)
        complaint = said[said.index("tfq-llm: ") :]
        assert message in complaint, (arguments, said)
        assert printed == ""


def test_a_wrong_command_is_answered_with_the_right_one():
    _, said = tfq_llm("trian", expect=2)
    assert "Did you mean 'train'?" in said


def test_draw_text_and_svg(tmp_path):
    printed, _ = tfq_llm("draw", "--qubits", 3)
    assert printed.startswith("0: ───Ry(x0)")
    tfq_llm("draw", "--part", "amplitude-encoder", "--svg", tmp_path / "circuit.svg")
    assert (tmp_path / "circuit.svg").read_text().lstrip().startswith("<svg")


def test_data_list_names_what_data_load_knows():
    printed, _ = tfq_llm("data", "list")
    for record in data.available():
        assert f"| {record.name} " in printed


@pytest.mark.slow
def test_encoders_list_names_the_default():
    printed, _ = tfq_llm("encoders", "list")
    assert "| minilm" in printed
