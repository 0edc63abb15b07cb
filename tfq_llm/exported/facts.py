"""model.json: what a server, a page or a script has to know of an exported model beside the SavedModel."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from tfq_llm.errors import InputError
from tfq_llm.exported.manifest import FORMAT, read_object

FACTS = "model.json"


class Circuit(BaseModel):
    """How circuit.json is used.

    Attributes:
        data_symbols: names of the symbols that stand for the output "angles" of the SavedModel, in its order.
        observables: for each of the "expectation_values" the line qubits whose Z are multiplied.
    """

    model_config = ConfigDict(frozen=True)

    data_symbols: tuple[str, ...]
    observables: tuple[tuple[int, ...], ...]


class Logits(BaseModel):
    """The linear layer: logits = expectation_values · kernel + bias.

    Attributes:
        kernel: [measured, classes].
        bias: [classes].
    """

    model_config = ConfigDict(frozen=True)

    kernel: tuple[tuple[float, ...], ...]
    bias: tuple[float, ...]


class Sampled(BaseModel):
    """How expectation values are sampled at every request, by TensorFlow Quantum; as `HeadConfig` has it."""

    model_config = ConfigDict(frozen=True)

    shots: int | None
    noise: str
    trajectories: int | None
    readout_error: float | tuple[float, float] = 0.0

    @property
    def words(self) -> str:
        """Such as "200 shots, gate noise 'aria-1'"."""
        parts = [
            f"{self.shots:,} shots" if self.shots else "",
            f"{self.trajectories:,} trajectories" if self.trajectories else "",
            f"gate noise '{self.noise}'" if self.noise != "none" else "",
            f"readout error {self.readout_error}" if self.readout_error not in (0.0, (0.0, 0.0)) else "",
        ]
        return ", ".join(filter(None, parts))


class ModelFacts(BaseModel):
    """The contents of model.json.

    Attributes:
        name, version: the model's, as TensorFlow Serving has them.
        task: "text" if it takes strings, "embeddings" if it takes vectors (a head alone).
        class_names: in the order of the logits.
        signature: "plain" if it has only operators of TensorFlow and TF-Text, "tfq" if it has TensorFlow Quantum's too.
        serves: "exact" expectation values, or how they are sampled.
        trained_with: None if the head was trained on exact values, else how those were sampled.
        qubits, measured: of the re-uploading circuit.
        embedding_dim: length of the sentence encoder's vectors.
        max_tokens: how much of a text the sentence encoder reads; None if only it knows.
        encoder: name and fingerprint of the sentence encoder, which is in the model, or whose vectors a head alone takes; None if
            the head was trained on given embeddings.
        created: when it was exported, ISO 8601, UTC.
        versions: of this package, its stack and Python.
    """

    model_config = ConfigDict(frozen=True)

    format: int = FORMAT
    name: str
    version: int = Field(ge=1)
    task: Literal["text", "embeddings"]
    class_names: tuple[str, ...]
    signature: Literal["plain", "tfq"]
    serves: Literal["exact"] | Sampled
    trained_with: Sampled | None = None
    qubits: int
    measured: int
    embedding_dim: int
    max_tokens: int | None
    encoder: dict[str, str] | None
    created: str
    versions: dict[str, str]
    circuit: Circuit
    logits: Logits

    def to_json(self) -> str:
        """The text of model.json."""
        return self.model_dump_json(indent=1) + "\n"


def read_facts(directory: Path) -> ModelFacts:
    """Reads the model.json of an exported directory.

    Raises:
        InputError: there is none, it is damaged, or it is of a newer format.
    """
    value: dict[str, Any] = read_object(directory / FACTS)
    try:
        return ModelFacts.model_validate(value)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise InputError(f"'{directory / FACTS}' is damaged: {where}: {first['msg']}. Export the model again.") from error
