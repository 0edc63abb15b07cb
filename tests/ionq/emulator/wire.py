"""Plain HTTP for tests of the emulator, and bodies to send."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import requests

from tfq_llm.ionq.emulator import Emulator

BELL: list[dict[str, Any]] = [{"gate": "h", "target": 0}, {"gate": "cnot", "control": 0, "target": 1}]
FLIP: list[dict[str, Any]] = [{"gate": "x", "target": 0}]


def single(circuit: list[dict[str, Any]] | None = None, **changes: Any) -> dict[str, Any]:
    """A v0.4 job of one circuit."""
    gates = BELL if circuit is None else circuit
    body = {"type": "ionq.circuit.v1", "backend": "simulator", "input": {"gateset": "qis", "qubits": 2, "circuit": gates}}
    return body | changes


def batch(*circuits: list[dict[str, Any]], **changes: Any) -> dict[str, Any]:
    """A v0.4 job of named circuits."""
    named = [{"name": f"circuit {index}", "circuit": gates} for index, gates in enumerate(circuits)]
    program = {"gateset": "qis", "qubits": 2, "circuits": named}
    return {"type": "ionq.multi-circuit.v1", "backend": "simulator", "input": program} | changes


def old(circuit: list[dict[str, Any]] | None = None, **changes: Any) -> dict[str, Any]:
    """A v0.3 job of one circuit."""
    gates = BELL if circuit is None else circuit
    program = {"gateset": "qis", "qubits": 2, "circuit": gates}
    return {"target": "simulator", "lang": "json", "shots": "100", "body": program} | changes


class Caller:
    """Sends requests as the published document has them."""

    def __init__(self, emulator: Emulator) -> None:
        self.emulator = emulator
        self.headers = {"Authorization": f"apiKey {emulator.key}"}

    def send(self, method: str, path: str, **arguments: Any) -> requests.Response:
        """Each request in a connection of its own, so that no client repeats it because a kept one was closed."""
        arguments = {"headers": self.headers, "timeout": 20} | arguments
        return requests.request(method, self.emulator.url + path, **arguments)

    def get(self, path: str, **arguments: Any) -> Any:
        response = self.send("GET", path, **arguments)
        assert response.ok, response.text
        return response.json()

    def submit(self, body: dict[str, Any], version: str = "v0.4") -> str:
        response = self.send("POST", f"/{version}/jobs", json=body)
        assert response.ok, response.text
        return response.json()["id"]

    def refused(self, body: Any, version: str = "v0.4") -> str:
        """The message with which a submission is refused as a bad request."""
        response = self.send("POST", f"/{version}/jobs", json=body)
        assert response.status_code == 400, response.text
        assert not self.emulator.jobs()
        return response.json()["message"]

    def settled(self, job: str, version: str = "v0.4") -> dict[str, Any]:
        """The job when it has come to its end."""
        return self.until(
            lambda: self.get(f"/{version}/jobs/{job}"), lambda found: found["status"] in ("completed", "failed", "canceled")
        )

    def results(self, job: str) -> Any:
        """Of a v0.4 job, when it is done."""
        done = self.settled(job)
        return self.get(f"/v0.4/jobs/{job}/results/probabilities{'/aggregated' if done['child_job_ids'] else ''}")

    @staticmethod
    def until(look: Callable[[], Any], is_good: Callable[[Any], bool], seconds: float = 30) -> Any:
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            found = look()
            if is_good(found):
                return found
            time.sleep(0.01)
        raise AssertionError(f"still {found} after {seconds} s")
