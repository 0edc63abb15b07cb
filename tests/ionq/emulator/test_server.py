"""Starting and stopping the emulator, and what it writes down."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest
import requests

from tests.ionq.emulator.wire import BELL, Caller, batch, single
from tfq_llm.cli import main
from tfq_llm.errors import InputError
from tfq_llm.ionq.emulator import Emulator, serve

SECRET = "key-that-nobody-may-see-7391"


def test_it_serves_while_it_simulates(caller: Caller) -> None:
    """Many noisy circuits of different structures take a while."""
    circuits = [BELL * (5 + number) for number in range(8)]
    ident = caller.submit(batch(*circuits, backend="simulator", shots=2000, noise={"model": "aria-1"}))
    longest = 0.0
    while True:
        start = time.monotonic()
        job = caller.get(f"/v0.4/jobs/{ident}")
        longest = max(longest, time.monotonic() - start)
        if job["status"] == "completed":
            break
    assert longest < 2
    assert len(caller.results(ident)) == 8


def test_the_log_has_requests_and_no_headers(caller: Caller) -> None:
    ident = caller.submit(single(name="a"))
    caller.send("GET", f"/v0.4/jobs/{ident}?x=1")
    caller.send("GET", "/v0.4/jobs", headers={"Authorization": "apiKey wrong"})
    caller.send("GET", "/emulator/ready")
    entries = caller.emulator.log()
    assert [(each["method"], each["path"], each["kind"], each["status"]) for each in entries] == [
        ("POST", "/v0.4/jobs", "submit", 201),
        ("GET", f"/v0.4/jobs/{ident}?x=1", "job", 200),
        ("GET", "/v0.4/jobs", "list", 401),
    ]
    assert entries[0]["body"] == single(name="a")
    assert entries[1]["body"] is None
    assert caller.get("/emulator/log", headers={})["requests"] == entries
    (job,) = caller.get("/emulator/jobs", headers={})["jobs"]
    assert (job["id"], job["name"], job["target"], job["circuits"]) == (ident, "a", "simulator", 1)
    assert caller.get("/emulator/ready", headers={})["ready"]


def test_the_key_is_in_no_trace(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    trace = tmp_path / "trace.jsonl"
    with Emulator(key=SECRET, trace=trace) as emulator:
        caller = Caller(emulator)
        caller.submit(single(name=SECRET, metadata={"key": SECRET}))
        caller.send("GET", f"/v0.4/jobs?key={SECRET}")
        caller.send("POST", "/v0.4/jobs", data=(f'{{"{SECRET}": ' + " " * 20_000).encode())
        caller.send("GET", "/v0.4/jobs", headers={"Authorization": f"apiKey {SECRET}x"})
        log = json.dumps(emulator.log())
    lines = [json.loads(line) for line in trace.read_text().splitlines()]
    assert [line["status"] for line in lines] == [201, 200, 400, 401]
    assert lines[0]["body"]["name"] == "[key]"
    written = log + trace.read_text() + "".join(capsys.readouterr())
    assert SECRET not in written


def test_a_large_body_is_logged_by_its_beginning(caller: Caller) -> None:
    caller.submit(batch(*[BELL] * 500))
    entry = caller.emulator.log()[0]
    assert entry["bytes"] > 20_000
    assert len(entry["body"]) == 4000


def test_the_same_seed_gives_the_same_ids_and_shots() -> None:
    def found(seed: int) -> Any:
        with Emulator(seed=seed, noise="aria-1") as emulator:
            caller = Caller(emulator)
            ids = [caller.submit(single(BELL * 9, backend="qpu.forte-1", shots=500)) for _ in range(2)]
            return ids, [caller.results(ident) for ident in ids]

    (ids, (first, second)), again, other = found(1), found(1), found(2)
    assert (ids, [first, second]) == again
    assert first != second
    assert other[0] != ids


BAD: list[tuple[dict[str, Any], str]] = [
    ({"port": 70_000}, "port must be at most 65535"),
    ({"port": -1}, "port must be a whole number"),
    ({"noise": "aria"}, "noise must be one of none, aria-1, forte-1, not 'aria'. Did you mean 'aria-1'"),
    ({"readout": 1.5}, "probability from 0 to 1"),
    ({"queue_seconds": -1.0}, "queue_seconds must be"),
    ({"run_seconds": float("nan")}, "run_seconds must be"),
    ({"rate_limit": 0}, "rate_limit must be greater than 0"),
    ({"seed": -1}, "seed must be a whole number"),
    ({"key": ""}, "ASCII text without spaces"),
    ({"key": "two words"}, "ASCII text without spaces"),
    ({"faults": ["gremlins"]}, "not a fault"),
]


@pytest.mark.parametrize(("options", "message"), BAD)
def test_bad_options_are_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message.replace(".", r"\.")):
        Emulator(**options)


def test_a_trace_that_cannot_be_written_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="the trace cannot be written"):
        Emulator(trace=tmp_path / "none" / "trace").start()


def test_a_port_that_is_taken_is_refused(emulator: Emulator) -> None:
    port = int(emulator.url.rpartition(":")[2])
    with pytest.raises(InputError, match=f"the port {port} is taken: give another, or 0"):
        Emulator(port=port).start()


def test_it_listens_on_the_loopback_only_and_stops(emulator: Emulator) -> None:
    assert emulator.url.startswith("http://127.0.0.1:")
    port = int(emulator.url.rpartition(":")[2])
    emulator.stop()
    emulator.stop()
    with pytest.raises(ConnectionRefusedError), socket.create_connection(("127.0.0.1", port), timeout=1):
        pass
    assert emulator.jobs() == []  # still to be asked


def test_it_stops_at_once_whoever_waits(caller: Caller) -> None:
    caller.emulator.faults.add("stalled", on="list")
    caller.emulator.faults.add("slow", on="whoami", seconds=60)

    def ask(path: str) -> None:
        with contextlib.suppress(requests.RequestException):
            caller.send("GET", path)

    for path in ("/v0.4/jobs", "/v0.4/whoami"):
        threading.Thread(target=ask, args=(path,)).start()
    Caller.until(caller.emulator.faults.waiting, lambda left: not left)
    start = time.monotonic()
    caller.emulator.stop()
    assert time.monotonic() - start < 3


def test_serve_stops_by_its_event(capsys: pytest.CaptureFixture[str]) -> None:
    stop = threading.Event()
    serving = threading.Thread(target=serve, args=(0,), kwargs={"stop": stop, "key": SECRET})
    serving.start()
    line = Caller.until(lambda: capsys.readouterr().out, bool)
    assert "http://127.0.0.1:" in line
    assert SECRET not in line
    stop.set()
    serving.join(10)
    assert not serving.is_alive()


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGTERM, pytest.param(signal.SIGINT, marks=pytest.mark.campaign)])
def test_the_command(tmp_path: Path, number: int) -> None:
    """And what it did not load: TensorFlow takes seconds."""
    trace = tmp_path / "trace.jsonl"
    code = "import sys\nfrom tfq_llm.cli import main\ncode = main(sys.argv[1:])\nprint(*sys.modules)\nsys.exit(code)"
    command = [
        sys.executable,
        "-c",
        code,
        "ionq",
        "emulate",
        "--port",
        "0",
        "--noise",
        "forte-1",
        "--readout-error",
        "0.01",
        "0.02",
    ]
    command += ["--fault", "status on=list status=503", "--trace", str(trace)]
    environment = os.environ | {"IONQ_EMULATOR_KEY": SECRET}
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment) as process:
        assert process.stdout is not None
        line = process.stdout.readline()
        url = next(word for word in line.split() if word.startswith("http")).rstrip(",:")
        headers = {"Authorization": f"apiKey {SECRET}"}
        assert requests.get(f"{url}/v0.4/jobs", headers=headers, timeout=10).status_code == 503
        assert requests.get(f"{url}/v0.4/jobs", headers=headers, timeout=10).json() == {"jobs": [], "next": None}
        process.send_signal(number)
        out, errors = process.communicate(timeout=20)
    assert process.returncode == 0, errors
    assert not {"tensorflow", "tf_keras", "keras", "cirq_ionq"} & set(out.split())
    assert "cirq" in out.split()
    assert SECRET not in line + out + errors + trace.read_text()
    assert len(trace.read_text().splitlines()) == 2


def test_the_command_refuses_bad_options(capfd: pytest.CaptureFixture[str]) -> None:
    assert main(["ionq", "emulate", "--noise", "loud"]) == 2
    assert "noise must be one of none, aria-1, forte-1" in capfd.readouterr().err
