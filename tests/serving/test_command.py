"""`tfq-llm serve` as a process: its messages, its exit codes, and its end."""

from __future__ import annotations

import http.client
import json
import re
import signal
import socket
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tests.serving.conftest import NAME, Client
from tests.serving.plain_model import SlowModel, write_plain_model
from tfq_llm.cli import main

COMMAND = [sys.executable, "-c", "import sys; from tfq_llm.cli import main; sys.exit(main(sys.argv[1:]))", "serve"]


def started(model: Path, *options: str) -> tuple[subprocess.Popen[str], Client]:
    """A server's process that has said that it answers, and a caller."""
    command = [*COMMAND, str(model), "--port", "0", *options]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    listening, serving = (process.stdout.readline() for _ in range(2))
    client = Client(re.match(r"Listening on (http://[\d.]+:\d+), loading the model\.\n", listening)[1])
    assert serving.startswith(f"Serving on {client.url}: ")
    assert client.is_ready()
    return process, client


def events(logs: str) -> list[str]:
    """Of a server's log, but for requests that look whether it is ready, whose lines come a little later than they ended."""
    lines = map(json.loads, logs.splitlines())
    return [line["event"] for line in lines if line.get("route") not in ("/readyz", "/metrics")]


@pytest.mark.slow
def test_sigterm_ends_it_well_after_what_was_asked_is_answered(plain):
    process, client = started(plain.parent)
    address = urlsplit(client.url)
    body = json.dumps({"instances": ["the movie"]}).encode()
    asked = http.client.HTTPConnection(address.hostname, address.port, timeout=30)
    asked.putrequest("POST", f"/v1/models/{NAME}:predict")
    asked.putheader("Content-Length", str(len(body)))
    asked.endheaders(body[:5])
    time.sleep(0.3)
    process.send_signal(signal.SIGTERM)
    time.sleep(0.3)
    asked.send(body[5:])
    assert asked.getresponse().status == 200
    _, logs = process.communicate(timeout=60)
    assert process.returncode == 0
    assert events(logs)[-3:] == ["stopping", "request", "stopped"]


@pytest.mark.slow
def test_told_twice_it_ends_at_once_though_the_model_computes(tmp_path):
    write_plain_model(tmp_path / NAME / "1", kind=SlowModel)
    process, client = started(tmp_path / NAME)
    with ThreadPoolExecutor(1) as pool:
        waits = pool.submit(Client(client.url).predict, "x" * 200)
        client.wait_for(lambda: "tfq_llm_requests_in_progress 2.0" in client.get("/metrics").text)
        time.sleep(0.5)  # it is being computed
        process.send_signal(signal.SIGTERM)
        time.sleep(0.5)
        assert not waits.done()
        process.send_signal(signal.SIGINT)
        began = time.monotonic()
        _, logs = process.communicate(timeout=60)
    assert (process.returncode, time.monotonic() - began < 5.0) == (0, True)
    assert (waits.result().status_code, waits.result().json()["error"]) == (503, "the server is stopping.")
    assert waits.result().headers["connection"] == "close"
    assert events(logs)[-4:] == ["stopping", "stopping", "request", "stopped"]


@pytest.mark.slow
def test_told_again_it_ends_at_once_though_the_model_computes_what_nobody_waits_for(tmp_path):
    write_plain_model(tmp_path / NAME / "1", kind=SlowModel)
    process, client = started(tmp_path / NAME, "--timeout", "1")
    assert client.predict("x" * 200).status_code == 504
    process.send_signal(signal.SIGTERM)
    with pytest.raises(subprocess.TimeoutExpired):
        process.communicate(timeout=3)
    process.send_signal(signal.SIGTERM)
    began = time.monotonic()
    process.communicate(timeout=60)
    assert (process.returncode, time.monotonic() - began < 5.0) == (0, True)


@pytest.mark.slow
def test_sigterm_does_not_wait_for_shots(tmp_path):
    write_plain_model(tmp_path / NAME / "1", qubits=18)
    process, client = started(tmp_path / NAME)
    with ThreadPoolExecutor(1) as pool:
        asked = pool.submit(Client(client.url).post, "/api/shots", {"text": "the movie", "shots": 10_000})  # more than a minute
        client.wait_for(lambda: "tfq_llm_requests_in_progress 2.0" in client.get("/metrics").text)
        time.sleep(2.0)  # it is being measured
        process.send_signal(signal.SIGTERM)
        began = time.monotonic()
        process.communicate(timeout=60)
    assert (process.returncode, time.monotonic() - began < 10.0) == (0, True)
    assert (asked.result().status_code, asked.result().json()["error"]) == (503, "the server is stopping.")


@pytest.mark.slow
def test_it_serves_on_when_nobody_reads_what_it_says(plain):
    process = subprocess.Popen(
        [*COMMAND, str(plain.parent), "--port", "0"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    client = Client(re.match(r"Listening on (\S+),", process.stdout.readline())[1])
    process.stdout.close()
    client.wait_for(client.is_ready)
    assert client.predict("the movie").status_code == 200
    process.send_signal(signal.SIGTERM)
    logs = process.stderr.read()
    assert (process.wait(60), json.loads(logs.splitlines()[-1])["event"]) == (0, "stopped")
    process.stderr.close()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--host", "0.0.0.0"], "callers need a token"),
        (["--host", "203.0.113.1", "--token-file", "TOKEN"], "is no address of this machine"),
        (["--port", "PORT"], r"the port \d+ is taken: give another"),
        (["--port", "99999"], "--port must be at most 65535"),
        (["--label", "stable"], "LABEL=VERSION"),
        (["--cors-origin", "*"], "is no origin"),
        (["--max-batch", "0"], "--max-batch must be a whole number of at least 1, not 0"),
        (["--max-queue", "0"], "--max-queue must be a whole number of at least 1, not 0"),
        (["--max-rows", "0"], "--max-rows must be a whole number of at least 1, not 0"),
        (["--max-requests", "0"], "--max-requests must be a whole number of at least 1, not 0"),
        (["--max-body", "0"], "--max-body must be a whole number of at least 1, not 0"),
        (["--max-body", "500000000"], "--max-bytes must be at least --max-body, 500000000, .*; not 268435456"),
        (["--max-wait", "-1"], "--max-wait must be a number of milliseconds of at least 0, not -1.0"),
        (["--versions", "0"], "--versions must be a whole number of at least 1, not 0"),
        (["--poll", "0"], "--poll must be a number of seconds greater than 0, not 0.0"),
        (["--timeout", "0"], "--timeout must be a number of seconds of at least 0.001, not 0.0"),
        (["--token-file", "nothing"], "cannot read the token from 'nothing'"),
    ],
)
def test_mistakes_are_one_message_and_exit_code_2(options, message, plain, tmp_path, capsys):
    (tmp_path / "token").write_text("0123456789abcdef")
    (tmp_path / "token").chmod(0o600)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        given = {"PORT": str(taken.getsockname()[1]), "TOKEN": str(tmp_path / "token")}
        assert main(["serve", str(plain.parent), *(given.get(option, option) for option in options)]) == 2
    (line,) = capsys.readouterr().err.strip().splitlines()
    assert line.startswith("tfq-llm: ")
    assert re.search(message, line), line


def test_nothing_to_serve_is_exit_code_2(tmp_path, capsys):
    assert main(["serve", str(tmp_path / "nothing")]) == 2
    assert "there is no directory" in capsys.readouterr().err


def test_who_cannot_load_the_model_does_not_say_that_it_serves(models, capsys):
    model = models(1)
    (model / "1" / "card.md").write_text("altered")
    assert main(["serve", str(model), "--port", "0"]) == 2
    said = capsys.readouterr()
    assert re.fullmatch(r"Listening on \S+, loading the model\.\n", said.out)
    assert said.err.splitlines()[-1].startswith("tfq-llm: ")
