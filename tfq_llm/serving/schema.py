"""The OpenAPI schema: what is answered, for the model that is served."""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

import tfq_llm
from tfq_llm.exported.signatures import CLASSIFY_SIGNATURE, DEFAULT_SIGNATURE, EMBEDDING, TEXT
from tfq_llm.serving.model_api import ShotsRequest
from tfq_llm.serving.models import ServedModel
from tfq_llm.serving.service import Service

_TEXT = {"anyOf": [{"type": "string"}, {"$ref": "#/components/schemas/BinaryString"}]}
_BINARY = {
    "type": "object",
    "required": ["b64"],
    "additionalProperties": False,
    "properties": {"b64": {"type": "string", "contentEncoding": "base64", "pattern": "^([A-Za-z0-9+/]{4})*$"}},
}
_FEATURE = {"anyOf": [_TEXT, {"type": "array", "items": _TEXT}]}
_ONE_TEXT = {"anyOf": [_TEXT, {"type": "array", "items": _TEXT, "minItems": 1, "maxItems": 1}]}


def openapi(app: FastAPI, service: Service) -> dict[str, Any]:
    """The schema of an application's routes; those and their requests are what the newest version that is loaded can answer."""
    model = service.versions.model()
    schema = get_openapi(
        title="tfq-llm serve",
        version=tfq_llm.__version__,
        description="A quantum text classifier behind TensorFlow Serving's REST API.",
        routes=app.routes,
    )
    if CLASSIFY_SIGNATURE not in model.signatures:
        schema["paths"] = {path: offered for path, offered in schema["paths"].items() if not path.endswith(":classify")}
    schema["components"]["schemas"] |= _requests(service, model)
    if service.settings.token is not None:
        schema["components"]["securitySchemes"] = {"token": {"type": "http", "scheme": "bearer"}}
        schema["security"] = [{"token": []}]
    return schema


def _requests(service: Service, model: ServedModel) -> dict[str, Any]:
    facts = model.facts
    number = {"type": "number", "minimum": -3e38, "maximum": 3e38}
    vector = {"type": "array", "items": number, "minItems": facts.embedding_dim, "maxItems": facts.embedding_dim}
    name, value = (TEXT, _TEXT) if facts.task == "text" else (EMBEDDING, vector)
    some = {"type": "array", "minItems": 1, "maxItems": service.settings.limits.request_rows}
    signature = {"signature_name": {"type": "string", "enum": ["", DEFAULT_SIGNATURE]}}
    rows = {"anyOf": [{**some, "items": value}, {**some, "items": _object({name: value}, [name])}]}
    by_row = _object({**signature, "instances": rows}, ["instances"])
    named = _object({name: {**some, "items": value}}, [name]) | {"additionalProperties": True}
    columns = {"anyOf": [{**some, "items": value}, named]}
    by_column = _object({**signature, "inputs": columns}, ["inputs"])
    measured: dict[str, Any] = {"type": "string"} if facts.task == "text" else vector
    served = [version for version, status in service.versions.statuses().items() if status.state == "AVAILABLE"]
    shots = ShotsRequest.model_json_schema()
    own = {name: measured, "version": {"type": "integer", "enum": served}}
    options = {key: option for key, option in shots["properties"].items() if key not in (TEXT, EMBEDDING, *own)}
    found = {
        "PredictRequest": {"oneOf": [by_row, by_column]},
        "ShotsRequest": {**shots, "properties": own | options, "required": [name]},
    }
    return found | (_of_texts(some) if facts.task == "text" else {})


def _of_texts(some: dict[str, Any]) -> dict[str, Any]:
    """What only models of texts take. `some` is an array of as many as a request may have."""
    features = {"type": "object", "properties": {TEXT: _ONE_TEXT}, "required": [TEXT], "additionalProperties": _FEATURE}
    context = {"type": "object", "properties": {TEXT: _ONE_TEXT}, "additionalProperties": _FEATURE}
    classify = _object(
        {
            "signature_name": {"type": "string", "enum": [CLASSIFY_SIGNATURE]},
            "examples": {**some, "items": features},
            "context": context,
        },
        ["signature_name", "examples"],
    )
    return {"BinaryString": _BINARY, "ClassifyRequest": classify}


def _object(properties: dict[str, Any], required: list[str]) -> dict[str, Any]:
    return {"type": "object", "properties": properties, "required": required, "additionalProperties": False}
