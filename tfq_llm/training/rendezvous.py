"""Waiting until every worker of a cluster is there.

TensorFlow waits for missing workers in a call that no deadline and no SIGTERM ends, or ends it by aborting the process. So the
workers meet before TensorFlow starts, on the ports that it will use: each says who it is to the chief, and the chief
answers all at once, or says at the deadline who is missing.
"""

from __future__ import annotations

import json
import logging
import socket
import time
from collections.abc import Iterable
from contextlib import ExitStack, suppress
from typing import Any

import tfq_llm
from tfq_llm.errors import InputError, ServiceError
from tfq_llm.training.cluster import Cluster

logger = logging.getLogger(__name__)

_LONGEST = 1 << 16
# Seconds: for one line of a peer; between two tries to reach the chief; that an answer may come after the deadline.
_LINE, _PAUSE, _GRACE = 5.0, 0.2, 5.0


class WorkerLostError(ServiceError):
    """A worker did not come, or did not stay; the same command on every worker goes on after the last finished epoch."""


def meet(cluster: Cluster, wait: float) -> None:
    """Returns, on every worker at about the same time, when all are there.

    Args:
        cluster: the same workers everywhere.
        wait: seconds.

    Raises:
        WorkerLostError: a worker is missing after `wait` seconds; the message names it.
        InputError: this worker's port is taken or its host is not known; or a worker has another list of workers, another
            version of this package, or an index that another one has.
    """
    deadline = time.monotonic() + wait
    logger.info("%s waits for the others", cluster)
    with _listening(cluster) as server:
        if cluster.is_chief:
            _receive(server, cluster, deadline, wait)
            return
    _report(cluster, deadline, wait)


def _listening(cluster: Cluster) -> socket.socket:
    try:
        return socket.create_server(("", cluster.port), backlog=len(cluster.workers) + 8)
    except OSError as error:
        raise InputError(
            f"{cluster} cannot use its port {cluster.port} ({error.strerror or error}): end the process that has it, or give "
            "another port in TF_CONFIG."
        ) from error


def _greeting(cluster: Cluster) -> dict[str, Any]:
    return {"tfq_llm": tfq_llm.__version__, "workers": list(cluster.workers)}


def _receive(server: socket.socket, cluster: Cluster, deadline: float, wait: float) -> None:
    """What the chief does: collects the others and answers them."""
    present: dict[int, socket.socket] = {}
    with ExitStack() as connections:
        while len(present) < len(cluster.workers) - 1:
            server.settimeout(max(deadline - time.monotonic(), 0.001))
            try:
                peer = connections.enter_context(server.accept()[0])
            except TimeoutError:
                text = _missing(cluster, sorted(set(range(1, len(cluster.workers))) - set(present)), wait)
                _answer(present.values(), "lost", text)
                raise WorkerLostError(text) from None
            said = _line(peer, _LINE)
            present = {index: other for index, other in present.items() if _is_open(other)}
            index = said.pop("index", None)
            if not isinstance(index, int) or not 0 < index < len(cluster.workers):
                peer.close()
            elif index in present:
                _answer([peer], "wrong", f"worker {index} ({cluster.workers[index]}) is there twice: give each its own index.")
            elif said != _greeting(cluster):
                text = f"worker {index} has {said} and worker 0 has {_greeting(cluster)}: start all with the same."
                _answer([*present.values(), peer], "wrong", text)
                raise InputError(text)
            else:
                present[index] = peer
        _answer(present.values(), "go")


def _report(cluster: Cluster, deadline: float, wait: float) -> None:
    """What the others do: they tell the chief that they are there and wait for its answer."""
    host, _, port = cluster.workers[0].rpartition(":")
    greeting = json.dumps(_greeting(cluster) | {"index": cluster.index}) + "\n"
    while (left := deadline - time.monotonic()) > 0:
        answer: dict[str, Any] = {}
        with suppress(OSError), socket.create_connection((host.strip("[]"), int(port)), left) as chief:
            chief.sendall(greeting.encode())
            answer = _line(chief, left + _GRACE)
        if "wrong" in answer:
            raise InputError(answer["wrong"])
        if "lost" in answer:
            raise WorkerLostError(answer["lost"])
        if "go" in answer:
            return
        time.sleep(_PAUSE)
    raise WorkerLostError(_missing(cluster, [0], wait))


def _missing(cluster: Cluster, indices: Iterable[int], wait: float) -> str:
    named = ", ".join(f"worker {index} ({cluster.workers[index]})" for index in indices)
    return (
        f"{named} did not answer within {wait:g} seconds. Start the same command on every worker at about the same time, and "
        "check that their ports can be reached."
    )


def _answer(peers: Iterable[socket.socket], kind: str, text: str = "") -> None:
    """Sends "go", "lost" or "wrong" with a text; a peer that has gone does not matter any more."""
    for peer in peers:
        with suppress(OSError):
            peer.sendall((json.dumps({kind: text}) + "\n").encode())


def _line(peer: socket.socket, seconds: float) -> dict[str, Any]:
    """A line of JSON; empty if the peer closed, sent something else, or nothing in this time."""
    peer.settimeout(seconds)
    with suppress(OSError, ValueError), peer.makefile("rb") as file:
        said = json.loads(file.readline(_LONGEST))
        if isinstance(said, dict):
            return said
    return {}


def _is_open(peer: socket.socket) -> bool:
    """Whether a peer that has nothing more to say is still connected."""
    peer.setblocking(False)
    try:
        return peer.recv(1, socket.MSG_PEEK) != b""
    except BlockingIOError:
        return True
    except OSError:
        return False
