"""`make docs-commands`: runs what README and docs print, in a scratch directory with the default data.

Commands run page by page, in their order, as a reader would give them: questions are answered with yes, and a server that a page
starts runs until the page ends or starts another. What takes longer than `--limit` is interrupted, and has to end well.
Python examples of a page run after its commands. Left out are targets of make, which belong to a checkout, what installs,
clusters, and what only a reader has.
"""

from __future__ import annotations

import argparse
import csv
import itertools
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import numpy as np
import requests

from tests.docs.pages import ROOT, Command, commands, python_examples
from tfq_llm import data

LEFT_OUT = r"^(make|pip|python\S*|for|cd|docker|export|kill|\.) |HOST:PORT|--cluster|s3://|DIR/"
WITH_PYTHON = ("serving.md",)
SERVERS = r"tfq-llm (ionq emulate|serve) "
ENVIRONMENT = os.environ | {"PYTHONPATH": str(ROOT), "IONQ_API_KEY": "emulator", "TF_CPP_MIN_LOG_LEVEL": "3"}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--limit", type=float, default=300, help="seconds after which a command is interrupted (default: 300)")
    parser.add_argument("--page", help="only this one, such as ionq.md")
    parser.add_argument("--scratch", type=Path, help="a directory to keep, where a finished runs/demo is used again")
    options = parser.parse_args()
    signal.signal(signal.SIGINT, signal.default_int_handler)  # what a shell starts in the background ignores it, children too
    chosen = [
        each for each in commands() if each.whole and options.page in (None, each.page) and not re.search(LEFT_OUT, each.text)
    ]
    failed: list[Command] = []
    with tempfile.TemporaryDirectory() as temporary:
        scratch = options.scratch or Path(temporary)
        prepare(scratch)
        for page, printed in itertools.groupby(chosen, lambda command: command.page):
            examples = [Command(page, example, True) for example in python_examples(page)] if page in WITH_PYTHON else []
            with ExitStack() as server:
                for command in [*printed, *examples]:
                    print(f"{command}", end="", flush=True)
                    began = time.monotonic()
                    if re.search(SERVERS, command.text):
                        server.close()  # of the page's server before
                        server.enter_context(running(command, scratch))
                        said = None
                    else:
                        said = complaint(command, scratch, options.limit)
                    print(f"   {time.monotonic() - began:.0f} s{'' if said is None else f'   FAILED: {said}'}", flush=True)
                    failed += [command] if said is not None else []
    print(f"{len(chosen)} commands, {len(failed)} failed.")
    return 1 if failed else 0


def prepare(scratch: Path) -> None:
    """Files that the pages speak of, of the default data; and runs/demo, as `make demo` makes it."""
    dataset = data.load("movie-reviews").deduplicated()
    some = data.subsample(np.arange(len(dataset)), dataset.labels, 1000)
    stars = ["1", "5"]
    for name, header, rows in (("reviews.csv", ("review", "stars"), some[:800]), ("other.csv", ("text", "label"), some[800:])):
        with (scratch / name).open("w", encoding="utf-8", newline="") as file:
            csv.writer(file).writerows([header, *((dataset.texts[row], stars[dataset.labels[row]]) for row in rows)])
    with (scratch / "big.csv").open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([("text",), *((text,) for text in dataset.texts[:2000])])
    labels = dataset.labels[some]
    points = np.random.default_rng(0).normal(size=[len(some), 8]) + labels[:, None]
    np.savez(scratch / "FILE.npz", embeddings=points.astype(np.float32), labels=labels)
    shutil.copytree(ROOT / "saved_models", scratch / "saved_models", dirs_exist_ok=True)
    subprocess.run(words("tfq-llm train demo --run-dir runs/demo"), cwd=scratch, env=ENVIRONMENT, check=True)


def words(text: str) -> list[str]:
    """Of a command as printed, or of Python code."""
    if "\n" in text:
        return [sys.executable, "-c", text]
    program, *arguments = shlex.split(text)
    if program == "curl":
        arguments = ["--fail", *arguments]  # an error that a server answers is one
    is_ours = Path(program).name == "tfq-llm"
    return [str(Path(sys.executable).with_name("tfq-llm")) if is_ours else program, *arguments]


def complaint(command: Command, scratch: Path, limit: float) -> str | None:
    """Runs a command; returns what was wrong, if anything was."""
    keyboard, terminal = os.openpty()
    os.write(keyboard, b"y\n" * 3)
    try:
        process = subprocess.Popen(
            words(command.text),
            cwd=scratch,
            env=ENVIRONMENT,
            stdin=terminal,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )
        try:
            errors = process.communicate(timeout=limit)[1]
        except subprocess.TimeoutExpired:
            print("   (interrupted)", end="")
            return complaint_when_interrupted(process)
    finally:
        os.close(keyboard)
        os.close(terminal)
    return None if process.returncode == 0 else errors[-500:]


def complaint_when_interrupted(process: subprocess.Popen[str], patience: float = 300) -> str | None:
    """Ends a command by Ctrl-C; returns what was wrong, if it does not stop, or not as it should."""
    process.send_signal(signal.SIGINT)
    try:
        errors = process.communicate(timeout=patience)[1]
    except subprocess.TimeoutExpired:
        process.kill()
        return f"it did not stop within {patience:.0f} s: {process.communicate()[1][-500:]}"
    return None if process.returncode == 130 and "interrupted." in errors else errors[-500:]


def is_ready(said: str) -> bool:
    """Whether a model server answers for its model, by the address that it printed."""
    address = re.search(r"http://[^ :]+:\d+", said)
    assert address is not None
    return requests.get(f"{address[0]}/readyz", timeout=60).status_code == 200


@contextmanager
def running(command: Command, scratch: Path) -> Iterator[None]:
    """A server that has said where it listens."""
    log = scratch / "server.log"
    with log.open("w") as file:
        process = subprocess.Popen(words(command.text), cwd=scratch, env=ENVIRONMENT, stdout=file, stderr=file)
    try:
        while "http://" not in log.read_text():
            if process.poll() is not None:
                raise RuntimeError(f"{command} did not start: {log.read_text()[-500:]}")
            time.sleep(0.5)
        while " serve " in command.text and not is_ready(log.read_text()):
            time.sleep(0.5)
        yield
    finally:
        process.send_signal(signal.SIGINT)
        process.wait(timeout=60)


if __name__ == "__main__":
    sys.exit(main())
