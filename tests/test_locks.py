"""Locks: one process at a time, and none of a file that its holder deleted."""

from __future__ import annotations

import errno
import fcntl
import multiprocessing
import os
import signal
import threading
from pathlib import Path

import pytest

from tfq_llm import InputError
from tfq_llm.locks import only_holder, taken, waited_for


def test_one_holds_it_at_a_time(tmp_path):
    path = tmp_path / "lock"
    with only_holder(path, "it is held"):
        assert taken(path) is None
        with pytest.raises(InputError, match="it is held"), only_holder(path, "it is held"):
            pass
    with only_holder(path, "it is held"):
        pass


def test_one_may_wait_for_it(tmp_path):
    first, order = waited_for(tmp_path / "lock"), []

    def second():
        with waited_for(tmp_path / "lock"):
            order.append("second")

    with first:
        thread = threading.Thread(target=second)
        thread.start()
        thread.join(0.2)
        order.append("first")
    thread.join(10)
    assert order == ["first", "second"]


def _take_and_die(path: Path) -> None:
    with only_holder(path, "it is held"):
        os.kill(os.getpid(), signal.SIGKILL)


def test_a_killed_holder_holds_nothing(tmp_path):
    process = multiprocessing.get_context("fork").Process(target=_take_and_die, args=(tmp_path / "lock",))
    process.start()
    process.join()
    assert process.exitcode == -signal.SIGKILL
    with only_holder(tmp_path / "lock", "it is held"):
        pass


def test_a_file_that_its_holder_deletes_meanwhile_is_not_locked(tmp_path, monkeypatch):
    path, lock = tmp_path / "lock", fcntl.flock

    def after_it_was_deleted(file: int, operation: int) -> None:
        path.unlink()
        lock(file, operation)

    with monkeypatch.context() as patch:
        patch.setattr(fcntl, "flock", after_it_was_deleted)
        assert taken(path) is None
    first = taken(path)
    assert first is not None
    with first:
        assert taken(path) is None


def test_what_cannot_be_locked_is_told(tmp_path, monkeypatch):
    (tmp_path / "file").touch()
    refused = pytest.raises(InputError, match=r"cannot lock '.*lock' \(.*\): see that you can write it")
    with refused, only_holder(tmp_path / "file" / "lock", "it is held"):
        pass

    def no_locks(file: int, operation: int) -> None:
        raise OSError(errno.ENOSYS, os.strerror(errno.ENOSYS))

    monkeypatch.setattr(fcntl, "flock", no_locks)
    refused = pytest.raises(InputError, match=r"Function not implemented.*its file system has locks")
    with refused, only_holder(tmp_path / "lock", "it is held"):
        pass
