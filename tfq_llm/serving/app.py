"""The application: routes, and what is around them."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI, Request, Response
from starlette.exceptions import HTTPException
from starlette.middleware.cors import CORSMiddleware

from tfq_llm.serving import errors, health, model_api, schema, tensorflow_serving
from tfq_llm.serving.errors import RequestError
from tfq_llm.serving.guard import Guard
from tfq_llm.serving.observing import Observing
from tfq_llm.serving.page import add_page
from tfq_llm.serving.replies import error_reply, json_reply
from tfq_llm.serving.service import Service

_LOOK_SECONDS = 0.1
"""How often the end looks whether it is waited for any longer."""


def make_app(service: Service) -> FastAPI:
    """The ASGI application of a service, which it starts and closes with itself; it waits for that until it is broken off."""

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        service.start()
        try:
            yield
        except asyncio.CancelledError:
            return
        closing = threading.Thread(target=service.close, name="closing", daemon=True)  # the event loop is to see a second signal
        closing.start()
        while closing.is_alive() and not service.is_broken_off:
            await asyncio.sleep(_LOOK_SECONDS)

    app = FastAPI(lifespan=lifespan, docs_url=None, redoc_url=None, openapi_url=None, redirect_slashes=False)
    app.state.service = service
    for router in (tensorflow_serving.router(service.versions.name), model_api.router(), health.router()):
        app.include_router(router)
    app.add_api_route("/openapi.json", lambda: json_reply(schema.openapi(app, service)), include_in_schema=False)
    add_page(app)
    app.add_exception_handler(RequestError, _refused)
    app.add_exception_handler(HTTPException, _no_route)
    # The last one added is the outermost.
    app.add_middleware(Guard, service=service)
    if origins := service.settings.cors_origins:
        app.add_middleware(
            CORSMiddleware,
            allow_origins=origins,
            allow_methods=("GET", "POST"),
            allow_headers=("Authorization", "Content-Encoding", "Content-Type"),
            expose_headers=("Retry-After", "X-Request-Id"),
        )
    app.add_middleware(Observing, service=service)
    return app


async def _refused(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestError)
    reply = error_reply(error.status, error.message, error.retry_seconds)
    if error.status == errors.TOO_SLOW:
        reply.headers["Connection"] = "close"  # the rest of the body is not waited for
    return reply


async def _no_route(request: Request, error: Exception) -> Response:
    """As TensorFlow Serving: a request below /v1 that is for nothing is malformed, elsewhere there is nothing."""
    assert isinstance(error, HTTPException)
    if request.url.path.startswith("/v1"):
        return await _refused(request, tensorflow_serving.malformed_path(request))
    reasons = {errors.NOT_FOUND: "there is nothing at this path.", errors.NOT_ALLOWED: "this path is not for this method."}
    reply = error_reply(error.status_code, reasons.get(error.status_code, "this request is not answered."))
    reply.headers.update(error.headers or {})
    return reply
