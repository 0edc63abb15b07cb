"""Layers that measure at a service: predictions, what they may cost, and what they refuse."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
import tensorflow as tf

from tests.support import TINY_HEAD, blobs
from tfq_llm import HeadConfig, InputError, ReuploadingPQC, plain_tensorflow, quantum_head
from tfq_llm.config import make_config
from tfq_llm.ionq.emulator import Emulator
from tfq_llm.ionq.executor import MachineExecutor, on_machine
from tfq_llm.ionq.head import angles_of, machine_head
from tfq_llm.ionq.orders import Order
from tfq_llm.ionq.prices import PRICES
from tfq_llm.ionq.service import Connection, Service, connected

EMBEDDINGS, LABELS = blobs(rows=12)
HEAD = quantum_head(7, 2, HeadConfig(num_measured=2, **TINY_HEAD), seed=0)
SIMULATOR, FORTE = Order("simulator", 100), Order("qpu.forte-1", 100)


class Place:
    """A stand-in for the service, and a run directory that sends to it."""

    def __init__(self, emulator: Emulator, jobs):
        self.emulator, self.jobs = emulator, jobs

    def service(self, order: Order = SIMULATOR) -> Service:
        return Service(self.jobs, order, PRICES[order.target], wait_seconds=30.0, poll=0.02)

    @property
    def sent(self) -> int:
        return len(self.jobs.ledger.jobs())


@pytest.fixture(scope="module")
def emulator() -> Iterator[Emulator]:
    with Emulator() as emulator:
        yield emulator


@pytest.fixture
def place(emulator, tmp_path) -> Iterator[Place]:
    with connected(tmp_path, Connection(emulator.url, api_version="v0.3", deadline=5.0, settle_seconds=1.0)) as jobs:
        yield Place(emulator, jobs)
    emulator.faults.clear()


def test_predict_measures_what_the_simulation_computes(place):
    moved = on_machine(HEAD, MachineExecutor(place.service()))
    np.testing.assert_allclose(moved.predict(EMBEDDINGS, batch_size=5, verbose=0), HEAD.predict(EMBEDDINGS, verbose=0), atol=1e-5)
    assert place.sent == 3
    moved.predict(EMBEDDINGS, batch_size=12, verbose=0)
    assert place.sent == 3, "what is there is not sent again"
    angles, machine = machine_head(HEAD)
    plan = place.service().submit(machine.circuits(angles_of(angles, EMBEDDINGS)), lambda plan: None)
    assert (plan.cached, plan.new) == (12, 0), "these are the circuits that 'tfq-llm ionq evaluate' sends"


@pytest.mark.slow
def test_the_newer_api_gives_the_same(emulator, tmp_path):
    with connected(tmp_path, Connection(emulator.url, api_version="v0.4")) as jobs:
        moved = on_machine(HEAD, MachineExecutor(Place(emulator, jobs).service()))
        np.testing.assert_allclose(moved(EMBEDDINGS), HEAD(EMBEDDINGS), atol=1e-5)


def test_a_layer_runs_in_graphs_of_any_batch(place):
    options = {"num_qubits": 3, "connectivity": 1, "num_measured": 2, "initializer": "ones"}
    layer = ReuploadingPQC(executor="ionq", service=MachineExecutor(place.service()), **options)
    exact = ReuploadingPQC(**options)
    graph = tf.function(lambda rows: layer(rows), input_signature=[tf.TensorSpec([None, 3])])
    for rows in (0, 1, 4):
        angles = np.random.default_rng(rows).uniform(-3, 3, [rows, 3]).astype(np.float32)
        np.testing.assert_allclose(graph(angles), exact(angles), atol=1e-5)
    assert layer(tf.keras.Input([3])).shape.as_list() == [None, 2]


def test_nothing_is_spent_beyond_the_consent(place):
    with pytest.raises(InputError, match=r"'qpu.forte-1' costs money: .* max_cost"):
        MachineExecutor(place.service(FORTE))
    executor = MachineExecutor(place.service(FORTE), max_cost=100.0)
    moved = on_machine(HEAD, executor)
    moved.predict(EMBEDDINGS[:2], verbose=0)
    assert executor.spent == pytest.approx(2 * 25.79)
    with pytest.raises(InputError, match=r"costs \$51.58 after \$51.58 and at most \$100.00 may be spent"):
        moved.predict(EMBEDDINGS[2:4], verbose=0)
    assert place.sent == 1
    moved.predict(EMBEDDINGS[:3], verbose=0)
    assert executor.spent == pytest.approx(3 * 25.79)


def test_rows_without_a_result_are_an_error_and_no_nan(place):
    place.emulator.faults.add("other-target on=submit times=1")
    moved = on_machine(HEAD, MachineExecutor(place.service(FORTE), max_cost=200.0))
    with pytest.raises(RuntimeError, match=r"3 of 3 circuits have no result that can be used"):
        moved.predict(EMBEDDINGS[:3], verbose=0)
    with pytest.raises(ValueError, match=r"angles must be finite; row 1, column \d is nan"):
        moved(np.where(np.arange(3)[:, None] == 1, np.nan, EMBEDDINGS[:3]))
    assert place.sent == 1


def test_training_is_refused_before_anything_is_sent(place):
    moved = on_machine(HEAD, MachineExecutor(place.service()))
    moved.compile("sgd", tf.keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    for eagerly in (False, True):
        moved.run_eagerly = eagerly
        with pytest.raises(Exception, match=r"for predictions: .* tfq_llm\.ionq\.finetune"):
            moved.fit(EMBEDDINGS, LABELS, verbose=0)
    assert place.sent == 0
    assert np.isfinite(moved.evaluate(EMBEDDINGS, LABELS, verbose=0))


def test_a_gradient_is_refused_and_never_none(place):
    moved = on_machine(HEAD, MachineExecutor(place.service()))
    for weights in (moved.trainable_weights, moved.get_layer("amplitude_encoder").trainable_weights):
        with tf.GradientTape() as tape:
            total = tf.reduce_sum(moved(EMBEDDINGS))
        with pytest.raises(InputError, match=r"tfq_llm\.ionq\.finetune"):
            tape.gradient(total, weights)


def test_what_is_saved_or_cloned_simulates_the_same_weights(place, tmp_path):
    moved = on_machine(HEAD, MachineExecutor(place.service()))
    moved.save(tmp_path / "head.keras")
    clone = tf.keras.models.clone_model(moved)
    clone.set_weights(moved.get_weights())
    for copy in (tf.keras.models.load_model(tmp_path / "head.keras"), clone, plain_tensorflow(moved)):
        assert copy.get_layer("reuploading_pqc").executor != "ionq"
        np.testing.assert_allclose(copy(EMBEDDINGS), HEAD(EMBEDDINGS), atol=1e-5)
    assert place.sent == 0


def test_shots_that_a_head_was_trained_with_give_way_to_the_orders(place):
    head = quantum_head(7, 2, HeadConfig(shots=5, **TINY_HEAD), seed=0)
    exact = quantum_head(7, 2, HeadConfig(**TINY_HEAD), seed=0)
    np.testing.assert_allclose(on_machine(head, MachineExecutor(place.service()))(EMBEDDINGS), exact(EMBEDDINGS), atol=1e-5)


def test_what_does_not_go_together_is_refused(place):
    service = MachineExecutor(place.service())
    with pytest.raises(InputError, match="a service is for the executor 'ionq', and this layer's is 'compiled'"):
        ReuploadingPQC(3, service=service)
    with pytest.raises(InputError, match=r"needs a service .*, and none was given: service=.*MachineExecutor"):
        ReuploadingPQC(3, executor="ionq")
    with pytest.raises(InputError, match=r"needs a service .*, and Service was given"):
        ReuploadingPQC(3, executor="ionq", service=place.service())
    with pytest.raises(InputError, match="shots and noise of its own"):
        ReuploadingPQC(3, executor="ionq", service=service, shots=100)
    with pytest.raises(InputError, match="gives values without standard errors"):
        ReuploadingPQC(3, executor="ionq", service=service).estimate(np.zeros([1, 3]))
    with pytest.raises(InputError, match=r"head\.executor: the executor 'ionq' needs a connection .*tfq-llm ionq evaluate"):
        make_config({"head": {"executor": "ionq"}})
