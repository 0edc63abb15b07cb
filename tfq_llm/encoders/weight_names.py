"""How the weights of BERT and MPNet are named in a checkpoint, and which of ours they become."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class _Names:
    """One architecture's own names, within a layer or at the top."""

    queries: tuple[str, str, str]
    attention_out: str
    attention_norm: str
    relative: str | None


_NAMES = {
    "bert": _Names(
        queries=("attention.self.query", "attention.self.key", "attention.self.value"),
        attention_out="attention.output.dense",
        attention_norm="attention.output.LayerNorm",
        relative=None,
    ),
    "mpnet": _Names(
        queries=("attention.attn.q", "attention.attn.k", "attention.attn.v"),
        attention_out="attention.attn.o",
        attention_norm="attention.LayerNorm",
        relative="encoder.relative_attention_bias.weight",
    ),
}
MODEL_TYPES = tuple(_NAMES)


def collect_weights(tensors: Mapping[str, np.ndarray], model_type: str, num_layers: int) -> dict[str, np.ndarray]:
    """Renames a checkpoint's tensors to those of `transformer.Transformer`, all float32.

    Query, key and value become one matrix, so that one product computes all three. What a sentence encoder does not use (the
    pooler, the language model's head, the second token type) is left out.

    Args:
        tensors: by the checkpoint's names, with or without "bert." or "mpnet." in front; matrices are [outputs, inputs].
        model_type: one of `MODEL_TYPES`.
        num_layers: transformer layers.

    Raises:
        KeyError: a tensor is missing.
    """
    names = _NAMES[model_type]
    tensors = {name.removeprefix(f"{model_type}."): np.asarray(value, np.float32) for name, value in tensors.items()}
    weights = {
        "word": tensors["embeddings.word_embeddings.weight"],
        "position": tensors["embeddings.position_embeddings.weight"],
        **_norm(tensors, "embeddings.LayerNorm", "norm"),
    }
    if names.relative is None:
        weights["token_type"] = tensors["embeddings.token_type_embeddings.weight"][0]
    else:
        weights["relative"] = tensors[names.relative]
    for index in range(num_layers):
        layer = _layer(tensors, names, f"encoder.layer.{index}.")
        weights.update({f"layer_{index}/{name}": value for name, value in layer.items()})
    return weights


def _layer(tensors: Mapping[str, np.ndarray], names: _Names, prefix: str) -> dict[str, np.ndarray]:
    return {
        **_dense(tensors, [prefix + name for name in names.queries], "attention/qkv"),
        **_dense(tensors, [prefix + names.attention_out], "attention/out"),
        **_norm(tensors, prefix + names.attention_norm, "attention/norm"),
        **_dense(tensors, [prefix + "intermediate.dense"], "inner"),
        **_dense(tensors, [prefix + "output.dense"], "outer"),
        **_norm(tensors, prefix + "output.LayerNorm", "norm"),
    }


def _dense(tensors: Mapping[str, np.ndarray], sources: list[str], name: str) -> dict[str, np.ndarray]:
    kernel = np.concatenate([tensors[f"{source}.weight"].T for source in sources], axis=1)
    return {f"{name}/kernel": kernel, f"{name}/bias": np.concatenate([tensors[f"{source}.bias"] for source in sources])}


def _norm(tensors: Mapping[str, np.ndarray], source: str, name: str) -> dict[str, np.ndarray]:
    return {f"{name}/scale": tensors[f"{source}.weight"], f"{name}/offset": tensors[f"{source}.bias"]}
