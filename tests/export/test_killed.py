"""Exports that are killed, told to end, or several at once: every version is whole, and nothing else stays."""

from __future__ import annotations

import logging
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from tfq_llm import InputError, exported, unfinished
from tfq_llm.cli import main
from tfq_llm.export import export_model, new_version
from tfq_llm.export.destination import Destination
from tfq_llm.pipelines.train import train

# The command, waiting at one moment until it is stopped.
COMMAND = """
import importlib, sys, time
from tfq_llm.cli import main
module, _, name = sys.argv[1].rpartition(".")
def wait_here(*_):
    print("here", flush=True)
    time.sleep(600)
setattr(importlib.import_module(module), name, wait_here)
sys.exit(main(sys.argv[2:]))
"""
HALF_WRITTEN, READY_TO_MOVE = "tfq_llm.export.write.write_warmup", "tfq_llm.export.new_version.to_disk"


@contextmanager
def waiting(moments: list[str], run: Path, to: Path) -> Iterator[list[subprocess.Popen[str]]]:
    """Processes of the command, each at its moment."""
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", COMMAND, moment, "export", str(run), "--to", str(to), "--head-only"],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            # A test run in the background of a shell has it ignored, and so would its processes.
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
        )
        for moment in moments
    ]
    try:
        for process in processes:
            assert process.stdout is not None
            assert process.stdout.readline() == "here\n", process.communicate()[1]
        yield processes
    finally:
        for process in processes:
            process.kill()
            process.communicate()


@pytest.mark.slow
def test_what_killed_exports_leave_goes_with_the_next_export_and_running_ones_are_left_alone(config, tmp_path, capsys, caplog):
    train(config, tmp_path / "run")
    model = tmp_path / "served" / "blobs"
    command = ["export", str(tmp_path / "run"), "--to", str(model), "--head-only"]
    caplog.set_level(logging.INFO, "tfq_llm.unfinished")
    caplog.clear()
    with waiting([HALF_WRITTEN, READY_TO_MOVE], tmp_path / "run", model) as processes:
        running = {".1.unfinished", ".2.unfinished"}
        assert {path.name for path in model.iterdir()} == running
        # A third one takes the next version, and one that names theirs is told.
        assert main(command) == 0
        assert {path.name for path in model.iterdir()} == {*running, "3"}
        assert main([*command[:3], f"{model}/1", "--head-only"]) == 2
        assert "another export is writing" in capsys.readouterr().err
        assert not caplog.messages
        for process in processes:
            process.kill()
            process.wait()
    assert {path.name for path in model.iterdir()} == {*running, "3"}
    assert main(command) == 0
    assert sorted(path.name for path in model.iterdir()) == ["3", "4"]
    assert [message.partition(",")[0] for message in caplog.messages] == [
        f"Deleted '{model / name}'" for name in (".1.unfinished", ".2.unfinished")
    ]
    for version in (3, 4):
        assert exported.load(model / str(version)).facts.version == version


@pytest.mark.campaign  # studies show that a signal ends a command so, and other tests here what an export leaves then
@pytest.mark.parametrize(("sent", "code", "word"), [(signal.SIGTERM, 143, "terminated"), (signal.SIGINT, 130, "interrupted")])
def test_an_export_that_is_told_to_end_leaves_nothing(sent, code, word, config, tmp_path):
    train(config, tmp_path / "run")
    with waiting([HALF_WRITTEN], tmp_path / "run", tmp_path / "served" / "blobs") as [process]:
        process.send_signal(sent)
        said = process.communicate(timeout=60)[1]
    assert process.returncode == code, said
    assert f"tfq-llm: {word}. Nothing of it is kept" in said
    assert "Traceback" not in said
    assert not (tmp_path / "served").exists()


def test_two_exports_of_one_version_that_began_at_once(head_model, origin, tmp_path, monkeypatch):
    """The second sees version 1 free, and by the time that it takes it the first has finished it."""

    def first(hidden: Path, held: ExitStack) -> Path | None:
        monkeypatch.undo()
        export_model(head_model(), origin, tmp_path / "m", command="", head_only=True)
        return unfinished.make(hidden, held)

    monkeypatch.setattr(unfinished, "make", first)
    second = export_model(head_model(), origin, tmp_path / "m", command="", head_only=True)
    assert second == tmp_path / "m" / "2"
    assert exported.load(second).facts.version == 2
    monkeypatch.setattr(unfinished, "make", first)
    with pytest.raises(InputError, match="leave the version out"):
        export_model(head_model(), origin, tmp_path / "m" / "3", command="", head_only=True)
    assert sorted(path.name for path in (tmp_path / "m").iterdir()) == ["1", "2", "3"]


def new_folder(model: Path) -> list[str]:
    """What is in a model's directory while its next version is written."""
    with new_version.new_version(Destination.parsed(model)):
        return sorted(path.name for path in model.iterdir())


def test_the_folder_that_another_export_has_just_finished_with_is_not_made_again(tmp_path, caplog):
    (tmp_path / "m").mkdir()
    caplog.set_level(logging.INFO, "tfq_llm.unfinished")
    unfinished.clear_away([tmp_path / "m" / ".1.unfinished"])  # which was there a moment ago
    assert list((tmp_path / "m").iterdir()) == []
    assert not caplog.messages


def test_a_folder_that_another_export_clears_away_before_it_is_locked_is_made_again(tmp_path, monkeypatch):
    taken, cleared = unfinished.taken, []

    def after_it_was_cleared(lock: Path) -> object:
        if not cleared:
            cleared.append(lock.parent)
            shutil.rmtree(lock.parent)
            raise FileNotFoundError(lock)
        return taken(lock)

    monkeypatch.setattr(unfinished, "taken", after_it_was_cleared)
    assert new_folder(tmp_path / "m") == [".1.unfinished"]
    assert cleared == [tmp_path / "m" / ".1.unfinished"]


def test_only_folders_of_exports_are_cleared_away(tmp_path):
    for name in (".2.bak", ".7.abcdefgh", ".1.unfinished"):
        (tmp_path / "m" / name).mkdir(parents=True)
        (tmp_path / "m" / name / "saved_model.pb").touch()
    assert new_folder(tmp_path / "m") == [".1.unfinished", ".2.bak", ".7.abcdefgh"]
    assert not (tmp_path / "m" / ".1.unfinished" / "saved_model.pb").exists()


def test_a_folder_that_cannot_be_cleared_away_is_told(tmp_path, monkeypatch):
    (tmp_path / "m" / ".5.unfinished").mkdir(parents=True)
    monkeypatch.setattr(unfinished, "taken", lambda lock: None)  # as one of another user
    refused = pytest.raises(
        InputError, match=r"another export is writing .*/m/5'.*If none is running, delete '.*/\.5\.unfinished'"
    )
    with refused, new_version.new_version(Destination.parsed(tmp_path / "m" / "5")):
        pass
