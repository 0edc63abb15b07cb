"""What is counted and logged of requests that ended."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Any

from tfq_llm.serving.log import event
from tfq_llm.serving.metrics import Metrics

_LATER_SECONDS = 0.25
"""Many at once take less time than one by one, each after a call of the model that has emptied the processor's caches."""


@dataclass(frozen=True)
class Ended:
    """A request that was answered, or left.

    Attributes:
        route: as in the OpenAPI schema, never as it was asked for.
        method: of HTTP.
        status: of the answer.
        seconds: from its arrival to the end of its answer.
        at: that end, in the seconds of `time.time`.
        fields: more for the log; never texts.
    """

    route: str
    method: str
    status: int
    seconds: float
    at: float
    fields: dict[str, Any]


class Records:
    """Counts and logs requests, several at once, soon after they ended.

    Args:
        metrics: that count.
    """

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics
        self._waiting: list[Ended] = []

    def add(self, ended: Ended) -> None:
        """Takes one, in the event loop."""
        if not self._waiting:
            asyncio.get_running_loop().call_later(_LATER_SECONDS, self.write)
        self._waiting.append(ended)

    def write(self) -> None:
        """Writes what was taken, in the event loop or after it."""
        waiting, self._waiting = self._waiting, []
        for ended in waiting:
            self._metrics.requests.labels(ended.route, ended.method, str(ended.status)).inc()
            self._metrics.seconds.labels(ended.route).observe(ended.seconds)
            fields = {"ms": round(1000 * ended.seconds, 2), **ended.fields}
            event("request", at=ended.at, route=ended.route, method=ended.method, status=ended.status, **fields)
