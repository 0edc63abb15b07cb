"""Converts a sentence-transformers directory to a TF2 SavedModel in TF-Hub's reusable form: strings in, vectors out."""

from __future__ import annotations

import functools
import hashlib
import logging
from pathlib import Path

import tensorflow as tf

from tfq_llm.cache import atomic_directory, cache_dir, is_intact
from tfq_llm.encoders.pooling import pool
from tfq_llm.encoders.sentence_transformers import Checkpoint, read_checkpoint
from tfq_llm.encoders.tokenizer import Tokenizer
from tfq_llm.encoders.transformer import Transformer
from tfq_llm.errors import InputError

logger = logging.getLogger(__name__)

# Part of every fingerprint: raise it when a change here or in what this module uses changes the vectors or the weights' names.
CONVERTER_VERSION = 1
# Part of the directory's name: raise it when such a change makes another graph that is equal but for rounding. SavedModels are
# then built anew, while saved models and cached embeddings stay valid.
GRAPH_VERSION = 2


class TextEncoder(tf.Module):
    """Tokenizer, transformer and pooling: string [batch] to float32 [batch, dim].

    Args:
        checkpoint: what a sentence-transformers directory holds.
        max_tokens: a text's further tokens are not read.
        precision: of the matrix products, one of `transformer.PRECISIONS`.
    """

    def __init__(self, checkpoint: Checkpoint, max_tokens: int, precision: str = "float32") -> None:
        super().__init__()
        self._poolings, self._normalize = checkpoint.poolings, checkpoint.normalize
        self.tokenizer = Tokenizer(checkpoint.tokenizer, max_tokens)
        self.transformer = Transformer(checkpoint.architecture, checkpoint.weights, max_tokens, precision)

    def __call__(self, texts: tf.Tensor) -> tf.Tensor:
        ids, lengths = self.tokenizer(texts)
        return pool(self.transformer(ids, lengths), lengths, self._poolings, self._normalize)


def converted_fingerprint(content_digest: str, max_tokens: int, precision: str = "float32") -> str:
    """The fingerprint of the sentence encoder made from files with this digest, the same on every machine."""
    settings = f"{max_tokens}" if precision == "float32" else f"{max_tokens} {precision}"
    return hashlib.sha256(f"{content_digest} {CONVERTER_VERSION} {settings}".encode()).hexdigest()


def converted_directory(name: str, fingerprint: str) -> Path:
    """Where in the cache the converted SavedModel is or will be."""
    return cache_dir("encoders") / f"{name}-{fingerprint[:16]}-{GRAPH_VERSION}"


def convert(source: Path, target: Path, max_tokens: int, precision: str = "float32") -> None:
    """Writes the SavedModel of the sentence-transformers directory `source` to `target`, unless a good one is there.

    Raises:
        InputError: the directory is of an unsupported kind, or it has no positions for so many tokens.
    """
    if target.exists():
        if is_intact(target):
            return
        logger.warning("the sentence encoder in '%s' is incomplete or was altered; building it again", target)
    logger.info("building the sentence encoder '%s'", target.name)
    checkpoint = read_checkpoint(source)
    if not 3 <= max_tokens <= checkpoint.max_tokens:
        raise InputError(f"max_tokens is {max_tokens}; this sentence encoder reads 3 to {checkpoint.max_tokens} tokens.")
    with atomic_directory(target) as temporary:
        save_reusable(TextEncoder(checkpoint, max_tokens, precision), temporary)


def save_reusable(encoder: TextEncoder, directory: Path) -> None:
    """Saves a text encoder with the attributes that `hub.KerasLayer` looks for, and two functions more.

    `serving_default` takes `texts` and returns `embeddings`; `truncated` tells which texts are longer than is read.
    """
    texts = tf.TensorSpec([None], tf.string, name="texts")
    # Nothing here branches on a tensor; without AutoGraph, tracing takes a third of the time.
    function = functools.partial(tf.function, input_signature=[texts], autograph=False)
    embed = function(encoder.__call__)
    reusable = tf.train.Checkpoint(encoder=encoder)
    reusable.__call__ = embed
    reusable.truncated = function(encoder.tokenizer.truncated)
    reusable.variables = list(encoder.variables)
    reusable.trainable_variables = list(encoder.trainable_variables)
    reusable.regularization_losses = []
    serving = function(lambda texts: {"embeddings": embed(texts)})
    tf.saved_model.save(reusable, str(directory), signatures={"serving_default": serving})
