"""Joins a Ray cluster that is there already, for whatever hands it work."""

from __future__ import annotations

import logging
import os
import signal
import subprocess
import sys
import threading
import time
from types import ModuleType

from tfq_llm.errors import InputError
from tfq_llm.one_thread import ONE_THREAD

# How long a cluster may take to answer. Ray itself tries for minutes, and then ends the process.
_PATIENCE_SECONDS = 20.0
# How old the known size of the cluster may be.
_SIZE_SECONDS = 5.0

_PROBE = "import sys, ray; ray.init(address=sys.argv[1], log_to_driver=False, logging_level='ERROR')"


def import_ray() -> ModuleType:
    """Ray, with its `exceptions`.

    Raises:
        InputError: it is not installed.
    """
    # Ray prints its own account of every lost node, thirty lines long; ours is one.
    os.environ.setdefault("RAY_DEDUP_LOGS_SKIP_REGEX", ".")
    try:
        import ray
        import ray.exceptions
    except ImportError as error:
        raise InputError(
            "a cluster needs Ray, which is not installed: pip install '.[cluster]' where this package is from."
        ) from error
    return ray


def deaths(ray: ModuleType) -> tuple[type[BaseException], ...]:
    """What a task ends with whose worker or node was lost: it may be run again."""
    errors = ray.exceptions
    return errors.WorkerCrashedError, errors.NodeDiedError, errors.OutOfMemoryError, errors.ObjectLostError


def connect(ray: ModuleType, address: str) -> None:
    """Joins a cluster whose workers then have one thread each, after another process tried: one that waits cannot be stopped.

    Args:
        ray: as `import_ray` returns it.
        address: "host:port" of the head as seen from a machine of the cluster, or "auto" for the cluster that this machine is in.

    Raises:
        InputError: there is no such cluster.
    """
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


class Slots:
    """How many tasks a cluster can run at a time, by the CPUs and the memory of the nodes that are there.

    Args:
        ray: joined.
        cpus: of a task.
        memory: of a task, in bytes; None: nobody looks at it.
    """

    def __init__(self, ray: ModuleType, cpus: float, memory: int | None = None) -> None:
        self._ray = ray
        self._wanted = {"CPU": cpus, **({"memory": memory} if memory else {})}
        self._count, self._counted = 0, -_SIZE_SECONDS

    @property
    def count(self) -> int:
        """One at least."""
        if time.monotonic() - self._counted >= _SIZE_SECONDS:
            self._count, self._counted = self.held_now(), time.monotonic()
        return max(1, self._count)

    def held_now(self) -> int:
        """How many the machines hold together; a task is on one machine as a whole."""
        alive = [node["Resources"] for node in self._ray.nodes() if node["Alive"]]
        return sum(min(int(has.get(name, 0) / amount) for name, amount in self._wanted.items()) for has in alive)
