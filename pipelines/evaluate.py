"""Scores a trained model on other labelled data."""

from __future__ import annotations

import json
import logging
from pathlib import Path

import numpy as np

from tfq_llm import data
from tfq_llm.errors import InputError
from tfq_llm.metrics import interval_text, markdown_table, score
from tfq_llm.training.trained import TrainedModel, load_run

logger = logging.getLogger(__name__)


def evaluate(run_dir: Path, name: str, text_column: str | None, label_column: str | None, *, as_json: bool = False) -> str:
    """Returns accuracy with its interval, macro-F1 and each class's recall, as Markdown or JSON.

    Raises:
        InputError: run or data cannot be used, or every text was trained on.
    """
    trained = load_run(run_dir)
    dataset, all_labels, rows = labelled_rows(trained, name, text_column, label_column)
    labels, predicted = all_labels[rows], trained.probabilities(embeddings_of(trained, dataset, rows)).argmax(axis=1)
    result = score("", "", labels, predicted)
    recalls = {trained.class_names[label]: float(np.mean(predicted[labels == label] == label)) for label in np.unique(labels)}
    if as_json:
        kept = {key: result.as_dict()[key] for key in ("accuracy", "low", "high", "macro_f1", "test_rows")}
        return json.dumps(kept | {"recall": recalls})
    table = [("accuracy", f"{100 * result.accuracy:.1f} % (95 % interval {interval_text(result.low, result.high)})")]
    table += [("macro-F1", f"{result.macro_f1:.3f}"), ("rows", f"{result.test_rows:,}")]
    table += [(f"recall of '{label}'", f"{100 * recall:.1f} %") for label, recall in recalls.items()]
    return markdown_table(("measure", "value"), table)


def labelled_rows(
    trained: TrainedModel, name: str, text_column: str | None, label_column: str | None
) -> tuple[data.EmbeddingDataset | data.TextDataset, np.ndarray, np.ndarray]:
    """A data set, the labels of all its rows as indices of classes, and the rows that the model was not trained on.

    Raises:
        InputError: the data cannot be used, or every row was trained on.
    """
    if name.endswith(".npz"):
        dataset: data.EmbeddingDataset | data.TextDataset = _embeddings(trained, name)
    else:
        dataset = data.load(name, text_column=text_column, label_column=label_column)
    labels, rows = data.encode_labels(dataset, trained.class_names), trained.unseen_rows(dataset)
    if len(rows) < len(labels):
        logger.warning("%d of %d rows were trained or validated on and are left out.", len(labels) - len(rows), len(labels))
    if not len(rows):
        raise InputError(f"every row of '{dataset.name}' was trained on: nothing is left to score.")
    return dataset, labels, rows


def embeddings_of(trained: TrainedModel, dataset: data.EmbeddingDataset | data.TextDataset, rows: np.ndarray) -> np.ndarray:
    """Embeddings [rows, dim] of some rows of a data set."""
    if isinstance(dataset, data.EmbeddingDataset):
        return dataset.embeddings[rows]
    return trained.embed([dataset.texts[row] for row in rows])


def _embeddings(trained: TrainedModel, path: str) -> data.EmbeddingDataset:
    dataset = data.load_embeddings(path)
    width = trained.head.input_shape[-1]
    if dataset.embeddings.shape[1] != width:
        raise InputError(f"'{path}' has {dataset.embeddings.shape[1]} dimensions; this model was trained on {width}.")
    return dataset
