"""The shapes of replies, for the OpenAPI schema."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from fastapi import Response
from pydantic import BaseModel, Field

from tfq_llm.exported.facts import Sampled
from tfq_llm.serving import errors
from tfq_llm.serving.tensors import to_json

JSON = "application/json"


class ErrorReply(BaseModel):
    """Any request that was refused."""

    error: str


class StatusProto(BaseModel):
    """tensorflow.serving.StatusProto."""

    error_code: str
    error_message: str


class ModelVersionStatus(BaseModel):
    """tensorflow.serving.ModelVersionStatus."""

    version: str
    state: Literal["UNKNOWN", "START", "LOADING", "AVAILABLE", "UNLOADING", "END"]
    status: StatusProto


class StatusReply(BaseModel):
    """tensorflow.serving.GetModelStatusResponse."""

    model_version_status: list[ModelVersionStatus]


class ModelSpec(BaseModel):
    """tensorflow.serving.ModelSpec."""

    name: str
    signature_name: str
    version: str


class MetadataReply(BaseModel):
    """tensorflow.serving.GetModelMetadataResponse."""

    model_spec: ModelSpec
    metadata: dict[str, Any]


class RowsReply(BaseModel):
    """Of a Predict request in rows: a value for each, or an object by the names of the outputs."""

    predictions: list[Any]


class ColumnsReply(BaseModel):
    """Of a Predict request in columns: a value, or an object by the names of the outputs."""

    outputs: Any


class ClassifyReply(BaseModel):
    """For each example its classes, each a label and a score."""

    results: list[list[Annotated[list[str | float], Field(min_length=2, max_length=2)]]]


class HealthReply(BaseModel):
    """Whether the server lives, or answers for the model."""

    status: Literal["ok", "ready"]


class CircuitGate(BaseModel):
    """A gate of the drawing: of the angle `angle`, in radians, or of the data angle number `data`, or of none."""

    name: str
    qubits: list[int]
    angle: float | None = None
    data: int | None = None


class ModelReply(BaseModel):
    """What the page shows of the model.

    `serves` says whether its expectation values are exact, or how they are sampled anew at every request; `sampling` says the
    latter in words. `circuit` is a list of moments; `card_html` is the model card.
    """

    name: str
    version: int
    task: Literal["text", "embeddings"]
    class_names: list[str]
    qubits: int
    measured: int
    embedding_dim: int
    max_tokens: int | None
    request_rows: int
    serves: Literal["exact"] | Sampled
    sampling: str | None
    machines: list[str]
    circuit: list[list[CircuitGate]]
    card_html: str


class Interval(BaseModel):
    """A probability from shots, and where 95 % of repetitions would lie."""

    value: float = Field(ge=0, le=1)
    low: float = Field(ge=0, le=1)
    high: float = Field(ge=0, le=1)


class Outcome(BaseModel):
    """What was measured on the measured qubits, the first one first, and how often."""

    bits: str
    count: int


class ShotsReply(BaseModel):
    """What shots on a noisy machine would have answered: `probabilities`; beside what the version answers itself: `served`.

    `serves` says whether the latter are exact, or how they were sampled.
    """

    version: int
    machine: str
    shots: int
    seed: int
    class_names: list[str]
    serves: Literal["exact"] | Sampled
    served: list[float]
    probabilities: list[Interval]
    expectation_values: list[float]
    standard_errors: list[float]
    outcomes: list[Outcome]
    other_outcomes: int
    answer: str


def json_reply(value: Any, status: int = 200) -> Response:
    """A reply of JSON; arrays may be in it."""
    return Response(to_json(value), status, media_type=JSON)


def error_reply(status: int, message: str, retry_seconds: int = 1) -> Response:
    """A reply that refuses; 429 and 503 say after how many seconds it may be tried again."""
    reply = json_reply(ErrorReply(error=message).model_dump(), status)
    if status in (errors.TOO_MANY, errors.UNAVAILABLE):
        reply.headers["Retry-After"] = str(retry_seconds)
    if status == errors.UNSUPPORTED:
        reply.headers["Accept-Encoding"] = "gzip"
    return reply
