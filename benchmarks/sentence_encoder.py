"""The sentence encoder against sentence-transformers: encoding and tuning, on the same sentences and cores, in one run.

    python3.11 -m venv peer-env && peer-env/bin/pip install torch sentence-transformers
    python -m benchmarks.sentence_encoder --peer peer-env/bin/python

Both sides are measured in turn, each the given number of times, and the best time of each counts: what else the machine does
meanwhile then disturbs neither more than the other. Texts come in random order; both sides sort them by length where they encode.
A tuning step is what the contrastive phase does with a batch of 32: tokenizing, forward, loss, backward, AdamW. PyTorch uses its
fused AdamW, with dropout (its default) and without (as here, hence the fairer of the two).
"""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime, timezone
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer

import tfq_llm
from benchmarks.machine import cores, cpu_model
from tfq_llm.encoders.sources import PUBLISHED, sentence_transformers_directory

MAX_TOKENS = 128
TUNING_BATCH = 32
OUR_BATCH_SIZES, PEER_BATCH_SIZES = (32, 64, 128), (16, 32, 64)
ENCODING, TUNING = "encoding", "tuning"
OURS, OURS_BFLOAT16 = "tfq_llm", "tfq_llm, bfloat16"
PEER, PEER_DROPOUT = "sentence-transformers", "sentence-transformers, dropout"


class Peer:
    """The other environment's process; a method call goes there and its result comes back."""

    def __init__(self, python: Path, directory: Path, texts: Sequence[str], labels: Sequence[int]) -> None:
        script = Path(__file__).with_name("sentence_encoder_peer.py")
        self._process = subprocess.Popen([python, script], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self._send({"directory": str(directory), "texts": list(texts), "labels": list(labels), "max_tokens": MAX_TOKENS})

    def __enter__(self) -> Peer:
        return self

    def __exit__(self, *error: object) -> None:
        self._process.communicate()  # closes its input, which ends it

    def call(self, method: str, **arguments: Any) -> Any:
        self._send({"do": method, **arguments})
        assert self._process.stdout is not None
        answer = self._process.stdout.readline()
        if not answer:
            raise tfq_llm.InputError("the peer ended: see its error above. Has its environment sentence-transformers?")
        return json.loads(answer)

    def _send(self, message: Mapping[str, Any]) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(message) + "\n")
        self._process.stdin.flush()


class Ours:
    """A sentence encoder of this package with the texts it is measured on."""

    def __init__(self, precision: str, texts: Sequence[str], labels: Sequence[int]) -> None:
        import tensorflow as tf

        from tfq_llm.adamw import FusedAdamW
        from tfq_llm.training.contrastive import contrastive_loss

        self._encoder = tfq_llm.encoders.load("minilm", trainable=True, max_tokens=MAX_TOKENS, precision=precision)
        self._texts, self._labels = list(texts), np.array(labels)
        inputs = tf.keras.Input([], dtype=tf.string)
        self._model = tf.keras.Model(inputs, self._encoder(inputs))
        self._model.compile(optimizer=FusedAdamW(6e-5, weight_decay=0.01), loss=contrastive_loss)

    def vectors(self) -> np.ndarray:
        return tfq_llm.encoders.encode(self._encoder, self._texts, cache=False)

    def encode(self, batch_size: int) -> float:
        return seconds(lambda: tfq_llm.encoders.encode(self._encoder, self._texts, batch_size=batch_size, cache=False))

    def tune(self, rows: int) -> float:
        import tensorflow as tf

        batches = tf.data.Dataset.from_tensor_slices((self._texts[:rows], self._labels[:rows])).batch(TUNING_BATCH).prefetch(2)
        return seconds(lambda: self._model.fit(batches, verbose=0))


def seconds(action: Callable[[], object]) -> float:
    started = time.perf_counter()
    action()
    return time.perf_counter() - started


def best_of(repeats: int, contestants: Mapping[str, Callable[[], float]]) -> dict[str, float]:
    """The least of the seconds that each contestant reports, all measured in turn; a first round is for warming up."""
    rounds = [{name: measure() for name, measure in contestants.items()} for _ in range(1 + repeats)]
    return {name: min(measured[name] for measured in rounds[1:]) for name in contestants}


def best_batch_size(rates: Mapping[str, float]) -> dict[str, float]:
    """Of rates by "name @ batch size", the highest of each name."""
    best: dict[str, float] = {}
    for key, rate in rates.items():
        name = key.partition(" @ ")[0]
        best[name] = max(rate, best.get(name, 0.0))
    return best


def table(rates: Mapping[str, Mapping[str, float]]) -> str:
    """Sentences a second by job and contestant as Markdown, each with its ratio to sentence-transformers without dropout."""
    lines = ["| job | what | sentences/s | ratio |", "| --- | --- | --- | --- |"]
    for job, measured in rates.items():
        lines += [f"| {job} | {name} | {rate:.1f} | {rate / measured[PEER]:.2f} |" for name, rate in measured.items()]
    return "\n".join(lines)


def machine() -> str:
    """Processor, cores and the extensions that decide how fast matrices are multiplied."""
    known = set(Path("/proc/cpuinfo").read_text(encoding="utf-8").split())
    extensions = [name for name in ("avx2", "avx512f", "avx512_bf16", "amx_bf16") if name in known]
    return f"{cpu_model()}, {cores()} cores, {' '.join(extensions)}; load before {os.getloadavg()[0]:.1f}"


def worst_cosine(first: np.ndarray, second: np.ndarray) -> float:
    """The least cosine of rows, [rows, dim] both, computed in float64."""
    first, second = (vectors.astype(np.float64) for vectors in (first, second))
    norms = np.linalg.norm(first, axis=1) * np.linalg.norm(second, axis=1)
    return float((np.sum(first * second, axis=1) / norms).min())


def compare_vectors(ours: Ours, ours_bfloat16: Ours, peer: Peer) -> str:
    with tempfile.TemporaryDirectory() as temporary:
        peer.call("vectors", file=f"{temporary}/vectors.npy")
        theirs = np.load(f"{temporary}/vectors.npy")
    exact = ours.vectors()
    return (
        f"1 − cosine at worst: {1 - worst_cosine(exact, theirs):.1e} between {OURS} and {PEER}, "
        f"{1 - worst_cosine(ours_bfloat16.vectors(), exact):.1e} between {OURS_BFLOAT16} and {OURS}"
    )


def measure_encoding(ours: Ours, ours_bfloat16: Ours, peer: Peer, texts: int, repeats: int) -> dict[str, float]:
    sides: Iterable[tuple[str, Callable[[int], float], tuple[int, ...]]] = (
        (OURS, ours.encode, OUR_BATCH_SIZES),
        (PEER, lambda size: peer.call("encode", batch_size=size), PEER_BATCH_SIZES),
        (OURS_BFLOAT16, ours_bfloat16.encode, OUR_BATCH_SIZES),
    )
    contestants = {
        f"{name} @ {size}": (lambda encode=encode, size=size: encode(size)) for name, encode, sizes in sides for size in sizes
    }
    best = best_of(repeats, contestants)
    return best_batch_size({key: texts / elapsed for key, elapsed in best.items()})


def measure_tuning(ours: Ours, ours_bfloat16: Ours, peer: Peer, rows: int, repeats: int) -> dict[str, float]:
    def theirs(dropout: bool) -> float:
        return float(peer.call("tune", batch_size=TUNING_BATCH, rows=rows, dropout=dropout))

    contestants = {
        OURS: lambda: ours.tune(rows),
        PEER: lambda: theirs(dropout=False),
        PEER_DROPOUT: lambda: theirs(dropout=True),
        OURS_BFLOAT16: lambda: ours_bfloat16.tune(rows),
    }
    return {name: rows / elapsed for name, elapsed in best_of(repeats, contestants).items()}


def page(conditions: Sequence[str], found: str, differences: str) -> str:
    """The page that documents a run."""
    listed = "\n".join(f"- {condition}" for condition in conditions)
    return (
        "# Performance of the sentence encoder\n\n"
        "Written by `python -m benchmarks.sentence_encoder --peer PYTHON --output FILE` on "
        f"{datetime.now(timezone.utc):%Y-%m-%d}: MiniLM here and in sentence-transformers, on the same sentences and cores, each "
        "measured in turn, the best of several times. Both are float32 if nothing else is said. A tuning step is tokenizing, "
        "forward, contrastive loss, backward and AdamW on 32 sentences; sentence-transformers' AdamW is PyTorch's fused one.\n\n"
        f"{listed}\n\n{found}\n\n{differences}.\n"
    )


def read_texts(file: Path | None, number: int) -> list[str]:
    """Sentences in random order: the lines of a file, or movie reviews that the package fetches."""
    if file:
        texts = [line for line in file.read_text(encoding="utf-8").splitlines() if line.strip()]
    else:
        texts = list(tfq_llm.data.load("movie-reviews").texts)
    texts = list(dict.fromkeys(texts))
    return [texts[place] for place in np.random.default_rng(0).permutation(len(texts))[:number]]


def main(
    peer: Annotated[Path, typer.Option(metavar="PYTHON", help="The Python of an environment with sentence-transformers.")],
    texts: Annotated[Path | None, typer.Option(metavar="FILE", help="Sentences, one a line. Default: movie reviews.")] = None,
    sentences: Annotated[int, typer.Option(help="How many sentences to encode.")] = 1024,
    tuned: Annotated[int, typer.Option(help="How many of them to tune on.")] = 256,
    repeats: Annotated[int, typer.Option(help="How often everything is measured; the best counts.")] = 3,
    output: Annotated[Path | None, typer.Option(metavar="FILE", help="A Markdown page to write it to as well.")] = None,
) -> None:
    """Measure encoding and tuning here and in sentence-transformers, in turn, and print sentences a second and their ratio."""
    chosen = read_texts(texts, sentences)
    labels = np.random.default_rng(0).integers(0, 2, len(chosen)).tolist()
    rows = min(tuned, len(chosen)) // TUNING_BATCH * TUNING_BATCH
    ours, ours_bfloat16 = (Ours(precision, chosen, labels) for precision in ("float32", "bfloat16"))
    with (
        sentence_transformers_directory(PUBLISHED["minilm"]) as directory,
        Peer(peer, directory, chosen, labels) as other,
    ):
        conditions = [machine(), str(other.call("describe")), f"{len(chosen)} sentences, {rows} of them for tuning"]
        typer.echo("\n".join([*conditions, ""]))
        differences = compare_vectors(ours, ours_bfloat16, other)  # before tuning changes the weights
        encoding = measure_encoding(ours, ours_bfloat16, other, len(chosen), repeats)
        tuning = measure_tuning(ours, ours_bfloat16, other, rows, repeats)
    found = table({ENCODING: encoding, TUNING: tuning})
    typer.echo(f"{found}\n\n{differences}")
    if output:
        output.write_text(page(conditions, found, differences), encoding="utf-8")


if __name__ == "__main__":
    typer.run(main)
