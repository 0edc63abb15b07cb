"""One version of a model, loaded: what it is, and a way to call it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import cirq
import numpy as np
import tensorflow as tf

from tfq_llm.exported import ModelFacts, load
from tfq_llm.exported.signatures import CLASSIFY_METHOD, TEXT
from tfq_llm.serving.errors import malformed
from tfq_llm.serving.signatures import Signature, read_signatures

_TEXT = b"a text of some words to warm up with"
_FEATURES = tf.train.Features(feature={TEXT: tf.train.Feature(bytes_list=tf.train.BytesList(value=[_TEXT]))})
_EXAMPLE = tf.train.Example(features=_FEATURES).SerializeToString()


@dataclass(frozen=True, eq=False)
class ServedModel:
    """A version that is being served. It may be called by several threads at once.

    Attributes:
        version: the number of its directory.
        directory: where it is.
        facts: its model.json.
        card: its model card, Markdown.
        circuit: the trained re-uploading circuit, with open data symbols.
        signatures: by name.
        signature_defs: their protos, as JSON.
    """

    version: int
    directory: Path
    facts: ModelFacts
    card: str = field(repr=False)
    circuit: cirq.Circuit = field(repr=False)
    signatures: dict[str, Signature] = field(repr=False)
    signature_defs: dict[str, Any] = field(repr=False)
    _functions: Mapping[str, Any] = field(repr=False)

    def signature(self, name: str) -> Signature:
        """The signature of a name.

        Raises:
            RequestError: there is none.
        """
        if name not in self.signatures:
            raise malformed(f"this signature is not in the model, which has: {', '.join(sorted(self.signatures))}.")
        return self.signatures[name]

    def call(self, signature: str, inputs: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """The outputs [rows, …] of a signature, sorted by name, for inputs [rows, …].

        Raises:
            RequestError: TensorFlow refused the inputs, or an output is not finite.
        """
        given = {name: tf.constant(values) for name, values in inputs.items()}
        try:
            found = self._functions[signature](**given)
        except tf.errors.InvalidArgumentError as error:
            # Its message may hold texts of the request.
            raise malformed("the model cannot read these inputs, such as examples without a feature that it takes.") from error
        outputs = {name: found[name].numpy() for name in sorted(found)}
        if not all(np.isfinite(values).all() for values in outputs.values() if values.dtype != object):
            raise malformed("the model has no finite answer for these inputs: their numbers are too large.")
        return outputs

    def warm_up(self, sizes: tuple[int, ...]) -> None:
        """Calls every signature with batches of these sizes: the first calls are slow."""
        for signature in self.signatures.values():
            text = _EXAMPLE if signature.method == CLASSIFY_METHOD else _TEXT
            for size in sizes:
                inputs = {
                    name: np.full(size, text, object) if spec.is_text else np.ones([size, spec.width or 1], np.float32)
                    for name, spec in signature.inputs.items()
                }
                self.call(signature.name, inputs)


def load_model(directory: Path, version: int) -> ServedModel:
    """Loads an exported version, after its checksums were verified.

    Raises:
        InputError: it is damaged, incomplete, of a newer format, or has an input that this server does not take.
    """
    loaded = load(directory)
    signatures, described = read_signatures(directory)
    card = (directory / "card.md").read_text(encoding="utf-8") if (directory / "card.md").exists() else ""
    circuit: cirq.Circuit = cirq.read_json(directory / "circuit.json")
    return ServedModel(version, directory, loaded.facts, card, circuit, signatures, described, loaded.signatures)
