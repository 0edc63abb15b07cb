"""Reads a sentence-transformers directory: its architecture, weights, tokenizer and pooling."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.numpy import load_file

from tfq_llm.cache import file_digest
from tfq_llm.encoders.pooling import POOLINGS
from tfq_llm.encoders.tokenizer import TokenizerSettings
from tfq_llm.encoders.tokenizer_files import read_json, read_tokenizer
from tfq_llm.encoders.transformer import ACTIVATIONS, Architecture
from tfq_llm.encoders.weight_names import MODEL_TYPES, collect_weights
from tfq_llm.errors import InputError

WEIGHTS_FILE = "model.safetensors"
_SETTINGS_FILES = (
    "config.json",
    "config_sentence_transformers.json",
    "modules.json",
    "sentence_bert_config.json",
    "tokenizer.json",
    "tokenizer_config.json",
    "vocab.txt",
)
_DEFAULT_POOLING_DIRECTORY = "1_Pooling"
# The older way to name poolings: a flag for each.
_POOLING_FLAGS = {
    "cls": "pooling_mode_cls_token",
    "max": "pooling_mode_max_tokens",
    "mean": "pooling_mode_mean_tokens",
    "mean_sqrt_len_tokens": "pooling_mode_mean_sqrt_len_tokens",
    "weightedmean": "pooling_mode_weightedmean_tokens",
    "lasttoken": "pooling_mode_lasttoken",
}


@dataclass(frozen=True)
class Checkpoint:
    """All of a sentence-transformers directory that conversion needs.

    Args:
        architecture: of the transformer.
        weights: its weights, by the names of `transformer.Transformer`.
        tokenizer: the settings of its tokenizer.
        poolings: keys of `pooling.POOLINGS`; their results are joined.
        normalize: whether vectors are scaled to length 1.
        max_tokens: the most tokens there are positions for.
    """

    architecture: Architecture
    weights: dict[str, np.ndarray]
    tokenizer: TokenizerSettings
    poolings: tuple[str, ...]
    normalize: bool
    max_tokens: int


def is_sentence_transformers(directory: Path) -> bool:
    """Whether `directory` looks like the work of sentence-transformers."""
    return (directory / "config.json").is_file() and (
        (directory / "modules.json").is_file() or (directory / WEIGHTS_FILE).is_file()
    )


def content_digest(directory: Path) -> str:
    """SHA-256 over the names and bytes of all files that decide what the sentence encoder computes."""
    digest = hashlib.sha256()
    pooling = _pooling_directory(_modules(directory))
    for name in (*_SETTINGS_FILES, f"{pooling}/config.json", WEIGHTS_FILE):
        if (directory / name).is_file():
            digest.update(f"{name} {file_digest(directory / name)}\n".encode())
    return digest.hexdigest()


def read_checkpoint(directory: Path) -> Checkpoint:
    """Reads a sentence-transformers directory of the BERT or the MPNet architecture.

    Raises:
        InputError: a file is missing or damaged, or the architecture, a module, the pooling or the tokenizer is not supported.
    """
    config = read_json(directory / "config.json")
    model_type = config.get("model_type")
    if model_type not in MODEL_TYPES:
        raise InputError(f"'{directory}' has the architecture '{model_type}'; supported are {', '.join(MODEL_TYPES)}.")
    architecture = _read_architecture(config, directory)
    modules = _modules(directory)
    offset = 0 if architecture.padding_id is None else architecture.padding_id + 1
    return Checkpoint(
        architecture=architecture,
        weights=_read_weights(directory, model_type, architecture.num_layers),
        tokenizer=read_tokenizer(directory, model_type),
        poolings=_read_poolings(directory / _pooling_directory(modules) / "config.json"),
        normalize="Normalize" in modules,
        max_tokens=config["max_position_embeddings"] - offset,
    )


def _read_architecture(config: dict[str, Any], directory: Path) -> Architecture:
    if config.get("hidden_act") not in ACTIVATIONS:
        raise InputError(
            f"'{directory}' has the activation '{config.get('hidden_act')}'; supported are {', '.join(sorted(ACTIVATIONS))}."
        )
    if config.get("position_embedding_type", "absolute") != "absolute":
        raise InputError(f"'{directory}' has '{config['position_embedding_type']}' position embeddings; supported: absolute.")
    mpnet = config["model_type"] == "mpnet"
    return Architecture(
        num_layers=config["num_hidden_layers"],
        num_heads=config["num_attention_heads"],
        epsilon=config["layer_norm_eps"],
        activation=config["hidden_act"],
        padding_id=config.get("pad_token_id", 1) if mpnet else None,
        relative_buckets=config.get("relative_attention_num_buckets", 32) if mpnet else 0,
    )


def _read_weights(directory: Path, model_type: str, num_layers: int) -> dict[str, np.ndarray]:
    path = directory / WEIGHTS_FILE
    if not path.is_file():
        raise InputError(f"'{directory}' has no {WEIGHTS_FILE}. Save the model with sentence-transformers 2.3 or newer.")
    try:
        return collect_weights(load_file(path), model_type, num_layers)
    except KeyError as error:
        raise InputError(f"'{path}' has no tensor {error}, which config.json says it should have.") from error
    except Exception as error:  # safetensors has an exception type of its own, which is not a ValueError
        raise InputError(f"'{path}' cannot be read: {error}.") from error


def _modules(directory: Path) -> dict[str, str]:
    """The directory's modules and their subdirectories, such as {"Transformer": "", "Pooling": "1_Pooling"}."""
    listed = read_json(directory / "modules.json")
    if not listed:
        return {"Transformer": "", "Pooling": _DEFAULT_POOLING_DIRECTORY}
    modules = {module["type"].rpartition(".")[2]: module["path"] for module in listed}
    unsupported = set(modules) - {"Transformer", "Pooling", "Normalize"}
    if unsupported or len(modules) != len(listed):
        names = ", ".join(sorted(unsupported) or modules)
        raise InputError(f"'{directory}' has unsupported modules: {names}. Supported: Transformer, Pooling, Normalize.")
    return modules


def _pooling_directory(modules: dict[str, str]) -> str:
    return modules.get("Pooling", _DEFAULT_POOLING_DIRECTORY)


def _read_poolings(path: Path) -> tuple[str, ...]:
    config = read_json(path)
    if not config:
        raise InputError(f"'{path}' is missing: it says how the vectors of the tokens become one.")
    known = {*_POOLING_FLAGS.values(), "pooling_mode"}
    flagged = [name for name in config if name.startswith("pooling_mode") and name not in known and config[name]]
    named = config.get("pooling_mode") or [name for name, flag in _POOLING_FLAGS.items() if config.get(flag)] or ["mean"]
    poolings = (named,) if isinstance(named, str) else tuple(named)
    unsupported = flagged or [name for name in poolings if name not in POOLINGS]
    if unsupported:
        raise InputError(f"'{path}' asks for the pooling '{unsupported[0]}'; supported are {', '.join(POOLINGS)}.")
    return poolings
