"""`tfq-llm serve` in a process of its own, and wrk, which calls it."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

import psutil
import requests

from tfq_llm.errors import InputError

REQUESTS = """
local bodies = {}
for line in io.lines("%s") do bodies[#bodies + 1] = wrk.format("POST", nil, nil, line) end
local turn = 0
request = function()
  turn = turn %% #bodies + 1
  return bodies[turn]
end
"""


@dataclass(frozen=True)
class Load:
    """What wrk saw.

    Attributes:
        rate: answers a second, of status 200 and others.
        p50, p99: seconds.
        refused: answers of other statuses.
        broken: connections that failed, and requests that timed out.
    """

    rate: float
    p50: float
    p99: float
    refused: int
    broken: int


class Server:
    """`tfq-llm serve` in a process of its own.

        with Server(directory, "--max-queue", "32") as server:

    Args:
        directory: an exported model.
        options: of the command.
    """

    def __init__(self, directory: Path, *options: str) -> None:
        command = [sys.executable, "-c", "import sys; from tfq_llm.cli import main; sys.exit(main(sys.argv[1:]))", "serve"]
        self._command = [*command, str(directory), "--port", "0", *options]

    def __enter__(self) -> Server:
        self._log = tempfile.TemporaryFile()
        self._process = subprocess.Popen(self._command, stdout=subprocess.PIPE, stderr=self._log, text=True)
        assert self._process.stdout is not None
        address = re.search(r"http://[^ :]+:\d+", self._process.stdout.readline())
        if address is None:
            raise InputError("the server did not start: run 'tfq-llm serve DIR' to see why.")
        self.url = address[0]
        while requests.get(f"{self.url}/readyz", timeout=60).status_code != 200:
            time.sleep(0.2)
        self.name = next(iter(requests.get(f"{self.url}/openapi.json", timeout=60).json()["paths"].values()))["post"][
            "parameters"
        ][0]["schema"]["enum"][0]
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None) -> None:
        self._process.terminate()
        self._process.wait()
        self._log.close()

    @property
    def memory(self) -> float:
        """Resident, in MB."""
        return psutil.Process(self._process.pid).memory_info().rss / 2**20

    @property
    def peak(self) -> float:
        """The most that was resident so far, in MB."""
        status = Path(f"/proc/{self._process.pid}/status").read_text(encoding="ascii")
        return int(re.findall(r"VmHWM:\s+(\d+) kB", status)[0]) / 2**10

    @property
    def cpu(self) -> float:
        """Seconds of processors so far."""
        times = psutil.Process(self._process.pid).cpu_times()
        return float(times.user + times.system)

    def batches(self) -> tuple[float, float]:
        """Rows that the model was called with so far, and calls."""
        counted = dict(re.findall(r"^tfq_llm_batch_rows_(sum|count) (\S+)$", self.metrics(), re.MULTILINE))
        return float(counted["sum"]), float(counted["count"])

    def metrics(self) -> str:
        """What Prometheus would be told."""
        return requests.get(f"{self.url}/metrics", timeout=60).text

    def answers(self) -> Counter[int]:
        """How many requests were answered with each status; those that are refused at the door have no route."""
        found: Counter[int] = Counter()
        for status, times in re.findall(r'^tfq_llm_requests_total{.*status="(\d+)"} (\S+)$', self.metrics(), re.MULTILINE):
            found[int(status)] += int(float(times))
        return found

    def seconds_to_answer(self, text: str) -> float:
        """Until a request is answered and not refused."""
        began = time.perf_counter()
        while requests.post(f"{self.url}/v1/models/{self.name}:predict", json={"instances": [text]}).status_code != 200:
            time.sleep(0.01)
        return time.perf_counter() - began

    def statuses(self, text: str, callers: int, seconds: float) -> Counter[int]:
        """Of what callers get who send one text again and again; 0 for a connection that broke."""
        address, body = f"{self.url}/v1/models/{self.name}:predict", json.dumps({"instances": [text]}).encode()
        end = time.monotonic() + seconds

        def call(_: int) -> Counter[int]:
            found: Counter[int] = Counter()
            with requests.Session() as session:
                while time.monotonic() < end:
                    try:
                        found[session.post(address, data=body, timeout=60).status_code] += 1
                    except requests.ConnectionError:
                        found[0] += 1
            return found

        with ThreadPoolExecutor(callers) as pool:
            return sum(pool.map(call, range(callers)), Counter())

    def load(self, texts: Sequence[str], connections: int, seconds: int) -> Load:
        """Runs wrk: on each connection one request after the other, a sentence each, all outputs in the answer."""
        with tempfile.TemporaryDirectory() as folder:
            bodies, script = Path(folder) / "bodies", Path(folder) / "requests.lua"
            bodies.write_text("".join(json.dumps({"instances": [text]}) + "\n" for text in texts), encoding="utf-8")
            script.write_text(REQUESTS % bodies, encoding="utf-8")
            address = f"{self.url}/v1/models/{self.name}:predict"
            command = ["wrk", "--threads", "1", "--connections", str(connections), "--duration", f"{seconds}s", "--latency"]
            command += ["--timeout", "30s", "--script", str(script), address]
            said = subprocess.run(command, capture_output=True, check=True)
        return parse(said.stdout.decode())


def parse(said: str) -> Load:
    """What wrk printed."""
    units = {"us": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0}
    percentiles = dict(re.findall(r"^ +(50|99)% +(\S+) *$", said, re.MULTILINE))
    seconds = {
        key: float(match[1]) * units[match[2]]
        for key, text in percentiles.items()
        if (match := re.fullmatch(r"([\d.]+)([a-z]+)", text))
    }
    rate = re.search(r"Requests/sec: +([\d.]+)", said)
    refused = re.search(r"Non-2xx or 3xx responses: (\d+)", said)
    broken = re.search(r"Socket errors: connect (\d+), read (\d+), write (\d+), timeout (\d+)", said)
    assert rate is not None
    return Load(
        float(rate[1]),
        seconds["50"],
        seconds["99"],
        int(refused[1]) if refused else 0,
        sum(map(int, broken.groups())) if broken else 0,
    )
