"""Workers on an existing Ray cluster."""

from __future__ import annotations

import logging
import os
import signal
import subprocess
import sys
import threading
import time
import uuid
from concurrent.futures import Future
from concurrent.futures.process import BrokenProcessPool
from types import ModuleType, TracebackType

from pebble import ProcessExpired

from tfq_llm.errors import InputError
from tfq_llm.studies.store import Store
from tfq_llm.studies.timed import attempt_within
from tfq_llm.studies.trial import Trial, TrialResult
from tfq_llm.studies.versions import as_text, versions
from tfq_llm.studies.worker import ONE_THREAD, PERFORM, Expected, Failure, Unfit, attempt

logger = logging.getLogger(__name__)

MARK = "cluster.txt"
"""A file in the study's directory by which workers elsewhere see that it is the same directory."""

# How long a cluster may take to answer. Ray itself tries for minutes, and then ends the process.
_PATIENCE_SECONDS = 20.0
# So many trials for every one that runs: a worker does not wait for its next one.
_AHEAD = 2
# How old the known size of the cluster may be.
_SIZE_SECONDS = 5.0

_PROBE = "import sys, ray; ray.init(address=sys.argv[1], log_to_driver=False, logging_level='ERROR')"


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
        self._ray = _import_ray()
        if store_url.startswith("memory://"):
            raise InputError(
                f"the store '{store_url}' is memory of this process. Give a shared directory or an object store's URL."
            )
        store = Store(store_url)
        _connect(self._ray, address)
        errors = self._ray.exceptions
        self.deaths: tuple[type[BaseException], ...] = (
            errors.WorkerCrashedError,
            errors.NodeDiedError,
            errors.OutOfMemoryError,
            errors.ObjectLostError,
            # Of the process in which a worker runs a trial that has a time limit.
            ProcessExpired,
            BrokenProcessPool,
        )
        self.retries = max_retries
        self._store_url, self._perform = store.url, perform
        mark = None
        if store.directory is not None:
            mark = (str(store.directory / MARK), uuid.uuid4().hex)
            store.write_text(MARK, mark[1])
        self._expected = Expected(as_text(versions()), mark)
        # Ray's own retries are off: those of trials that ran out of memory would never end.
        resources = {"num_cpus": cpus_per_trial, "max_retries": 0, **({"memory": memory_per_trial} if memory_per_trial else {})}
        self._task = self._ray.remote(**resources)(attempt if timeout is None else attempt_within)
        self._first_arguments = () if timeout is None else (timeout,)
        self._wanted = {"CPU": cpus_per_trial, **({"memory": memory_per_trial} if memory_per_trial else {})}
        self._size, self._sized = self._held_now(), time.monotonic()
        if not self._size:
            memory = f" and {memory_per_trial / 1e9:g} GB of memory" if memory_per_trial else ""
            logger.warning("No machine of the cluster has %g CPUs%s for a trial: trials wait for one.", cpus_per_trial, memory)

    def __enter__(self) -> RayWorkers:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None) -> None:
        self.close()

    @property
    def busy(self) -> int:
        """How many trials can run at a time, by the CPUs and the memory of the nodes that are there now."""
        if time.monotonic() - self._sized >= _SIZE_SECONDS:
            self._size = self._held_now()
            self._sized = time.monotonic()
        return max(1, self._size)

    def _held_now(self) -> int:
        """How many trials the machines hold together; a trial is on one machine as a whole."""
        found = 0
        for node in self._ray.nodes():
            if node["Alive"]:
                has = node["Resources"]
                found += min(int(has.get(name, 0) / amount) for name, amount in self._wanted.items())
        return found

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


def _import_ray() -> ModuleType:
    # Ray prints its own account of every lost node, thirty lines long; the monitor says it in one.
    os.environ.setdefault("RAY_DEDUP_LOGS_SKIP_REGEX", ".")
    try:
        import ray
        import ray.exceptions
    except ImportError as error:
        raise InputError("a cluster needs Ray, which is not installed: install 'tfq-llm[cluster]'.") from error
    return ray


def _connect(ray: ModuleType, address: str) -> None:
    """Joins a cluster, after another process tried: one that waits for a cluster cannot be stopped."""
    try:
        probe = subprocess.run(
            [sys.executable, "-c", _PROBE, address], capture_output=True, text=True, timeout=_PATIENCE_SECONDS, check=False
        )
        said = probe.stderr.strip().splitlines()
        reason = None if probe.returncode == 0 else said[-1] if said else f"exit code {probe.returncode}"
    except subprocess.TimeoutExpired:
        reason = f"it did not answer within {_PATIENCE_SECONDS:.0f} seconds"
    if reason is not None:
        raise InputError(
            f"there is no Ray cluster at '{address}' that this machine can use: {reason}. Start one with 'ray start --head', "
            f"join this machine to it, and give the address that it prints; or leave --cluster out. Finished results are kept."
        )
    environment = {"env_vars": ONE_THREAD}
    handler = signal.getsignal(signal.SIGTERM)
    ray.init(address=address, log_to_driver=False, logging_level=logging.ERROR, runtime_env=environment)
    if threading.current_thread() is threading.main_thread():
        # Ray puts its own in the place of whatever was there.
        signal.signal(signal.SIGTERM, handler)
