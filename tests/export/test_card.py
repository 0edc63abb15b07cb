"""The model card, and the files of an exported directory."""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree
from dataclasses import replace
from pathlib import Path

import cirq
import pytest
import yaml

from tfq_llm import exported
from tfq_llm.cli import main
from tfq_llm.export import Provenance, export_model
from tfq_llm.export.card import model_card
from tfq_llm.pipelines.train import train
from tfq_llm.training.keep import keep_head


def test_the_directory_has_the_agreed_files(exported_text):
    files = {path.relative_to(exported_text).as_posix() for path in exported_text.rglob("*") if path.is_file()}
    assert {
        "saved_model.pb",
        "assets.extra/tf_serving_warmup_requests",
        "model.json",
        "circuit.json",
        "circuit.svg",
        "card.md",
        "manifest.json",
    } == {name for name in files if not name.startswith("variables/")}
    assert exported_text.stat().st_mode & 0o777 == (exported_text / "assets.extra").stat().st_mode & 0o777
    assert len(cirq.read_json(exported_text / "circuit.json").all_qubits()) == 6
    assert ElementTree.parse(exported_text / "circuit.svg").getroot().tag.endswith("svg")


def test_the_card_says_what_the_model_is(exported_text, origin):
    _, front, text = (exported_text / "card.md").read_text(encoding="utf-8").split("---\n", 2)
    front_matter = yaml.safe_load(front)
    head = origin.results[-1]
    assert front_matter["pipeline_tag"] == "text-classification"
    assert front_matter["model-index"][0]["results"][0]["metrics"][0]["value"] == round(head.accuracy, 4)
    for said in (
        f"{100 * head.accuracy:.1f} % (95 % Wilson interval {100 * head.low:.1f} – {100 * head.high:.1f})",
        "Reviews by nobody.",
        "data: MIT",
        "50 train, 10 validation, 40 test",
        "the first 48 tokens",
        "on any server that has TensorFlow and TF-Text.",
        "tfq-llm export runs/few --to saved_models/few-reviews",
        "## Intended use",
        "## Limits",
        "tensorflow 2.18",
    ):
        assert said in text


def front_matter(card: str) -> dict:
    return yaml.safe_load(card.split("---\n")[1])


def test_the_licence_is_the_given_one_or_the_saved_heads_and_never_that_of_its_parts(config, exported_text, tmp_path, capsys):
    card = (exported_text / "card.md").read_text(encoding="utf-8")
    assert front_matter(card)["license"] == "other"
    assert "- this model: not stated\n- data: MIT\n- sentence encoder" in card
    train(config, tmp_path / "run")
    keep_head([tmp_path / "run"], tmp_path / "head", licence="bsd-3-clause")
    for number, (source, options, stated) in enumerate(
        [("run", [], "other"), ("head", [], "BSD-3-Clause"), ("head", ["--licence", "mit"], "MIT")]
    ):
        to = tmp_path / "models" / f"m{number}"
        assert main(["export", str(tmp_path / source), "--to", str(to), "--head-only", *options]) == 0
        card = (to / "1" / "card.md").read_text(encoding="utf-8")
        assert front_matter(card)["license"] == stated.lower()
        assert f"- this model: {'not stated' if stated == 'other' else stated}\n" in card
    for command in (["export", str(tmp_path / "run"), "--to"], ["keep-head", str(tmp_path / "run"), "--to"]):
        for given in ("Apache 2", ""):
            assert main([*command, str(tmp_path / "none"), "--licence", given]) == 2
            assert f"'{given}' is no licence of SPDX: give its identifier, such as Apache-2.0" in capsys.readouterr().err
    assert not (tmp_path / "none").exists()


@pytest.mark.parametrize(
    ("given", "read"),
    [
        (None, {"license": "other"}),
        ("Apache-2.0", {"license": "apache-2.0"}),
        ("LicenseRef-Ours", {"license": "other", "license_name": "LicenseRef-Ours"}),
        ("MIT OR Apache-2.0", {"license": "other", "license_name": "MIT OR Apache-2.0"}),
        ("(MIT)", {"license": "other", "license_name": "(MIT)"}),
    ],
)
def test_model_hubs_read_identifiers_alone(given, read, exported_text, origin):
    facts = exported.read_facts(exported_text)
    front = front_matter(model_card(facts, replace(origin, licence=given), ""))
    assert {key: value for key, value in front.items() if key.startswith("license")} == read


def test_the_card_of_a_head_alone_says_whose_embeddings_it_takes(text_model, origin, tmp_path):
    version = export_model(text_model, origin, tmp_path / "head", command="", head_only=True)
    card = (version / "card.md").read_text(encoding="utf-8")
    encoder = text_model.encoder
    assert f"They are those of the sentence encoder {encoder.encoder_name}, fingerprint below" in card
    assert f"Sentence encoder: {encoder.encoder_name}, fingerprint {encoder.state_fingerprint()}." in card
    assert f"sentence encoder {encoder.encoder_name}, whose weights are not in this model" in card


def test_saved_heads_and_exports_name_the_same_sentence_encoder(exported_text, origin):
    facts = exported.read_facts(exported_text).model_copy(update={"encoder": {"name": "minilm", "fingerprint": "0"}})
    saved = (Path(__file__).parents[2] / "saved_models" / "movie-reviews" / "card.md").read_text(encoding="utf-8")
    assert front_matter(model_card(facts, origin, ""))["base_model"] == "sentence-transformers/all-MiniLM-L6-v2"
    assert front_matter(saved)["base_model"] == "sentence-transformers/all-MiniLM-L6-v2"


def test_a_run_is_exported_by_the_command(config, tmp_path, capsys):
    train(config, tmp_path / "run")
    arguments = ["export", str(tmp_path / "run"), "--to", str(tmp_path / "models" / "blobs")]
    assert main(arguments) == 2
    assert "--head-only" in capsys.readouterr().err
    assert not (tmp_path / "models").exists()
    assert main([*arguments, "--head-only"]) == 0
    assert f"the model 'blobs', version 1, to {tmp_path}/models/blobs/1" in capsys.readouterr().out
    origin = Provenance.of_run(tmp_path / "run")
    card = (tmp_path / "models" / "blobs" / "1" / "card.md").read_text()
    assert [result.head for result in origin.results] == ["logistic regression", "SVC", "quantum head"]
    assert f"test accuracy {100 * origin.results[-1].accuracy:.1f} %" in card.lower()
    assert str(tmp_path / "blobs.npz") not in card
    assert exported.load(tmp_path / "models" / "blobs").facts.task == "embeddings"
    assert main([*arguments, "--head-only", "--signature", "onnx"]) == 2
    assert "plain, tfq" in capsys.readouterr().err


def test_a_card_tells_nothing_of_the_machine_it_was_made_on(config, tmp_path, monkeypatch):
    train(config, tmp_path / "runs" / "mine")
    monkeypatch.chdir(tmp_path)
    for given, shown in (
        (["runs/mine", "--to", str(tmp_path / "served" / "few")], "runs/mine --to few"),
        ([str(tmp_path / "runs" / "mine"), f"--to={tmp_path}/served/few"], "mine --to=few"),
        (["runs/mine", "--to", "served/few"], "runs/mine --to served/few"),
    ):
        arguments = ["export", *given, "--head-only"]
        monkeypatch.setattr("sys.argv", ["tfq-llm", *arguments])
        assert main(arguments) == 0
        written = exported.version_directory(tmp_path / "served" / "few")
        card = (written / "card.md").read_text()
        assert f"    tfq-llm export {shown} --head-only\n" in card
        for file in (*written.glob("*.json"), written / "card.md"):
            assert str(tmp_path) not in file.read_text()


def test_a_run_without_weights_is_refused(tmp_path, capsys):
    (tmp_path / "run").mkdir()
    assert main(["export", str(tmp_path / "run"), "--to", str(tmp_path / "m")]) == 2
    assert "not a run directory" in capsys.readouterr().err
    assert main(["export", str(tmp_path / "none"), "--to", str(tmp_path / "m")]) == 2
    assert "there is no run directory" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("file", "damage"),
    [
        ("head-given.keras", Path.unlink),
        ("head-given.keras", lambda file: file.write_bytes(b"")),
        ("head-given.keras", lambda file: file.write_bytes(file.read_bytes()[:-100])),
        ("model.json", lambda file: file.write_text("{}")),
        ("model.json", lambda file: file.write_text("[]")),
        ("model.json", lambda file: file.write_text("")),
    ],
    ids=["missing", "empty", "cut", "facts without a head", "other facts", "no facts"],
)
def test_a_damaged_run_is_refused_by_whatever_uses_it(file, damage, config, tmp_path, capsys):
    train(config, tmp_path / "run")
    damage(tmp_path / "run" / "model" / file)
    for command in (
        ["export", "--head-only", "--to", str(tmp_path / "m"), str(tmp_path / "run")],
        ["keep-head", "--to", str(tmp_path / "m"), str(tmp_path / "run")],
        ["evaluate", "--data", config.data.embeddings, str(tmp_path / "run")],
        ["predict", str(tmp_path / "run"), "a fine film"],
    ):
        assert main(command) == 2
        said = capsys.readouterr().err
        assert f"model/{file}" in said
        assert "is damaged" in said
    assert not (tmp_path / "m").exists()


def test_a_run_without_results_is_refused_where_a_card_needs_them(config, tmp_path, capsys):
    train(config, tmp_path / "run")
    (tmp_path / "run" / "results.json").unlink()
    for command in (["export", "--head-only"], ["keep-head"]):
        assert main([*command, "--to", str(tmp_path / "m"), str(tmp_path / "run")]) == 2
        assert "'results.json' is missing or not as it was written" in capsys.readouterr().err
    assert not (tmp_path / "m").exists()


def test_predict_answers_from_an_exported_model(exported_text, text_model, capsys):
    assert main(["predict", str(exported_text.parent), "the movie", "un able dog"]) == 0
    lines = capsys.readouterr().out.splitlines()
    probabilities = text_model.predict(["the movie", "un able dog"])
    assert [line.split()[1] for line in lines] == [f"{row.max():.3f}" for row in probabilities]
