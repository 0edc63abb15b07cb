"""TensorFlow Serving's REST API: model status, metadata, Predict and Classify.

It follows that server's documentation (tensorflow.org/tfx/serving/api_rest) and, where that is silent or differs, its code.
"""

from __future__ import annotations

import re
from typing import Any

import numpy as np
from fastapi import APIRouter, Request, Response

from tfq_llm.exported.signatures import DEFAULT_SIGNATURE
from tfq_llm.serving import errors
from tfq_llm.serving.errors import RequestError, malformed
from tfq_llm.serving.examples import check_classifies, read_examples, results
from tfq_llm.serving.models import ServedModel
from tfq_llm.serving.replies import ClassifyReply, ColumnsReply, ErrorReply, MetadataReply, RowsReply, StatusReply, json_reply
from tfq_llm.serving.requests import deadline_of, hold, notes, read, service_of
from tfq_llm.serving.routes import plain_router
from tfq_llm.serving.signatures import Signature
from tfq_llm.serving.tensors import Tensors, columnar, num_bytes, predictions, read_inputs, read_object, signature_name
from tfq_llm.serving.versions import VersionStatus

_MODEL = "/v1/models/{name}"
_PLACES = {_MODEL: (), f"{_MODEL}/versions/{{version}}": ("version",), f"{_MODEL}/labels/{{label}}": ("label",)}
_REFUSALS = {400: "The request is not what is expected.", 401: "The token is missing or wrong.", 403: "This host is not served."}
_READING = {
    404: "There is no such model, version or label.",
    503: "No version is loaded, the server is stopping, or too much is in progress.",
}
_CALLING = {
    408: "The body did not come in time.",
    413: "The body or the number of rows is too large.",
    415: "The body is compressed, and not with gzip.",
    429: "Too many rows wait for the model.",
    504: "The deadline has passed.",
}


def refusals(*, reading: bool = False, calling: bool = False) -> dict[int | str, dict[str, Any]]:
    """The statuses that a route may refuse with, for the OpenAPI schema."""
    reasons = _REFUSALS | (_READING if reading or calling else {}) | (_CALLING if calling else {})
    return {status: {"model": ErrorReply, "description": reason} for status, reason in reasons.items()}


def malformed_path(request: Request) -> RequestError:
    """The error of a path below /v1 that is for nothing, or not for this method."""
    return malformed(f"Malformed request: {request.method} {request.url.path[:200]}")


async def predict(request: Request) -> Response:
    """Predict: inputs by row or by column, and all outputs of the signature likewise."""
    model, limits = _model(request), service_of(request).settings.limits

    def reader(body: bytes) -> tuple[Signature, Tensors, bool]:
        asked = read_object(body)
        signature = model.signature(signature_name(asked, DEFAULT_SIGNATURE))
        return signature, *read_inputs(asked, signature, limits.request_rows)

    signature, inputs, by_rows = await read(request, reader)
    hold(request, num_bytes(inputs))
    notes(request).update(version=model.version, rows=len(next(iter(inputs.values()))))
    found = await service_of(request).outputs(model, inputs, deadline_of(request), signature.name)
    return _held(request, {"predictions": predictions(found)} if by_rows else {"outputs": columnar(found)})


async def classify(request: Request) -> Response:
    """Classify: examples in, classes with scores out, by a signature that is made for it ("classify")."""
    model, limits = _model(request), service_of(request).settings.limits

    def reader(body: bytes) -> tuple[Signature, np.ndarray]:
        asked = read_object(body)
        signature = model.signature(signature_name(asked, DEFAULT_SIGNATURE))
        check_classifies(signature, model)
        return signature, read_examples(asked, limits)

    signature, examples = await read(request, reader)
    inputs = {next(iter(signature.inputs)): examples}
    hold(request, num_bytes(inputs))
    notes(request).update(version=model.version, rows=len(examples))
    found = await service_of(request).outputs(model, inputs, deadline_of(request), signature.name)
    return _held(request, {"results": results(found)})


async def status(request: Request) -> Response:
    """The state of one version, or of all that were seen."""
    versions = service_of(request).versions
    chosen = _chosen(request)
    known = versions.statuses()
    if chosen is not None:
        known = {chosen: known[chosen]} if chosen in known else {}
    if not known:
        which = "any versions" if chosen is None else f"version {chosen}"
        raise RequestError(errors.NOT_FOUND, f"Could not find {which} of model {versions.name}")
    return json_reply({"model_version_status": [_proto(version, known[version]) for version in known]})


async def metadata(request: Request) -> Response:
    """The signatures of a version.

    Where the proto has an `Any`, TensorFlow Serving prints what is in it, without the "@type" of protobuf's JSON.
    """
    model = _model(request)
    spec = {"name": service_of(request).versions.name, "signature_name": "", "version": str(model.version)}
    return json_reply({"model_spec": spec, "metadata": {"signature_def": {"signature_def": model.signature_defs}}})


def router(name: str) -> APIRouter:
    """The routes, for a model of this name."""
    routes = plain_router("TensorFlow Serving")
    for place, kinds in _PLACES.items():
        by = kinds[0] if kinds else "latest"
        parameters = [_parameter("name", {"type": "string", "enum": [name]}), *(_parameter(kind, _KINDS[kind]) for kind in kinds)]
        for endpoint, replies in ((predict, RowsReply | ColumnsReply), (classify, ClassifyReply)):
            method = endpoint.__name__
            body = {"content": {"application/json": {"schema": {"$ref": f"#/components/schemas/{method.title()}Request"}}}}
            routes.add_api_route(
                f"{place}:{method}",
                endpoint,
                methods=["POST"],
                operation_id=f"{method}_{by}",
                responses={200: {"model": replies}, **refusals(calling=True)},
                openapi_extra={"parameters": parameters, "requestBody": {"required": True, **body}},
            )
        for endpoint, path, reply in ((metadata, f"{place}/metadata", MetadataReply), (status, place, StatusReply)):
            routes.add_api_route(
                path,
                endpoint,
                methods=["GET"],
                operation_id=f"{endpoint.__name__}_{by}",
                responses={200: {"model": reply}, **refusals(reading=True)},
                openapi_extra={"parameters": parameters},
            )
    return routes


_KINDS: dict[str, dict[str, Any]] = {
    "version": {"type": "integer", "minimum": 0, "maximum": 2**63 - 1},
    "label": {"type": "string", "pattern": "^[^/:]+$"},
}


def _parameter(name: str, schema: dict[str, Any]) -> dict[str, Any]:
    return {"name": name, "in": "path", "required": True, "schema": schema}


def _model(request: Request) -> ServedModel:
    """The version that a request is for."""
    chosen = _chosen(request)
    return service_of(request).versions.model(chosen)


def _held(request: Request, answer: dict[str, Any]) -> Response:
    """The reply, whose bytes count until the caller has read it."""
    reply = json_reply(answer)
    hold(request, len(reply.body))
    return reply


def _chosen(request: Request) -> int | None:
    """The version in a request's path; None for the newest.

    Raises:
        RequestError: it is none, or the model has another name.
    """
    versions, asked = service_of(request).versions, request.path_params
    if any(":" in value for value in asked.values()):
        raise malformed_path(request)
    if asked["name"] != versions.name:
        raise RequestError(errors.NOT_FOUND, "Servable not found for request: no model of this name is served.")
    if "label" in asked:
        return versions.labelled(asked["label"])
    if "version" not in asked:
        return None
    if not re.fullmatch("[0-9]{1,19}", asked["version"]) or int(asked["version"]) >= 2**63:
        raise malformed("Failed to convert version to numeric.")
    return int(asked["version"])


def _proto(version: int, found: VersionStatus) -> dict[str, Any]:
    return {
        "version": str(version),
        "state": found.state,
        "status": {"error_code": found.code, "error_message": found.message},
    }
