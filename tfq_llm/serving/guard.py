"""Who is answered: callers with the token, for names of this machine, while there is room."""

from __future__ import annotations

import hmac
import re

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from tfq_llm.checks import is_loopback
from tfq_llm.serving import errors
from tfq_llm.serving.errors import RequestError
from tfq_llm.serving.replies import error_reply
from tfq_llm.serving.service import Service

_OPEN = ("/", "/healthz", "/readyz")
_HOST = re.compile(r"(\[[^\]]*\]|[^:]*)(?::\d+)?")


class Guard:
    """Refuses requests before anything of them is read.

    Without a token only this machine can call; but so can a page of any site through a browser on it: by a name that leads here
    ("DNS rebinding"), so names other than the loopback's are refused; and across sites, so requests of other pages are, unless
    their origin is among those that may call.

    Args:
        app: what is within.
        service: its settings and state.
    """

    def __init__(self, app: ASGIApp, service: Service) -> None:
        self._app, self._service = app, service
        token = service.settings.token
        self._expected = None if token is None else token.encode()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            try:
                self._check(scope["path"], Headers(scope=scope))
            except RequestError as error:
                reply = error_reply(error.status, error.message)
                if error.status == errors.UNAUTHENTICATED:
                    reply.headers["WWW-Authenticate"] = "Bearer"
                await reply(scope, receive, send)
                return
        await self._app(scope, receive, send)

    def _check(self, path: str, headers: Headers) -> None:
        if self._expected is None:
            self._check_host(headers.get("host"))
        if path in _OPEN or path.startswith("/static/"):
            return
        if self._expected is None:
            self._check_page(headers)
        else:
            scheme, _, given = headers.get("authorization", "").partition(" ")
            if scheme.lower() != "bearer" or not hmac.compare_digest(given.encode("latin-1", "replace"), self._expected):
                raise RequestError(errors.UNAUTHENTICATED, "send the server's token: Authorization: Bearer TOKEN.")
        if self._service.is_stopping:
            raise RequestError(errors.UNAVAILABLE, "the server is stopping.")
        # Whoever watches the server needs its numbers most when there is too much to do.
        if path != "/metrics" and self._service.in_progress > self._service.settings.limits.requests:
            raise RequestError(errors.UNAVAILABLE, "as many requests as may be are in progress: try again later.")

    def _check_host(self, host: str | None) -> None:
        match = None if host is None else _HOST.fullmatch(host)
        name = match[1].strip("[]").lower() if match else ""
        if host is not None and name != self._service.settings.host and not is_loopback(name):
            raise RequestError(errors.FORBIDDEN, "this server answers for names of the loopback, such as 127.0.0.1, alone.")

    def _check_page(self, headers: Headers) -> None:
        origin, host = headers.get("origin"), headers.get("host")
        is_own = origin == f"http://{host}" if origin else headers.get("sec-fetch-site") not in ("cross-site", "same-site")
        if not is_own and origin not in self._service.settings.cors_origins:
            raise RequestError(errors.FORBIDDEN, "pages of other sites may not call this server; --cors-origin lets one.")
