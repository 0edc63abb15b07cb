"""Dynamic batching: requests that arrive while the model is busy are answered together, by one call of it."""

from __future__ import annotations

import asyncio
import math
import threading
import time
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from tfq_llm.serving import errors
from tfq_llm.serving.errors import RequestError
from tfq_llm.serving.log import failure
from tfq_llm.serving.metrics import Metrics
from tfq_llm.serving.models import ServedModel
from tfq_llm.serving.settings import Limits
from tfq_llm.serving.tensors import Tensors, num_bytes

# While one call is in a step that runs on one core, or its answers are sent and the next requests read, the other uses the rest.
CALLS_AT_ONCE = 2


@dataclass(frozen=True, eq=False)
class _Waiting:
    """A request in the queue."""

    model: ServedModel
    signature: str
    inputs: Tensors
    rows: int
    size: int
    deadline: float
    answer: asyncio.Future[Tensors]
    loop: asyncio.AbstractEventLoop

    @property
    def is_wanted(self) -> bool:
        """Whether anybody still waits for the answer."""
        return not self.answer.done() and time.monotonic() <= self.deadline

    def goes_with(self, other: _Waiting) -> bool:
        return self.model is other.model and self.signature == other.signature


class Batcher:
    """Answers requests, many with one call of the model.

    Two threads call the model, for two batches at once are faster than one of twice the size. A batch takes what waits, up to
    `limits.batch_rows` and to half of all rows that wait or are being computed, and no more bytes than one request may have. If
    less waits than the last batches had, more is probably on its way, and it waits for that, `limits.batch_wait` seconds at most.
    So a single caller whose requests are of one size never waits. A caller that is cancelled leaves the queue.

    Args:
        limits: of the server.
        metrics: gets the sizes and times of batches.
    """

    def __init__(self, limits: Limits, metrics: Metrics) -> None:
        self._limits, self._metrics = limits, metrics
        self._queue: dict[_Waiting, None] = {}  # in order of arrival; any may leave
        self._rows = self._computing = 0
        self._sizes = deque([1] * CALLS_AT_ONCE, CALLS_AT_ONCE)
        self._wake_at = 1
        self._closing = False
        self._changed = threading.Condition()
        self._collecting = threading.Lock()
        self._threads = [threading.Thread(target=self._serve, name=f"inference-{n}", daemon=True) for n in range(CALLS_AT_ONCE)]

    @property
    def rows(self) -> int:
        """Rows that wait."""
        return self._rows

    def start(self) -> None:
        """Starts the threads that call the model."""
        for thread in self._threads:
            thread.start()

    def close(self) -> None:
        """Takes no more, answers what waits, and ends the threads."""
        with self._changed:
            self._closing = True
            self._changed.notify()
        for thread in self._threads:
            thread.join()

    async def answer(self, model: ServedModel, signature: str, inputs: Tensors, deadline: float) -> Tensors:
        """The outputs [rows, …] by name.

        Args:
            model: what is called; it stays loaded until the answer is there.
            signature: of it.
            inputs: [rows, …] by name.
            deadline: in the seconds of `time.monotonic`.

        Raises:
            RequestError: the queue is full (429), the deadline has passed (504), the server stops (503), or the inputs are not
                what the model takes (400).
        """
        loop = asyncio.get_running_loop()
        rows = len(next(iter(inputs.values())))
        waiting = _Waiting(model, signature, inputs, rows, num_bytes(inputs), deadline, loop.create_future(), loop)
        self._enqueue(waiting)
        timer = loop.call_later(deadline - time.monotonic(), _expire, waiting.answer)
        try:
            return await waiting.answer
        except (RequestError, asyncio.CancelledError):
            self._leave(waiting)
            raise
        finally:
            timer.cancel()
            del waiting  # its future may hold an error, whose traceback holds this frame

    def _enqueue(self, waiting: _Waiting) -> None:
        with self._changed:
            if self._closing:
                raise RequestError(errors.UNAVAILABLE, "the server is stopping.")
            if self._rows and self._rows + waiting.rows > self._limits.queue_rows:
                raise RequestError(errors.TOO_MANY, f"{self._rows} rows wait already, which is as many as may: try again later.")
            self._queue[waiting] = None
            self._rows += waiting.rows
            if self._rows >= self._wake_at:
                self._changed.notify()

    def _leave(self, waiting: _Waiting) -> None:
        with self._changed:
            if waiting in self._queue:
                del self._queue[waiting]
                self._rows -= waiting.rows

    def _serve(self) -> None:
        while batch := self._next_batch():
            self._answer(batch)
            with self._changed:
                self._computing -= _rows(batch)
            del batch  # it holds its model, which may have been unloaded

    def _next_batch(self) -> list[_Waiting]:
        """Waits for requests and takes some; none when there will be no more. One thread at a time does."""
        with self._collecting, self._changed:
            while True:
                self._wake_at = 1
                self._changed.wait_for(lambda: self._queue or self._closing)
                if not self._queue:
                    return []
                self._wake_at = math.ceil(sum(self._sizes) / len(self._sizes))
                self._changed.wait_for(lambda: self._rows >= self._wake_at or self._closing, self._limits.batch_wait)
                if batch := self._take():
                    rows = _rows(batch)
                    self._computing += rows
                    self._sizes.append(min(rows, self._limits.batch_rows))
                    return batch

    def _take(self) -> list[_Waiting]:
        """Takes the first that waits and those behind it that go with it. Whoever is not waiting any more is dropped."""
        batch: list[_Waiting] = []
        left: dict[_Waiting, None] = {}
        rows = size = 0
        most = min(self._limits.batch_rows, math.ceil((self._rows + self._computing) / CALLS_AT_ONCE))
        for waiting in self._queue:
            fits = rows + waiting.rows <= most and size + waiting.size <= self._limits.body_bytes
            if not waiting.is_wanted:
                self._rows -= waiting.rows
            elif not batch or (fits and waiting.goes_with(batch[0])):
                batch.append(waiting)
                rows += waiting.rows
                size += waiting.size
                self._rows -= waiting.rows
            else:
                left[waiting] = None
        self._queue = left
        return batch

    def _answer(self, batch: Sequence[_Waiting]) -> None:
        """Calls the model for a batch. If it refuses the inputs, either half is tried alone, for one request is to blame."""
        is_refused = False
        try:
            found: Tensors | Exception = self._call(batch)
        except RequestError as error:
            # Its traceback would hold the requests, which hold the error: all of it would stay until a search for garbage.
            found, is_refused = error.with_traceback(None), True
        except Exception as error:
            failure("the model failed", error, version=batch[0].model.version, rows=_rows(batch))
            found = RequestError(errors.INTERNAL, "the model failed; the server's log says where.")
        if is_refused and len(batch) > 1:
            middle = len(batch) // 2
            for half in (batch[:middle], batch[middle:]):
                if wanted := [waiting for waiting in half if waiting.is_wanted]:
                    self._answer(wanted)
            return
        batch[0].loop.call_soon_threadsafe(_deliver, batch, found)

    def _call(self, batch: Sequence[_Waiting]) -> Tensors:
        model, signature = batch[0].model, batch[0].signature
        inputs = batch[0].inputs if len(batch) == 1 else _joined([waiting.inputs for waiting in batch])
        rows = _rows(batch)
        parts = []
        for part in _parts(inputs, rows, self._limits.batch_rows):
            began = time.perf_counter()
            parts.append(model.call(signature, part))
            self._metrics.batch_seconds.observe(time.perf_counter() - began)
            self._metrics.batch_rows.observe(len(next(iter(part.values()))))
        return parts[0] if len(parts) == 1 else _joined(parts)


def _rows(batch: Sequence[_Waiting]) -> int:
    return sum(waiting.rows for waiting in batch)


def _joined(tensors: Sequence[Tensors]) -> Tensors:
    return {name: np.concatenate([each[name] for each in tensors]) for name in tensors[0]}


def _parts(inputs: Tensors, rows: int, size: int) -> Iterator[Tensors]:
    """Pieces of at most `size` rows: a request may have more than a batch."""
    if rows <= size:
        yield inputs
        return
    for start in range(0, rows, size):
        yield {name: values[start : start + size] for name, values in inputs.items()}


def _deliver(batch: Sequence[_Waiting], found: Tensors | Exception) -> None:
    """Runs in the event loop."""
    start = 0
    for waiting in batch:
        if not waiting.answer.done():
            if isinstance(found, Exception):
                waiting.answer.set_exception(found)
            else:
                waiting.answer.set_result({name: values[start : start + waiting.rows] for name, values in found.items()})
        start += waiting.rows


def _expire(answer: asyncio.Future[Tensors]) -> None:
    """Runs in the event loop."""
    if not answer.done():
        answer.set_exception(
            RequestError(errors.DEADLINE, "the deadline has passed before the model had an answer: try again later.")
        )
