"""Expectation values from results in the ledger."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from tfq_llm.ionq import states
from tfq_llm.ionq.circuits import BoundCircuits
from tfq_llm.ionq.ledger import Ledger
from tfq_llm.ionq.orders import PLAIN, Job, Order


def known_values(circuits: BoundCircuits, order: Order, ledger: Ledger, host: str) -> np.ndarray:
    """Expectation values ⟨Z⟩ [rows, measured] of circuits as a service measured them; NaN where there is no result.

    Args:
        circuits: whose values are wanted.
        order: how they were run.
        ledger: of the run.
        host: the service's address.
    """
    circuits = ledger.known(circuits)
    places = ledger.places(circuits, order, host)
    wanted: dict[int, dict[int, list[int]]] = {}
    numbers: dict[int, Job] = {}
    for row, digest in enumerate(circuits.digests):
        if digest in places and places[digest][0].state == states.DONE:
            job, position = places[digest]
            numbers[job.number] = job
            wanted.setdefault(job.number, {}).setdefault(position, []).append(row)
    values = np.full([len(circuits), circuits.measured], np.nan)
    for number, rows in wanted.items():
        for position, distribution in ledger.distributions(numbers[number], order.variant):
            if position in rows:
                # What a machine returns is counts divided by shots, rounded by whoever wrote it down.
                whole = order.variant == PLAIN and order.target.startswith("qpu")
                found = counts(distribution, order.shots) if whole else distribution
                values[rows[position]] = expectation_values(found, circuits.measured)
    return values


def expectation_values(distribution: Mapping[str, float], measured: int) -> np.ndarray:
    """⟨Z⟩ [measured] of probabilities or counts of basis states, numbers whose lowest bit is qubit 0."""
    states_, probabilities = (
        np.array([int(state) for state in distribution], dtype=object),
        np.array([*distribution.values()], float),
    )
    bits = np.array([[(state >> qubit) & 1 for qubit in range(measured)] for state in states_], float)
    values: np.ndarray = probabilities @ (1.0 - 2.0 * bits) / probabilities.sum()
    return values


def counts(distribution: dict[str, float], shots: int) -> dict[str, int]:
    """Whole counts that sum to the shots, nearest to a distribution: largest remainders are rounded up."""
    exact = {state: probability * shots for state, probability in distribution.items()}
    whole = {state: int(value) for state, value in exact.items()}
    missing = shots - sum(whole.values())
    for state in sorted(exact, key=lambda state: whole[state] - exact[state])[:missing]:
        whole[state] += 1
    return {state: count for state, count in whole.items() if count}
