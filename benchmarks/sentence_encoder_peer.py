"""sentence-transformers as `benchmarks.sentence_encoder` measures it: in an environment of its own, told what to do line by line.

It imports nothing of this project. Each line of standard input is a JSON object with `do`, the name of a method of `Peer`, and
that method's arguments; each line of standard output is what the method returned.
"""

from __future__ import annotations

import json
import os
import sys
from typing import Any

os.environ["HF_HUB_OFFLINE"] = "1"

import numpy as np
import sentence_transformers
import torch


class Peer:
    """A sentence-transformers model with the texts it is measured on.

    Args:
        directory: of the model.
        texts: sentences.
        labels: their classes, for tuning.
        max_tokens: how much of a text is read.
    """

    def __init__(self, directory: str, texts: list[str], labels: list[int], max_tokens: int) -> None:
        self._model = sentence_transformers.SentenceTransformer(directory, device="cpu")
        self._model.max_seq_length = max_tokens
        self._texts, self._labels = texts, torch.tensor(labels)
        self._tokenize = getattr(self._model, "preprocess", None) or self._model.tokenize  # by version
        self._optimizer = torch.optim.AdamW(self._model.parameters(), lr=6e-5, weight_decay=0.01, fused=True)

    def describe(self) -> str:
        """Versions and threads."""
        versions = f"sentence-transformers {sentence_transformers.__version__}, PyTorch {torch.__version__}"
        return f"{versions}, {torch.get_num_threads()} threads"

    def vectors(self, file: str) -> None:
        """Writes float32 [texts, dim] to a .npy file."""
        np.save(file, self._model.encode(self._texts, convert_to_numpy=True, show_progress_bar=False))

    def encode(self, batch_size: int) -> None:
        """Encodes all texts; the model's `encode` itself sorts them by length."""
        self._model.encode(self._texts, batch_size=batch_size, show_progress_bar=False)

    def tune(self, batch_size: int, rows: int, dropout: bool) -> None:
        """Tuning steps on the first `rows` texts in their order, tokenizing included."""
        self._model.train(dropout)
        for start in range(0, rows, batch_size):
            batch = slice(start, start + batch_size)
            self._optimizer.zero_grad()
            embeddings = self._model(self._tokenize(self._texts[batch]))["sentence_embedding"]
            contrastive_loss(self._labels[batch], embeddings).backward()
            self._optimizer.step()
        self._model.eval()


def contrastive_loss(labels: torch.Tensor, embeddings: torch.Tensor) -> torch.Tensor:
    """As `tfq_llm.training.contrastive.contrastive_loss`."""
    unit = torch.nn.functional.normalize(embeddings, dim=1)
    same = (labels[:, None] == labels[None, :]).to(unit.dtype)
    squares = torch.square(unit @ unit.T - same)
    size = len(labels)
    return (squares.sum() - squares.diagonal().sum()) / (size * (size - 1))


def main() -> None:
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "w")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())  # what libraries print must not look like an answer
    peer = Peer(**json.loads(sys.stdin.readline()))
    for line in sys.stdin:
        request: dict[str, Any] = json.loads(line)
        print(json.dumps(getattr(peer, request.pop("do"))(**request)), file=answers, flush=True)


if __name__ == "__main__":
    main()
