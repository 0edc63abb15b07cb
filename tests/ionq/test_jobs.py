"""Jobs from intent to result, at the local stand-in: what is sent, what is not sent again, what is believed."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import cirq
import numpy as np
import pytest
import sympy

from tfq_llm import InputError
from tfq_llm.errors import ServiceError
from tfq_llm.ionq import states
from tfq_llm.ionq.circuits import BoundCircuits
from tfq_llm.ionq.emulator import Emulator
from tfq_llm.ionq.expectations import counts, expectation_values
from tfq_llm.ionq.forecast import exact_values
from tfq_llm.ionq.jobs import Jobs
from tfq_llm.ionq.orders import Order
from tfq_llm.ionq.plans import Plan, batches
from tfq_llm.ionq.prices import MAX_CIRCUITS, MAX_GATES, PRICES
from tfq_llm.ionq.service import Connection, CostLimit, Service, connected

EXACT = Order("simulator", 100)
FORTE = Order("qpu.forte-1", 100)


def asymmetric(rows: int, seed: int = 0, layers: int = 1) -> BoundCircuits:
    """Circuits on three qubits whose values of ⟨Z⟩ all differ: an order of qubits or circuits mistaken would be seen."""
    qubits = cirq.LineQubit.range(3)
    symbols = sympy.symbols(f"angle:{3 * layers}")
    template = cirq.Circuit(
        [cirq.ry(symbols[3 * layer + place])(qubit), cirq.CNOT(qubit, qubits[(place + 1) % 3])]
        for layer in range(layers)
        for place, qubit in enumerate(qubits)
    )
    values = np.random.default_rng(seed).uniform(0, np.pi, [rows, 3 * layers])
    return BoundCircuits(template, tuple(map(str, symbols)), values, 3)


@pytest.fixture(scope="module")
def _emulator() -> Iterator[Emulator]:
    with Emulator() as emulator:
        yield emulator


@pytest.fixture
def emulator(_emulator) -> Iterator[Emulator]:
    yield _emulator
    _emulator.faults.clear()


@contextmanager
def opened(emulator: Emulator, run_dir: Path, **settings: float) -> Iterator[Jobs]:
    settings = {"deadline": 2.0, "retry_seconds": 4.0, "settle_seconds": 1.0} | settings
    with connected(run_dir, Connection(emulator.url, api_version="v0.3", **settings)) as jobs:
        yield jobs


def service(jobs: Jobs, order: Order = EXACT, **settings: float) -> Service:
    return Service(jobs, order, PRICES[order.target], **{"poll": 0.05, "wait_seconds": 30.0} | settings)


def yes(plan: Plan) -> None:
    """Agrees to everything."""


def made(emulator: Emulator, jobs: Jobs) -> list[str]:
    """The names under which the stand-in has jobs of a ledger, one for each."""
    names = {job.name for job in jobs.ledger.jobs()}
    return [job["name"] for job in emulator.jobs() if job["name"] in names]


def test_values_are_those_of_exact_simulation(emulator, tmp_path):
    circuits = asymmetric(7)
    with opened(emulator, tmp_path) as jobs:
        values = service(jobs).run(circuits, yes)
    np.testing.assert_allclose(values, exact_values(circuits), atol=1e-6)


def test_shots_of_a_machine_scatter_as_shots_do(emulator, tmp_path):
    circuits, shots = asymmetric(40, seed=1), 1000
    with opened(emulator, tmp_path) as jobs:
        values = service(jobs, Order("qpu.forte-1", shots)).run(circuits, yes)
        (job,) = jobs.ledger.jobs()
        assert job.matches
        for _, distribution in jobs.ledger.distributions(job):
            whole = counts(distribution, shots)
            assert sum(whole.values()) == shots
            assert all(abs(whole[state] - shots * share) < 1e-6 for state, share in distribution.items())
    exact = exact_values(circuits)
    deviations = (values - exact) / np.sqrt((1 - exact**2) / shots)
    # 120 normal deviates: their mean square is 1 ± 0.13, here within five of these.
    assert 0.35 < np.mean(deviations**2) < 1.65


def test_the_same_is_not_paid_for_twice(emulator, tmp_path, caplog):
    circuits = asymmetric(5, seed=2)
    with opened(emulator, tmp_path) as jobs:
        first = service(jobs, FORTE).run(circuits, yes)
        plans: list[Plan] = []
        again = service(jobs, FORTE).run(circuits, plans.append)
        assert (plans[0].cached, plans[0].new, plans[0].cost) == (5, 0, 0.0)
        np.testing.assert_array_equal(again, first)
        more = BoundCircuits(circuits.template, circuits.symbols, np.concatenate([circuits.values, asymmetric(2, 3).values]), 3)
        service(jobs, FORTE).run(more, plans.append)
        assert (plans[1].cached, plans[1].new) == (5, 2)
        assert len(made(emulator, jobs)) == 2
        service(jobs, Order("qpu.forte-1", 100, repetition=1)).run(circuits, plans.append)
        assert plans[2].new == 5
    with opened(emulator, tmp_path / ".." / tmp_path.name) as jobs:
        service(jobs, FORTE).run(circuits, plans.append)
        assert plans[3].new == 0


def test_a_circuit_that_is_asked_for_twice_is_sent_once(emulator, tmp_path):
    circuits = asymmetric(3, seed=4).rows([0, 1, 0, 2, 1])
    with opened(emulator, tmp_path) as jobs:
        values = service(jobs).run(circuits, yes)
        assert [job.circuits for job in jobs.ledger.jobs()] == [3]
    np.testing.assert_allclose(values, exact_values(circuits), atol=1e-6)


def test_a_lost_ledger_finds_its_jobs_at_the_service(emulator, tmp_path, caplog):
    caplog.set_level(logging.INFO)
    circuits = asymmetric(4, seed=5)
    for place in ("first", "second"):
        (tmp_path / place).mkdir()
        with opened(emulator, tmp_path / place) as jobs:
            service(jobs, FORTE).run(circuits, yes)
            assert len(made(emulator, jobs)) == 1
    assert "was at the service already: it is not sent again" in caplog.text


@pytest.mark.parametrize(
    ("fault", "seed"),
    [("lost on=submit", 70), ("stalled on=submit when=after", 71), ("cut on=submit", 72), ("malformed on=submit", 73)],
)
def test_a_lost_reply_makes_no_second_job(emulator, tmp_path, fault, seed):
    circuits = asymmetric(3, seed=seed)
    emulator.faults.add(f"{fault} times=1")
    with opened(emulator, tmp_path, deadline=0.7) as jobs:
        values = service(jobs, FORTE).run(circuits, yes)
        assert len(made(emulator, jobs)) == 1
    assert np.isfinite(values).all()


def test_a_request_that_never_arrived_is_sent_again_when_asked_for_again(emulator, tmp_path):
    emulator.faults.add("stalled on=submit when=before times=1")
    plans: list[Plan] = []
    with opened(emulator, tmp_path, deadline=0.5, settle_seconds=0.5) as jobs:
        forte = service(jobs, FORTE)
        with pytest.raises(ServiceError, match=r"no reply came to tfq-llm-\w+-0 .* asks whether to send it anew"):
            forte.run(asymmetric(3, seed=60), plans.append)
        assert [job.state for job in jobs.ledger.jobs()] == [states.ABSENT]
        assert np.isfinite(forte.run(asymmetric(3, seed=60), plans.append)).all()
        assert [plan.lost for plan in plans] == [0, 3]
        assert len(made(emulator, jobs)) == 1


def test_a_request_that_arrives_late_is_found(emulator, tmp_path):
    """The service takes it up only after everybody stopped looking for it."""
    emulator.faults.add("slow on=submit when=before seconds=1.2 times=1")
    with opened(emulator, tmp_path, deadline=0.3, settle_seconds=0.3) as jobs:
        forte = service(jobs, FORTE)
        with pytest.raises(ServiceError, match="no reply came"):
            forte.run(asymmetric(3, seed=83), yes)
        time.sleep(1.2)
        assert np.isfinite(forte.run(asymmetric(3, seed=83), yes)).all()
        assert len(made(emulator, jobs)) <= 1


def test_too_fast_is_waited_out(emulator, tmp_path):
    emulator.faults.add("rate-limited on=submit retry_after=1 times=1")
    with opened(emulator, tmp_path) as jobs:
        service(jobs, FORTE).run(asymmetric(3, seed=61), yes)
        assert len(made(emulator, jobs)) == 1


def test_an_hour_is_not_waited_out(emulator, tmp_path):
    emulator.faults.add("rate-limited on=submit retry_after=3600 times=1")
    with opened(emulator, tmp_path) as jobs:
        forte = service(jobs, FORTE)
        with pytest.raises(ServiceError, match="takes no job for the next 3,600 s: give the same command then"):
            forte.run(asymmetric(3, seed=82), yes)
        assert np.isfinite(forte.run(asymmetric(3, seed=82), yes)).all()
        assert len(made(emulator, jobs)) == 1


def test_a_refusal_is_told_and_what_follows_is_not_sent(emulator, tmp_path):
    emulator.faults.add("status on=submit status=400 times=1")
    with opened(emulator, tmp_path) as jobs:
        with pytest.raises(ServiceError, match=r"IonQ refused tfq-llm-\w+-0, nothing was charged"):
            service(jobs, FORTE).run(asymmetric(3, seed=62), yes)
        assert [job.state for job in jobs.ledger.jobs()] == [states.REFUSED]
        service(jobs, FORTE).run(asymmetric(3, seed=62), yes)
        assert len(made(emulator, jobs)) == 1


def test_results_from_elsewhere_are_kept_marked_and_not_counted(emulator, tmp_path, caplog):
    circuits = asymmetric(3, seed=63)
    emulator.faults.add("other-target on=submit target=simulator times=1")
    with opened(emulator, tmp_path) as jobs:
        assert np.isnan(service(jobs, FORTE).run(circuits, yes)).all()
        (job,) = jobs.ledger.jobs()
        assert (job.matches, job.reported_target) == (False, "simulator")
        assert len(list(jobs.ledger.distributions(job))) == 3
        assert "was asked of qpu.forte-1 and ran on simulator" in caplog.text
        assert np.isfinite(service(jobs, FORTE).run(circuits, yes)).all()


def test_a_job_that_failed_is_told_and_sent_anew_when_asked(emulator, tmp_path, caplog):
    circuits = asymmetric(3, seed=64)
    emulator.faults.add("fails on=submit times=1")
    with opened(emulator, tmp_path) as jobs:
        assert np.isnan(service(jobs, FORTE).run(circuits, yes)).all()
        assert [job.state for job in jobs.ledger.jobs()] == [states.FAILED]
        assert np.isfinite(service(jobs, FORTE).run(circuits, yes)).all()
        assert [job.name[-2:] for job in jobs.ledger.jobs()] == ["-0", "-1"]


@pytest.mark.parametrize(("fault", "seed"), [("unnormalised scale=0.8", 74), ("missing-circuit", 75)])
def test_results_that_cannot_be_right_are_kept_and_not_used(emulator, tmp_path, fault, seed):
    circuits = asymmetric(3, seed=seed)
    emulator.faults.add(f"{fault} on=results times=always")
    with opened(emulator, tmp_path) as jobs:
        with pytest.raises(ServiceError, match=r"cannot be used.* kept in the ledger as they came"):
            service(jobs, FORTE).run(circuits, yes)
        (job,) = jobs.ledger.jobs()
        assert (job.state, job.status) == (states.SUBMITTED, "unusable")
        assert {kind for kind, _ in jobs.ledger.answers(job)} == {"results that cannot be used"}
        emulator.faults.clear()
        assert np.isfinite(service(jobs, FORTE).run(circuits, yes)).all()
        assert len(made(emulator, jobs)) == 1


def test_a_job_that_cannot_be_used_does_not_stand_in_the_way_of_others(emulator, tmp_path):
    emulator.faults.add("unnormalised scale=0.8 on=results times=1")
    with opened(emulator, tmp_path) as jobs:
        forte = service(jobs, FORTE)
        forte.submit(asymmetric(2, seed=84), yes)
        time.sleep(0.3)
        assert [job.status for job in jobs.refresh()] == ["unusable"]
        assert np.isfinite(forte.run(asymmetric(2, seed=85), yes)).all()


def test_debiased_results_come_both_ways_for_one_price(emulator, tmp_path):
    debiased, sharpened = Order("qpu.forte-1", 500, debias=True), Order("qpu.forte-1", 500, debias=True, sharpen=True)
    plans: list[Plan] = []
    with opened(emulator, tmp_path) as jobs:
        for order in (debiased, sharpened):
            assert np.isfinite(service(jobs, order).run(asymmetric(2, seed=86), plans.append)).all()
        assert [plan.new for plan in plans] == [2, 0]
        (job,) = jobs.ledger.jobs()
        assert job.dollars == pytest.approx(2 * 168.20)


def test_jobs_of_another_host_are_left_alone(emulator, tmp_path):
    with Emulator(queue_seconds=60) as slow, opened(slow, tmp_path) as there, opened(emulator, tmp_path) as here:
        service(there, FORTE).submit(asymmetric(2, seed=87), yes)
        assert here.at_service() == here.refresh() == []
        assert len(there.at_service()) == 1


def test_a_job_of_another_name_is_not_taken_for_ours(emulator, tmp_path):
    with opened(emulator, tmp_path) as jobs:
        forte = service(jobs, FORTE)
        forte.submit(asymmetric(2, seed=88), yes)
        forte.submit(asymmetric(2, seed=89), yes)
        one, other = jobs.ledger.jobs()
        jobs.ledger.update(one, job_id=other.job_id)
        with pytest.raises(ServiceError, match="is this the right host and key"):
            jobs.refresh()


def test_a_job_that_was_completed_before_it_was_canceled_keeps_its_results(emulator, tmp_path):
    with opened(emulator, tmp_path) as jobs:
        forte = service(jobs, FORTE)
        forte.submit(asymmetric(2, seed=90), yes)
        time.sleep(0.3)
        assert [job.state for job in jobs.cancel(jobs.at_service())] == [states.DONE]


def test_many_circuits_in_another_order_are_put_right(emulator, tmp_path):
    emulator.faults.add("shuffled on=results")
    circuits = asymmetric(60, seed=91)
    with opened(emulator, tmp_path) as jobs:
        np.testing.assert_allclose(service(jobs).run(circuits, yes), exact_values(circuits), atol=1e-6)


def test_an_order_mixed_up_by_the_service_is_put_right(emulator, tmp_path):
    emulator.faults.add("shuffled on=results")
    circuits = asymmetric(12, seed=65)
    with opened(emulator, tmp_path) as jobs:
        np.testing.assert_allclose(service(jobs).run(circuits, yes), exact_values(circuits), atol=1e-6)


def test_waiting_ends(tmp_path):
    circuits = asymmetric(2, seed=66)
    with Emulator(queue_seconds=60) as slow, opened(slow, tmp_path) as jobs:
        with pytest.raises(ServiceError, match=r"not finished in 0.3 s: tfq-llm-\w+-0 is .*nothing is sent again"):
            service(jobs, FORTE, wait_seconds=0.3).run(circuits, yes)
        canceled = jobs.cancel(jobs.ledger.jobs(states.SUBMITTED))
        assert [job.state for job in canceled] == [states.CANCELED]


def test_one_process_at_a_time_sends(emulator, tmp_path):
    with opened(emulator, tmp_path) as one, opened(emulator, tmp_path) as other:
        second = service(other)
        with one.sending(), pytest.raises(InputError, match="another process is sending from"):
            second.run(asymmetric(1), yes)


@pytest.mark.parametrize("limit", [float("nan"), float("inf"), -1.0])
def test_a_limit_is_a_sum(limit):
    with pytest.raises(InputError, match="a limit must be a number of dollars"):
        CostLimit(limit)


def test_nothing_is_spent_beyond_the_limit(emulator, tmp_path):
    with opened(emulator, tmp_path) as jobs:
        with pytest.raises(InputError, match=r"this costs \$77.37 and at most \$50.00 may be spent .* nothing was sent"):
            service(jobs, FORTE).run(asymmetric(3, seed=67), CostLimit(50))
        assert not jobs.ledger.jobs()
        limit = CostLimit(80)
        service(jobs, FORTE).run(asymmetric(3, seed=67), limit)
        with pytest.raises(InputError, match=r"this costs \$25.79 after \$77.37"):
            service(jobs, FORTE).run(asymmetric(1, seed=68), limit)


@pytest.mark.parametrize(
    ("order", "message"),
    [
        (Order("simulator", 0), "shots must be a number from 1"),
        (Order("simulator", -5), "shots must be a number from 1"),
        (Order("qpu.forte-1", 10, noise="aria-1"), "a noise model is for the target 'simulator'"),
        (Order("simulator", 10, debias=True), "debiasing is for machines"),
        (Order("qpu.forte-1", 10, sharpen=True), "ask for debiasing too"),
        (Order("qpu.forte-1", 499, debias=True), "debiasing takes at least 500 shots"),
    ],
)
def test_orders_that_no_target_could_take_are_refused(emulator, tmp_path, order, message):
    with opened(emulator, tmp_path) as jobs, pytest.raises(InputError, match=message):
        service(jobs, order)


def test_a_circuit_too_wide_for_the_machine_is_refused(emulator, tmp_path):
    wide = BoundCircuits(cirq.Circuit(cirq.X(cirq.LineQubit(36))), (), np.zeros([1, 0]), 1)
    with opened(emulator, tmp_path) as jobs:
        forte = service(jobs, FORTE)
        with pytest.raises(InputError, match=r"the circuit has 37 qubits and 'qpu.forte-1' has 36"):
            forte.run(wide, yes)


def test_there_must_be_a_run(emulator, tmp_path):
    with pytest.raises(InputError, match="there is no run directory"), opened(emulator, tmp_path / "typo"):
        pass
    assert not (tmp_path / "typo").exists()


@pytest.mark.parametrize("limit", ["circuits", "gates", "bytes"])
def test_batches_keep_to_the_services_limits(limit):
    circuits = asymmetric(MAX_CIRCUITS + 1 if limit == "circuits" else 400, layers=1 if limit == "circuits" else 100)
    bytes_each = 300_000 if limit == "bytes" else 1000
    parts = batches(circuits, bytes_each)
    assert sum(map(len, parts)) == len(circuits)
    assert [digest for part in parts for digest in part.digests] == list(circuits.digests)
    for part in parts:
        assert len(part) <= MAX_CIRCUITS
        assert len(part) * part.size.gates <= MAX_GATES
        assert len(part) * bytes_each < 10_000_000
    assert len(parts) > 1


def test_a_circuit_too_large_for_any_job_is_refused():
    with pytest.raises(InputError, match="is too large: IonQ takes at most 150,000 gates"):
        batches(asymmetric(1), bytes_each=10_000_000)


def test_counts_sum_to_the_shots():
    assert counts({"0": 1 / 3, "1": 1 / 3, "2": 1 / 3}, 100) == {"0": 34, "1": 33, "2": 33}
    assert counts({"0": 0.999, "5": 0.001}, 100) == {"0": 100}


def test_the_lowest_bit_is_qubit_0():
    np.testing.assert_allclose(expectation_values({"1": 0.25, "2": 0.75}, 3), [0.5, -0.5, 1])


def test_a_job_that_is_not_found_once_is_not_paid_for_again(emulator, tmp_path):
    emulator.faults.add("status status=404 on=job times=2")
    with opened(emulator, tmp_path) as jobs:
        assert np.isfinite(service(jobs, FORTE).run(asymmetric(3, seed=80), yes)).all()
        assert len(made(emulator, jobs)) == 1


def test_a_job_that_was_deleted_is_gone(emulator, tmp_path, caplog):
    with opened(emulator, tmp_path, settle_seconds=0.2) as jobs:
        forte = service(jobs, FORTE)
        forte.submit(asymmetric(3, seed=81), yes)
        (job,) = jobs.ledger.jobs()
        jobs.transport.delete(job.job_id)
        time.sleep(0.3)
        assert [each.state for each in jobs.refresh()] == [states.GONE]
        assert "the service does not know it any more" in caplog.text
