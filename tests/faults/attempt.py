"""One attempt of a user, in a process of its own: send, wait, read; or cancel. It may be killed on the way."""

from __future__ import annotations

import itertools
import logging
import os
import sys
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import cirq
import numpy as np
import sympy

from tests.faults.cases import DEADLINE, RETRY_SECONDS, SETTLE_SECONDS, WAIT_SECONDS, Case, Kill
from tests.faults.kill import Stand, broken, strike_self, strike_worker
from tfq_llm.errors import InputError, ServiceError
from tfq_llm.ionq import states
from tfq_llm.ionq.circuits import BoundCircuits
from tfq_llm.ionq.jobs import Jobs
from tfq_llm.ionq.orders import Order
from tfq_llm.ionq.plans import Plan
from tfq_llm.ionq.prices import PRICES, Price
from tfq_llm.ionq.service import Connection, Service, connected

KEY = "fault-campaign-key-b3f1c07d95e24a68"
MARK = "TFQ_LLM_FAULT_CAMPAIGN"
"""A variable in the environment of every process that an attempt starts: what it leaves behind is found by it."""

VALUES, NOTES, CAPTURED = "values.npy", "notes.txt", "captured.txt"
SHOTS = 1000
DONE, NO_RESULT, SERVICE_ERROR, INPUT_ERROR, CRASHED = range(5)
_POLL = 0.05
_SEED = 4


def circuits_of(case: Case) -> BoundCircuits:
    """Circuits whose values of ⟨Z⟩ all differ, so that an order of qubits or circuits mistaken would be seen."""
    rows = 40 if case.scenario == "queue" else 3 + case.number % 2
    qubits = cirq.LineQubit.range(2 + case.number % 2)
    symbols = sympy.symbols(f"angle:{2 * len(qubits)}")
    template = cirq.Circuit(
        [cirq.ry(symbols[2 * place])(qubit) for place, qubit in enumerate(qubits)],
        [cirq.CNOT(*pair) for pair in itertools.pairwise(qubits)],
        [cirq.rx(symbols[2 * place + 1])(qubit) for place, qubit in enumerate(qubits)],
    )
    values = np.random.default_rng([_SEED, case.number]).uniform(0.2, 2.9, [rows, len(symbols)])
    return BoundCircuits(template, tuple(map(str, symbols)), values, len(qubits))


def order_of(case: Case) -> Order:
    return Order(case.target, SHOTS)


def run(case: Case, url: str, directory: Path, kill: Kill | None) -> int:
    """The attempt; call it in a process that was made for it.

    Returns:
        How it ended, one of the codes above.
    """
    with (directory / CAPTURED).open("ab", buffering=0) as captured:
        os.dup2(captured.fileno(), 1)
        os.dup2(captured.fileno(), 2)
    logging.basicConfig(level=logging.DEBUG, stream=sys.stderr, force=True)
    os.environ["IONQ_API_KEY"], os.environ[MARK] = KEY, directory.name
    try:
        with _opened(case, url, directory, kill) as jobs:
            return (
                _cancelled(case, jobs) if case.scenario == "cancel" and not _was_canceled(jobs) else _run(case, jobs, directory)
            )
    except ServiceError as error:
        print(f"ServiceError: {error}", file=sys.stderr)
        return SERVICE_ERROR
    except InputError as error:
        print(f"InputError: {error}", file=sys.stderr)
        return INPUT_ERROR
    except Exception:
        traceback.print_exc()
        return CRASHED
    finally:
        sys.stderr.flush()


def _was_canceled(jobs: Jobs) -> bool:
    """What was completed when it should have been canceled needs no cancellation any more."""
    return bool(jobs.ledger.jobs(states.CANCELED, states.DONE))


def _run(case: Case, jobs: Jobs, directory: Path) -> int:
    values = _service(case, jobs).run(circuits_of(case), _yes)
    if not np.isfinite(values).all():
        return NO_RESULT
    # Two attempts at once must not write into each other's file.
    written = directory / f"values-{os.getpid()}.npy"
    np.save(written, values)
    written.replace(directory / VALUES)
    return DONE


def _cancelled(case: Case, jobs: Jobs) -> int:
    """Sends and cancels; the results are for the next attempt, which sends anew what was canceled."""
    _service(case, jobs).submit(circuits_of(case), _yes)
    jobs.cancel(jobs.ledger.jobs(states.SUBMITTED))
    return NO_RESULT


def _yes(plan: Plan) -> None:
    """Agrees to everything."""


def _service(case: Case, jobs: Jobs) -> Service:
    return Service(jobs, order_of(case), PRICES[case.target], WAIT_SECONDS, _POLL)


@contextmanager
def _opened(case: Case, url: str, directory: Path, kill: Kill | None) -> Iterator[Jobs]:
    """The jobs of a run directory, with what kills or breaks in between."""
    connection = Connection(url, None, case.version, DEADLINE, RETRY_SECONDS, SETTLE_SECONDS)
    with connected(directory, connection) as jobs:
        ledger, transport = broken(case.mutant, jobs.ledger, jobs.transport, KEY)
        strike = _strike(kill, transport, directory)
        at_ledger: Any = Stand(ledger, "ledger", kill, strike)
        at_transport: Any = Stand(transport, "transport", kill, strike)
        yield (_Halves if case.jobs == 2 else Jobs)(at_ledger, at_transport, jobs.host, jobs.settle_seconds)


def _strike(kill: Kill | None, transport: Any, directory: Path) -> Callable[[], None]:
    def note(text: str) -> None:
        with (directory / NOTES).open("a", encoding="utf-8") as file:
            file.write(text + "\n")

    return strike_worker(transport, note) if kill and kill.victim == "worker" else strike_self(note)


class _Halves(Jobs):
    """Sends a batch as two jobs, as it would if it were over the service's limits."""

    def plan(self, circuits: BoundCircuits, order: Order, price: Price) -> Plan:
        plan = super().plan(circuits, order, price)
        # What is left of a job that was halved before goes as one.
        if len(plan.batches) != 1 or plan.new < 3:
            return plan
        (batch,), (dollars,) = plan.batches, plan.dollars
        half = len(batch) // 2
        parts = (batch.rows(range(half)), batch.rows(range(half, len(batch))))
        return replace(plan, batches=parts, dollars=tuple(dollars * len(part) / len(batch) for part in parts))
