"""Plans: which circuits have to be sent to get results, in which jobs, and what that costs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from tfq_llm.errors import InputError
from tfq_llm.ionq import states
from tfq_llm.ionq.circuits import BoundCircuits
from tfq_llm.ionq.ledger import Ledger
from tfq_llm.ionq.orders import Order
from tfq_llm.ionq.prices import MAX_CIRCUITS, MAX_GATES, Price
from tfq_llm.ionq.transport import Transport

MAX_BYTES = 9_900_000
"""Of one job's circuits; the service takes 10 MB with everything around them."""


@dataclass(frozen=True)
class Plan:
    """What is to be done for some circuits.

    Attributes:
        circuits: all of them, with the angles under which the ledger knows them.
        order: how they are run.
        cached: how many have results.
        pending: how many are at the service.
        lost: how many of those to be sent were sent before, in jobs that the service does not have.
        batches: the others, one job each, none twice.
        dollars: what the batches cost, one price each.
    """

    circuits: BoundCircuits
    order: Order
    cached: int
    pending: int
    lost: int
    batches: tuple[BoundCircuits, ...]
    dollars: tuple[float, ...]

    @property
    def new(self) -> int:
        return sum(map(len, self.batches))

    @property
    def cost(self) -> float:
        """Dollars of what is to be sent."""
        return sum(self.dollars)


Agree = Callable[[Plan], object]
"""Is shown what is going to be sent, and raises if it is not to be."""


def batches(circuits: BoundCircuits, bytes_each: int) -> list[BoundCircuits]:
    """Circuits divided by what the service takes as one job: their number, their gates, their bytes.

    Args:
        circuits: to divide.
        bytes_each: what one of them takes in a request.

    Raises:
        InputError: one circuit alone is too large.
    """
    gates = max(1, circuits.size.gates)
    most = min(MAX_CIRCUITS, MAX_GATES // gates, MAX_BYTES // bytes_each)
    if not most:
        raise InputError(
            f"a circuit of {gates:,} gates and {bytes_each:,} bytes is too large: IonQ takes at most {MAX_GATES:,} gates and "
            f"{MAX_BYTES:,} bytes in a job. Use fewer qubits or layers."
        )
    return [circuits.rows(range(start, min(start + most, len(circuits)))) for start in range(0, len(circuits), most)]


def planned(circuits: BoundCircuits, order: Order, price: Price, ledger: Ledger, transport: Transport, host: str) -> Plan:
    """What has to be sent to get results of circuits, and what not any more.

    Args:
        circuits: all that results are wanted of.
        order: how they are run.
        price: of the order's target.
        ledger: what was sent before.
        transport: says how long a circuit is in a request.
        host: the service's address; results of one service are not those of another.

    Raises:
        InputError: a circuit is too large for the machine or the service.
    """
    if circuits.num_qubits > price.qubits:
        raise InputError(f"the circuit has {circuits.num_qubits} qubits and '{order.target}' has {price.qubits}.")
    circuits = ledger.known(circuits)
    places = ledger.places(circuits, order, host)
    first = {digest: row for row, digest in reversed(list(enumerate(circuits.digests)))}
    new = sorted(row for digest, row in first.items() if digest not in places)
    have = [places[digest][0].state for digest in circuits.digests if digest in places]
    parts = batches(circuits.rows(new), transport.bytes_of(circuits.sent, circuits.symbols)) if new else []
    each = circuits.size.dollars(price, order.shots, mitigated=order.debias)
    cached, dollars = have.count(states.DONE), tuple(each * len(part) for part in parts)
    lost = _lost(order, ledger, host) & {circuits.digests[row] for row in new}
    return Plan(circuits, order, cached, len(have) - cached, len(lost), tuple(parts), dollars)


def _lost(order: Order, ledger: Ledger, host: str) -> set[str]:
    """Digests of circuits in jobs that were sent, and that the service says it does not have."""
    jobs = [job for job in ledger.jobs(states.ABSENT, states.GONE) if job.host == host and job.order.text == order.text]
    return {digest for job in jobs for digest in ledger.circuits_of(job).digests}
