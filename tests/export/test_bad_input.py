"""What cannot be exported, and what is refused when it is loaded: one message, and nothing half-written."""

from __future__ import annotations

import errno
import json
import os
import re
import shutil
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from tfq_llm import InputError, exported
from tfq_llm.export import ExportMismatchError, export_model
from tfq_llm.export.destination import Destination
from tfq_llm.export.serving_model import ServingModel
from tfq_llm.exported.manifest import write_manifest
from tfq_llm.training import TrainedModel


@pytest.fixture
def copied(exported_text, tmp_path) -> Path:
    """A copy of an exported model that a test may spoil."""
    return Path(shutil.copytree(exported_text, tmp_path / "few-reviews" / "1"))


def everything(directory: Path) -> list[str]:
    return sorted(path.relative_to(directory).as_posix() for path in directory.rglob("*"))


def rewrite(path: Path, **changes) -> None:
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def test_versions_are_taken_in_order_and_never_overwritten(head_model, origin, tmp_path):
    trained = head_model()
    write = lambda to: export_model(trained, origin, tmp_path / to, command="", head_only=True)  # noqa: E731
    assert write("m") == tmp_path / "m" / "1"
    assert write("m/7") == tmp_path / "m" / "7"
    assert write("m") == tmp_path / "m" / "8"
    before = (tmp_path / "m" / "7" / "manifest.json").stat().st_mtime_ns
    with pytest.raises(InputError, match=r"exists already.*never overwritten"):
        write("m/7")
    assert (tmp_path / "m" / "7" / "manifest.json").stat().st_mtime_ns == before
    assert exported.load(tmp_path / "m").facts.version == 8
    assert exported.load(tmp_path / "m" / "7").facts.version == 7
    with pytest.raises(InputError, match=r"'next' is not a version"):
        write("m/next")


@pytest.mark.parametrize(
    ("version", "message"),
    [(version, "is not a version: .* from 1 on") for version in ("0", "01", "1.5", "-1", "v2", "version-2")]
    + [(version, r"too large for a version: .* up to 9223372036854775807") for version in ("9223372036854775808", "9" * 200)],
)
def test_a_version_is_a_whole_number(version, message, head_model, origin, tmp_path):
    with pytest.raises(InputError, match=message):
        export_model(head_model(), origin, tmp_path / "m" / version, command="", head_only=True)
    assert everything(tmp_path) == []


def test_what_could_be_a_version_or_a_model_is_refused_whichever_is_there_first(head_model, origin, tmp_path):
    write = lambda to: export_model(head_model(), origin, tmp_path / to, command="", head_only=True)  # noqa: E731
    written = write("first/reviews/abc")
    assert (written, exported.load(written).facts.name) == (tmp_path / "first" / "reviews" / "abc" / "1", "abc")
    for to in ("first/reviews", "first/reviews/2"):
        with pytest.raises(InputError, match=r"'.*/first/reviews' holds the exported model 'abc'.*--to .*/first/reviews/NAME"):
            write(to)
    write("second/reviews")
    with pytest.raises(InputError, match=r"'abc' is not a version.*--to .*/second/reviews for its next version"):
        write("second/reviews/abc")
    with pytest.raises(InputError, match="is a SavedModel"):
        write("second/reviews/1/abc")
    assert sorted(path.name for path in (tmp_path / "second" / "reviews").iterdir()) == ["1"]


def test_the_home_of_nobody_is_no_place():
    with pytest.raises(InputError, match=r"no home directory for '~nobody-of-that-name/m'.*\./~nobody-of-that-name/m"):
        Destination.parsed(Path("~nobody-of-that-name/m"))


def test_no_model_is_exported_into_a_saved_head_or_a_run(head_model, origin, tmp_path):
    saved = Path(shutil.copytree(Path(__file__).parents[2] / "saved_models" / "movie-reviews", tmp_path / "movie-reviews"))
    run = tmp_path / "run"
    run.mkdir()
    (run / "versions.json").write_text("{}")
    before = everything(tmp_path)
    for to, message in (
        (saved, "is a saved head.*such as --to served/movie-reviews"),
        (saved / "1", "is a saved head"),
        (saved / "mine", "is a saved head"),
        (run, "is a run.*such as --to served/run"),
    ):
        with pytest.raises(InputError, match=message):
            export_model(head_model(), origin, to, command="", head_only=True)
    assert everything(tmp_path) == before


@pytest.mark.parametrize("name", ["with space", ".hidden", "naïve"])
def test_a_name_is_part_of_an_address(name, head_model, origin, tmp_path):
    with pytest.raises(InputError, match="cannot be a model's name"):
        export_model(head_model(), origin, tmp_path / name, command="", head_only=True)


def test_a_file_in_the_way(head_model, origin, tmp_path):
    (tmp_path / "m").write_text("a file")
    with pytest.raises(InputError, match="is a file"):
        export_model(head_model(), origin, tmp_path / "m", command="", head_only=True)
    with pytest.raises(InputError, match="cannot write"):
        export_model(head_model(), origin, tmp_path / "m" / "n", command="", head_only=True)


def test_a_place_that_cannot_be_written(head_model, origin):
    with pytest.raises(InputError, match="cannot write to the directory '/proc/models/m'"):
        export_model(head_model(), origin, "/proc/models/m", command="", head_only=True)


def test_a_model_without_a_sentence_encoder_is_exported_as_a_head(head_model, origin, tmp_path):
    with pytest.raises(InputError, match="--head-only"):
        export_model(head_model(), origin, tmp_path / "m", command="")
    model = exported.load(export_model(head_model(), origin, tmp_path / "m", command="", head_only=True))
    for texts in ["a text"], "a text":
        with pytest.raises(InputError, match="head alone"):
            model(texts)
    with pytest.raises(InputError, match=r"\[rows, 7\]"):
        model(np.zeros([2, 8]))
    with pytest.raises(InputError, match="cannot read texts"):
        model.predict(["a text"])


def test_another_kind_of_head_is_refused(origin, tmp_path):
    head = tf.keras.Sequential([tf.keras.layers.Dense(2, input_shape=[3])])
    with pytest.raises(InputError, match="quantum head"):
        export_model(TrainedModel(("a", "b"), head, None, frozenset()), origin, tmp_path / "m", command="", head_only=True)


FAILING_WRITES = {
    "the SavedModel": (
        "tfq_llm.export.serving_model.tf.saved_model.save",
        tf.errors.ResourceExhaustedError(
            None,
            None,
            "{{function_node __wrapped__}} /m/.1.unfinished/part-00000.tempstate1; No space left on device [Op:SaveV2]",
        ),
    ),
    "the warm-up": ("tfq_llm.export.write.write_warmup", tf.errors.UnknownError(None, None, "No space left on device")),
    "the drawing": ("tfq_llm.export.circuit_files.draw_svg", OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))),
    "the manifest": ("tfq_llm.export.write.write_manifest", OSError(errno.EDQUOT, os.strerror(errno.EDQUOT))),
    "the disk itself": ("tfq_llm.cache.os.fsync", OSError(errno.EIO, os.strerror(errno.EIO))),
}


@pytest.mark.parametrize("what", FAILING_WRITES)
def test_a_disk_that_fills_leaves_nothing(what, head_model, origin, tmp_path, monkeypatch):
    place, error = FAILING_WRITES[what]

    def fail(*_, **__):
        raise error

    monkeypatch.setattr(place, fail)
    said = (
        r"^cannot write the model to '[^']*/new/m': [A-Z][a-z/ ]+\. Nothing of it was left"  # the disk's words and no hidden file
    )
    with pytest.raises(InputError, match=said):
        export_model(head_model(), origin, tmp_path / "new" / "m", command="", head_only=True)
    assert everything(tmp_path) == []


def test_an_interrupted_export_leaves_other_versions_alone(head_model, origin, tmp_path, monkeypatch):
    export_model(head_model(), origin, tmp_path / "m", command="", head_only=True)
    before = everything(tmp_path)

    def interrupt(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr("tfq_llm.export.write.write_manifest", interrupt)
    with pytest.raises(KeyboardInterrupt):
        export_model(head_model(), origin, tmp_path / "m", command="", head_only=True)
    assert everything(tmp_path) == before


def test_a_model_that_computes_something_else_is_not_kept(head_model, origin, tmp_path, monkeypatch):
    true_save = ServingModel.save

    def save_spoilt(model, directory):
        model._head._amplitudes._matrix.assign(0.9 * model._head._amplitudes._matrix)
        true_save(model, directory)

    monkeypatch.setattr(ServingModel, "save", save_spoilt)
    with pytest.raises(ExportMismatchError, match="differ by"):
        export_model(head_model(), origin, tmp_path / "m", command="", head_only=True)
    assert everything(tmp_path) == []


SPOILT = {
    "altered": (lambda path: flip(path / "variables" / "variables.data-00000-of-00001"), "checksum differs"),
    "cut": (lambda path: os.truncate(path / "saved_model.pb", 1000), "checksum differs"),
    "missing": (lambda path: (path / "saved_model.pb").unlink(), "lacks 'saved_model.pb'"),
    "more": (lambda path: (path / "assets" / "run.py").write_text("print('hello')"), r"'assets/run.py', which was not exported"),
    "no manifest": (lambda path: (path / "manifest.json").unlink(), "not an exported model"),
    "manifest cut": (lambda path: os.truncate(path / "manifest.json", 100), "damaged"),
    "manifest of another kind": (lambda path: (path / "manifest.json").write_text("[1]"), "damaged"),
    "manifest without files": (lambda path: rewrite(path / "manifest.json", files=3), "damaged"),
    "deep manifest": (lambda path: (path / "manifest.json").write_text("[" * 100_000), "damaged"),
    "names outside": (lambda path: rewrite(path / "manifest.json", files={"../1/card.md": {}}), "was not exported|lacks"),
    "newer": (lambda path: rewrite(path / "manifest.json", format=2), "newer version"),
    "newer facts": (lambda path: resealed(path, format=2), "newer version"),
    "no format": (lambda path: rewrite(path / "manifest.json", format="1"), "not a whole number"),
    "facts of another kind": (lambda path: resealed(path, qubits="many"), "qubits"),
    "variables cut": (lambda path: shortened(path), "cannot be loaded as a SavedModel"),
    "no SavedModel": (lambda path: unmodelled(path), "cannot be loaded as a SavedModel"),
}


def flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def resealed(path: Path, **changes) -> None:
    rewrite(path / "model.json", **changes)
    write_manifest(path)


def shortened(path: Path) -> None:
    os.truncate(path / "variables" / "variables.data-00000-of-00001", 10)
    write_manifest(path)


def unmodelled(path: Path) -> None:
    (path / "saved_model.pb").write_bytes(b"nothing")
    write_manifest(path)


@pytest.mark.parametrize("how", SPOILT)
def test_a_spoilt_directory_is_refused(how, copied):
    spoil, message = SPOILT[how]
    spoil(copied)
    with pytest.raises(InputError, match=message):
        exported.load(copied)


@pytest.mark.parametrize("closed", [["manifest.json", "saved_model.pb"], ["saved_model.pb"]])
def test_a_version_that_nobody_may_look_into_is_not_complete(closed, tmp_path, monkeypatch, caplog):
    for version in ("1", "2"):
        (tmp_path / version).mkdir()
        (tmp_path / version / "saved_model.pb").write_text("a model")
        write_manifest(tmp_path / version)
    stat = Path.stat

    def refused(path: Path, **settings: bool) -> os.stat_result:
        if path.parent == tmp_path / "2" and path.name in closed:
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))
        return stat(path, **settings)

    monkeypatch.setattr(Path, "stat", refused)
    assert exported.is_exported(tmp_path)
    assert exported.version_directory(tmp_path) == tmp_path / "1"
    assert "2' is not complete" in caplog.text


def test_what_is_elsewhere_or_of_another_kind_is_named_with_a_command_that_works(exported_text, head_model, origin, tmp_path):
    served, saved = tmp_path / "served", Path(__file__).parents[2] / "saved_models" / "movie-reviews"
    for name in ("n", "nt"):
        shutil.copytree(exported_text, served / name / "1")
    (tmp_path / "file").touch()
    for path, message in (
        (served, f"'{served}' is no exported model, but the directory of some: give one of them, {served}/n, {served}/nt."),
        (saved, f"'{saved}' is a saved head, not an exported model: 'tfq-llm export {saved} --to served/NAME' makes one of it."),
        (tmp_path / "file", f"'{tmp_path / 'file'}' is a file: give the directory"),
        (
            tmp_path / "none",
            f"there is no directory '{tmp_path / 'none'}': 'tfq-llm export RUN --to {tmp_path / 'none'}' makes one",
        ),
    ):
        with pytest.raises(InputError, match=re.escape(message)):
            exported.load(path)
    assert exported.load(served / "nt").facts.version == 1
    export_model(head_model(), origin, tmp_path / "none", command="", head_only=True)


def test_what_is_no_directory_of_a_model(tmp_path):
    with pytest.raises(InputError, match="there is no directory"):
        exported.load(tmp_path / "none")
    with pytest.raises(InputError, match="not an exported model"):
        exported.load(tmp_path)
    (tmp_path / "1").mkdir()
    with pytest.raises(InputError, match="not an exported model"):
        exported.load(tmp_path)


def test_a_model_with_tfqs_operators_says_what_it_needs(copied, monkeypatch):
    resealed(copied, signature="tfq")
    monkeypatch.setitem(__import__("sys").modules, "tensorflow_quantum", None)
    with pytest.raises(InputError, match="needs tensorflow-quantum"):
        exported.load(copied)


def test_nothing_is_pickled(exported_text):
    for path in exported_text.rglob("*"):
        assert path.suffix not in {".pkl", ".pickle", ".joblib", ".npy", ".npz", ".keras", ".py"}
        assert path.is_dir() or not path.read_bytes().startswith(b"\x80\x04")
