"""The Keras layer that turns strings into vectors."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from tfq_llm.cache import atomic_file
from tfq_llm.encoders.hub_layers import open_encoder, open_preprocessor, require_trainable
from tfq_llm.encoders.locate import Located, locate_again
from tfq_llm.errors import InputError

_COUNTING_BATCH = 256


@tf.keras.utils.register_keras_serializable("tfq_llm")
class SentenceEncoder(tf.keras.layers.Layer):
    """A pre-trained sentence encoder on top of `hub.KerasLayer`. Make one with `tfq_llm.encoders.load`.

    It has no dropout where it was built by this package, in training either, so tuning it is repeatable.

    A saved model (`.keras`) holds the sentence encoder's name and fingerprint, and its weights only if they were tuned. The
    original weights are found again on the machine that loads the model.

    Input shape: string [batch].
    Output shape: float32 [batch, dim].

    Attributes:
        hub_layer: the `hub.KerasLayer` with the variables.
        preprocessor_layer: the `hub.KerasLayer` in front of it, or None.
        encoder_name: a known name, a handle, or the last part of a directory's path.
        fingerprint: hash of the original files and settings, the same on every machine.
        dim: length of the vectors.
        max_tokens: how many tokens of a text are read; None if only the SavedModel knows.
        precision: of the matrix products, "float32" or "bfloat16"; "float32" also where only the SavedModel knows.
    """

    def __init__(self, located: Located, trainable: bool = False, **kwargs: Any) -> None:
        super().__init__(trainable=trainable, **kwargs)
        self.encoder_name, self.fingerprint, self.max_tokens = located.name, located.fingerprint, located.max_tokens
        self.precision, self._located = located.precision, located
        self.preprocessor_layer = open_preprocessor(located.preprocessor) if located.preprocessor else None
        self.hub_layer, self.dim = open_encoder(
            located.directory, self._prepare(tf.constant(["probe"])), located.output_key, trainable
        )
        self._original_digest = self._weights_digest()

    @property
    def trainable(self) -> bool:
        """Whether training changes the weights; setting it to True raises an InputError if the SavedModel cannot be trained."""
        return bool(super().trainable)

    @trainable.setter
    def trainable(self, value: bool) -> None:
        if value:
            require_trainable(self.hub_layer, self._located.directory)
        tf.keras.layers.Layer.trainable.fset(self, value)

    def call(self, texts: tf.Tensor, training: bool | None = None) -> tf.Tensor:
        """Encodes string [batch] to float32 [batch, dim].

        Raises:
            InputError: `trainable` was set on a model around this layer, and the SavedModel cannot be trained.
        """
        if self.trainable:
            require_trainable(self.hub_layer, self._located.directory)
        vectors = self.hub_layer(self._prepare(texts), training=training)
        return tf.ensure_shape(tf.cast(vectors, tf.float32), [None, self.dim])

    def compute_output_shape(self, input_shape: Any) -> tf.TensorShape:
        """[batch] to [batch, dim]."""
        return tf.TensorShape([tf.TensorShape(input_shape)[0], self.dim])

    def count_truncated(self, texts: Sequence[str]) -> int | None:
        """How many of the texts are longer than what is read; None if the SavedModel cannot tell."""
        truncated = getattr(self.hub_layer.resolved_object, "truncated", None)
        if truncated is None or self.preprocessor_layer is not None:
            return None
        batches = (texts[start : start + _COUNTING_BATCH] for start in range(0, len(texts), _COUNTING_BATCH))
        return sum(int(tf.math.count_nonzero(truncated(as_string_tensor(batch)))) for batch in batches)

    def state_fingerprint(self) -> str:
        """Equals `fingerprint` while the weights are the original ones; else a hash of both."""
        digest = self._weights_digest()
        if digest == self._original_digest:
            return self.fingerprint
        return hashlib.sha256(f"{self.fingerprint} {digest}".encode()).hexdigest()

    def reset_weights(self) -> None:
        """Puts the original weights back."""
        if self._weights_digest() != self._original_digest:
            original, _ = open_encoder(
                self._located.directory, self._prepare(tf.constant(["probe"])), self._located.output_key, trainable=False
            )
            self._assign(variable.numpy() for variable in original.weights)

    def save_weights_file(self, path: str | Path) -> None:
        """Writes all weights to a safetensors file, which also holds the fingerprint of the encoder they belong to."""
        arrays = {key: variable.numpy() for key, variable in self._variables_by_key().items()}
        with atomic_file(Path(path)) as temporary:
            save_file(arrays, temporary, metadata={"encoder": self.encoder_name, "fingerprint": self.fingerprint})

    def load_weights_file(self, path: str | Path) -> None:
        """Reads the weights that `save_weights_file` wrote.

        Raises:
            InputError: there is no such file, or it is damaged or of another sentence encoder.
        """
        try:
            with safe_open(path, "numpy") as file:
                found = (file.metadata() or {}).get("fingerprint", "")
                if found != self.fingerprint:
                    raise InputError(
                        f"'{path}' holds weights of another sentence encoder (fingerprint {found[:16]}…) than "
                        f"'{self.encoder_name}' ({self.fingerprint[:16]}…)."
                    )
                self._assign([file.get_tensor(key) for key in self._variables_by_key()])
        except (OSError, SafetensorError) as error:
            raise InputError(f"'{path}' cannot be read as weights of a sentence encoder: {error}.") from error

    def save_own_variables(self, store: Any) -> None:
        """Stores the weights if they are not the original ones (called by Keras)."""
        if self._weights_digest() != self._original_digest:
            for index, variable in enumerate(self.hub_layer.weights):
                store[str(index)] = variable.numpy()

    def load_own_variables(self, store: Any) -> None:
        """Reads what `save_own_variables` stored; nothing stored means the original weights (called by Keras)."""
        if len(store.keys()):
            self._assign([np.asarray(store[str(index)]) for index in range(len(self.hub_layer.weights))])
        else:
            self.reset_weights()

    def get_config(self) -> dict[str, Any]:
        """The layer's settings; no path of this machine is among them."""
        return {
            **super().get_config(),
            "encoder": self.encoder_name,
            "fingerprint": self.fingerprint,
            "max_tokens": self.max_tokens,
            "output_key": self._located.output_key,
            "precision": self.precision,
        }

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> SentenceEncoder:
        """Finds the sentence encoder again by its name or fingerprint.

        Raises:
            InputError: it is not known on this machine, or its files have changed.
        """
        config = {"precision": "float32", **config}  # models that earlier versions saved have no such setting
        found = [config.pop(key) for key in ("encoder", "fingerprint", "max_tokens", "output_key", "precision")]
        return cls(locate_again(*found), **config)

    def _prepare(self, texts: tf.Tensor) -> Any:
        return texts if self.preprocessor_layer is None else self.preprocessor_layer(texts, training=False)

    def _variables_by_key(self) -> dict[str, tf.Variable]:
        variables = self.hub_layer.weights
        return {f"{index:03d}/{variable.name.partition(':')[0]}": variable for index, variable in enumerate(variables)}

    def _weights_digest(self) -> str:
        digest = hashlib.sha256()
        for key, variable in self._variables_by_key().items():
            digest.update(key.encode())
            digest.update(variable.numpy().tobytes())
        return digest.hexdigest()

    def _assign(self, arrays: Iterable[np.ndarray]) -> None:
        for variable, array in zip(self.hub_layer.weights, arrays, strict=True):
            variable.assign(array)


def as_string_tensor(texts: Sequence[str]) -> tf.Tensor:
    """String [texts]. Half a surrogate pair, which UTF-8 has no bytes for, is left out."""
    return tf.constant([text.encode("utf-8", "ignore") for text in texts], tf.string, shape=[len(texts)])
