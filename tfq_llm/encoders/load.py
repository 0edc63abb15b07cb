"""The way in: a sentence encoder by its name, directory or handle."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from tfq_llm.cache import is_intact
from tfq_llm.encoders.locate import locate, published_directory
from tfq_llm.encoders.sentence_encoder import SentenceEncoder
from tfq_llm.encoders.sentence_transformers import is_sentence_transformers
from tfq_llm.encoders.sources import PUBLISHED
from tfq_llm.errors import InputError, did_you_mean

DEFAULT_NAME = "minilm"
DEFAULT_MAX_TOKENS = 128


@dataclass(frozen=True)
class Available:
    """A sentence encoder that can be loaded by name.

    Args:
        name: what to give to `load`.
        model: the model's own name.
        dim: length of its vectors.
        built: whether it is in the cache, ready without network.
        source: the pinned file of the package index that it is built from.
        licence: SPDX identifier.
    """

    name: str
    model: str
    dim: int
    built: bool
    source: str
    licence: str


def load(
    name_or_handle_or_path: str | Path = DEFAULT_NAME,
    trainable: bool = False,
    max_tokens: int = DEFAULT_MAX_TOKENS,
    *,
    preprocessor: str | Path | None = None,
    output_key: str | None = None,
    precision: str = "float32",
    name: str | None = None,
) -> SentenceEncoder:
    """Loads a sentence encoder as a Keras layer: string [batch] to float32 [batch, dim].

        encoder = tfq_llm.encoders.load("minilm")
        vectors = encoder(tf.constant(["What a film!"]))

    Args:
        name_or_handle_or_path: "minilm" (all-MiniLM-L6-v2, 384 dimensions; built on first use, then works without network); the
            directory of a sentence-transformers model of the BERT or MPNet architecture, converted on first use; the directory of
            a TensorFlow SavedModel; or a TF-Hub or Kaggle handle ("https://tfhub.dev/google/universal-sentence-encoder/4").
        trainable: whether training changes the weights. May be set on the layer later, too.
        max_tokens: how much of a text is read, special tokens included. SavedModels have their own limit and ignore it.
        preprocessor: for a SavedModel that takes no strings, the directory or handle of its preprocessor.
        output_key: for a SavedModel with several outputs, which to use, such as "default" or "pooled_output".
        precision: "bfloat16" multiplies the matrices of the dense layers in bfloat16, which makes encoding and tuning faster
            where the processor has units for it (AMX; see docs/performance-sentence-encoder.md); elsewhere it is not measured.
            Vectors differ from the exact ones (cosine above 0.9999), so such a sentence encoder has a fingerprint of its own.
            Weights stay float32.
        name: the Keras layer's name.

    Raises:
        InputError: there is no such sentence encoder or precision, it cannot be downloaded, its kind is not supported, it cannot
            be trained, or it has several outputs and no `output_key` is given.
    """
    source = str(name_or_handle_or_path)
    located = locate(source, max_tokens, str(preprocessor) if preprocessor else None, output_key, precision)
    return SentenceEncoder(located, trainable=trainable, name=name)


def build(name_or_path: str | Path = DEFAULT_NAME, max_tokens: int = DEFAULT_MAX_TOKENS) -> Path:
    """Builds the SavedModel of a sentence encoder in the cache, unless it is there already, so that `load` is quick.

    Args:
        name_or_path: a name that `load` knows, or the directory of a sentence-transformers model.
        max_tokens: as for `load`; each number makes another SavedModel.

    Returns:
        The directory of its SavedModel.

    Raises:
        InputError: there is no such name or directory, its kind is not supported, or its weights cannot be downloaded.
    """
    source = str(name_or_path)
    if source not in PUBLISHED and not is_sentence_transformers(Path(source).expanduser()):
        raise InputError(
            f"there is no sentence encoder '{source}' to build; known: {', '.join(PUBLISHED)}, or the directory of a "
            f"sentence-transformers model (config.json, modules.json, model.safetensors).{did_you_mean(source, PUBLISHED)}"
        )
    return locate(source, max_tokens).directory


def available(max_tokens: int = DEFAULT_MAX_TOKENS) -> list[Available]:
    """Lists the sentence encoders that `load` knows by name."""
    return [
        Available(
            name=name,
            model=published.model,
            dim=published.dim,
            built=is_intact(published_directory(name, max_tokens)),
            source=published.requirement,
            licence=published.licence,
        )
        for name, published in PUBLISHED.items()
    ]
