"""A service as a source of expectation values with their variances, as error mitigation wants it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np

from tfq_llm.errors import ServiceError
from tfq_llm.ionq.circuits import BoundCircuits
from tfq_llm.ionq.mitigation.methods import Part, Run
from tfq_llm.ionq.orders import Order
from tfq_llm.ionq.plans import Plan
from tfq_llm.ionq.service import Service


def source(service: Service, parts: Sequence[Part], agree: Callable[[Sequence[Plan]], object]) -> Run:
    """Sends circuits and waits for all of them; returns a function that gives their values.

    Parts with the same circuits and as many shots are run once.

    Args:
        service: where they run, by its order, but for the shots.
        parts: everything that will be asked for.
        agree: as for `Service.submit_all`.

    Raises, the function too:
        ServiceError: circuits without a result that can be used.
    """

    def order(shots: int) -> Order:
        return replace(service.order, shots=shots)

    service.wait(service.submit_all([(part.circuits, order(part.shots)) for part in parts], agree))

    def run(circuits: BoundCircuits, shots: int) -> tuple[np.ndarray, np.ndarray]:
        found = service.jobs.values(circuits, order(shots))
        missing = int(np.isnan(found).any(axis=1).sum())
        if missing:
            raise ServiceError(
                f"{missing:,} of {len(found):,} circuits have no result that can be used: see 'tfq-llm ionq status'."
            )
        # Where all shots agree the variance is not nothing: two shots more, one of each kind, keep it from that.
        shrunk = found * shots / (shots + 2)
        return found, (1 - shrunk**2) / shots

    return run
