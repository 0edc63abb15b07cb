"""An exported model made of a few TensorFlow operations, which loads at once: for tests of the server, not of what it serves."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import cirq
import numpy as np
import sympy
import tensorflow as tf
from tensorflow.core.protobuf import saved_model_pb2

from tfq_llm.exported.facts import FACTS, Circuit, Logits, ModelFacts, Sampled
from tfq_llm.exported.manifest import write_manifest

CLASSES = ("negative", "positive")
KERNEL, BIAS = [[-2.0, 2.0]], [0.1, -0.1]


class PlainModel(tf.Module):
    """Angles of a text: its numbers of bytes and of words, by ten. The circuit is an Ry of each, so ⟨Z⟩ = cos(angle)."""

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, name="text")])
    def serve(self, text: tf.Tensor) -> dict[str, tf.Tensor]:
        words = tf.strings.split(text).row_lengths()
        angles = tf.stack([tf.cast(tf.strings.length(text), tf.float32), tf.cast(words, tf.float32)], axis=1) / 10
        z = tf.cos(angles)
        logits = tf.matmul(z[:, :1], tf.constant(KERNEL)) + tf.constant(BIAS)
        names = tf.tile(tf.constant(CLASSES)[None], [tf.shape(text)[0], 1])
        return {
            "logits": logits,
            "probabilities": tf.nn.softmax(logits),
            "class_names": names,
            "embedding": angles,
            "angles": angles,
            "expectation_values": z[:, :1],
            "z": z,
        }

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, name="inputs")])
    def classify(self, inputs: tf.Tensor) -> dict[str, tf.Tensor]:
        found = self.serve(tf.io.parse_example(inputs, {"text": tf.io.FixedLenFeature([], tf.string)})["text"])
        return {"classes": found["class_names"], "scores": found["probabilities"]}


class SlowModel(PlainModel):
    """The same, but for more than a hundred bytes of text TensorFlow takes a minute or so."""

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, name="text")])
    def serve(self, text: tf.Tensor) -> dict[str, tf.Tensor]:
        found = super().serve(text)
        steps = tf.where(tf.reduce_max(tf.strings.length(text)) > 100, 500, 0)
        slow = tf.while_loop(lambda step, _: step < steps, lambda step, x: (step + 1, x @ x), (0, tf.zeros([2000, 2000])))[1]
        return {**found, "z": found["z"] + slow[0, 0]}


def write_plain_model(
    directory: Path,
    version: int = 1,
    qubits: int = 2,
    serves: Literal["exact"] | Sampled = "exact",
    kind: type[PlainModel] = PlainModel,
) -> Path:
    """Writes the model into a directory that does not exist yet, as `tfq-llm export` would.

    Args:
        directory: of the version.
        version: its number.
        qubits: of the circuit that shots are of; beyond two they have entangled layers, so that shots take long.
        serves: what its facts say of its answers.
        kind: of the model.
    """
    model = kind()
    tf.saved_model.save(model, str(directory), signatures={"serving_default": model.serve, "classify": model.classify})
    saved = saved_model_pb2.SavedModel.FromString((directory / "saved_model.pb").read_bytes())
    saved.meta_graphs[0].signature_def["classify"].method_name = "tensorflow/serving/classify"
    (directory / "saved_model.pb").write_bytes(saved.SerializeToString())
    (directory / "circuit.json").write_text(str(cirq.to_json(_circuit(qubits))))
    (directory / "card.md").write_text("---\nlicense: mit\n---\n\n# A plain model\n\n| a | b |\n| - | -: |\n| 1 | <b>2</b> |\n")
    facts = ModelFacts(
        name="few-reviews",
        version=version,
        task="text",
        class_names=CLASSES,
        signature="plain",
        serves=serves,
        qubits=qubits,
        measured=1,
        embedding_dim=2,
        max_tokens=None,
        encoder=None,
        created="2026-11-25T00:00:00+00:00",
        versions={},
        circuit=Circuit(data_symbols=("x0", "x1"), observables=((0,),)),
        logits=Logits(kernel=tuple(map(tuple, KERNEL)), bias=tuple(BIAS)),
    )
    (directory / FACTS).write_text(facts.to_json())
    write_manifest(directory)
    return directory


def _circuit(qubits: int) -> cirq.Circuit:
    line, symbols = cirq.LineQubit.range(qubits), sympy.symbols("x0 x1")
    circuit = cirq.Circuit(cirq.ry(symbol).on(qubit) for symbol, qubit in zip(symbols, line[:2], strict=True))
    for layer in range(8 if qubits > 2 else 0):
        circuit += cirq.Circuit(cirq.ry(0.1 + layer).on_each(*line), map(cirq.CNOT, line, line[1:]))
    return circuit


def expected(text: str) -> np.ndarray:
    """The probabilities of a text."""
    logits = np.cos(len(text.encode()) / 10) * np.array(KERNEL[0]) + np.array(BIAS)
    return np.exp(logits) / np.exp(logits).sum()
