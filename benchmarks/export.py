"""What folding the circuits is worth, and what it costs in digits.

    python -m benchmarks.export

prints the table of docs/serving.md: requests to a head, embeddings in, in three forms, in turns.

    python -m benchmarks.export --exported DIR --model RUN

prints how far an exported model is from the run or saved head it was made of.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import tensorflow as tf
import typer

import tfq_llm
from benchmarks import machine
from benchmarks.exported_logits import largest_differences
from benchmarks.report import milliseconds, number, table
from benchmarks.timing import in_turns
from tfq_llm.config import HeadConfig
from tfq_llm.export.circuit_operations import circuit_operations
from tfq_llm.export.head import HeadParts
from tfq_llm.export.serving_model import ServingHead, ServingModel
from tfq_llm.export.tfq_operations import TfqCircuit
from tfq_llm.exported.signatures import DEFAULT_SIGNATURE, EMBEDDING
from tfq_llm.models import plain_tensorflow, quantum_head
from tfq_llm.progress import Progress

QUBITS, BATCHES, MOST_DIMENSIONS = (4, 6, 8, 10, 12), (1, 32, 256), 384
TOLERANCE = 1e-4
HEADER = (
    "qubits",
    "dimensions",
    "batch",
    "exported, ms",
    "`plain_tensorflow`, ms",
    "`--signature tfq`, ms",
    "unfolded / exported",
    "tfq / exported",
)
Request = Callable[[np.ndarray], np.ndarray]


def requests(qubits: int, directory: Path) -> tuple[int, list[Request]]:
    """The length of the embeddings, and the three forms of one head as loaded SavedModels: embeddings → logits."""
    dim = min(MOST_DIMENSIONS, 2**qubits - 1)
    head = quantum_head(dim, 2, HeadConfig(num_qubits=qubits), seed=0)
    parts = HeadParts.of(head)
    forms = []
    for name, circuit in (("plain", circuit_operations(parts)), ("tfq", TfqCircuit(parts))):
        ServingModel(ServingHead(parts, circuit, ("negative", "positive")), None, dim).save(directory / name)
        forms.append(_request(directory / name))
    unfolded = tf.Module()
    unfolded.head = plain_tensorflow(head)
    spec = tf.TensorSpec([None, dim], tf.float32, name=EMBEDDING)
    serve = tf.function(lambda embedding: {"logits": unfolded.head(embedding)}, input_signature=[spec], autograph=False)
    tf.saved_model.save(unfolded, str(directory / "unfolded"), signatures={DEFAULT_SIGNATURE: serve})
    return dim, [forms[0], _request(directory / "unfolded"), forms[1]]


def rows(qubits: tuple[int, ...], rounds: int, burst: float) -> Iterator[tuple[str, ...]]:
    """A row of the table for every number of qubits and batch."""
    for count in qubits:
        with tempfile.TemporaryDirectory() as directory:
            dim, forms = requests(count, Path(directory))
            for batch in BATCHES:
                embeddings = np.random.default_rng(0).normal(size=[batch, dim]).astype(np.float32)
                answers = [form(embeddings) for form in forms]
                for answer in answers:
                    np.testing.assert_allclose(answer, answers[0], atol=TOLERANCE)
                folded, unfolded, tfq = in_turns([_call(form, embeddings) for form in forms], rounds, burst)
                times = (milliseconds(folded), milliseconds(unfolded), milliseconds(tfq))
                yield str(count), str(dim), str(batch), *times, number(unfolded / folded), number(tfq / folded)


def _request(directory: Path) -> Request:
    loaded: Any = tf.saved_model.load(str(directory))

    def request(embeddings: np.ndarray) -> np.ndarray:
        logits: np.ndarray = loaded.signatures[DEFAULT_SIGNATURE](**{EMBEDDING: tf.constant(embeddings)})["logits"].numpy()
        return logits

    return request


def _call(form: Request, embeddings: np.ndarray) -> Callable[[], np.ndarray]:
    return lambda: form(embeddings)


def difference(exported: Path, model: Path, count: int) -> str:
    """One line: the largest differences on so many texts of the default data, in an order of seed 0."""
    found = tfq_llm.data.load(tfq_llm.data.DEFAULT).deduplicated().texts
    texts = [found[row] for row in np.random.default_rng(0).permutation(len(found))[:count]]
    logits, probabilities = largest_differences(tfq_llm.load_run(model), exported, texts)
    where = f"on {len(texts):,} texts of {tfq_llm.data.DEFAULT}"
    return f"largest difference {where}: logits {logits:.1e}, probabilities {probabilities:.1e}"


def main(
    qubits: Annotated[list[int] | None, typer.Option(help="Give it again for more; by default 4 to 12.")] = None,
    rounds: Annotated[int, typer.Option(min=1, help="In each, every form is timed.")] = 5,
    burst: Annotated[float, typer.Option(min=0, help="Seconds for which a form is timed in a round.")] = 0.3,
    exported: Annotated[Path | None, typer.Option(metavar="DIR", help="Compare this exported model's logits instead.")] = None,
    model: Annotated[Path | None, typer.Option(metavar="RUN", help="With those of the run or saved head it was made of.")] = None,
    texts: Annotated[int, typer.Option(min=1, help="How many of the default data are compared.")] = 1000,
) -> None:
    """Measure and print tables; or compare an exported model with what it was made of."""
    if exported is not None and model is not None:
        print(difference(exported, model, texts))
        return
    if exported is not None or model is not None:
        raise typer.BadParameter("give both --exported and --model, or neither.")
    described = machine.describe(f"python -m benchmarks.export --rounds {rounds} --burst {burst:g}")
    chosen = tuple(qubits or QUBITS)
    print(table(("", ""), described) + "\n")
    print(table(HEADER, ()), flush=True)
    with Progress("exported heads", len(chosen) * len(BATCHES), "measurements") as progress:
        for row in rows(chosen, rounds, burst):
            print(f"| {' | '.join(row)} |", flush=True)
            progress.update()


if __name__ == "__main__":
    typer.run(main)
