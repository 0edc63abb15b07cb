"""Directories that appear whole or not at all, whoever is killed while writing them."""

from __future__ import annotations

import logging
import multiprocessing
import os
import signal
from pathlib import Path

from tfq_llm.cache import atomic_directory, is_intact


def _write_and_die(target: Path) -> None:
    with atomic_directory(target) as directory:
        (directory / "weights").write_bytes(bytes(2_500_000))
        os.kill(os.getpid(), signal.SIGKILL)


def test_what_a_killed_process_left_goes_with_the_next_one_and_a_running_one_is_left_alone(tmp_path, caplog):
    caplog.set_level(logging.INFO, "tfq_llm.unfinished")
    target = tmp_path / "[model]"
    with atomic_directory(target) as running:
        process = multiprocessing.get_context("fork").Process(target=_write_and_die, args=(target,))
        process.start()
        process.join()
        assert process.exitcode == -signal.SIGKILL
        assert sorted(path.name for path in tmp_path.iterdir()) == [".[model].1.unfinished", ".[model].2.unfinished"]
        with atomic_directory(target) as other:
            (other / "weights").write_text("the other's")
        assert caplog.messages == [f"Deleted '{tmp_path}/.[model].2.unfinished', 2.5 MB that a process left when it was killed."]
        (running / "weights").write_text("the first one's")
    assert is_intact(target)
    assert (target / "weights").read_text() == "the other's"  # it was there first, and good
    assert [path.name for path in tmp_path.iterdir()] == ["[model]"]
