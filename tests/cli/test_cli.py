"""The command line as a user types it; in this process where nothing depends on a new one, as TensorFlow takes long to load."""

from __future__ import annotations

import errno
import io
import json
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from tests.support import write_reviews
from tests.tiny_models import write_sentence_transformers
from tfq_llm import __version__, data
from tfq_llm.cli import main
from tfq_llm.cli_stopping import KEEPS_NOTHING, StoppedError, stoppable_by_sigterm

SETTINGS = ["head.encoder_layers=1", "head_training.epochs=2", "joint.enabled=true", "joint.epochs=1", "tuning.epochs=1"]
COMMANDS = (
    "train",
    "evaluate",
    "predict",
    "draw",
    "settings",
    "data",
    "encoders",
    "results",
    "stock-pqc",
    "embed",
    "ionq",
    "study",
    "report",
    "keep-head",
    "export",
    "score",
)
Command = Callable[..., tuple[str, str]]


def in_new_process(*arguments: object) -> str:
    """Runs the installed command and returns what it prints."""
    command = [str(Path(sys.executable).with_name("tfq-llm")), *map(str, arguments)]
    result = subprocess.run(command, capture_output=True, check=False)
    complained = result.stderr.decode()
    assert result.returncode == 0, complained[-3000:]
    assert "Traceback" not in complained
    return result.stdout.decode()


@pytest.fixture
def tfq_llm(capsys) -> Command:
    """Runs the command in this process and returns what it prints on standard output and standard error."""

    def run(*arguments: object, expect: int = 0) -> tuple[str, str]:
        capsys.readouterr()
        code = main([str(argument) for argument in arguments])
        said, complained = capsys.readouterr()
        assert code == expect, complained
        return said, complained

    return run


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
    return run, in_new_process("train", "demo", "--run-dir", run, *with_settings(*chosen))


def test_help_shows_every_command_and_loads_nothing_heavy(fresh_process):
    code = """
import sys
from tfq_llm.cli import main
assert main(["--help"]) == main(["--version"]) == 0
print("loaded:", [name for name in ("tensorflow", "tf_keras", "cirq", "sklearn") if name in sys.modules])
"""
    printed, loaded = fresh_process(code).split("loaded:")
    assert loaded.strip() == "[]"
    for command in COMMANDS:
        assert f" {command} " in printed
    assert f"tfq-llm {__version__}\n" in printed


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
def test_predict_classifies_arguments_and_lines(finished, tfq_llm, tmp_path, monkeypatch):
    run, _ = finished
    printed, _ = tfq_llm("predict", run, "a fine film", "")
    assert [line.split()[0] in ("good", "bad") for line in printed.splitlines()] == [True, True]
    texts = tmp_path / "texts.txt"
    texts.write_bytes("a dull film\r\nune œuvre\n".encode())
    printed, _ = tfq_llm("predict", run, "--file", texts, "--json")
    records = [json.loads(line) for line in printed.splitlines()]
    assert [record["text"] for record in records] == ["a dull film", "une œuvre"]
    assert all(sum(record["probabilities"].values()) == pytest.approx(1, abs=1e-5) for record in records)
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(texts.read_bytes())))
    assert tfq_llm("predict", run, "--file", "-", "--json")[0] == printed


@pytest.mark.slow
def test_evaluate_leaves_out_what_was_trained_on(finished, reviews, tfq_llm, caplog):
    run, table = finished
    printed, _ = tfq_llm("evaluate", run, "--data", reviews, "--json")
    assert "24 of 60 rows were trained or validated on and are left out." in caplog.text
    last = next(line for line in table.splitlines() if line.startswith("| joint") and "quantum" in line)
    assert f"{100 * json.loads(printed)['accuracy']:.1f} %" in last


@pytest.mark.slow
def test_ionq_estimate_says_what_a_run_would_cost(finished, reviews, tfq_llm):
    run, _ = finished
    printed, _ = tfq_llm("ionq", "estimate", run, "--data", reviews, "--shots", 100, "--simulated-rows", 8, "--budget", 100)
    assert "36 sentences with 100 shots each on qpu.forte-1, in 1 job" in printed
    assert "Proposed: 3 sentences" in printed
    assert printed.endswith("Nothing was sent.\n")
    _, complained = tfq_llm("ionq", "estimate", run, "--data", reviews, "--shots", 0, expect=2)
    assert "shots must be a number from 1 to 1,000,000, not 0" in complained


@pytest.mark.slow
def test_evaluate_refuses_labels_that_were_not_trained(finished, tfq_llm, tmp_path):
    run, _ = finished
    other = tmp_path / "other.csv"
    other.write_text("text,label\na film,good\nanother,superb\n")
    _, said = tfq_llm("evaluate", run, "--data", other, expect=2)
    assert "labels that are not in the training set: 'superb'; valid are 'bad', 'good'" in said


@pytest.mark.slow
def test_four_classes_are_trained_reported_saved_and_predicted(tmp_path, tiny_bert, tfq_llm):
    chosen = [f"encoder.name={tiny_bert}", "encoder.max_tokens=48", "data.per_class=16", "data.test_rows=200"]
    chosen += ["head.encoder_layers=1", "head_training.epochs=3"]
    printed, _ = tfq_llm("train", "domains", "--run-dir", tmp_path / "run", *with_settings(*chosen))
    assert "| frozen     | quantum head" in printed
    answered, _ = tfq_llm("predict", tmp_path / "run", "The committee will vote on the bill.", "--json")
    classes = {record.name: record.class_names for record in data.available()}["domains"]
    assert set(json.loads(answered)["probabilities"]) == set(classes)
    assert len(classes) == 4


@pytest.fixture(scope="module")
def bad_files(tmp_path_factory) -> Path:
    """Files that nobody can train on."""
    directory = tmp_path_factory.mktemp("bad-files")
    contents = {
        "columns.csv": b"sentence_text,stars\na,1\n",
        "empty.csv": b"",
        "one.csv": b"text,label\n" + b"".join(b"text %d,same\n" % number for number in range(20)),
        "bytes.csv": b"text,label\nfine,a\n\xff\xfe,b\n",
        "a-file": b"",
    }
    for name, content in contents.items():
        (directory / name).write_bytes(content)
    np.savez(directory / "wide.npz", embeddings=np.random.default_rng(0).normal(size=[40, 300]), labels=np.arange(40) % 2)
    return directory


ON_VECTORS = "data.embeddings={bad}/wide.npz tuning.enabled=false joint.enabled=false"
BAD_SETTINGS = {
    "head.layer=1": "head.layer: there is no such setting. Did you mean 'layers'?",
    "data.name={bad}/missing.csv": "there is no file or directory '{bad}/missing.csv'",
    "data.name={bad}/columns.csv": "'sentence_text', 'stars'. Name one of them with text_column",
    "data.name={bad}/empty.csv": "'{bad}/empty.csv' is empty.",
    "data.name={bad}/one.csv": "all rows are of the class 'same'",
    "data.name={bad}/bytes.csv": "'{bad}/bytes.csv', row 3: the byte 0xff is not UTF-8",
    "data.per_class=500": "per_class is 500, but of the different texts the class 'bad' has 30 and the class 'good' has 30",
    "head.num_qubits=4 head.connectivity=1": "32 dimensions and the padding constant do not fit the 16 amplitudes of 4 qubits",
    f"{ON_VECTORS} head.num_qubits=8": "300 dimensions and the padding constant do not fit the 256 amplitudes of 8 qubits",
    "encoder.name=http://localhost:9/encoder/4": "could not download the sentence encoder 'http://localhost:9/encoder/4'",
    "encoder.name=minilmm": "there is no sentence encoder and no directory 'minilmm'. Did you mean 'minilm'?",
}


@pytest.mark.slow
@pytest.mark.parametrize("settings", BAD_SETTINGS)
def test_bad_settings_get_one_clear_message_and_code_2(settings, tfq_llm, bad_files, reviews, tiny_bert, tmp_path):
    chosen = [f"data.name={reviews}", f"encoder.name={tiny_bert}", "encoder.max_tokens=48", "data.per_class=4"]
    chosen += settings.format(bad=bad_files).split()
    printed, said = tfq_llm("train", "demo", "--run-dir", tmp_path / "run", *with_settings(*chosen), expect=2)
    assert said.startswith("tfq-llm: ")
    assert BAD_SETTINGS[settings].format(bad=bad_files) in said
    assert printed == ""


@pytest.mark.slow
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("train nowhere.yaml", "there is no configuration 'nowhere.yaml': give a YAML file, or one of demo"),
        ("train demo --set head.layers", "'head.layers' is not of the form section.key=value"),
        ("train demo --run-dir {bad}/a-file/run", "cannot write to the directory '{bad}/a-file/run'"),
        ("train demo --run-dir {bad}", "'{bad}' holds files that are not a run's"),
        ("predict {bad}/nowhere text", "there is no run directory '{bad}/nowhere'"),
        ("predict {bad}/nowhere", "there is no text to classify"),
        ("predict {bad}/nowhere --file {bad}/bytes.csv", "'{bad}/bytes.csv', row 3: the byte 0xff is not UTF-8"),
        ("evaluate {bad} --data domains", "'{bad}' is not a run directory"),
        ("draw --part qup", "there is no part 'qup'"),
        ("data fetch ./movie-reviews", "'./movie-reviews' is a path, there is nothing to fetch"),
        ("encoders build minilmm", "there is no sentence encoder 'minilmm' to build; known: minilm,"),
    ],
)
def test_bad_arguments_get_one_clear_message_and_code_2(arguments, message, tfq_llm, bad_files):
    printed, said = tfq_llm(*arguments.format(bad=bad_files).split(), expect=2)
    assert said.startswith("tfq-llm: ")
    assert message.format(bad=bad_files) in said
    assert printed == ""


def test_a_text_in_place_of_the_model_is_told(tfq_llm):
    review = "a text that is too long for the name of a file " * 10
    assert tfq_llm("predict", review, "another", expect=2)[1].startswith(f"tfq-llm: there is no run directory '{review}'")


@pytest.mark.parametrize(
    ("error", "code"), [(OSError(errno.ENOSPC, "No space left on device"), 2), (BrokenPipeError(errno.EPIPE, "Broken pipe"), 1)]
)
def test_errors_of_the_system_are_no_tracebacks(error, code, capsys, monkeypatch):
    def fails(*_arguments: object, **_settings: object) -> str:
        raise error

    monkeypatch.setattr("tfq_llm.pipelines.draw.draw", fails)
    try:
        found = main(["draw", "demo"])
    except SystemExit as ended:  # nobody reads what is printed, as with `tfq-llm … | head`
        found = ended.code
    assert found == code
    assert capsys.readouterr().err == ("tfq-llm: No space left on device.\n" if code == 2 else "")


def test_a_wrong_command_is_answered_with_the_right_one(tfq_llm):
    _, said = tfq_llm("trian", expect=2)
    assert "Did you mean 'train'?" in said


@pytest.mark.parametrize("raised", [KeyboardInterrupt, EOFError])
@pytest.mark.parametrize(
    ("driver", "arguments", "said"),
    [
        ("train.train", "train demo", "interrupted. What was finished is kept; the same command goes on from there."),
        ("export.export", "export runs/demo --to served/m", "interrupted. Nothing of it is kept; the same command begins anew."),
        ("draw.draw", "draw demo", "interrupted."),
    ],
)
def test_an_interrupted_command_says_what_is_kept(driver, arguments, said, raised, tfq_llm, monkeypatch):
    def interrupted(*_arguments: object, **_settings: object) -> str:
        raise raised

    monkeypatch.setattr(f"tfq_llm.pipelines.{driver}", interrupted)
    assert tfq_llm(*arguments.split(), expect=130)[1].strip() == f"tfq-llm: {said}"


def test_sigterm_ends_a_command_that_tidies_up_once(capsys):
    def work() -> None:
        with stoppable_by_sigterm(KEEPS_NOTHING):
            try:
                signal.raise_signal(signal.SIGTERM)
            finally:
                signal.raise_signal(signal.SIGTERM)  # as `timeout` does
                print("tidied up")

    before = signal.getsignal(signal.SIGTERM)
    with pytest.raises(StoppedError, match=r"^terminated\. Nothing of it is kept") as stopped:
        work()
    assert stopped.value.code == 143
    assert capsys.readouterr().out == "tidied up\n"
    assert signal.getsignal(signal.SIGTERM) is before


def test_draw_text_and_svg(tfq_llm, tmp_path):
    printed, _ = tfq_llm("draw", "--qubits", 3)
    assert printed.startswith("0: ───Ry(x0)")
    tfq_llm("draw", "--part", "amplitude-encoder", "--svg", tmp_path / "circuit.svg")
    assert (tmp_path / "circuit.svg").read_text().lstrip().startswith("<svg")


def test_data_list_names_what_data_load_knows(tfq_llm):
    printed, _ = tfq_llm("data", "list")
    for record in data.available():
        assert f"| {record.name} " in printed


@pytest.mark.slow
def test_encoders_list_names_the_default(tfq_llm):
    printed, _ = tfq_llm("encoders", "list")
    assert "| minilm" in printed
