"""Trains the last parameters of a run's model on a machine, with the sentences that the run itself was trained on."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from tfq_llm import data
from tfq_llm.data.sampling import stratified_order
from tfq_llm.errors import InputError
from tfq_llm.ionq.budget import Settings
from tfq_llm.ionq.finetune import FineTuned, FineTuning, Rows, Step, with_weights
from tfq_llm.ionq.orders import Order
from tfq_llm.ionq.service import Service
from tfq_llm.metrics import markdown_table
from tfq_llm.pipelines.evaluate import embeddings_of
from tfq_llm.pipelines.ionq_evaluate import Ask
from tfq_llm.training.run import read_json, write_json
from tfq_llm.training.trained import TrainedModel, load_run


def finetune(
    run_dir: Path,
    service: Service,
    name: str,
    settings: Settings,
    ask: Ask,
    *,
    text_column: str | None = None,
    label_column: str | None = None,
    as_json: bool = False,
) -> str:
    """Fine-tunes, and writes the weights beside the run, after every step. Returns what was measured, as Markdown or JSON.

    Args:
        run_dir: the run, or a saved head. Its model stays as it is; `finetuned_head` is the model with the new weights.
        service: runs the circuits, with the run's ledger.
        name: the data that the run was trained on. No other rows of them are used.
        settings: with the budget.
        ask: is shown steps and costs before anything is sent.
        text_column: of the data.
        label_column: of the data.
        as_json: JSON in place of Markdown.

    Raises:
        InputError: run, data or settings cannot be used, or the budget is not enough for one step.
        ServiceError: circuits have no result. Given again, it goes on where it was.
    """
    trained = load_run(run_dir)
    train, validation = training_rows(run_dir, trained, name, settings, text_column, label_column)
    tuning = FineTuning(trained.head, train, service, settings, validation)
    ask(describe(tuning), tuning.costs.total(settings) * tuning.costs.each)
    path = finetuned_path(run_dir)
    path.parent.mkdir(exist_ok=True)
    result = tuning.run(keep=lambda so_far: write_json(path, facts(so_far, settings, service.order)))
    found = facts(result, settings, service.order)
    return json.dumps(found, indent=1) if as_json else _report(result, path)


def training_rows(
    run_dir: Path,
    trained: TrainedModel,
    name: str,
    settings: Settings,
    text_column: str | None = None,
    label_column: str | None = None,
) -> tuple[Rows, Rows | None]:
    """Embeddings and labels that a run was trained on, and those of its validation to choose the best weights by.

    The second is None if the data are not the run's own as a whole, or it is a saved head: then only what was trained or
    validated on is known.

    Raises:
        InputError: the data cannot be used, or the run was trained on nothing of them.
    """
    if name.endswith(".npz"):
        dataset: data.EmbeddingDataset | data.TextDataset = data.load_embeddings(name)
    else:
        dataset = data.load(name, text_column=text_column, label_column=label_column).deduplicated()
    labels = data.encode_labels(dataset, trained.class_names)
    seen = np.setdiff1d(np.arange(len(labels)), trained.unseen_rows(dataset))
    if not len(seen):
        raise InputError(
            f"the run was trained on nothing of '{dataset.name}', and other sentences are for scoring: give the data that it was "
            "trained on."
        )
    path = run_dir / "splits.json"
    kept = read_json(path) if path.exists() else None
    if kept is None or kept["data"] != dataset.digest():
        return (embeddings_of(trained, dataset, seen), labels[seen]), None
    split = data.Split.from_dict(kept)
    validation = stratified_order(split.validation, labels, settings.seed)[: settings.held_out]
    (train, held_out) = ((embeddings_of(trained, dataset, rows), labels[rows]) for rows in (split.train, validation))
    return train, held_out


def describe(tuning: FineTuning) -> str:
    """What is going to be done, for the one who pays for it."""
    settings, costs, order = tuning.settings, tuning.costs, tuning.service.order
    steps, total = costs.steps(settings), costs.total(settings)
    return (
        f"Fine-tuning {settings.parameters} parameters by {settings.method} on {order.target}: {steps:,} of {settings.steps:,} "
        f"steps are within the budget. A step takes {costs.gradient:,} circuits for the gradient and {costs.check:,} to see "
        f"whether it helped, of {order.shots:,} shots and ${costs.each:,.2f} each; all together take {total:,} circuits and "
        f"${total * costs.each:,.2f} at most. Results that are here already are not paid for again."
    )


def facts(result: FineTuned, settings: Settings, order: Order) -> dict[str, Any]:
    """What is written down; `weights` are all of the circuit's."""
    return {
        "weights": result.after.tolist(),
        "before": result.before.tolist(),
        "tuned": result.places.tolist(),
        "best_step": result.best.number,
        "stopped": result.stopped,
        "evaluations": result.evaluations,
        "dollars": result.dollars,
        "settings": asdict(settings),
        "order": asdict(order),
        "history": [asdict(step) for step in result.history],
    }


def finetuned_path(run_dir: Path) -> Path:
    """Where the weights of a fine-tuning are."""
    return run_dir / "ionq" / "finetuned.json"


def finetuned_head(run_dir: Path) -> tf.keras.Model:
    """A run's trained head with its fine-tuned weights.

    Raises:
        InputError: it was not fine-tuned, or the file is damaged.
    """
    path = finetuned_path(run_dir)
    if not path.exists():
        raise InputError(f"there are no fine-tuned weights in '{run_dir}': 'tfq-llm ionq finetune' makes them.")
    return with_weights(load_run(run_dir).head, np.array(read_json(path)["weights"]))


def _report(result: FineTuned, path: Path) -> str:
    def row(step: Step) -> tuple[str, ...]:
        loss = f"{step.loss.value:.3f} ± {step.loss.standard_error:.3f}"
        number = f"{step.number}{' (best)' * (step is result.best)}"
        return number, loss, f"{100 * step.accuracy:.1f} %", f"{step.evaluations:,}", f"{step.dollars:,.2f}"

    table = markdown_table(
        ("step", "loss, held-out sentences", "accuracy", "circuits", "$"), [row(step) for step in result.history]
    )
    reason = {
        "steps": "All steps were made.",
        "dollars": "The next step would have crossed the budget of dollars.",
        "evaluations": "The next step would have crossed the budget of evaluations.",
    }
    return f"{table}\n\n{reason[result.stopped]} The best weights are in '{path}'; the run's own model is as it was."
