"""The routes that the page needs beside TensorFlow Serving's: what the model is, and shots on a noisy machine."""

from __future__ import annotations

from typing import Annotated, Any

import numpy as np
from fastapi import APIRouter, Request, Response
from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from tfq_llm.exported.signatures import DEFAULT_SIGNATURE, EMBEDDING, TEXT
from tfq_llm.exported.versions import MAX_VERSION
from tfq_llm.serving.card import card_html
from tfq_llm.serving.drawing import moments
from tfq_llm.serving.errors import malformed
from tfq_llm.serving.models import ServedModel
from tfq_llm.serving.replies import Interval, ModelReply, Outcome, ShotsReply, json_reply
from tfq_llm.serving.requests import deadline_of, notes, read, service_of
from tfq_llm.serving.routes import plain_router
from tfq_llm.serving.shots import MACHINES, MOST_SHOTS, Measured
from tfq_llm.serving.tensorflow_serving import refusals
from tfq_llm.serving.tensors import read_inputs, read_object

_MOST_OUTCOMES = 16


def _whole(value: Any) -> Any:
    """5.0 is an integer in JSON Schema."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _known(machine: str) -> str:
    if machine not in MACHINES:
        raise ValueError(f"must be one of {', '.join(MACHINES)}")
    return machine


Whole = Annotated[int, BeforeValidator(_whole)]


class ShotsRequest(BaseModel):
    """A text, or an embedding for a head alone; which version is asked, the newest unless it is given; and how it is measured."""

    model_config = ConfigDict(extra="forbid", strict=True)

    text: str | None = None
    embedding: list[float] | None = None
    version: Whole | None = Field(None, ge=1, le=MAX_VERSION)
    machine: Annotated[str, AfterValidator(_known)] = Field(MACHINES[0], json_schema_extra={"enum": list(MACHINES)})
    shots: Whole = Field(1000, ge=1, le=MOST_SHOTS)
    seed: Whole = Field(0, ge=0, lt=2**32)


async def model(request: Request) -> Response:
    """The newest version: its facts, its circuit and its card."""
    service = service_of(request)
    chosen = service.versions.model()
    facts = chosen.facts
    reply = ModelReply(
        name=service.versions.name,
        version=chosen.version,
        task=facts.task,
        class_names=list(facts.class_names),
        qubits=facts.qubits,
        measured=facts.measured,
        embedding_dim=facts.embedding_dim,
        max_tokens=facts.max_tokens,
        request_rows=service.settings.limits.request_rows,
        serves=facts.serves,
        sampling=None if facts.serves == "exact" else facts.serves.words,
        machines=list(MACHINES),
        circuit=moments(chosen.circuit, facts.circuit.data_symbols),
        card_html=card_html(chosen.card),
    )
    return json_reply(reply.model_dump() | reply.model_dump(include={"circuit"}, exclude_none=True))


async def shots(request: Request) -> Response:
    """What a number of shots on a noisy machine would have answered for a text, with the spread of their chance."""
    service, deadline = service_of(request), deadline_of(request)

    def reader(body: bytes) -> tuple[ShotsRequest, ServedModel, dict[str, np.ndarray]]:
        asked = _asked(read_object(body))
        chosen = service.versions.model(asked.version)
        return asked, chosen, _inputs(asked, chosen)

    asked, chosen, inputs = await read(request, reader)
    notes(request).update(version=chosen.version, shots=asked.shots)
    served = await service.outputs(chosen, inputs, deadline)
    found = await service.machines.measure(chosen, asked.machine, served["angles"][0], asked.shots, asked.seed, deadline)
    return json_reply(_reply(asked, chosen, served["probabilities"][0], found).model_dump())


def router() -> APIRouter:
    """The routes."""
    routes = plain_router("page")
    routes.add_api_route("/api/model", model, responses={200: {"model": ModelReply}, **refusals(reading=True)})
    body = {"content": {"application/json": {"schema": {"$ref": "#/components/schemas/ShotsRequest"}}}}
    routes.add_api_route(
        "/api/shots",
        shots,
        methods=["POST"],
        responses={200: {"model": ShotsReply}, **refusals(calling=True)},
        openapi_extra={"requestBody": {"required": True, **body}},
    )
    return routes


def _asked(value: dict[str, Any]) -> ShotsRequest:
    try:
        return ShotsRequest.model_validate(value)
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False, include_input=False)[0]
        place = first["loc"][0] if first["loc"] and first["loc"][0] in ShotsRequest.model_fields else "a key of the request"
        raise malformed(f"{place}: {first['msg']}.") from None


def _inputs(asked: ShotsRequest, chosen: ServedModel) -> dict[str, np.ndarray]:
    signature = chosen.signature(DEFAULT_SIGNATURE)
    given = {TEXT: asked.text, EMBEDDING: asked.embedding}
    columns = {name: [value] for name, value in given.items() if value is not None}
    (needed,) = signature.inputs
    if columns.keys() != {needed}:
        raise malformed(f"this model takes '{needed}', and the request has {' and '.join(map(repr, columns)) or 'none'}.")
    inputs, _ = read_inputs({"inputs": columns}, signature, 1)
    return inputs


def _reply(asked: ShotsRequest, chosen: ServedModel, served: np.ndarray, found: Measured) -> ShotsReply:
    names = list(chosen.facts.class_names)
    shown = found.outcomes[:_MOST_OUTCOMES]
    intervals = zip(found.probabilities.tolist(), found.low.tolist(), found.high.tolist(), strict=True)
    return ShotsReply(
        version=chosen.version,
        machine=asked.machine,
        shots=asked.shots,
        seed=asked.seed,
        class_names=names,
        serves=chosen.facts.serves,
        served=served.tolist(),
        probabilities=[Interval(value=value, low=low, high=high) for value, low, high in intervals],
        expectation_values=found.values.tolist(),
        standard_errors=found.errors.tolist(),
        outcomes=[Outcome(bits=bits, count=count) for bits, count in shown],
        other_outcomes=asked.shots - sum(count for _, count in shown),
        answer=names[int(found.probabilities.argmax())],
    )
