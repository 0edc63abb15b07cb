"""The model as TensorFlow Serving wants it: a module whose signatures take strings, or embeddings for a head alone."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import tensorflow as tf

from tfq_llm.encoders import SentenceEncoder
from tfq_llm.export.amplitude_operations import amplitude_operations
from tfq_llm.export.head import HeadParts
from tfq_llm.exported.signatures import CLASSIFY_METHOD, CLASSIFY_SIGNATURE, DEFAULT_SIGNATURE, EMBEDDING, TEXT


class ServingHead(tf.Module):
    """Embeddings [batch, dim] → all outputs of the signature "serving_default", by name.

    Args:
        parts: the trained head.
        circuit: angles [batch, Q] → ⟨Z⟩ of every qubit [batch, Q].
        class_names: in the order of the logits.
    """

    def __init__(self, parts: HeadParts, circuit: tf.Module, class_names: tuple[str, ...]) -> None:
        super().__init__()
        self._amplitudes, self._circuit = amplitude_operations(parts.amplitude_encoder, parts.input_dim), circuit
        gain, bias = parts.gain_and_bias
        self._gain, self._bias = tf.constant(gain, tf.float32), tf.constant(bias, tf.float32)
        self._kernel = tf.constant(parts.logits.kernel.numpy(), tf.float32)
        self._offset = tf.constant(parts.logits.bias.numpy(), tf.float32)
        self.class_names = tf.constant([name.encode() for name in class_names])

    def __call__(self, embeddings: tf.Tensor) -> dict[str, tf.Tensor]:
        angles = self._amplitudes(embeddings) * self._gain + self._bias
        z = self._circuit(angles)
        measured = z[:, : self._kernel.shape[0]]
        logits = tf.matmul(measured, self._kernel) + self._offset
        return {
            "logits": logits,
            "probabilities": tf.nn.softmax(logits),
            "class_names": self.repeated_names(embeddings),
            "embedding": tf.identity(embeddings),
            "angles": angles,
            "expectation_values": measured,
            "z": z,
        }

    def repeated_names(self, batch: tf.Tensor) -> tf.Tensor:
        """The class names for every row of a batch: string [batch, classes]."""
        return tf.tile(self.class_names[None, :], [tf.shape(batch)[0], 1])


class ServingModel(tf.Module):
    """What is saved. Keras layers are called and not kept, so the SavedModel holds no Keras objects.

    Args:
        head: the head.
        encoder: the sentence encoder; None for a head alone, whose input are embeddings.
        input_dim: length of the embeddings.
    """

    def __init__(self, head: ServingHead, encoder: SentenceEncoder | None, input_dim: int) -> None:
        super().__init__()
        self._head = head
        if encoder is None:
            spec = tf.TensorSpec([None, input_dim], tf.float32, name=EMBEDDING)
            self._serve = tf.function(lambda embedding: head(embedding), input_signature=[spec], autograph=False)
            self._signatures: dict[str, Any] = {DEFAULT_SIGNATURE: self._serve}
            return
        # The variables, tables and files of the sentence encoder's own SavedModel.
        self._encoder = encoder.hub_layer.resolved_object
        self._preprocessor = encoder.preprocessor_layer and encoder.preprocessor_layer.resolved_object
        embed = encoder.call

        def serve(text: tf.Tensor) -> dict[str, tf.Tensor]:
            return head(embed(text, training=False))

        def classify(inputs: tf.Tensor) -> dict[str, tf.Tensor]:
            features = tf.io.parse_example(inputs, {TEXT: tf.io.FixedLenFeature([], tf.string)})
            found = serve(features[TEXT])
            return {"classes": found["class_names"], "scores": found["probabilities"]}

        texts = tf.TensorSpec([None], tf.string, name=TEXT)
        examples = tf.TensorSpec([None], tf.string, name="inputs")
        self._serve = tf.function(serve, input_signature=[texts], autograph=False)
        self._classify = tf.function(classify, input_signature=[examples], autograph=False)
        self._signatures = {DEFAULT_SIGNATURE: self._serve, CLASSIFY_SIGNATURE: self._classify}

    def save(self, directory: Path) -> None:
        """Writes the SavedModel into an empty directory."""
        tf.saved_model.save(self, str(directory), signatures=self._signatures)
        if CLASSIFY_SIGNATURE in self._signatures:
            # TensorFlow 2 writes every signature as one for Predict; TensorFlow Serving's Classify looks for its own.
            updater = tf.compat.v1.saved_model.signature_def_utils.MethodNameUpdater(str(directory))
            updater.replace_method_name(CLASSIFY_SIGNATURE, CLASSIFY_METHOD)
            updater.save()
            (directory / "fingerprint.pb").unlink(missing_ok=True)  # of the graph before that
