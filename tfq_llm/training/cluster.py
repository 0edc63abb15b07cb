"""Which processes train one model together: the contents of TF_CONFIG, checked."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tfq_llm.checks import is_whole
from tfq_llm.errors import InputError

VARIABLE = "TF_CONFIG"
_EXAMPLE = '{"cluster": {"worker": ["one.example:2222", "two.example:2222"]}, "task": {"type": "worker", "index": 0}}'


@dataclass(frozen=True)
class Cluster:
    """The workers that train one model, and which of them this process is.

    Args:
        workers: "host:port" of each, in the same order everywhere; the first is the chief, which alone writes files.
        index: the place of this process among them.

    Raises:
        InputError: an address is not host:port or stands there twice, or there is no worker of this index.
    """

    workers: tuple[str, ...]
    index: int

    def __post_init__(self) -> None:
        for address in self.workers:
            _check_address(address)
        if len(set(self.workers)) < len(self.workers):
            raise InputError(f"every worker needs an address of its own; given: {', '.join(self.workers)}.")
        if not is_whole(self.index) or not 0 <= self.index < len(self.workers):
            raise InputError(f"the index of a worker must be one of 0 to {len(self.workers) - 1}, not {self.index!r}.")

    @property
    def is_chief(self) -> bool:
        """Whether this is the first worker, which alone writes files."""
        return self.index == 0

    @property
    def port(self) -> int:
        """This worker's own."""
        return int(self.workers[self.index].rpartition(":")[2])

    def __str__(self) -> str:
        return f"worker {self.index} of {len(self.workers)} ({self.workers[self.index]})"

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] | None = None) -> Cluster | None:
        """Reads TF_CONFIG, which TensorFlow's launchers set; None if it is not set or names no cluster.

        A task of the type "chief" comes before the workers.

        Args:
            environment: in place of the process's own.

        Raises:
            InputError: it is not JSON, has not the form of the example in the message, or has tasks that do not train together.
        """
        text = (os.environ if environment is None else environment).get(VARIABLE, "").strip()
        if not text:
            return None
        try:
            settings = json.loads(text)
        except json.JSONDecodeError as error:
            raise _wrong(f"it is not valid JSON ({error})") from error
        if not isinstance(settings, dict):
            raise _wrong("it is not an object")
        return cls._from_settings(settings) if settings.get("cluster") else None

    @classmethod
    def _from_settings(cls, settings: dict[str, Any]) -> Cluster:
        jobs, task = settings["cluster"], settings.get("task")
        if not isinstance(jobs, dict) or not all(isinstance(job, list) for job in jobs.values()):
            raise _wrong("'cluster' must be an object of lists of addresses")
        others = sorted(set(jobs) - {"chief", "worker"})
        if others:
            raise _wrong(f"it has tasks of the type {', '.join(map(repr, others))}, and all must be workers (or one chief)")
        if not isinstance(task, dict) or not is_whole(task.get("index")):
            raise _wrong("'task' must have a 'type' and a whole 'index'")
        kind, index = task.get("type"), int(task["index"])
        if not isinstance(kind, str) or not 0 <= index < len(jobs.get(kind, [])):
            raise _wrong(f"the cluster has no task of the type {kind!r} with the index {index}")
        chiefs = jobs.get("chief", [])
        if len(chiefs) > 1:
            raise _wrong("it has more than one chief")
        return cls((*chiefs, *jobs.get("worker", [])), index + (len(chiefs) if kind == "worker" else 0))


def refuse_cluster(command: str) -> None:
    """Raises InputError if TF_CONFIG names several workers, for a command that would do the same work on each of them."""
    cluster = Cluster.from_environment()
    if cluster and len(cluster.workers) > 1:
        raise InputError(
            f"{VARIABLE} names {len(cluster.workers)} workers, and '{command}' trains on one machine: unset {VARIABLE} to run it "
            "here alone, or train one model on all of them with tfq_llm.training.fit_distributed (docs/studies.md)."
        )


def _check_address(address: object) -> None:
    host, _, port = str(address).rpartition(":")
    if not isinstance(address, str) or not host or not (port.isascii() and port.isdigit() and 0 < int(port) < 2**16):
        raise InputError(f"the address of a worker must be 'host:port', such as 'one.example:2222', not {address!r}.")


def _wrong(what: str) -> InputError:
    return InputError(
        f"{VARIABLE} cannot be used: {what}. It must look like {_EXAMPLE}, with an index of its own for each worker."
    )
