"""Routes whose endpoints read requests themselves."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any

from fastapi import APIRouter, Request, Response
from fastapi.routing import APIRoute


class PlainRoute(APIRoute):
    """A route in the OpenAPI schema whose endpoint gets the request and nothing else: FastAPI's reading of bodies and
    dependencies, which takes as long as all the rest, is left out.
    """

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        endpoint: Callable[[Request], Coroutine[Any, Any, Response]] = self.endpoint
        return endpoint


def plain_router(tag: str) -> APIRouter:
    """A router of such routes.

    Args:
        tag: their group in the schema.
    """
    return APIRouter(tags=[tag], route_class=PlainRoute)
