"""The sentence encoder against sentence-transformers: encoding and tuning, on the same sentences and cores, in one run.

    python3.11 -m venv peer-env && peer-env/bin/pip install torch sentence-transformers
    python -m benchmarks.sentence_encoder --peer peer-env/bin/python

Writes a page. Texts come in random order; both sides sort them by length where they encode.
"""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Annotated, Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np
import tensorflow as tf
import typer

import tfq_llm
from benchmarks import machine
from benchmarks.report import Mark, Section, number, page
from benchmarks.timing import in_turns
from tfq_llm.adamw import FusedAdamW
from tfq_llm.encoders import SentenceEncoder
from tfq_llm.encoders.sources import PUBLISHED, sentence_transformers_directory
from tfq_llm.training.contrastive import contrastive_loss

MAX_TOKENS = 128
TUNING_BATCH = 32
OUR_BATCH_SIZES, PEER_BATCH_SIZES = (32, 64, 128), (16, 32, 64)
OURS, OURS_BFLOAT16 = "tfq_llm", "tfq_llm, bfloat16"
PEER, PEER_DROPOUT = "sentence-transformers", "sentence-transformers, dropout"
RATE_AT_LEAST, BFLOAT16_AT_MOST = 1.0, 1e-4
PEER_SCRIPT = Path(__file__).with_name("sentence_encoder_peer.py")

# What is measured, by what it is called in the table.
Contestants = Mapping[str, Callable[[], object]]


class Peer:
    """The other environment's process; a method call goes there and its result comes back.

    Args:
        python: its interpreter.
        script: what that runs, see `sentence_encoder_peer.py`.
        directory: of the sentence-transformers model.
        texts: what it is measured on.
        labels: of the texts.
    """

    def __init__(self, python: Path, script: Path, directory: Path, texts: Sequence[str], labels: Sequence[int]) -> None:
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

    def vectors(self) -> np.ndarray:
        with tempfile.TemporaryDirectory() as temporary:
            self.call("vectors", file=f"{temporary}/vectors.npy")
            found: np.ndarray = np.load(f"{temporary}/vectors.npy")
        return found

    def _send(self, message: Mapping[str, Any]) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(message) + "\n")
        self._process.stdin.flush()


class Ours:
    """A sentence encoder of this package, trainable, with the texts it is measured on."""

    def __init__(self, encoder: SentenceEncoder, texts: Sequence[str], labels: Sequence[int]) -> None:
        self._encoder, self._texts, self._labels = encoder, list(texts), np.array(labels)
        inputs = tf.keras.Input([], dtype=tf.string)
        self._model = tf.keras.Model(inputs, encoder(inputs))
        self._model.compile(optimizer=FusedAdamW(6e-5, weight_decay=0.01), loss=contrastive_loss)

    def vectors(self) -> np.ndarray:
        return tfq_llm.encoders.encode(self._encoder, self._texts, cache=False)

    def encode(self, batch_size: int) -> None:
        tfq_llm.encoders.encode(self._encoder, self._texts, batch_size=batch_size, cache=False)

    def tune(self, rows: int) -> None:
        batches = tf.data.Dataset.from_tensor_slices((self._texts[:rows], self._labels[:rows])).batch(TUNING_BATCH).prefetch(2)
        self._model.fit(batches, verbose=0)


def run(ours: Ours, ours_bfloat16: Ours, peer: Peer, sentences: int, tuned: int, repeats: int) -> list[Section]:
    """Measures everything in turns.

    Args:
        ours, ours_bfloat16, peer: with the same texts.
        sentences: number of texts.
        tuned: how many of them a tuning epoch has.
        repeats: how often everything is measured; the best counts.
    """
    agreement = agreement_section(ours.vectors(), ours_bfloat16.vectors(), peer.vectors())  # before tuning changes the weights
    encoding = {
        f"{name} @ {size}": partial(encode, batch_size=size)
        for name, encode, sizes in (
            (OURS, ours.encode, OUR_BATCH_SIZES),
            (PEER, partial(peer.call, "encode"), PEER_BATCH_SIZES),
            (OURS_BFLOAT16, ours_bfloat16.encode, OUR_BATCH_SIZES),
        )
        for size in sizes
    }
    their_step = partial(peer.call, "tune", batch_size=TUNING_BATCH, rows=tuned)
    tuning = {
        OURS: partial(ours.tune, tuned),
        PEER: partial(their_step, dropout=False),
        PEER_DROPOUT: partial(their_step, dropout=True),
        OURS_BFLOAT16: partial(ours_bfloat16.tune, tuned),
    }
    return [
        encoding_section(best_batch_size(rates(encoding, sentences, repeats)), sentences),
        tuning_section(rates(tuning, tuned, repeats), tuned),
        agreement,
    ]


def rates(contestants: Contestants, sentences: int, repeats: int) -> dict[str, float]:
    """Sentences a second of each contestant, whose call goes through all of them once."""
    seconds = in_turns(list(contestants.values()), repeats, burst=0.0)
    return {name: sentences / each for name, each in zip(contestants, seconds, strict=True)}


def best_batch_size(found: Mapping[str, float]) -> dict[str, float]:
    """Of rates by "name @ batch size", the highest of each name."""
    best: dict[str, float] = {}
    for key, rate in found.items():
        name = key.partition(" @ ")[0]
        best[name] = max(rate, best.get(name, 0.0))
    return best


def encoding_section(found: Mapping[str, float], sentences: int) -> Section:
    ours, theirs = (", ".join(map(str, sizes)) for sizes in (OUR_BATCH_SIZES, PEER_BATCH_SIZES))
    text = f"{sentences} sentences, from strings to vectors, each side at its best batch size: of {ours} here, of {theirs} there."
    return _rates_section("Encoding", text, found)


def tuning_section(found: Mapping[str, float], tuned: int) -> Section:
    text = (
        f"{tuned} sentences in batches of {TUNING_BATCH}. A step is what the contrastive phase does: tokenizing, forward, loss, "
        "backward, AdamW, which is PyTorch's fused one there. Its dropout is left out where nothing else is said, as it is here."
    )
    return _rates_section("Tuning", text, found)


def _rates_section(title: str, text: str, found: Mapping[str, float]) -> Section:
    return Section(
        title,
        text,
        ("", "sentences/s", "× sentence-transformers"),
        tuple((name, number(rate), number(rate / found[PEER])) for name, rate in found.items()),
        (Mark(f"{title.lower()}, sentences a second against sentence-transformers", found[OURS] / found[PEER], RATE_AT_LEAST),),
    )


def agreement_section(exact: np.ndarray, bfloat16: np.ndarray, theirs: np.ndarray) -> Section:
    """Of the vectors [texts, dim] in float32 here, in bfloat16 here, and in float32 there."""
    by_peer, by_bfloat16 = 1 - worst_cosine(exact, theirs), 1 - worst_cosine(exact, bfloat16)
    return Section(
        "Agreement",
        "1 − cosine of a sentence's two vectors, at worst. bfloat16 is that of the dense layers' products; all else is float32.",
        ("", "1 − cosine"),
        ((f"{OURS} and {PEER}", f"{by_peer:.1e}"), (f"{OURS} and {OURS_BFLOAT16}", f"{by_bfloat16:.1e}")),
        (Mark("1 − cosine between float32 and bfloat16, at worst", by_bfloat16, BFLOAT16_AT_MOST, "", at_least=False),),
    )


def worst_cosine(first: np.ndarray, second: np.ndarray) -> float:
    """The least cosine of rows, [rows, dim] both, computed in float64."""
    first, second = (vectors.astype(np.float64) for vectors in (first, second))
    norms = np.linalg.norm(first, axis=1) * np.linalg.norm(second, axis=1)
    return float((np.sum(first * second, axis=1) / norms).min())


def read_texts(file: Path | None, count: int) -> list[str]:
    """Sentences in random order: the lines of a file, or movie reviews that the package fetches."""
    if file:
        texts = [line for line in file.read_text(encoding="utf-8").splitlines() if line.strip()]
    else:
        texts = list(tfq_llm.data.load("movie-reviews").texts)
    texts = list(dict.fromkeys(texts))
    return [texts[place] for place in np.random.default_rng(0).permutation(len(texts))[:count]]


def main(
    peer: Annotated[Path, typer.Option(metavar="PYTHON", help="The Python of an environment with sentence-transformers.")],
    texts: Annotated[Path | None, typer.Option(metavar="FILE", help="Sentences, one a line. Default: movie reviews.")] = None,
    sentences: Annotated[int, typer.Option(min=TUNING_BATCH, help="How many sentences to encode.")] = 1024,
    tuned: Annotated[int, typer.Option(min=TUNING_BATCH, help="How many of them to tune on.")] = 256,
    repeats: Annotated[int, typer.Option(min=1, help="How often everything is measured; the best counts.")] = 3,
    output: Annotated[Path, typer.Option(metavar="FILE", help="The page to write.")] = Path(
        "docs/performance-sentence-encoder.md"
    ),
) -> None:
    """Measure encoding and tuning here and in sentence-transformers, in turns, and write a page of it."""
    command = f"python -m benchmarks.sentence_encoder --peer PYTHON{' --texts FILE' * bool(texts)} --sentences {sentences}"
    rows = machine.describe(f"{command} --tuned {tuned} --repeats {repeats}")
    chosen = read_texts(texts, sentences)
    labels = np.random.default_rng(0).integers(0, 2, len(chosen)).tolist()
    ours, ours_bfloat16 = (
        Ours(tfq_llm.encoders.load("minilm", trainable=True, max_tokens=MAX_TOKENS, precision=precision), chosen, labels)
        for precision in ("float32", "bfloat16")
    )
    with (
        sentence_transformers_directory(PUBLISHED["minilm"]) as directory,
        Peer(peer, PEER_SCRIPT, directory, chosen, labels) as other,
    ):
        rows.append(("peer", str(other.call("describe"))))
        whole_batches = min(tuned, len(chosen)) // TUNING_BATCH * TUNING_BATCH
        sections = run(ours, ours_bfloat16, other, len(chosen), whole_batches, repeats)
    notes = (
        "Written by `benchmarks/sentence_encoder.py`; every number comes from the run described here: MiniLM in this package and "
        f"in sentence-transformers, on the same sentences and cores, each measured in turns, the best of {repeats}. All are "
        "float32 where nothing else is said."
    )
    text = page("Performance of the sentence encoder", rows, notes, sections)
    print(text)
    output.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    typer.run(main)
