"""Data sets and splits, as NumPy arrays.

`load` gives a `TextDataset` from a name or a path, `few_shot_split` divides it by the paper's protocol:

    dataset = load("movie-reviews").deduplicated()
    split = few_shot_split(dataset.labels, per_class=256, seed=0)
    train = dataset.subset(split.train)

Importing this package loads neither TensorFlow nor TensorFlow Datasets.
"""

from __future__ import annotations

from tfq_llm.data.catalog import DEFAULT, NamedDataset, available, fetch, load
from tfq_llm.data.datasets import EmbeddingDataset, TextDataset
from tfq_llm.data.embeddings import load_embeddings
from tfq_llm.data.labels import encode_labels
from tfq_llm.data.sampling import subsample
from tfq_llm.data.splits import Split, embedding_split, few_shot_split, given_split

__all__ = [
    "DEFAULT",
    "EmbeddingDataset",
    "NamedDataset",
    "Split",
    "TextDataset",
    "available",
    "embedding_split",
    "encode_labels",
    "fetch",
    "few_shot_split",
    "given_split",
    "load",
    "load_embeddings",
    "subsample",
]
