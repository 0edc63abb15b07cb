"""The server's process: a port, an event loop, and an end that answers what was asked before it."""

from __future__ import annotations

import logging
import math
import signal
import socket
import sys
from collections.abc import Callable
from functools import partial
from types import FrameType

import uvicorn

from tfq_llm.errors import InputError
from tfq_llm.listening import listen
from tfq_llm.serving.app import make_app
from tfq_llm.serving.connections import BoundedConnection
from tfq_llm.serving.log import event, failure, log_to_stderr
from tfq_llm.serving.open_files import allow_connections
from tfq_llm.serving.service import Service
from tfq_llm.serving.settings import ServerSettings

_BACKLOG = 1024
_UNREAD = 4
"""Of a refused body as many times the most that is taken is thrown away, so that its caller gets to read why."""
_SWITCH_SECONDS = 0.0005
"""How long a thread may keep Python's lock while another waits: 5 ms, the default, is longer than the model takes for a text."""


class Server:
    """A server, ready to run.

    Args:
        settings: all of it.
        loaded: called once the first version is loaded, in another thread.

    Attributes:
        url: where it listens.

    Raises:
        InputError: the port is taken or needs rights, or there is no exported model in the directory.
    """

    def __init__(self, settings: ServerSettings, loaded: Callable[[], None] = lambda: None) -> None:
        self._failure: Exception | None = None
        self._service = Service(settings, loaded, self._failed)
        self._socket = listen(settings.host, settings.port, _BACKLOG)
        self._server = _Uvicorn(self._service)
        self.url = _url(self._socket, settings.host)

    def run(self) -> None:
        """Serves until SIGTERM or Ctrl-C; what was asked before is answered then, or refused when either comes again.

        Raises:
            InputError: no version of the model could be loaded.
        """
        log_to_stderr()
        sys.setswitchinterval(_SWITCH_SECONDS)
        allow_connections(self._service.settings.limits.requests)
        event("listening", url=self.url, model=self._service.versions.name)
        self._server.run([self._socket])
        self._service.records.write()
        event("stopped")
        if isinstance(self._failure, InputError):
            raise self._failure
        if self._failure is not None:
            raise InputError("the server could not load the model; its log says why.") from self._failure

    @property
    def is_broken_off(self) -> bool:
        """Whether it was told to stop twice, so that threads may still be at work."""
        return self._service.is_broken_off

    def stop(self) -> None:
        """Ends `run`, from another thread."""
        self._server.finish()

    def _failed(self, error: Exception) -> None:
        self._failure = error
        if not isinstance(error, InputError):
            failure("the first version could not be loaded", error)
        self.stop()


class _Uvicorn(uvicorn.Server):
    """Tells the service when it begins to stop, and leaves the exit code to us."""

    def __init__(self, service: Service) -> None:
        self._service = service
        limits = service.settings.limits
        super().__init__(
            uvicorn.Config(
                make_app(service),
                http=partial(BoundedConnection, unread_bytes=_UNREAD * limits.body_bytes),  # type: ignore[arg-type]
                ws="none",
                loop="uvloop",
                log_config=None,
                access_log=False,
                proxy_headers=False,
                server_header=False,
                timeout_graceful_shutdown=math.ceil(limits.timeout) + 1,
            )
        )

    def finish(self) -> None:
        self._service.is_stopping = True
        self.should_exit = True

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        event("stopping", logging.INFO, signal=signal.Signals(sig).name)
        if self.should_exit:
            self.force_exit = self._service.is_broken_off = True  # asked twice
        self.finish()


def _url(listening: socket.socket, host: str) -> str:
    shown = f"[{host}]" if ":" in host else host
    return f"http://{shown}:{listening.getsockname()[1]}"
