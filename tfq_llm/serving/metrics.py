"""What Prometheus is told."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, PlatformCollector, ProcessCollector, generate_latest
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.exposition import CONTENT_TYPE_LATEST
from prometheus_client.registry import Collector

CONTENT_TYPE = CONTENT_TYPE_LATEST
_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
_ROWS = (1, 2, 4, 8, 16, 32, 64, 128, 256)


class Metrics:
    """The counters of one server, in a registry of its own.

    Attributes:
        requests: by route (as in the OpenAPI schema, never as it was asked for), method and status.
        seconds: from the arrival of a request to the end of its answer, by route.
        batch_rows, batch_seconds: of the calls of the model.
        loads: versions that were loaded, or could not be, by result.
    """

    def __init__(self) -> None:
        self._registry = registry = CollectorRegistry()
        ProcessCollector(registry=registry)
        PlatformCollector(registry=registry)
        self.requests = Counter("tfq_llm_requests", "Requests answered.", ("route", "method", "status"), registry=registry)
        self.seconds = Histogram("tfq_llm_request_seconds", "Time to answer.", ("route",), buckets=_SECONDS, registry=registry)
        self.batch_rows = Histogram("tfq_llm_batch_rows", "Rows of a call of the model.", buckets=_ROWS, registry=registry)
        self.batch_seconds = Histogram("tfq_llm_batch_seconds", "Time of a call.", buckets=_SECONDS, registry=registry)
        self._queue = Gauge("tfq_llm_queue_rows", "Rows that wait for the model.", registry=registry)
        self._open = Gauge("tfq_llm_requests_in_progress", "Requests that were not answered yet.", registry=registry)
        self._bytes = Gauge(
            "tfq_llm_bytes_in_progress", "Bytes of these requests and of answers not yet read.", registry=registry
        )
        self.loads = Counter("tfq_llm_version_loads", "Loads of versions.", ("result",), registry=registry)

    def watch(self, queue_rows: Callable[[], int], in_progress: Callable[[], int], bytes_in_progress: Callable[[], int]) -> None:
        """Reads these numbers whenever the metrics are asked for."""
        self._queue.set_function(queue_rows)
        self._open.set_function(in_progress)
        self._bytes.set_function(bytes_in_progress)

    def watch_versions(self, states: Callable[[], Mapping[int, str]]) -> None:
        """Reads the state of every version whenever the metrics are asked for: 1 for the state that it is in."""
        self._registry.register(_VersionStates(states))

    def text(self) -> bytes:
        """All of it, in Prometheus' text format."""
        return generate_latest(self._registry)


class _VersionStates(Collector):
    def __init__(self, states: Callable[[], Mapping[int, str]]) -> None:
        self._states = states

    def collect(self) -> Iterator[GaugeMetricFamily]:
        family = GaugeMetricFamily("tfq_llm_version_state", "1 for the state of a version.", labels=("version", "state"))
        for version, state in self._states().items():
            family.add_metric((str(version), state), 1)
        yield family
