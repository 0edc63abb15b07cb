"""Writes a trained model as a directory that model servers load."""

from __future__ import annotations

import logging
import re
from datetime import datetime, timezone
from pathlib import Path

import tensorflow as tf

from tfq_llm.checks import one_of
from tfq_llm.errors import InputError
from tfq_llm.export.card import model_card
from tfq_llm.export.check import check_export
from tfq_llm.export.circuit_files import write_circuit
from tfq_llm.export.circuit_operations import circuit_operations
from tfq_llm.export.destination import Destination
from tfq_llm.export.head import HeadParts
from tfq_llm.export.new_version import new_version
from tfq_llm.export.operators import check_operators
from tfq_llm.export.serving_model import ServingHead, ServingModel
from tfq_llm.export.warmup import write_warmup
from tfq_llm.exported.facts import FACTS, Circuit, Logits, ModelFacts, Sampled
from tfq_llm.exported.manifest import write_manifest
from tfq_llm.training.provenance import Provenance
from tfq_llm.training.trained import TrainedModel
from tfq_llm.training.versions import versions

logger = logging.getLogger(__name__)

SIGNATURES = ("plain", "tfq")


def export_model(
    trained: TrainedModel,
    origin: Provenance,
    to: Path | str,
    *,
    command: str,
    signature: str = "plain",
    head_only: bool = False,
) -> Path:
    """Writes a SavedModel with its facts, circuit, card, warm-up requests and checksums, in one step or not at all.

    Args:
        trained: from `load_run`, or made by hand.
        origin: for the card, such as `Provenance.of_run(path)`.
        to: NAME/VERSION; or NAME, for its next version. VERSION is a whole number of at least 1; a last part that reads as a
            version and is none, such as v2, is refused.
        command: what the card says that made it.
        signature: "plain" for operators of TensorFlow and TF-Text alone; "tfq" for a circuit on TensorFlow Quantum's, which
            can also sample.
        head_only: without the sentence encoder: embeddings in.

    Returns:
        The version's directory.

    Raises:
        InputError: the version exists, is none or is being written, the place is another model's, cannot be written or is full,
            the model cannot read texts (then `head_only` is needed), its head is of an unknown kind, or its sentence encoder has
            operators of other libraries.
        ExportMismatchError: what was written does not compute what was trained.
    """
    one_of("signature", signature, SIGNATURES)
    destination = Destination.parsed(Path(to))
    encoder = None if head_only else trained.encoder
    if encoder is None and not head_only:
        raise InputError("this run was trained on given embeddings, so there is no sentence encoder to export: give --head-only.")
    parts = HeadParts.of(trained.head)
    circuit, serves = _circuit(parts, signature)
    model = ServingModel(ServingHead(parts, circuit, trained.class_names), encoder, parts.input_dim)
    try:
        with new_version(destination) as new:
            directory = new.directory
            facts = _facts(destination.name, new.number, trained, parts, head_only, signature, serves)
            model.save(directory)
            check_operators(directory, allow_tfq=signature == "tfq")
            write_warmup(directory, destination.name, parts.input_dim if encoder is None else None)
            write_circuit(directory, parts.trained_circuit)
            (directory / FACTS).write_text(facts.to_json(), encoding="utf-8")
            (directory / "card.md").write_text(model_card(facts, origin, command), encoding="utf-8")
            write_manifest(directory)
            check_export(directory, parts, encoder)
    except (OSError, tf.errors.OpError) as error:
        reason = _reason(error)
        raise InputError(
            f"cannot write the model to '{destination.model}': {reason}. Nothing of it was left there; make room, or choose "
            "another place."
        ) from error
    return new.target


def _reason(error: OSError | tf.errors.OpError) -> str:
    """What the operating system said; TensorFlow puts the names of its own operations and of its temporary file around it."""
    if isinstance(error, OSError):
        return str(error.strerror or error)
    return re.sub(r"\{\{.*?\}\} *| *\[Op:.*?\]", "", str(error.message)).rpartition("; ")[2]


def _circuit(parts: HeadParts, signature: str) -> tuple[tf.Module, Sampled | None]:
    """The circuit as operations, and how it samples (None if it is exact)."""
    if signature == "tfq":
        from tfq_llm.export.tfq_operations import TfqCircuit  # loads TensorFlow Quantum

        circuit = TfqCircuit(parts)
        return circuit, circuit.serves
    if parts.trained_with is not None:
        logger.warning(
            "The head was trained with shots or noise, and plain TensorFlow operations serve exact expectation values; the card "
            "says so. --signature tfq samples where TensorFlow Quantum can."
        )
    return circuit_operations(parts), None


def _facts(
    name: str,
    version: int,
    trained: TrainedModel,
    parts: HeadParts,
    head_only: bool,
    signature: str,
    serves: Sampled | None,
) -> ModelFacts:
    pqc, dense, encoder = parts.pqc, parts.logits, trained.encoder
    return ModelFacts(
        name=name,
        version=version,
        task="embeddings" if head_only else "text",
        class_names=trained.class_names,
        signature="tfq" if signature == "tfq" else "plain",
        serves=serves or "exact",
        trained_with=parts.trained_with,
        qubits=pqc.num_qubits,
        measured=pqc.num_measured,
        embedding_dim=parts.input_dim,
        max_tokens=encoder.max_tokens if encoder else None,
        encoder={"name": encoder.encoder_name, "fingerprint": encoder.state_fingerprint()} if encoder else None,
        created=datetime.now(timezone.utc).isoformat(timespec="seconds"),
        versions=versions(),
        circuit=Circuit(
            data_symbols=tuple(map(str, pqc.ansatz.data_symbols)),
            observables=tuple((qubit,) for qubit in range(pqc.num_measured)),
        ),
        logits=Logits(kernel=dense.kernel.numpy().tolist(), bias=dense.bias.numpy().tolist()),
    )
