"""The ledger: what is written is there afterwards, for this process and any other."""

from __future__ import annotations

import multiprocessing
import sqlite3
from pathlib import Path

import cirq
import numpy as np
import pytest
import sympy

from tfq_llm import InputError
from tfq_llm.errors import ServiceError
from tfq_llm.ionq import states
from tfq_llm.ionq.circuits import BoundCircuits, Size
from tfq_llm.ionq.ledger import SAME_ANGLE, Ledger
from tfq_llm.ionq.orders import Order

ORDER, HOST = Order("qpu.forte-1", 100), "http://127.0.0.1:1"


def circuits(values: np.ndarray, template: cirq.Circuit | None = None) -> BoundCircuits:
    a, b = cirq.LineQubit.range(2)
    if template is None:
        template = cirq.Circuit(cirq.ry(sympy.Symbol("angle0"))(a), cirq.CNOT(a, b), cirq.ry(sympy.Symbol("angle1"))(b))
    return BoundCircuits(template, ("angle0", "angle1"), np.asarray(values, float), 2)


@pytest.fixture
def ledger(tmp_path):
    with Ledger(tmp_path / "ionq" / "ledger.sqlite") as opened:
        yield opened


def intend(ledger: Ledger, given: BoundCircuits, name: str = "one", order: Order = ORDER):
    return ledger.intend(given, order, HOST, "v0.4", name, 51.58)


def test_circuits_are_told_apart_by_template_and_angles():
    one = circuits([[0.1, 0.2], [0.1, 0.3], [0.1, 0.2]])
    assert one.digests[0] == one.digests[2] != one.digests[1]
    other = circuits([[0.1, 0.2]], one.template + cirq.X(cirq.LineQubit(0)))
    assert other.digests[0] not in one.digests
    assert one.size == Size(2, 1)
    assert one.num_qubits == 2
    assert one.rows([1]).digests == one.digests[1:2]


def test_what_was_intended_is_there_for_the_next_process(ledger):
    given = circuits(np.random.default_rng(0).uniform(-3, 3, [5, 2]))
    job = intend(ledger, given)
    assert (job.state, job.order, job.circuits, job.dollars) == (states.INTENDED, ORDER, 5, 51.58)
    with Ledger(ledger.path) as other:
        found = other.circuits_of(other.jobs()[0])
        assert found.digests == given.digests
        assert found.sent == given.sent
        np.testing.assert_array_equal(found.values, given.values)


def test_results_are_found_by_circuit_order_and_host(ledger):
    given = circuits([[0.1, 0.2], [0.3, 0.4]])
    job = ledger.update(intend(ledger, given), state=states.SUBMITTED, job_id="x")
    assert set(ledger.places(given, ORDER, HOST)) == set(given.digests)
    results = [{"0": 1.0}, {"3": 0.5, "0": 0.5}]
    ledger.finish(job, {"plain": results}, {"as": "it came"}, matches=True, reported_target="qpu.forte-1")
    place, position = ledger.places(given.rows([1]), ORDER, HOST)[given.digests[1]]
    assert (place.state, position) == (states.DONE, 1)
    assert place.matches
    assert list(ledger.distributions(place)) == [(0, {"0": 1.0}), (1, {"3": 0.5, "0": 0.5})]
    assert ledger.answers(place) == [("results", {"as": "it came"})]
    for other in (Order("qpu.forte-1", 101), Order("simulator", 100), Order("qpu.forte-1", 100, repetition=1)):
        assert not ledger.places(given, other, HOST)
    assert not ledger.places(given, ORDER, "https://api.ionq.co")


def test_results_from_another_target_are_kept_and_not_used(ledger):
    given = circuits([[0.1, 0.2]])
    job = ledger.update(intend(ledger, given), state=states.SUBMITTED, job_id="x")
    job = ledger.finish(job, {"plain": [{"0": 1.0}]}, {}, matches=False, reported_target="simulator")
    assert not job.matches
    assert not ledger.places(given, ORDER, HOST)
    assert list(ledger.distributions(job)) == [(0, {"0": 1.0})]


def test_rounding_of_angles_does_not_make_another_circuit(ledger):
    given = circuits(np.random.default_rng(1).uniform(-3, 3, [50, 2]))
    intend(ledger, given)
    again = circuits(given.values + np.random.default_rng(2).uniform(-0.5, 0.5, [50, 2]) * SAME_ANGLE)
    assert not set(again.digests) & set(given.digests)
    assert ledger.known(again).digests == given.digests
    apart = circuits(given.values + 3 * SAME_ANGLE)
    assert ledger.known(apart).digests == apart.digests


def test_an_order_is_told_by_what_is_paid_for():
    """The text is in ledgers: a change would have everything paid for again."""
    assert Order("qpu.forte-1", 100).text == '{"shots": 100, "target": "qpu.forte-1"}'
    given = Order("simulator", 5, noise="aria-1", seed=3, repetition=2)
    assert given.text == '{"noise": "aria-1", "repetition": 2, "seed": 3, "shots": 5, "target": "simulator"}'
    assert Order.parse(given.text) == given
    assert Order("qpu.forte-1", 500, debias=True, sharpen=True).text == Order("qpu.forte-1", 500, debias=True).text


def test_a_state_that_another_process_changed_is_not_overwritten(ledger):
    job = ledger.update(intend(ledger, circuits([[0.1, 0.2]])), state=states.SUBMITTED, job_id="x")
    ledger.finish(job, {"plain": [{"0": 1.0}]}, {}, matches=True)
    assert ledger.update(job, state=states.FAILED).state == states.DONE


def test_a_ledger_that_cannot_be_written_says_so(ledger):
    ledger._file.database.execute("PRAGMA max_page_count = 1")
    with pytest.raises(ServiceError, match=r"cannot be written .*full.* give the same command again"):
        intend(ledger, circuits(np.random.default_rng(0).uniform(-3, 3, [5000, 2])))
    assert not ledger.jobs()


def test_only_its_owner_may_read_it(ledger):
    assert ledger.path.stat().st_mode & 0o077 == 0


def test_what_was_never_sent_can_be_forgotten(ledger):
    given = circuits([[0.1, 0.2]])
    sent = ledger.update(intend(ledger, given, "sent"), state=states.SENDING)
    intend(ledger, given, "not sent")
    ledger.forget_intended()
    assert [job.name for job in ledger.jobs()] == [sent.name]


def test_a_name_is_given_once(ledger):
    intend(ledger, circuits([[0.1, 0.2]]))
    with pytest.raises(sqlite3.IntegrityError):
        intend(ledger, circuits([[0.5, 0.2]]))
    assert len(ledger.jobs()) == 1, "a transaction that failed leaves nothing"


def _intend_many(path: Path, name: str) -> None:
    with Ledger(path) as ledger:
        for number in range(20):
            intend(ledger, circuits([[0.1, number]]), f"{name}-{number}")


@pytest.mark.slow
def test_processes_share_it(ledger):
    context = multiprocessing.get_context("spawn")
    workers = [context.Process(target=_intend_many, args=(ledger.path, name)) for name in "ab"]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
        assert worker.exitcode == 0
    assert len(ledger.jobs()) == 40
    assert all(len(ledger.circuits_of(job)) == 1 for job in ledger.jobs())


@pytest.mark.parametrize("damage", ["other file", "cut", "holes"])
def test_a_damaged_ledger_is_refused(tmp_path, damage):
    path = tmp_path / "ledger.sqlite"
    with Ledger(path) as ledger:
        intend(ledger, circuits(np.random.default_rng(0).uniform(-3, 3, [500, 2])))
    body = path.read_bytes()
    broken = {
        "other file": b"no ledger " * 1000,
        "cut": body[: len(body) // 2],
        "holes": body[:5000] + bytes(9000) + body[14000:],
    }
    path.write_bytes(broken[damage])
    with pytest.raises(InputError, match=r"cannot be read .* keep it.* \.recover .* not sent again"):
        Ledger(path)
    assert path.read_bytes() == broken[damage], "it is left as it was"


def test_a_ledger_that_cannot_be_read_any_more_says_so(ledger):
    database = ledger._file.database
    database.execute("PRAGMA journal_mode = DELETE")
    database.execute("PRAGMA busy_timeout = 0")
    holder = sqlite3.connect(ledger.path)
    holder.execute("BEGIN EXCLUSIVE")
    for read in (ledger.jobs, lambda: list(ledger._file.stream("SELECT * FROM results"))):
        with pytest.raises(InputError, match=r"cannot be opened or read \(database is locked\).*give the same command again"):
            read()
    holder.close()
    assert not ledger.jobs()
    # Another program writes over it while it is open.
    ledger.path.write_bytes(b"no ledger " * 10_000)
    for read in (ledger.jobs, lambda: list(ledger._file.stream("SELECT * FROM results")), ledger.forget_intended):
        with pytest.raises(InputError, match=r"cannot be read \(file is not a database\).* keep it.* \.recover "):
            read()


def test_a_ledger_is_of_one_model(ledger):
    ledger.belongs_to(4)
    ledger.belongs_to(4)
    with pytest.raises(InputError, match="is of a model with 4 qubits and this run's model has 6"):
        ledger.belongs_to(6)


def test_a_ledger_of_a_later_version_is_refused(tmp_path):
    path = tmp_path / "ledger.sqlite"
    with Ledger(path):
        pass
    with sqlite3.connect(path) as database:
        database.execute("UPDATE about SET format = 9")
    database.close()
    with pytest.raises(InputError, match="has format 9 and this version knows 1"):
        Ledger(path)
