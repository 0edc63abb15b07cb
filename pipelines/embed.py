"""A file of embeddings for heads and studies: of any texts, by a sentence encoder as it came or tuned on a draw of rows."""

from __future__ import annotations

import logging
import shlex
from pathlib import Path

import numpy as np

from tfq_llm import data
from tfq_llm.cache import atomic_file, writable_directory
from tfq_llm.data import EmbeddingDataset, TextDataset
from tfq_llm.data.datasets import counted
from tfq_llm.data.embeddings import arrays_of
from tfq_llm.data.splits import embedding_split, few_shot_split
from tfq_llm.errors import InputError
from tfq_llm.studies.arrays import embeddings_digest
from tfq_llm.studies.config import EmbeddingsConfig
from tfq_llm.studies.embedded import embed_frozen, embed_tuned

logger = logging.getLogger(__name__)


def embed(config: EmbeddingsConfig, out: Path, *, overwrite: bool = False) -> str:
    """Writes an `.npz` that `--embeddings` takes, in one step, and says what is in it and what to do next.

    Its rows are the texts in their order, without duplicates. With `tuning.enabled` it binds the draw's training and validation
    rows, the only ones that heads may train on.

    Args:
        config: which texts, sentence encoder and tuning.
        out: the file.
        overwrite: replace a file that is there.

    Raises:
        InputError: the file is there already or cannot be written; the texts cannot be read, or there are too few for the draw;
            the sentence encoder cannot be loaded or trained.
    """
    out = out.expanduser()
    _check(out, overwrite)
    settings = config.data
    pool = data.load(settings.name, text_column=settings.text_column, label_column=settings.label_column)
    texts = pool.deduplicated()
    for note in texts.notes:
        logger.info("%s: %s", texts.name, note)
    drawn = settings.per_class, settings.validation_fraction, config.split
    if config.tuning.enabled:
        # Too few rows are found out before anything is embedded.
        few_shot_split(texts.labels, *drawn, class_names=texts.class_names)
    dataset = embed_frozen(texts, config.encoder)
    if config.tuning.enabled:
        dataset = embed_tuned(texts, dataset, embedding_split(dataset, *drawn), config.encoder, config.tuning)
    with atomic_file(out) as temporary:
        np.savez(temporary, **arrays_of(dataset))
    return _summary(texts, dataset, config, out)


def _check(out: Path, overwrite: bool) -> None:
    if out.suffix != ".npz":
        raise InputError(f"'{out}' would hold NumPy arrays by name: give --out a name that ends with .npz.")
    if out.is_dir():
        raise InputError(f"'{out}' is a directory: give --out the name of a file.")
    if out.exists() and not overwrite:
        raise InputError(f"'{out}' is there already: give another --out, or --overwrite to replace it.")
    writable_directory(out.parent, "Give another --out.")


def _summary(texts: TextDataset, dataset: EmbeddingDataset, config: EmbeddingsConfig, out: Path) -> str:
    rows, dim = dataset.embeddings.shape
    classes = ", ".join(f"{count:,} {name}" for name, count in texts.rows_per_class().items())
    lines = [
        f"{texts.name} by {config.encoder.name}: {counted(rows, 'row')} of {dim:,} dimensions ({classes})",
        f"{out}: {out.stat().st_size / 1e6:,.1f} MB, digest {embeddings_digest(dataset)}",
    ]
    command = f"tfq-llm study compare --embeddings {shlex.quote(str(out))}"
    if dataset.train is None or dataset.validation is None:
        return "\n".join([*lines, "", f"Next: {command}"])
    lines.insert(
        1,
        f"tuned on the {len(dataset.train):,} training rows of split {config.split}, which the file binds, as it does "
        f"the {len(dataset.validation):,} that validate",
    )
    more = "A study takes a file for each split: make one for each --split, give them all, and set splits to their number."
    return "\n".join([*lines, "", f"Next: {command} --set splits=1", more])
