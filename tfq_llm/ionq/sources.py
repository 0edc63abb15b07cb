"""A service as a source of expectation values with their variances, as error mitigation wants it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import count

import cirq
import numpy as np

from tfq_llm.errors import ServiceError
from tfq_llm.ionq.circuits import BoundCircuits
from tfq_llm.ionq.jobs import Agree
from tfq_llm.ionq.mitigation.comparison import Run
from tfq_llm.ionq.service import Service


def source(service: Service, agree: Agree) -> Run:
    """A function that runs circuits at a service.

    Every call is a measurement of its own. Calls are numbered, so that a program that died finds the results of those that it had
    made, when it makes the same ones again.

    Args:
        service: where they run; its order with other shots and repetitions.
        agree: as for `Service.run`, call by call.

    Raises, when called:
        ServiceError: circuits without a result that can be used.
    """
    numbers = count(1000 * service.order.repetition)

    def run(
        template: cirq.Circuit, symbols: Sequence[str], values: np.ndarray, measured: int, shots: int
    ) -> tuple[np.ndarray, np.ndarray]:
        order = replace(service.order, shots=shots, repetition=next(numbers))
        found = service.run(BoundCircuits(template, tuple(symbols), values, measured), agree, order)
        missing = int(np.isnan(found).any(axis=1).sum())
        if missing:
            raise ServiceError(
                f"{missing:,} of {len(found):,} circuits have no result that can be used: see 'tfq-llm ionq status'."
            )
        # Where all shots agree the variance is not nothing: two shots more, one of each kind, keep it from that.
        shrunk = found * shots / (shots + 2)
        return found, (1 - shrunk**2) / shots

    return run
