"""What v0.4 keeps of a job that has run: which artifacts there are, and what is in them."""

from __future__ import annotations

import random
from typing import Any

from tfq_llm.ionq.emulator.handling import probabilities
from tfq_llm.ionq.emulator.jobs import Job

_FORMATS = {
    "probabilities": "ionq.result.probabilities.json.v1",
    "histogram": "ionq.result.histogram.json.v1",
    "shots": "ionq.result.shots.json.v1",
    "probabilities-aggregate": "ionq.result.probabilities-aggregate.json.v1",
}


def described(job: Job) -> dict[str, Any]:
    """The artifacts by their formats, as the document has them; and by short names with links, which qiskit-ionq follows."""
    found: dict[str, Any] = {}
    for name in _names(job):
        descriptor = {"id": name, "format": _FORMATS[name], "media_type": "application/json"}
        found[_FORMATS[name]] = descriptor
        found[name.partition("-")[0]] = descriptor | {"url": _url(job, name)}
    return found


def contents(job: Job, name: str) -> Any:
    """An artifact's JSON values; None if the job has none of this name."""
    if name not in _names(job):
        return None
    if name.startswith("probabilities"):
        return probabilities(job)
    assert job.histogram is not None
    counts = job.histogram.counts()
    if name == "histogram":
        return counts
    shots = [state for state, count in counts.items() for _ in range(count)]
    # In an order of the job's own, the same whenever it is asked for.
    random.Random(job.id).shuffle(shots)
    return shots


def _names(job: Job) -> list[str]:
    if job.children:
        return ["probabilities-aggregate"]
    return ["probabilities", "histogram", "shots"] if job.is_sampled else ["probabilities"]


def _url(job: Job, name: str) -> str:
    paths = {"probabilities": "results/probabilities", "probabilities-aggregate": "results/probabilities/aggregated"}
    return f"/v0.4/jobs/{job.id}/{paths.get(name, f'artifacts/{name}')}"
