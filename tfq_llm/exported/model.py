"""An exported model in this process."""

from __future__ import annotations

import importlib.util
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
import tensorflow_text  # noqa: F401  (its operators are in the SavedModel)

from tfq_llm.errors import InputError, UnreadableError
from tfq_llm.exported.facts import ModelFacts, read_facts
from tfq_llm.exported.manifest import verify_manifest
from tfq_llm.exported.signatures import DEFAULT_SIGNATURE, EMBEDDING, TEXT
from tfq_llm.exported.versions import version_directory

BATCH = 64
_MAY_PASS = {tf.errors.RESOURCE_EXHAUSTED, tf.errors.PERMISSION_DENIED, tf.errors.UNAVAILABLE, tf.errors.UNKNOWN}
"""What TensorFlow makes of errors of the operating system and of too little memory."""


@dataclass(frozen=True)
class ExportedModel:
    """What `load` returns. It may be called by several threads at once.

    Attributes:
        path: the version's directory.
        facts: its model.json.
    """

    path: Path
    facts: ModelFacts
    _loaded: Any = field(repr=False)

    @property
    def class_names(self) -> tuple[str, ...]:
        """In the order of the logits."""
        return self.facts.class_names

    @property
    def signatures(self) -> Mapping[str, Any]:
        """TensorFlow's functions behind the SavedModel's signatures, by name: tensors in by keyword, tensors out by name."""
        found: Mapping[str, Any] = self._loaded.signatures
        return found

    def __call__(self, inputs: Sequence[str] | np.ndarray) -> dict[str, np.ndarray]:
        """All outputs of the signature "serving_default" for one batch.

        Args:
            inputs: texts; or embeddings [rows, dim] for a head alone.

        Returns:
            "logits" and "probabilities" [rows, classes], "class_names" [rows, classes] as bytes, "embedding" [rows, dim],
            "angles" [rows, qubits] in radians, "expectation_values" [rows, measured], "z" [rows, qubits].

        Raises:
            InputError: texts were given to a head alone, or embeddings of another width.
        """
        given = self._texts(inputs) if self.facts.task == "text" else self._embeddings(inputs)
        found = self._loaded.signatures[DEFAULT_SIGNATURE](**given)
        return {name: tensor.numpy() for name, tensor in found.items()}

    def outputs(self, inputs: Sequence[str] | np.ndarray, batch: int = BATCH) -> dict[str, np.ndarray]:
        """The same for any number of rows, in batches of `batch`."""
        starts = range(0, max(len(inputs), 1), batch)
        parts = [self(inputs[start : start + batch]) for start in starts]
        return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}

    def predict(self, texts: Sequence[str]) -> np.ndarray:
        """Class probabilities [texts, classes] of texts.

        Raises:
            InputError: the model is a head alone.
        """
        if self.facts.task != "text":
            raise InputError(f"the model in '{self.path}' is a head alone, so it cannot read texts: give it embeddings.")
        return self.outputs(texts)["probabilities"]

    def _texts(self, texts: Any) -> dict[str, tf.Tensor]:
        if isinstance(texts, str) or not all(isinstance(text, str) for text in texts):
            raise InputError(f"the model in '{self.path}' takes a list of texts.")
        # Half a surrogate pair, which UTF-8 has no bytes for, is left out.
        return {TEXT: tf.constant([text.encode("utf-8", "ignore") for text in texts], tf.string, shape=[len(texts)])}

    def _embeddings(self, rows: Any) -> dict[str, tf.Tensor]:
        try:
            array = np.asarray(rows, np.float32)
        except ValueError:
            array = np.zeros(0, np.float32)
        if array.ndim != 2 or array.shape[1] != self.facts.embedding_dim:
            raise InputError(
                f"the model in '{self.path}' is a head alone and takes embeddings [rows, {self.facts.embedding_dim}], not an "
                f"input of the shape {list(array.shape)}."
            )
        return {EMBEDDING: tf.constant(array)}


def load(path: Path | str) -> ExportedModel:
    """Loads a model that `tfq-llm export` wrote, after its checksums were verified.

    Args:
        path: a version's directory; or a model's, whose newest complete version is loaded.

    Raises:
        InputError: there is none; it is damaged, incomplete or of a newer format; or it needs TensorFlow Quantum, which is not
            installed.
        UnreadableError: its files are right, as far as they could be read; the same may work later.
    """
    directory = version_directory(Path(path))
    verify_manifest(directory)
    facts = read_facts(directory)
    if facts.signature == "tfq":
        _register_tfq(directory)
    try:
        return ExportedModel(directory, facts, tf.saved_model.load(str(directory)))
    except (OSError, ValueError, IndexError, RuntimeError, tf.errors.OpError) as error:  # IndexError: a file is too short
        # An OSError of TensorFlow itself has no number: it says what is wrong with the model.
        may_pass = getattr(error, "error_code", None) in _MAY_PASS or getattr(error, "errno", None) is not None
        kind = UnreadableError if may_pass else InputError
        raise kind(f"'{directory}' cannot be loaded as a SavedModel: {error}") from error


def _register_tfq(directory: Path) -> None:
    """TensorFlow knows TensorFlow Quantum's operators once their libraries are loaded, which importing it alone does not do."""
    spec = importlib.util.find_spec("tensorflow_quantum")
    if spec is None or spec.origin is None:
        raise InputError(
            f"the model in '{directory}' was exported with --signature tfq and needs tensorflow-quantum, which is not installed: "
            "install it, or export the model with --signature plain."
        )
    for library in sorted(Path(spec.origin).parent.rglob("_tfq*.so")):
        tf.load_op_library(str(library))
