"""Of two commands that would run one study at a time, one is refused; a killed one keeps nobody out for long."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
import uuid
from pathlib import Path

import pytest

from tfq_llm.errors import InputError, StoreError
from tfq_llm.studies import driver
from tfq_llm.studies.driver import HOLDER, LEASE_SECONDS, driving
from tfq_llm.studies.places import place

DRIVE = """
import sys, time
from tfq_llm.studies.driver import driving
with driving(sys.argv[1]):
    print("driving", flush=True)
    time.sleep(60)
"""


@pytest.fixture(params=["directory", "memory"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    return str(tmp_path / "study") if request.param == "directory" else f"memory://{uuid.uuid4().hex}/study"


def test_the_second_is_told_who_is_the_first(url: str) -> None:
    with driving(url) as check:
        check()
        who = rf"another command runs the study in '{url}': process {os.getpid()} on {socket.gethostname()}, since 20"
        with pytest.raises(InputError, match=who), driving(url):
            pass
        check()
    with driving(url):
        pass


def test_a_killed_one_frees_a_directory_at_once(tmp_path: Path) -> None:
    process = subprocess.Popen([sys.executable, "-c", DRIVE, str(tmp_path)], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "driving\n"
    with pytest.raises(InputError, match=f"process {process.pid} on"), driving(str(tmp_path)):
        pass
    process.kill()
    process.communicate()
    with driving(str(tmp_path)):
        pass


@pytest.fixture
def lease(monkeypatch: pytest.MonkeyPatch) -> str:
    """A URL where all goes a hundred times as fast."""
    for name in ("LEASE_SECONDS", "_RENEW_SECONDS", "_SETTLE_SECONDS"):
        monkeypatch.setattr(driver, name, getattr(driver, name) / 100)
    return f"memory://{uuid.uuid4().hex}/study"


def test_a_lease_is_renewed_and_outlives_its_holder_for_a_minute(lease: str) -> None:
    assert LEASE_SECONDS == 60
    with driving(lease):
        held = place(lease).read(HOLDER)
        time.sleep(0.9)
        assert place(lease).read(HOLDER) != held
        with pytest.raises(InputError, match="It may have been killed"), driving(lease):
            pass
    assert place(lease).read(HOLDER) is None
    place(lease).write(HOLDER, held or b"")  # of one that was killed
    with driving(lease):
        pass


def test_who_was_asleep_for_so_long_that_another_took_over_ends(lease: str) -> None:
    with driving(lease) as check:
        theirs = b'{"host": "elsewhere", "pid": "7", "since": "now", "id": "theirs"}'
        place(lease).write(HOLDER, theirs)
        time.sleep(0.5)
        with pytest.raises(InputError, match="process 7 on elsewhere, since now"):
            check()
    assert place(lease).read(HOLDER) == theirs


def test_a_place_that_cannot_be_locked_is_told(tmp_path: Path) -> None:
    (tmp_path / driver.LOCK).mkdir()
    with pytest.raises(StoreError, match="cannot lock"), driving(str(tmp_path)):
        pass
