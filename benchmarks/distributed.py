"""Steps a second of one training on one process and on two that train together, one thread each, on this machine."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Annotated, Any

import typer

from benchmarks import machine
from benchmarks.report import milliseconds, number, table
from tfq_llm.progress import Progress

DIMENSIONS, EPOCHS = 768, 5
BATCHES = (32, 128, 512)
# Seconds that one training may take, import and compiling included.
_DEADLINE = 600.0


@dataclass(frozen=True)
class Measured:
    """Of one training.

    Attributes:
        step: seconds of a step, in the fastest epoch behind the first.
        weights: how many numbers a step adds over all workers.
    """

    step: float
    weights: int


def measure(workers: int, batch: int, steps: int) -> Measured:
    """Trains the default head on random embeddings in `workers` new processes."""
    with ExitStack() as sockets:
        opened = [sockets.enter_context(socket.create_server(("", 0))) for _ in range(workers)]
        addresses = [f"localhost:{server.getsockname()[1]}" for server in opened]
    processes = []
    try:
        for index in range(workers):
            config = {"cluster": {"worker": addresses}, "task": {"type": "worker", "index": index}}
            environment = os.environ | {
                "TF_CONFIG": json.dumps(config),
                "TF_NUM_INTRAOP_THREADS": "1",
                "TF_CPP_MIN_LOG_LEVEL": "3",
            }
            command = [sys.executable, "-c", f"from benchmarks.distributed import work; work({batch}, {steps})"]
            processes.append(
                subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
            )
        line = processes[0].communicate(timeout=_DEADLINE)[0]
        return Measured(**json.loads(line))
    finally:
        for process in processes:
            process.kill()
            process.wait()


def work(batch: int, steps: int) -> None:
    """What each process does: trains, and prints what it measured."""
    import numpy as np
    import tensorflow as tf

    from tfq_llm.config import FitConfig
    from tfq_llm.models import quantum_head
    from tfq_llm.simulation.compiled.threads import set_num_threads
    from tfq_llm.training import fit_distributed

    class Clock(tf.keras.callbacks.Callback):
        def __init__(self) -> None:
            super().__init__()
            self.seconds: list[float] = []

        def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
            self._start = time.perf_counter()

        def on_train_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
            if batch == steps - 1:
                self.seconds.append(time.perf_counter() - self._start)

    set_num_threads(1)
    random = np.random.default_rng(0)
    inputs, labels = random.normal(size=[batch * steps, DIMENSIONS]).astype(np.float32), random.integers(0, 2, batch * steps)
    rows, clock = (inputs, labels), Clock()
    few = (inputs[:16], labels[:16])
    fit = FitConfig(epochs=EPOCHS, batch_size=batch, patience=EPOCHS)
    head, _ = fit_distributed(lambda: quantum_head(DIMENSIONS, 2, seed=0), rows, few, fit, seed=0, callbacks=[clock])
    print(json.dumps({"step": min(clock.seconds[1:]) / steps, "weights": head.count_params()}))


def main(
    steps: Annotated[int, typer.Option(min=1, help="Steps of an epoch.")] = 20,
    rounds: Annotated[int, typer.Option(min=1, help="How often everything is measured, in turns; the best counts.")] = 2,
) -> None:
    """Measure and print a table."""
    found: dict[tuple[int, int], Measured] = {}
    rows = machine.describe(f"python -m benchmarks.distributed --steps {steps} --rounds {rounds}")
    with Progress("distributed training", rounds * len(BATCHES) * 2, "trainings") as progress:
        for _ in range(rounds):
            for batch in BATCHES:
                for workers in (1, 2):
                    new = measure(workers, batch, steps)
                    found[workers, batch] = min(new, found.get((workers, batch), new), key=lambda measured: measured.step)
                    progress.update()
    print(table(("", ""), rows) + "\n")
    lines = []
    for batch in BATCHES:
        one, two = found[1, batch].step, found[2, batch].step
        lines.append((str(batch), milliseconds(one), milliseconds(two), number(1 / one), number(1 / two), number(one / two)))
    header = ("global batch", "1 worker, ms a step", "2 workers, ms", "1 worker, steps/s", "2 workers, steps/s", "times as fast")
    print(table(header, lines))
    print(
        f"\nThe default head on {DIMENSIONS} dimensions; a step adds {found[2, BATCHES[0]].weights:,} gradients over all workers."
    )


if __name__ == "__main__":
    typer.run(main)
