"""Tiny sentence-transformers directories with random weights: written when they are needed, the same every time, never committed.

Only NumPy and safetensors are imported, so that `encoders/record_reference.py` writes the very same directories where there is
PyTorch and no TensorFlow.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.numpy import save_file

HIDDEN, INNER, LAYERS, HEADS, POSITIONS = 32, 56, 2, 4, 64
RELATIVE_BUCKETS = 32
SEED = 7

LETTERS = "abcdefghijklmnopqrstuvwxyz0123456789αδοσςφ电影好한국なこйфилмक"
WORDS = ("the", "movie", "great", "##ing", "un", "##able", "fox", "dog", "long", "cafe", "naive", *",.!?:;()[]<>/#'-")
SPECIAL = {
    "bert": ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"),
    "mpnet": ("<s>", "<pad>", "</s>", "<unk>", "[UNK]", "<mask>"),
}
ROLES = {
    "bert": {"cls_token": "[CLS]", "sep_token": "[SEP]", "pad_token": "[PAD]", "unk_token": "[UNK]", "mask_token": "[MASK]"},
    "mpnet": {"cls_token": "<s>", "sep_token": "</s>", "pad_token": "<pad>", "unk_token": "[UNK]", "mask_token": "<mask>"},
}
CONFIGS = {
    "bert": {"architectures": ["BertModel"], "layer_norm_eps": 1e-3, "pad_token_id": 0, "type_vocab_size": 2},
    "mpnet": {
        "architectures": ["MPNetModel"],
        "layer_norm_eps": 1e-4,
        "bos_token_id": 0,
        "pad_token_id": 1,
        "eos_token_id": 2,
        "relative_attention_num_buckets": RELATIVE_BUCKETS,
    },
}
ATTENTION = {
    "bert": ("attention.self.query", "attention.self.key", "attention.self.value", "attention.output.dense"),
    "mpnet": ("attention.attn.q", "attention.attn.k", "attention.attn.v", "attention.attn.o"),
}
ATTENTION_NORM = {"bert": "attention.output.LayerNorm", "mpnet": "attention.LayerNorm"}


def write_sentence_transformers(
    target: Path, kind: str, pooling: str | Sequence[str] = "mean", normalize: bool = True, hidden: int = HIDDEN
) -> Path:
    """Writes a sentence encoder with at most 64 positions.

    Args:
        target: the directory; it is made.
        kind: "bert", in the older layout (`vocab.txt`), or "mpnet", in the newer (`tokenizer.json`).
        pooling: one pooling, or several to be joined.
        normalize: whether vectors are scaled to length 1.
        hidden: its dimensions, a multiple of 4.

    Returns:
        `target`.
    """
    target.mkdir(parents=True)
    _write_json(target / "config.json", _config(kind, hidden))
    save_file(_weights(kind, hidden), target / "model.safetensors", metadata={"format": "pt"})
    _write_tokenizer(target, kind)
    modules = {"Transformer": "", "Pooling": "1_Pooling"} | ({"Normalize": "2_Normalize"} if normalize else {})
    listed = enumerate(modules.items())
    _write_json(
        target / "modules.json",
        [{"idx": i, "name": str(i), "path": path, "type": f"sentence_transformers.models.{name}"} for i, (name, path) in listed],
    )
    for path in filter(None, modules.values()):
        (target / path).mkdir()
    _write_json(target / "1_Pooling" / "config.json", {"embedding_dimension": hidden, "pooling_mode": pooling})
    return target


def _vocabulary(kind: str) -> list[str]:
    return [*SPECIAL[kind], *LETTERS, *(f"##{letter}" for letter in LETTERS), *WORDS]


def _config(kind: str, hidden: int) -> dict[str, Any]:
    sizes = {
        "hidden_size": hidden,
        "intermediate_size": INNER,
        "max_position_embeddings": POSITIONS,
        "num_attention_heads": HEADS,
        "num_hidden_layers": LAYERS,
        "vocab_size": len(_vocabulary(kind)),
    }
    return {"model_type": kind, "hidden_act": "gelu", "dtype": "float32", **sizes, **CONFIGS[kind]}


def _weights(kind: str, hidden: int) -> dict[str, np.ndarray]:
    """Uniformly random weights by their Hugging Face names; norms scale by 0.5 to 1.5, and no bias is 0."""
    generator = np.random.default_rng(SEED)
    weights = {}
    for name, shape in _shapes(kind, hidden).items():
        values = generator.uniform(-0.5, 0.5, shape) if len(shape) == 1 else generator.uniform(-0.7, 0.7, shape)
        weights[name] = (values + name.endswith("LayerNorm.weight")).astype(np.float32)
    return weights


def _shapes(kind: str, hidden: int) -> dict[str, tuple[int, ...]]:
    shapes: dict[str, tuple[int, ...]] = {
        "embeddings.word_embeddings.weight": (len(_vocabulary(kind)), hidden),
        "embeddings.position_embeddings.weight": (POSITIONS, hidden),
        **_norm("embeddings.LayerNorm", hidden),
        **_dense("pooler.dense", hidden, hidden),
    }
    if kind == "bert":
        shapes["embeddings.token_type_embeddings.weight"] = (2, hidden)
    else:
        shapes["encoder.relative_attention_bias.weight"] = (RELATIVE_BUCKETS, HEADS)
    for layer in range(LAYERS):
        prefix = f"encoder.layer.{layer}."
        for name in ATTENTION[kind]:
            shapes |= _dense(prefix + name, hidden, hidden)
        shapes |= _norm(prefix + ATTENTION_NORM[kind], hidden)
        shapes |= _dense(prefix + "intermediate.dense", hidden, INNER)
        shapes |= _dense(prefix + "output.dense", INNER, hidden)
        shapes |= _norm(prefix + "output.LayerNorm", hidden)
    return shapes


def _dense(name: str, inputs: int, outputs: int) -> dict[str, tuple[int, ...]]:
    return {f"{name}.weight": (outputs, inputs), f"{name}.bias": (outputs,)}


def _norm(name: str, size: int) -> dict[str, tuple[int, ...]]:
    return {f"{name}.weight": (size,), f"{name}.bias": (size,)}


def _write_tokenizer(target: Path, kind: str) -> None:
    tokenizer_class = {"bert": "BertTokenizer", "mpnet": "MPNetTokenizer"}[kind]
    settings = {"tokenizer_class": tokenizer_class, "do_lower_case": True, "strip_accents": None, "tokenize_chinese_chars": True}
    _write_json(target / "tokenizer_config.json", {**settings, **ROLES[kind]})
    if kind == "bert":
        (target / "vocab.txt").write_text("".join(f"{token}\n" for token in _vocabulary(kind)), encoding="utf-8")
    else:
        _write_json(target / "tokenizer.json", _serialized_tokenizer(kind))


def _serialized_tokenizer(kind: str) -> dict[str, Any]:
    ids = {token: place for place, token in enumerate(_vocabulary(kind))}
    roles = ROLES[kind]
    first, last = roles["cls_token"], roles["sep_token"]
    return {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": [_added_token(ids[token], token) for token in sorted(set(roles.values()), key=ids.__getitem__)],
        "normalizer": {
            "type": "BertNormalizer",
            "clean_text": True,
            "handle_chinese_chars": True,
            "strip_accents": None,
            "lowercase": True,
        },
        "pre_tokenizer": {"type": "BertPreTokenizer"},
        "post_processor": {
            "type": "RobertaProcessing",
            "sep": [last, ids[last]],
            "cls": [first, ids[first]],
            "trim_offsets": True,
            "add_prefix_space": False,
        },
        "decoder": {"type": "WordPiece", "prefix": "##", "cleanup": True},
        "model": {
            "type": "WordPiece",
            "unk_token": roles["unk_token"],
            "continuing_subword_prefix": "##",
            "max_input_chars_per_word": 100,
            "vocab": ids,
        },
    }


def _added_token(place: int, token: str) -> dict[str, Any]:
    flags = {"single_word": False, "lstrip": token == "<mask>", "rstrip": False, "normalized": False, "special": True}
    return {"id": place, "content": token, **flags}


def _write_json(path: Path, content: Any) -> None:
    path.write_text(json.dumps(content, indent=1, ensure_ascii=False), encoding="utf-8")
