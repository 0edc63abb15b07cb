"""Scoring on an existing Ray cluster: a chunk is a task."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future
from pathlib import Path
from types import TracebackType
from typing import NamedTuple

from tfq_llm.errors import InputError, ServiceError
from tfq_llm.ray_cluster import Slots, connect, deaths, import_ray
from tfq_llm.scoring.chunks import Chunk
from tfq_llm.scoring.models import Scores, load_scorer

# So many chunks for every one that is scored: a worker does not wait for its next one.
_AHEAD = 2


class Unfit(NamedTuple):
    """A machine that must not score: why."""

    reason: str


class RayWorkers:
    """Scores chunks as tasks of a Ray cluster, one thread each; nodes may join and leave meanwhile.

    Every machine needs this package, the same view of the model's directory, and its sentence encoder. A machine that lacks them,
    or has another model there, stops the scoring. Rows are read and written by this process alone.

    Args:
        address: as for `tfq_llm.ray_cluster.connect`.
        model: the model's directory, the same path on every machine.
        fingerprint: of the model.
        max_retries: how often a chunk is handed out again whose worker or node was lost.

    Raises:
        InputError: Ray is not installed, or there is no such cluster.
    """

    def __init__(self, address: str, model: Path, fingerprint: str, *, max_retries: int = 3) -> None:
        self._ray = import_ray()
        connect(self._ray, address)
        self._deaths, self._slots = deaths(self._ray), Slots(self._ray, 1.0)
        self._model, self._fingerprint, self._retries = model, fingerprint, max_retries
        # Ray's own retries are off: those of tasks that ran out of memory would never end.
        self._task = self._ray.remote(num_cpus=1, max_retries=0)(score_texts)

    def __enter__(self) -> RayWorkers:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None) -> None:
        self._ray.shutdown()

    def scored(self, chunks: Iterable[Chunk]) -> Iterator[tuple[Chunk, Scores]]:
        """Yields every chunk with its scores, in the order given.

        Raises:
            InputError: a machine cannot score with this model.
            ServiceError: a chunk lost its worker more than `max_retries` times.
        """
        waiting: deque[tuple[Chunk, Future[Scores | Unfit]]] = deque()
        for chunk in chunks:
            waiting.append((chunk, self._submit(chunk)))
            while len(waiting) >= _AHEAD * self._slots.count:
                yield self._taken(*waiting.popleft())
        while waiting:
            yield self._taken(*waiting.popleft())

    def _submit(self, chunk: Chunk) -> Future[Scores | Unfit]:
        future: Future[Scores | Unfit] = self._task.remote(str(self._model), self._fingerprint, chunk.texts).future()
        return future

    def _taken(self, chunk: Chunk, future: Future[Scores | Unfit]) -> tuple[Chunk, Scores]:
        retries = self._retries
        while True:
            try:
                found = future.result()
                break
            except self._deaths as error:
                if not retries:
                    raise ServiceError(
                        f"the cluster lost every worker that scored the rows before row {chunk.after.before + 1:,} "
                        f"({type(error).__name__}). What was scored before is kept; the same command goes on from there."
                    ) from error
            retries, future = retries - 1, self._submit(chunk)
        if isinstance(found, Unfit):
            raise InputError(found.reason)
        return chunk, found


def score_texts(model: str, fingerprint: str, texts: list[str]) -> Scores | Unfit:
    """What a task does: scores texts with the model in a directory of the machine it is on, if that is the right one."""
    from tfq_llm.simulation.compiled.threads import set_num_threads

    set_num_threads(1)
    host = os.uname().nodename
    try:
        scorer = load_scorer(Path(model))
    except InputError as error:
        return Unfit(f"the machine {host} cannot load '{model}': {error} All machines must see it under the same path.")
    if scorer.fingerprint != fingerprint:
        return Unfit(f"the machine {host} has another model in '{model}': all machines must see the same directory.")
    return scorer.score(texts)
