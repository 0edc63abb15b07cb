"""What `tfq-llm serve` takes: latency and throughput under load, beside the model called in process, and above its limits."""

from __future__ import annotations

import re
import resource
import shutil
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from scipy.stats import bootstrap

from benchmarks import machine
from benchmarks.report import Mark, Section, milliseconds, number, page
from benchmarks.sentence_encoder import read_texts
from benchmarks.served import Server
from tfq_llm.errors import InputError
from tfq_llm.exported import ExportedModel, load
from tfq_llm.serving.batching import CALLS_AT_ONCE
from tfq_llm.serving.errors import LEFT
from tfq_llm.serving.settings import Limits

CONNECTIONS = (1, 8, 64)
ABOVE = 256
OVERLOAD = 1200
"""Connections: more than requests may be in progress by default."""
LARGE, LARGE_MB = 150, 1024
"""Callers with large bodies, which are 600 MB together, and what they may take: four times the limit of bytes."""
SENTENCES = 2000
SHARE, GROWTH_MB, RECOVERY_SECONDS = 0.9, 16, 2.0
TURN_SECONDS = 5


def in_process(model: ExportedModel, texts: Sequence[str], batch: int, seconds: float, at_once: int = 1) -> tuple[float, float]:
    """Sentences a second of the model called here with batches of this size, and seconds of processors for each.

    A call that has not ended in time does not count, as wrk does not count a request.

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
            if time.perf_counter() - began > seconds:
                break
            rows += batch
        return rows

    model(texts[:batch])
    began, used = time.perf_counter(), time.process_time()
    with ThreadPoolExecutor(at_once) as pool:
        rows = sum(pool.map(call_again_and_again, range(0, at_once * batch, batch)))
    return rows / seconds, (time.process_time() - used) / (rows + at_once * batch)


def batches_of(texts: Sequence[str], size: int) -> Iterator[list[str]]:
    """Batches without end."""
    start = 0
    while True:
        yield [texts[(start + place) % len(texts)] for place in range(size)]
        start += size


@contextmanager
def measured(server: Server) -> Iterator[dict[str, float]]:
    """Rows of a batch and processor seconds of a row, on the server, within the block."""
    before, used = server.batches(), server.cpu
    found: dict[str, float] = {}
    yield found
    used = server.cpu - used
    rows, batches = (now - then for now, then in zip(server.batches(), before, strict=True))
    found.update(batch=rows / batches, cpu=used / rows)


def below(server: Server, directory: Path, texts: Sequence[str], seconds: int) -> Section:
    """Below the limits: what each number of connections gets, and, in turns, what the model does here at the same batch size."""
    model, rows, marks, wrong = load(directory), [], [], 0
    turns = seconds // TURN_SECONDS
    for connections in CONNECTIONS:
        server.load(texts, connections, 2)
        loads, costs, alone, two = [server.load(texts, connections, seconds)], [], [], []
        for turn in range(turns):
            start = turn * len(texts) // turns
            given = [*texts[start:], *texts[:start]]
            with measured(server) as cost:
                loads.append(server.load(given, connections, TURN_SECONDS))
            costs.append(cost)
            size = max(1, round(cost["batch"]))
            alone.append(in_process(model, given, size, TURN_SECONDS))
            two.append(in_process(model, given, size, TURN_SECONDS, CALLS_AT_ONCE)[0])
        wrong += sum(each.refused + each.broken for each in loads)
        served, here = np.array([each.rate for each in loads[1:]]), np.array([each[0] for each in alone])
        share, (low, high) = _share(served, here), _interval(served, here)
        cpu = [float(np.mean(each)) for each in ([cost["cpu"] for cost in costs], [each[1] for each in alone])]
        rows.append(
            (
                str(connections),
                milliseconds(loads[0].p50),
                milliseconds(loads[0].p99),
                number(float(served.mean())),
                number(float(np.mean([cost["batch"] for cost in costs]))),
                number(float(here.mean())),
                f"{100 * share:.0f} % [{100 * low:.0f}, {100 * high:.0f}]",
                number(float(np.mean(two))),
                " / ".join(map(milliseconds, cpu)),
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
        "Every connection sends one sentence after the other and gets all outputs, an embedding of 384 numbers among them. p50 "
        f"and p99 are of {seconds} s without a break. All else is the mean of {turns} turns of {TURN_SECONDS} s each, in which "
        "server and model work one after the other, for what the processor does in a second changes. *In process* is the model "
        "called directly with batches of the size that the server had, one call after the other, on the same cores; *share* is "
        "the server's throughput by that, with what 95 % of draws of so many turns have (bootstrap). *Two calls at once*: by two "
        "threads, as the server does."
    )
    return Section("Below the limits", text, header, tuple(rows), tuple(marks))


def _share(served: np.ndarray, here: np.ndarray) -> float:
    return float(served.mean() / here.mean())


def _interval(served: np.ndarray, here: np.ndarray) -> tuple[float, float]:
    found = bootstrap((served, here), _share, paired=True, vectorized=False, method="percentile", rng=np.random.default_rng(0))
    return float(found.confidence_interval.low), float(found.confidence_interval.high)


def overloaded(server: Server, texts: Sequence[str], seconds: int) -> Section:
    """Above the limits that a server has by default: refusals, and the first request after all callers have hung up."""
    answers = server.answers()
    found = server.load(texts, OVERLOAD, seconds)
    recovery = server.seconds_to_answer(texts[0])
    count = server.answers() - answers
    rows = (
        ("answered", f"{count[200]:,.0f}"),
        ("refused with 503, too many requests", f"{count[503]:,.0f}"),
        ("callers that hung up without an answer", f"{count[LEFT]:,.0f}"),
        ("until a request is answered again, ms", milliseconds(recovery)),
    )
    marks = (
        Mark("broken connections above the default limits", found.broken, 0, "", at_least=False),
        Mark("until a request is answered again, default limits", recovery, RECOVERY_SECONDS, " s", at_least=False),
    )
    text = f"{OVERLOAD:,} connections on a server with the default limits for {seconds} s; then all of them hang up."
    return Section("Above the default limits", text, ("", ""), rows, marks)


def large(directory: Path, texts: Sequence[str], seconds: int) -> Section:
    """Bodies as large as may be, more of them at once than the limit of bytes lets in."""
    longest = Limits().body_bytes - 100
    letters = re.sub(r"[^a-z ]", "", " ".join(texts).lower())  # JSON writes others as several bytes
    text = (letters * (1 + longest // len(letters)))[:longest]
    with Server(directory) as server:
        server.load(texts, 64, 2)
        before = server.peak
        found = server.statuses(text, LARGE, seconds)
        recovery, grown = server.seconds_to_answer(texts[0]), server.peak - before
    rows = (
        ("answered", f"{found[200]:,}"),
        ("refused with 503, too many bytes", f"{found[503]:,}"),
        ("other answers, and broken connections", f"{found.total() - found[200] - found[503]:,}"),
        ("most memory beyond what 64 connections take, MB", number(grown)),
        ("until a request is answered again, ms", milliseconds(recovery)),
    )
    marks = (Mark("memory that large bodies take", grown, LARGE_MB, " MB", at_least=False),)
    said = f"{LARGE} callers that send {longest / 2**20:.0f} MiB each, again and again for {seconds} s; default limits."
    return Section("Large bodies", said, ("", ""), rows, marks)


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
        recovery = server.seconds_to_answer(texts[0])
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
    seconds: Annotated[
        int, typer.Option(min=2 * TURN_SECONDS, help="Of load at each number of connections, and again in turns.")
    ] = 60,
) -> None:
    """Measure a server on the loopback with wrk, and print the page."""
    if shutil.which("wrk") is None:
        raise InputError("there is no wrk: apt-get install wrk")
    rows = machine.describe(f"python -m benchmarks.serving DIR --seconds {seconds}")
    chosen = read_texts(texts, SENTENCES)
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))  # a file for each connection, here and in the server
    with Server(directory) as server:
        sections = [below(server, directory, chosen, seconds), overloaded(server, chosen, min(seconds, 15))]
    sections += [above(directory, chosen, seconds), large(directory, chosen, min(seconds, 20))]
    notes = "Written by `benchmarks/serving.py`: a server on the loopback and wrk, on the same cores."
    print(page("Performance of the server", rows, notes, sections))


if __name__ == "__main__":
    typer.run(main)
