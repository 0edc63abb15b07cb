"""The model card of a saved head."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tfq_llm.config import Config, HeadConfig
from tfq_llm.metrics import HeadResult, interval_text, markdown_table, results_table, verdict
from tfq_llm.training.card_text import card_text, front_matter, versions_text
from tfq_llm.training.provenance import Provenance, encoder_licence, encoder_model
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


def card(saved: SavedHead, candidates: Sequence[Candidate], commands: Sequence[str] = ()) -> str:
    """The card's text.

    Args:
        saved: the head.
        candidates: all runs that were compared, the kept one among them.
        commands: that made it.
    """
    origin = Provenance.of_saved_head(saved)
    results = list(origin.results)
    sections = [("Data", _data(saved.config, origin)), ("Results", f"{results_table(results)}\n\n{verdict(results)}")]
    if len(candidates) > 1:
        sections.append(("How it was chosen", _choice(candidates)))
    if saved.facts["examples"]:
        sections.append(("Examples", _examples(saved.facts["examples"])))
    sections += [("How it was made", _making(origin, commands)), ("Limits", _limits(origin))]
    name, encoder = saved.facts["name"], saved.facts["encoder"]
    front = front_matter(name, origin, encoder["encoder"] if encoder else None, library="tfq-llm")
    return card_text(front, name, _introduction(saved, origin.quantum), sections)


def _introduction(saved: SavedHead, own: HeadResult) -> str:
    dim, encoder = saved.facts["embedding_dim"], saved.facts["encoder"]
    settings = saved.config.head
    right = (
        f"Classifies {'texts' if encoder else 'embeddings of texts'} as {' or '.join(saved.class_names)}: right for "
        f"{100 * own.accuracy:.1f} % of {own.test_rows:,} test rows (95 % interval {interval_text(own.low, own.high)})."
    )
    qubits = settings.qpu_qubits(settings.encoder_qubits(dim))
    head = f"It is a quantum head of {own.parameters:,} parameters on {qubits} qubits"
    if not encoder:
        return f"{right}\n\n{head} for embeddings of {dim} dimensions."
    name = encoder["encoder"]
    return (
        f"{right}\n\n{head}, behind the sentence encoder {encoder_model(name)} as it came ({dim} dimensions, "
        f"{encoder['max_tokens'] or 'all'} tokens of a text, licence {encoder_licence(name)}). This directory has "
        "none of the sentence encoder's weights: they are found again on the machine that loads it, and verified by their "
        f"fingerprint `{encoder['fingerprint'][:16]}…`."
    )


def _data(config: Config, origin: Provenance) -> str:
    settings, rows = config.data, origin.rows
    if settings.protocol == "given" and not settings.embeddings:
        division = "The parts are those that the data came in"
    else:
        division = (
            f"{settings.per_class:,} rows of each class were drawn with seed {config.seed}, "
            f"{100 * settings.validation_fraction:g} % of them to validate on, and all others are test rows"
        )
    scored = "all" if origin.quantum.test_rows == rows["test"] else f"{origin.quantum.test_rows:,}"
    return (
        f"{origin.data}: {origin.data_source} Of equal texts one was used. {division}: {rows['train']:,} train, "
        f"{rows['validation']:,} validation, {rows['test']:,} test rows, of which {scored} were scored."
    )


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


def _making(origin: Provenance, commands: Sequence[str]) -> str:
    shown = "\n".join(f"    {command}" for command in commands)
    again = f"    tfq-llm train {SETTINGS} --run-dir runs/again"
    made = f"By\n\n{shown}\n\n" if commands else ""
    trained = f"`{SETTINGS}` has every setting of the run that was kept; this trains it again:\n\n{again}"
    return f"{made}{trained}\n\nWith {versions_text(origin.versions)}."


def _limits(origin: Provenance) -> str:
    return (
        f"It knows texts like those of {origin.data}, and gives one of its classes to any text, whatever that is about. "
        "Probabilities are those of the softmax, not calibrated. The circuit is simulated."
    )
