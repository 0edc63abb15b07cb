"""Workers on an existing Ray cluster."""

from __future__ import annotations

import logging
import uuid
from concurrent.futures import Future
from concurrent.futures.process import BrokenProcessPool
from types import TracebackType

from pebble import ProcessExpired

from tfq_llm.errors import InputError
from tfq_llm.ray_cluster import Slots, connect, deaths, import_ray
from tfq_llm.studies.store import Store
from tfq_llm.studies.timed import attempt_within
from tfq_llm.studies.trial import Trial, TrialResult
from tfq_llm.studies.versions import as_text, versions
from tfq_llm.studies.worker import PERFORM, Expected, Failure, Unfit, attempt

logger = logging.getLogger(__name__)

MARK = "cluster.txt"
"""A file in the study's directory by which workers elsewhere see that it is the same directory."""

# So many trials for every one that runs: a worker does not wait for its next one.
_AHEAD = 2


class RayWorkers:
    """Runs trials as tasks of a Ray cluster that is there already; nodes may join and leave meanwhile.

    Every machine needs the same versions of the packages that numbers depend on, and the same view of the store: a directory that
    they share, or a URL. A worker that lacks either stops the study. Workers keep results themselves and return them too.

    Args:
        address: "host:port" of the head as seen from a machine of the cluster, or "auto" for the cluster that this machine is in.
        store_url: of the store.
        cpus_per_trial: that Ray sets aside; a trial has one thread anyway.
        memory_per_trial: bytes that Ray sets aside; None: it does not look at memory.
        max_retries: how often a trial runs again whose worker or node was lost.
        timeout: seconds after which a trial is stopped and counts as failed, from when a worker begins with it; None: never.
        perform: the function that runs a trial, as "module:function", which every machine can import.

    Raises:
        InputError: Ray is not installed, there is no such cluster, or the store is in memory.
    """

    def __init__(
        self,
        address: str,
        store_url: str,
        *,
        cpus_per_trial: float = 1.0,
        memory_per_trial: int | None = None,
        max_retries: int = 3,
        timeout: float | None = None,
        perform: str = PERFORM,
    ) -> None:
        self._ray = import_ray()
        if store_url.startswith("memory://"):
            raise InputError(
                f"the store '{store_url}' is memory of this process. Give a shared directory or an object store's URL."
            )
        store = Store(store_url)
        connect(self._ray, address)
        # Of the process in which a worker runs a trial that has a time limit, too.
        self.deaths: tuple[type[BaseException], ...] = (*deaths(self._ray), ProcessExpired, BrokenProcessPool)
        self.retries = max_retries
        self._store_url, self._perform = store.url, perform
        self._slots = Slots(self._ray, cpus_per_trial, memory_per_trial)
        mark = None
        if store.directory is not None:
            mark = (str(store.directory / MARK), uuid.uuid4().hex)
            store.write_text(MARK, mark[1])
        self._expected = Expected(as_text(versions()), mark)
        # Ray's own retries are off: those of trials that ran out of memory would never end.
        resources = {"num_cpus": cpus_per_trial, "max_retries": 0, **({"memory": memory_per_trial} if memory_per_trial else {})}
        self._task = self._ray.remote(**resources)(attempt if timeout is None else attempt_within)
        self._first_arguments = () if timeout is None else (timeout,)
        if not self._slots.held_now():
            memory = f" and {memory_per_trial / 1e9:g} GB of memory" if memory_per_trial else ""
            logger.warning("No machine of the cluster has %g CPUs%s for a trial: trials wait for one.", cpus_per_trial, memory)

    def __enter__(self) -> RayWorkers:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None) -> None:
        self.close()

    @property
    def busy(self) -> int:
        """How many trials can run at a time, by the CPUs and the memory of the nodes that are there now."""
        return self._slots.count

    @property
    def capacity(self) -> int:
        """How many trials may be with the cluster."""
        return _AHEAD * self.busy

    def submit(self, trial: Trial) -> Future[TrialResult | Failure | Unfit]:
        """Hands a trial to the cluster."""
        future: Future[TrialResult | Failure | Unfit] = self._task.remote(
            *self._first_arguments, self._perform, trial, self._store_url, self._expected
        ).future()
        return future

    def check(self) -> None:
        """Ray notices lost nodes itself."""

    def close(self) -> None:
        """Leaves the cluster, which then ends what it runs for this study."""
        self._ray.shutdown()
