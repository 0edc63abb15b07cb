"""A service that runs circuits for a run directory: everything that is needed to send, wait and read, opened together."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tfq_llm.errors import InputError, ServiceError
from tfq_llm.ionq.circuits import BoundCircuits
from tfq_llm.ionq.credentials import checked_host, read_key
from tfq_llm.ionq.jobs import Jobs
from tfq_llm.ionq.ledger import Ledger, ledger_path
from tfq_llm.ionq.orders import Order
from tfq_llm.ionq.plans import Agree, Plan
from tfq_llm.ionq.prices import LEAST_DEBIASED, MAX_SHOTS, Price
from tfq_llm.ionq.transport import open_transport
from tfq_llm.progress import Progress


@dataclass(frozen=True)
class Connection:
    """How a service is reached.

    Attributes:
        host: its address; plain http is for this machine alone. None is IonQ's.
        key_file: a file of mode 600 with the key; else it is in the environment as IONQ_API_KEY.
        api_version: "v0.4" or "v0.3".
        deadline: seconds that one request may take.
        retry_seconds: for how long a read is tried again.
        settle_seconds: for how long a job is looked for whose reply was lost.
    """

    host: str | None = None
    key_file: Path | None = None
    api_version: str = "v0.4"
    deadline: float = 30.0
    retry_seconds: float = 120.0
    settle_seconds: float = 60.0


@contextmanager
def connected(run_dir: Path, connection: Connection) -> Iterator[Jobs]:
    """The jobs of a run directory, with the service at hand.

    Args:
        run_dir: the ledger is in its folder `ionq`.
        connection: how the service is reached.

    Raises:
        InputError: no run directory, no key, a host that may not be used, an unknown version, a damaged ledger.
    """
    if not run_dir.is_dir():
        raise InputError(f"there is no run directory '{run_dir}': check the path, or train one with 'tfq-llm train'.")
    host = checked_host(connection.host)
    key = read_key(connection.key_file, host)
    with (
        Ledger(ledger_path(run_dir)) as ledger,
        open_transport(connection.api_version, host, key, connection.deadline, connection.retry_seconds) as transport,
    ):
        yield Jobs(ledger, transport, host, connection.settle_seconds)


class Service:
    """Runs circuits on a target.

    Args:
        jobs: of a run, see `connected`.
        order: how circuits are run.
        price: of the target, see `price_of`.
        wait_seconds: for how long results are waited for.
        poll: seconds between looks at first.

    Raises:
        InputError: the order is for no target.
    """

    def __init__(self, jobs: Jobs, order: Order, price: Price, wait_seconds: float = 86_400.0, poll: float = 1.0) -> None:
        check_order(order)
        self.jobs, self.order, self.price = jobs, order, price
        self._wait_seconds, self._poll = wait_seconds, poll

    def submit(self, circuits: BoundCircuits, agree: Agree, order: Order | None = None) -> Plan:
        """Sends what is neither there nor on its way.

        Args:
            circuits: what is to run.
            agree: is shown the plan before anything is sent, and raises if it is not to be carried out.
            order: in place of the service's own.

        Returns:
            The plan that was carried out.
        """
        (plan,) = self.submit_all([(circuits, order or self.order)], lambda plans: agree(plans[0]))
        return plan

    def submit_all(self, parts: Sequence[tuple[BoundCircuits, Order]], agree: Callable[[Sequence[Plan]], object]) -> list[Plan]:
        """As `submit`, for circuits with several orders, agreed to as a whole."""
        with self.jobs.sending():
            self.jobs.settle()
            plans = [self.jobs.plan(circuits, order, self.price) for circuits, order in parts]
            agree(plans)
            # The question may have been answered hours later: a job whose reply was lost may have turned up.
            self.jobs.settle()
            for agreed in plans:
                plan = self.jobs.plan(agreed.circuits, agreed.order, self.price)
                if plan.cost > agreed.cost + 1e-6:
                    raise ServiceError(
                        "results that were there when you were asked are there no more: give the same command again."
                    )
                self.jobs.send(plan)
        return plans

    def run(self, circuits: BoundCircuits, agree: Agree, order: Order | None = None) -> np.ndarray:
        """Expectation values ⟨Z⟩ [rows, measured] of circuits, sent if need be; NaN where no result can be used."""
        plan = self.submit(circuits, agree, order)
        self.wait([plan])
        return self.jobs.values(circuits, order or self.order)

    def wait(self, plans: Sequence[Plan]) -> None:
        """Returns when nothing of some plans is at the service any more."""
        for plan in plans:
            with Progress("running", len(plan.circuits), "circuits") as progress:
                self.jobs.wait(plan, self._wait_seconds, self._poll, progress)


def check_order(order: Order) -> None:
    """Raises InputError if no target could run circuits so."""
    if not 1 <= order.shots <= MAX_SHOTS:
        raise InputError(f"shots must be a number from 1 to {MAX_SHOTS:,}, not {order.shots}.")
    if order.noise is not None and order.target != "simulator":
        raise InputError(f"a noise model is for the target 'simulator'; '{order.target}' has noise of its own.")
    if order.debias and not order.target.startswith("qpu"):
        raise InputError(f"debiasing is for machines; '{order.target}' has none. Leave it out.")
    if order.debias and order.shots < LEAST_DEBIASED:
        raise InputError(f"debiasing takes at least {LEAST_DEBIASED} shots, not {order.shots}.")
    if order.sharpen and not order.debias:
        raise InputError("sharpening puts debiased results together: ask for debiasing too.")


class CostLimit:
    """Agrees to plans as long as all of them together cost no more than so many dollars.

    Args:
        dollars: at most; None is any sum.
    """

    def __init__(self, dollars: float | None) -> None:
        if dollars is not None and not 0 <= dollars < math.inf:
            raise InputError(f"a limit must be a number of dollars, 0 or more, not {dollars} (--max-cost).")
        self.dollars, self.spent = dollars, 0.0

    def __call__(self, plan: Plan) -> None:
        """Raises InputError before a plan would go over the limit."""
        self.spend(plan.cost)

    def spend(self, dollars: float) -> None:
        """Takes a sum from the limit, or raises InputError."""
        if self.dollars is not None and self.spent + dollars > self.dollars + 1e-6:
            before = f" after ${self.spent:,.2f}" if self.spent else ""
            nothing = "nothing more was sent" if self.spent else "nothing was sent"
            raise InputError(
                f"this costs ${dollars:,.2f}{before} and at most ${self.dollars:,.2f} may be spent (--max-cost): {nothing}. "
                "'tfq-llm ionq estimate --budget' says what a sum is enough for."
            )
        self.spent += dollars
