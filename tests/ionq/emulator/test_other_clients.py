"""API v0.4, driven by the unmodified clients of others, each in an environment of its own.

What their scripts assert is what these clients made of the replies. ionq-core's models are made from IonQ's published document
and raise on what it does not allow, so that the emulator and our own client do not share one misunderstanding.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.ionq.environments import client_environment
from tfq_llm.ionq.emulator import Emulator
from tfq_llm.ionq.worker_environment import worker_python

pytestmark = pytest.mark.slow
SCRIPTS = Path(__file__).parent / "clients"


def drive(emulator: Emulator, script: str, python: Path) -> None:
    command = [str(python), "-W", "ignore", str(SCRIPTS / script), emulator.url, emulator.key]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr[-4000:]


@pytest.fixture
def noisy() -> Emulator:
    return Emulator(noise="forte-1", queue_seconds=0.2)


@pytest.mark.skipif(sys.version_info < (3, 11), reason="cirq-ionq 1.7 needs Python 3.11")
def test_cirq_ionq(noisy: Emulator) -> None:
    with noisy:
        drive(noisy, "drive_cirq_ionq.py", worker_python())  # holds cirq-ionq 1.7.0 as it was published
        assert {entry["path"].split("/")[1] for entry in noisy.log()} == {"v0.4"}


def test_ionq_core(noisy: Emulator) -> None:
    with noisy:
        drive(noisy, "drive_ionq_core.py", client_environment("ionq-core==0.2.0"))


@pytest.mark.campaign
def test_qiskit_ionq(noisy: Emulator) -> None:
    with noisy:
        drive(noisy, "drive_qiskit_ionq.py", client_environment("qiskit-ionq==1.1.1"))
