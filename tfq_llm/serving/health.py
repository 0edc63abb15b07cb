"""Routes for whoever looks after the server: does it live, is it ready, what does it count."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request, Response

from tfq_llm.serving import errors
from tfq_llm.serving.errors import RequestError
from tfq_llm.serving.metrics import CONTENT_TYPE
from tfq_llm.serving.replies import HealthReply, json_reply
from tfq_llm.serving.requests import service_of
from tfq_llm.serving.routes import plain_router
from tfq_llm.serving.tensorflow_serving import refusals


async def healthz(request: Request) -> Response:
    """Answers as long as the process lives."""
    return json_reply(HealthReply(status="ok").model_dump())


async def readyz(request: Request) -> Response:
    """Answers 200 when requests for the model are answered; 503 while the first version is loaded, and when the server stops."""
    service = service_of(request)
    if not service.is_ready:
        raise RequestError(errors.UNAVAILABLE, "the server is stopping." if service.is_stopping else "no version is loaded yet.")
    return json_reply(HealthReply(status="ready").model_dump())


async def metrics(request: Request) -> Response:
    """All counters, in Prometheus' text format."""
    service = service_of(request)
    service.records.write()
    return Response(service.metrics.text(), headers={"Content-Type": CONTENT_TYPE})


def router() -> APIRouter:
    """The routes."""
    routes = plain_router("operation")
    refused = refusals(reading=True)
    routes.add_api_route("/healthz", healthz, responses={200: {"model": HealthReply}, 403: refused[403]})
    routes.add_api_route("/readyz", readyz, responses={200: {"model": HealthReply}, 403: refused[403], 503: refused[503]})
    text = {"content": {"text/plain": {"schema": {"type": "string"}}}, "description": "Prometheus' text format."}
    counted: dict[int | str, dict[str, Any]] = {200: text, 401: refused[401], 403: refused[403]}
    routes.add_api_route("/metrics", metrics, response_class=Response, responses=counted)
    return routes
