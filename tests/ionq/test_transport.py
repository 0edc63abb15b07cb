"""The way to the service: which version, and a worker process that may be lost at any time."""

from __future__ import annotations

import logging
import os
import signal
import socket
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import cirq
import psutil
import pytest
import sympy

from tfq_llm import InputError
from tfq_llm.ionq import worker_environment
from tfq_llm.ionq.emulator import Emulator
from tfq_llm.ionq.remote import OutcomeUnknown, Refused, RemoteError, Unavailable
from tfq_llm.ionq.transport import WorkerTransport, open_transport
from tfq_llm.ionq.worker_environment import REQUIREMENTS, worker_python

KEY = "k3y-of-the-tests-9876543210"
TEMPLATE = cirq.to_json(
    cirq.Circuit(cirq.ry(sympy.Symbol("angle0"))(cirq.LineQubit(0)), cirq.measure(cirq.LineQubit(0), key="m"))
)


def submit(transport, name: str = "a job") -> str:
    return transport.submit(TEMPLATE, ["angle0"], [[0.5]], ["only"], shots=10, target="simulator", name=name)


@pytest.fixture(scope="module")
def port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as free:
        return free.getsockname()[1]


@pytest.fixture
def emulator(port) -> Iterator[Emulator]:
    """A new one for every test, always at the same address, so that one transport serves all tests."""
    with Emulator(port, key=KEY) as running:
        yield running


@pytest.fixture(scope="module")
def opened(port) -> Iterator[WorkerTransport]:
    """With short deadlines, and little patience."""
    opened = WorkerTransport(worker_python(), f"http://127.0.0.1:{port}", KEY, deadline=20, retry_seconds=0.5, grace=2.0)
    yield opened
    opened.close()


@pytest.fixture
def transport(opened, emulator) -> WorkerTransport:
    """With the worker of an earlier test, if that left one that runs."""
    opened.start()
    return opened


def lost_after(transport: WorkerTransport, call, signal_number: int) -> RemoteError:
    """What a call raises during which the worker gets a signal."""
    timer = threading.Timer(0.5, lambda: os.kill(transport.pid, signal_number))
    timer.start()
    with pytest.raises(RemoteError) as caught:
        call()
    timer.join()
    return caught.value


def ends(pid: int, seconds: float = 10.0) -> bool:
    end = time.monotonic() + seconds
    while psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE:
        if time.monotonic() > end:
            return False
        time.sleep(0.05)
    return True


@pytest.mark.parametrize("version", ["v0.2", "0.4", "", "v0.5"])
def test_an_unknown_version_names_those_there_are(version):
    with pytest.raises(InputError, match=r"v0\.3 or v0\.4"), open_transport(version, "http://127.0.0.1:1", KEY):
        pass


@pytest.mark.parametrize("version", ["v0.3", "v0.4"])
def test_a_host_that_must_not_have_the_key_is_refused_first(version):
    with pytest.raises(InputError, match="plain text"), open_transport(version, "http://example.com", KEY):
        pass


@pytest.mark.slow
class TestALostWorker:
    def test_in_the_middle_of_a_submission_nobody_knows_what_became_of_it(self, transport, emulator):
        emulator.faults.add("stalled", on="submit", when="after")
        first = transport.pid
        error = lost_after(transport, lambda: submit(transport), signal.SIGKILL)
        assert type(error) is OutcomeUnknown
        assert len(transport.find("a job")) == len(emulator.jobs()) == 1
        assert transport.pid not in (first, None)

    def test_in_the_middle_of_a_read_it_can_be_read_again(self, transport, emulator):
        id = submit(transport)
        emulator.faults.add("stalled", on="job")
        assert type(lost_after(transport, lambda: transport.job(id), signal.SIGKILL)) is Unavailable
        assert transport.job(id)["id"] == id

    def test_between_calls_another_takes_its_place(self, transport):
        id = submit(transport)
        os.kill(transport.pid, signal.SIGKILL)
        while transport.pid is not None:
            time.sleep(0.01)
        assert transport.job(id)["id"] == id

    def test_one_that_no_longer_moves_is_ended(self, emulator):
        transport = WorkerTransport(worker_python(), emulator.url, KEY, deadline=1.0, retry_seconds=0.5, grace=1.0)
        transport.start()
        pid = transport.pid
        os.kill(pid, signal.SIGSTOP)
        start = time.monotonic()
        with pytest.raises(OutcomeUnknown, match="no sign of life"):
            submit(transport)
        assert time.monotonic() - start < 4
        assert ends(pid)
        assert transport.find("a job") == []
        transport.close()

    def test_ends_when_its_parent_is_killed(self, emulator):
        emulator.faults.add("stalled", on="submit", when="after")
        code = (
            "import sys\nfrom tfq_llm.ionq.transport import open_transport\n"
            "with open_transport('v0.4', sys.argv[1], sys.stdin.readline().strip(), 60, 60) as transport:\n"
            "    print(transport.pid, flush=True)\n"
            "    transport.submit(sys.stdin.read(), ['angle0'], [[0.5]], ['only'], shots=10, target='simulator', name='x')\n"
        )
        parent = subprocess.Popen(
            [sys.executable, "-c", code, emulator.url],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        with parent:
            parent.stdin.write(f"{KEY}\n{TEMPLATE}")
            parent.stdin.close()
            worker = int(parent.stdout.readline())
            end = time.monotonic() + 20
            while not emulator.jobs():
                assert time.monotonic() < end
                time.sleep(0.05)
            assert psutil.pid_exists(worker)
            parent.kill()
        assert ends(worker)

    def test_its_last_words_are_passed_on_without_the_key(self, tmp_path):
        python = tmp_path / "bin" / "python"
        python.parent.mkdir()
        python.write_text('#!/bin/sh\nread line\necho "no module, and $line" >&2\nexit 3\n', encoding="utf-8")
        python.chmod(0o755)
        transport = WorkerTransport(python, "http://127.0.0.1:1", KEY, 1.0, 1.0)
        with pytest.raises(InputError, match=r"code 3\): no module.*v0\.3") as caught:
            transport.start()
        assert KEY not in str(caught.value)
        with pytest.raises(Unavailable, match="no module"):
            transport.job("x")

    def test_a_python_with_another_cirq_ionq_is_noticed(self):
        with pytest.raises(InputError, match=r"speaks v0\.3"):
            WorkerTransport(Path(sys.executable), "http://127.0.0.1:1", KEY, 1.0, 1.0).start()


@pytest.mark.slow
class TestAWorker:
    def test_threads_share_it(self, transport):
        with ThreadPoolExecutor(8) as pool:
            ids = list(pool.map(lambda number: submit(transport, f"job {number}"), range(16)))
            found = list(pool.map(lambda number: transport.find(f"job {number}"), range(16)))
        assert [job["id"] for (job,) in found] == ids

    def test_closing_ends_it(self, transport):
        pid = transport.pid
        transport.close()
        assert ends(pid)
        assert transport.pid is None

    def test_the_key_is_neither_on_its_command_line_nor_in_its_environment(self, monkeypatch, emulator):
        monkeypatch.setenv("IONQ_API_KEY", KEY)
        with open_transport("v0.4", emulator.url, KEY) as opened:
            process = psutil.Process(opened.pid)
            assert KEY not in repr([process.cmdline(), process.environ()])

    def test_the_key_is_in_no_file_of_its_environment(self, transport):
        submit(transport)
        # Tens of thousands of files: grep needs a second for what takes Python six. It ends with 1 if it finds nothing.
        search = ["grep", "--recursive", "--files-with-matches", "--fixed-strings", KEY, str(worker_python().parent.parent)]
        found = subprocess.run(search, capture_output=True, text=True, check=False)
        assert (found.returncode, found.stdout, found.stderr) == (1, "", "")

    def test_many_circuits_take_longer_than_it_may_be_silent(self, emulator):
        transport = WorkerTransport(worker_python(), emulator.url, KEY, deadline=1.0, retry_seconds=0.1, grace=0.0)
        transport.start()
        circuit = cirq.Circuit(cirq.ry(sympy.Symbol("angle0"))(qubit) for qubit in cirq.LineQubit.range(40))
        template = cirq.to_json(circuit + cirq.measure(cirq.LineQubit(0), key="m"))
        rows, labels = [[0.01 * number] for number in range(1500)], [str(number) for number in range(1500)]
        emulator.faults.add("status", on="submit", status=400)
        start = time.monotonic()
        with pytest.raises(Refused):
            transport.submit(template, ["angle0"], rows, labels, shots=10, target="simulator", name="x")
        assert time.monotonic() - start > 1.0
        transport.close()

    def test_an_error_of_its_own_is_told_and_it_goes_on(self, transport):
        with pytest.raises(RemoteError, match="TypeError"):
            transport._call("find", nonsense=1)
        with pytest.raises(RemoteError, match="no method"):
            transport._call("__init__")
        assert transport.find("a job") == []


@pytest.mark.slow
class TestItsEnvironment:
    def test_holds_the_pinned_versions_and_all_they_need(self):
        python = worker_python()
        pins = {line for line in REQUIREMENTS.read_text(encoding="utf-8").splitlines() if not line.startswith("#")}
        pip = [sys.executable, "-m", "pip", "--python", str(python), "--disable-pip-version-check"]
        assert set(subprocess.check_output([*pip, "freeze"], text=True).split()) == pins
        subprocess.run([*pip, "check"], check=True)

    @pytest.fixture
    def small(self, tmp_path, monkeypatch) -> Path:
        """An empty cache, and one small package to install."""
        monkeypatch.setenv("TFQ_LLM_CACHE", str(tmp_path / "cache"))
        requirements = tmp_path / "requirements.txt"
        requirements.write_text("duet==0.2.9\n", encoding="utf-8")
        monkeypatch.setattr(worker_environment, "REQUIREMENTS", requirements)
        return requirements

    def test_is_made_once_if_two_ask_at_once(self, small, caplog):
        caplog.set_level(logging.INFO)
        with ThreadPoolExecutor(2) as pool:
            first, second = pool.map(lambda _: worker_python(), range(2))
        assert first == second
        subprocess.run([first, "-c", "import duet"], check=True)
        assert caplog.text.count("Making the environment") == 1

    def test_is_made_anew_if_it_was_not_finished_or_its_python_is_gone(self, small):
        python = worker_python()
        for spoil in (lambda: (python.parent.parent / "complete").unlink(), python.unlink):
            spoil()
            (python.parent.parent / "rest").touch()
            assert worker_python() == python
            assert not (python.parent.parent / "rest").exists()
            assert os.access(python, os.X_OK)

    def test_no_index_is_told_with_the_way_out(self, small, monkeypatch):
        monkeypatch.setenv("PIP_INDEX_URL", "http://127.0.0.1:9/simple")
        monkeypatch.setenv("PIP_RETRIES", "0")
        monkeypatch.setenv("PIP_NO_CACHE_DIR", "1")
        with pytest.raises(InputError, match=r"(?s)duet.*--api-version v0\.3"):
            worker_python()
        monkeypatch.undo()


def test_an_old_python_needs_another(tmp_path, monkeypatch):
    monkeypatch.setattr(worker_environment, "OLDEST", (99,))
    monkeypatch.setenv("PATH", str(tmp_path))
    stands_for_nothing = tmp_path / "python3.12"
    stands_for_nothing.write_text("#!/bin/sh\nexit 127\n", encoding="utf-8")
    stands_for_nothing.chmod(stat.S_IRWXU)
    with pytest.raises(InputError, match=r"3\.11 or newer.*--api-version v0\.3"):
        worker_python()
    (tmp_path / "python3.13").symlink_to("/bin/true")
    assert worker_environment._base_python() == (str(tmp_path / "python3.13"), "3.13")
