"""The model card of a saved head: Markdown with YAML front matter, as model hubs read it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import yaml

from tfq_llm.config import Config, HeadConfig
from tfq_llm.encoders.sources import PUBLISHED
from tfq_llm.metrics import HeadResult, markdown_table, results_table, verdict
from tfq_llm.training.saved_head import SETTINGS, SavedHead


@dataclass(frozen=True)
class Candidate:
    """A run that could have been kept: its head, and its best epoch on the validation rows.

    Attributes:
        head: its settings.
        loss, accuracy: on the validation rows, of the best epoch.
        epoch, epochs: the best epoch, of how many.
    """

    head: HeadConfig
    loss: float
    accuracy: float
    epoch: int
    epochs: int


@dataclass(frozen=True)
class DataDescription:
    """The data of a run.

    Attributes:
        name: of the set or file.
        source: one sentence: where it is from, and its licence.
        class_names: the classes.
        rows: of each part ("train", "validation", "test"), the number of rows of each class.
    """

    name: str
    source: str
    class_names: Sequence[str]
    rows: Mapping[str, Sequence[int]]


def card(
    saved: SavedHead,
    described: DataDescription,
    candidates: Sequence[Candidate],
    licence: str | None = None,
    commands: Sequence[str] = (),
) -> str:
    """The card's text.

    Args:
        saved: the head, with its results.
        described: the data it learned from.
        candidates: all runs that were compared, the kept one among them.
        licence: SPDX identifier.
        commands: that made it.
    """
    results = [HeadResult(**record) for record in saved.facts["results"]]
    own = next(result for result in results if result.head == "quantum head")
    sections = [
        _front_matter(saved, described, own, licence),
        f"# {saved.facts['name']}\n\n{_introduction(saved, own)}",
        f"## Data\n\n{_data(saved.config, described, own)}",
        f"## Results\n\n{results_table(results)}\n\n{verdict(results)}",
    ]
    if len(candidates) > 1:
        sections.append(f"## How it was chosen\n\n{_choice(candidates)}")
    if saved.facts["examples"]:
        sections.append(f"## Examples\n\n{_examples(saved.facts['examples'])}")
    sections += [f"## How it was made\n\n{_making(commands)}", f"## Limits\n\n{_limits(described)}"]
    return "\n\n".join(sections) + "\n"


def _front_matter(saved: SavedHead, described: DataDescription, own: HeadResult, licence: str | None) -> str:
    encoder = saved.facts["encoder"]
    metrics = [
        {"type": "accuracy", "value": round(own.accuracy, 4), "interval_95": [round(own.low, 4), round(own.high, 4)]},
        {"type": "macro_f1", "value": round(own.macro_f1, 4)},
    ]
    task = {"type": "text-classification" if encoder else "embedding-classification"}
    evaluated = {"name": described.name, "type": described.name, "rows": own.test_rows}
    fields: dict[str, Any] = {
        **({"license": licence.lower()} if licence else {}),
        "library_name": "tfq-llm",
        "pipeline_tag": task["type"],
        **({"base_model": _model_name(encoder)} if encoder else {}),
        "datasets": [described.name],
        "model-index": [
            {"name": saved.facts["name"], "results": [{"task": task, "dataset": evaluated, "metrics": metrics}]},
        ],
    }
    return f"---\n{yaml.safe_dump(fields, sort_keys=False, allow_unicode=True)}---"


def _model_name(encoder: Mapping[str, Any]) -> str:
    published = PUBLISHED.get(encoder["encoder"])
    return published.model if published else encoder["encoder"]


def _introduction(saved: SavedHead, own: HeadResult) -> str:
    dim, encoder = saved.facts["embedding_dim"], saved.facts["encoder"]
    settings = saved.config.head
    right = (
        f"Classifies {'texts' if encoder else 'embeddings of texts'} as {' or '.join(saved.class_names)}: right for "
        f"{100 * own.accuracy:.1f} % of {own.test_rows:,} test rows (95 % interval {100 * own.low:.1f} – {100 * own.high:.1f})."
    )
    qubits = settings.qpu_qubits(settings.encoder_qubits(dim))
    head = f"It is a quantum head of {own.parameters:,} parameters on {qubits} qubits"
    if not encoder:
        return f"{right}\n\n{head} for embeddings of {dim} dimensions."
    published = PUBLISHED.get(encoder["encoder"])
    licence = f", licence {published.licence}" if published else ""
    return (
        f"{right}\n\n{head}, behind the sentence encoder {_model_name(encoder)} as it came ({dim} dimensions, "
        f"{encoder['max_tokens'] or 'all'} tokens of a text{licence}). This directory has none of the sentence encoder's "
        "weights: they are found again on the machine that loads it, and verified by their fingerprint "
        f"`{encoder['fingerprint'][:16]}…`."
    )


def _data(config: Config, described: DataDescription, own: HeadResult) -> str:
    header = ("rows", *described.class_names, "all")
    rows = [(part, *(f"{count:,}" for count in counts), f"{sum(counts):,}") for part, counts in described.rows.items()]
    settings = config.data
    if settings.protocol == "given" and not settings.embeddings:
        division = "The parts are those that the data came in."
    else:
        division = (
            f"{settings.per_class:,} rows of each class were drawn with seed {config.seed}, "
            f"{100 * settings.validation_fraction:g} % of them to validate on; all others are test rows."
        )
    test = sum(described.rows["test"])
    scored = "All of them were scored." if own.test_rows == test else f"{own.test_rows:,} of them were scored."
    return f"{described.name}: {described.source} Duplicates were dropped. {division} {scored}\n\n{markdown_table(header, rows)}"


def _choice(candidates: Sequence[Candidate]) -> str:
    """The settings in which the candidates differ, and what the validation rows said."""
    best = min(candidates, key=lambda each: each.loss)
    settings = [each.head.model_dump() for each in candidates]
    varied = [name for name in settings[0] if len({str(each[name]) for each in settings}) > 1]
    header = (*varied, "validation loss", "validation accuracy", "best epoch", "")
    rows = [
        (
            *(str(given[name]) for name in varied),
            f"{each.loss:.4f}",
            f"{100 * each.accuracy:.1f} %",
            f"{each.epoch} of {each.epochs}",
            "kept" if each is best else "",
        )
        for each, given in zip(candidates, settings, strict=True)
    ]
    text = f"Of {len(candidates)} runs on the same rows the one with the lowest validation loss was kept. Test rows had no say."
    return f"{text}\n\n{markdown_table(header, rows)}"


def _examples(examples: Sequence[Mapping[str, Any]]) -> str:
    rows = [(each["text"], each["class"], f"{each['probability']:.3f}") for each in examples]
    return markdown_table(("text", "class", "probability"), rows)


def _making(commands: Sequence[str]) -> str:
    shown = "\n".join(f"    {command}" for command in commands)
    again = f"    tfq-llm train {SETTINGS} --run-dir runs/again"
    made = f"By\n\n{shown}\n\n" if commands else ""
    return f"{made}`{SETTINGS}` has every setting of the run that was kept; this trains it again:\n\n{again}"


def _limits(described: DataDescription) -> str:
    return (
        f"It knows texts like those of {described.name}, and gives one of the classes {', '.join(described.class_names)} to any "
        "text, whatever that is about. Probabilities are those of the softmax, not calibrated."
    )
