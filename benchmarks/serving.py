"""What `tfq-llm serve` takes: latency and throughput under load, beside the model called in process, and above its limits."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Annotated

import numpy as np
import psutil
import requests
import typer

from benchmarks import machine
from benchmarks.report import Mark, Section, milliseconds, number, page
from benchmarks.sentence_encoder import read_texts
from tfq_llm.errors import InputError
from tfq_llm.exported import ExportedModel, load
from tfq_llm.serving.batching import CALLS_AT_ONCE

CONNECTIONS = (1, 8, 64)
ABOVE = 256
SENTENCES = 2000
SHARE, GROWTH_MB, RECOVERY_SECONDS = 0.9, 16, 2.0
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
    def cpu(self) -> float:
        """Seconds of processors so far."""
        times = psutil.Process(self._process.pid).cpu_times()
        return float(times.user + times.system)

    def counter(self, name: str) -> float:
        """The sum of a metric over its labels."""
        return sum(float(value) for value in re.findall(rf"^{name}(?:{{.*}})? (\S+)$", self.metrics(), re.MULTILINE))

    def metrics(self) -> str:
        """What Prometheus would be told."""
        return requests.get(f"{self.url}/metrics", timeout=60).text

    def answers(self) -> Counter[int]:
        """How many requests were answered with each status; those that are refused at the door have no route."""
        found: Counter[int] = Counter()
        for status, times in re.findall(r'^tfq_llm_requests_total{.*status="(\d+)"} (\S+)$', self.metrics(), re.MULTILINE):
            found[int(status)] += int(float(times))
        return found

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


def in_process(model: ExportedModel, texts: Sequence[str], batch: int, seconds: float, at_once: int = 1) -> tuple[float, float]:
    """Sentences a second of the model called here with batches of this size, and seconds of processors for each.

    Args:
        model: the model.
        texts: go round.
        batch: sentences of a call.
        seconds: how long.
        at_once: threads that call it.
    """

    def call_again_and_again(start: int) -> int:
        rows = 0
        for given in batches_of([*texts[start:], *texts[:start]], batch):
            model(given)
            rows += batch
            if time.perf_counter() - began > seconds:
                break
        return rows

    model(texts[:batch])
    began, used = time.perf_counter(), time.process_time()
    with ThreadPoolExecutor(at_once) as pool:
        rows = sum(pool.map(call_again_and_again, range(0, at_once * batch, batch)))
    return rows / (time.perf_counter() - began), (time.process_time() - used) / rows


def batches_of(texts: Sequence[str], size: int) -> Iterator[list[str]]:
    """Batches without end."""
    start = 0
    while True:
        yield [texts[(start + place) % len(texts)] for place in range(size)]
        start += size


@contextmanager
def measured(server: Server) -> Iterator[dict[str, float]]:
    """Rows of a batch and processor seconds of a row, on the server, within the block."""
    before = (server.counter("tfq_llm_batch_rows_sum"), server.counter("tfq_llm_batch_rows_count"), server.cpu)
    found: dict[str, float] = {}
    yield found
    after = (server.counter("tfq_llm_batch_rows_sum"), server.counter("tfq_llm_batch_rows_count"), server.cpu)
    rows, batches, cpu = (now - then for now, then in zip(after, before, strict=True))
    found.update(batch=rows / batches, cpu=cpu / rows)


def below(directory: Path, texts: Sequence[str], seconds: int, repeats: int) -> Section:
    """Below the limits: what each number of connections gets, in turns with the model here at the same batch size."""
    model, rows, marks, wrong = load(directory), [], [], 0
    with Server(directory) as server:
        for connections in CONNECTIONS:
            server.load(texts, connections, 2)
            loads, costs, alone, two = [], [], [], []
            for _ in range(repeats):
                with measured(server) as cost:
                    loads.append(server.load(texts, connections, max(1, seconds // repeats)))
                costs.append(cost)
                size, lasting = max(1, round(cost["batch"])), max(1.0, seconds / repeats)
                alone.append(in_process(model, texts, size, lasting))
                two.append(in_process(model, texts, size, lasting, CALLS_AT_ONCE)[0])
            wrong += sum(each.refused + each.broken for each in loads)
            share = float(np.median([served.rate / here[0] for served, here in zip(loads, alone, strict=True)]))
            middle = {name: float(np.median([cost[name] for cost in costs])) for name in ("batch", "cpu")}
            rows.append(
                (
                    str(connections),
                    milliseconds(float(np.median([each.p50 for each in loads]))),
                    milliseconds(float(np.median([each.p99 for each in loads]))),
                    number(float(np.median([each.rate for each in loads]))),
                    number(middle["batch"]),
                    number(float(np.median([each[0] for each in alone]))),
                    f"{100 * share:.0f} %",
                    number(float(np.median(two))),
                    f"{milliseconds(middle['cpu'])} / {milliseconds(float(np.median([each[1] for each in alone])))}",
                )
            )
            marks.append(Mark(f"throughput of the model in process, {connections} connections", 100 * share, 100 * SHARE, " %"))
    marks.append(Mark("errors", wrong, 0, "", at_least=False))
    header = (
        "connections",
        "p50, ms",
        "p99, ms",
        "sentences/s",
        "rows of a batch",
        "in process",
        "share",
        "in process, two calls at once",
        "CPU ms, served / in process",
    )
    text = (
        "Every connection sends one sentence after the other and gets all outputs, an embedding of 384 numbers among them. "
        "*In process* is the model called directly with batches of the size that the server had, one call after the other, on "
        f"the same cores, measured in turns with it {repeats} times; medians. *Two calls at once*: by two "
        "threads, as the server does."
    )
    return Section("Below the limits", text, header, tuple(rows), tuple(marks))


def above(directory: Path, texts: Sequence[str], seconds: int) -> Section:
    """Above the limits: refusals, memory, and the first request afterwards."""
    with Server(directory, "--max-queue", "64", "--max-requests", "128") as server:
        server.load(texts, 64, max(2, seconds // 4))
        memory = [server.memory]
        server.load(texts, ABOVE, seconds)
        memory.append(server.memory)
        answers = server.answers()
        found = server.load(texts, ABOVE, seconds)
        memory.append(server.memory)
        count, grown = server.answers() - answers, memory[2] - memory[1]
        began = time.perf_counter()
        while requests.post(f"{server.url}/v1/models/{server.name}:predict", json={"instances": [texts[0]]}).status_code != 200:
            time.sleep(0.01)
        recovery = time.perf_counter() - began
    rows = (
        ("answered", f"{count[200]:,.0f}"),
        ("refused with 429, the queue is full", f"{count[429]:,.0f}"),
        ("refused with 503, too many requests", f"{count[503]:,.0f}"),
        ("memory after 64 connections, MB", number(memory[0])),
        (f"after {seconds} s above the limits, MB", number(memory[1])),
        (f"after {2 * seconds} s, MB", number(memory[2])),
        ("until a request is answered again, ms", milliseconds(recovery)),
    )
    marks = (
        Mark(f"memory grown in the second {seconds} s above the limits", grown, GROWTH_MB, " MB", at_least=False),
        Mark("broken connections above the limits", found.broken, 0, "", at_least=False),
        Mark("until a request is answered again", recovery, RECOVERY_SECONDS, " s", at_least=False),
    )
    text = f"{ABOVE} connections on a server with `--max-queue 64 --max-requests 128`."
    return Section("Above the limits", text, ("", ""), rows, marks)


def main(
    directory: Annotated[Path, typer.Argument(metavar="DIR", help="An exported model that takes texts.")],
    texts: Annotated[Path | None, typer.Option(metavar="FILE", help="Sentences, one a line. Default: movie reviews.")] = None,
    seconds: Annotated[int, typer.Option(min=2, help="Of load at each number of connections.")] = 15,
    repeats: Annotated[int, typer.Option(min=1, help="Into how many turns they are cut.")] = 3,
) -> None:
    """Measure a server on the loopback with wrk, and print the page."""
    if shutil.which("wrk") is None:
        raise InputError("there is no wrk: apt-get install wrk")
    rows = machine.describe(f"python -m benchmarks.serving DIR --seconds {seconds} --repeats {repeats}")
    chosen = read_texts(texts, SENTENCES)
    sections = (below(directory, chosen, seconds, repeats), above(directory, chosen, seconds))
    notes = "Written by `benchmarks/serving.py`: a server on the loopback and wrk, on the same cores."
    print(page("Performance of the server", rows, notes, sections))


if __name__ == "__main__":
    typer.run(main)
