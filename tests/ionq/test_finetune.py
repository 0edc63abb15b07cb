"""Fine-tuning on a machine: gradients from measurements, budgets that hold, runs that go on."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from tests.support import TINY_HEAD, blobs
from tfq_llm import HeadConfig, InputError, quantum_head
from tfq_llm.errors import ServiceError
from tfq_llm.ionq.budget import Settings
from tfq_llm.ionq.emulator import Emulator
from tfq_llm.ionq.finetune import FineTuned, FineTuning, fine_tune, with_weights
from tfq_llm.ionq.head import angles_of, machine_head
from tfq_llm.ionq.orders import Order
from tfq_llm.ionq.prices import PRICES
from tfq_llm.ionq.service import Connection, Service, connected
from tfq_llm.ionq.states import DONE
from tfq_llm.ionq.tunable import Tunable, loss_of
from tfq_llm.pipelines.ionq_finetune import finetune, finetuned_head, finetuned_path, training_rows
from tfq_llm.training.keep import keep_head
from tfq_llm.training.run import read_json
from tfq_llm.training.trained import load_run

EMBEDDINGS, LABELS = blobs(rows=40)
SIMULATOR, FORTE = Order("simulator", 100), Order("qpu.forte-1", 100)
LOSS = tf.keras.losses.SparseCategoricalCrossentropy(from_logits=True)
EACH = 25.79  # dollars of a circuit as small as these on Forte


def trained(**settings) -> tf.keras.Model:
    head = quantum_head(7, 2, HeadConfig(**TINY_HEAD, **settings), seed=0)
    head.compile(tf.keras.optimizers.Adam(0.05), LOSS)
    head.fit(EMBEDDINGS, LABELS, batch_size=8, epochs=15, shuffle=False, verbose=0)
    return head


def wrecked(head: tf.keras.Model, count: int = 3) -> tf.keras.Model:
    """A trained head whose last parameters are far from where they were."""
    machine = machine_head(head)[1]
    weights = machine.weights.copy()
    weights[Tunable(machine, count).places] += 1.3
    return with_weights(head, weights)


HEAD = trained()
WRECKED = wrecked(HEAD)


@pytest.fixture
def emulator() -> Iterator[Emulator]:
    """One for each test: a job that another test sent would be found there by its name, and not be sent."""
    with Emulator() as emulator:
        yield emulator


@contextmanager
def at(emulator: Emulator, run_dir: Path, order: Order = SIMULATOR) -> Iterator[Service]:
    with connected(run_dir, Connection(emulator.url, api_version="v0.3", deadline=5.0, settle_seconds=1.0)) as jobs:
        yield Service(jobs, order, PRICES[order.target], wait_seconds=30.0, poll=0.01)


def test_the_head_it_tunes_is_the_head():
    angle_model, machine = machine_head(HEAD)
    angles = angles_of(angle_model, EMBEDDINGS)
    assert Tunable(machine, 2).circuits(angles, machine.weights).digests == machine.circuits(angles).digests


def test_tuned_parameters_are_the_last_that_make_a_difference():
    machine = machine_head(HEAD)[1]
    tunable = Tunable(machine, 4)
    assert np.linalg.matrix_rank(tunable.by_parameter) == 4
    every = next(count for count in range(1, 99) if not _can_tune(machine, count + 1))
    effects = Tunable(machine, every).by_parameter
    for place in np.setdiff1d(np.arange(len(machine.weights)), Tunable(machine, every).places):
        moved = machine.weights + 0.7 * (np.arange(len(machine.weights)) == place)
        change = tunable.circuits(np.zeros([1, 3]), moved).values - tunable.circuits(np.zeros([1, 3]), machine.weights).values
        assert np.linalg.matrix_rank(np.concatenate([effects, change])) == every, "others move what these move, or nothing"


def _can_tune(machine, count: int) -> bool:
    try:
        Tunable(machine, count)
    except InputError:
        return False
    return True


@pytest.mark.parametrize("settings", [{}, {"num_measured": 3}, {"shared": False, "final_layers": 2}], ids=str)
def test_parameter_shift_is_the_adjoint_gradient(emulator, tmp_path, settings):
    """On exact probabilities; the first update tells the gradient."""
    head, rows, labels = quantum_head(7, 2, HeadConfig(**TINY_HEAD, **settings), seed=0), EMBEDDINGS[:16], LABELS[:16]
    with at(emulator, tmp_path) as service:
        options = {"method": "parameter-shift", "parameters": 5, "steps": 1, "batch_size": 16, "learning_rate": 0.1}
        validation = (EMBEDDINGS[:4], LABELS[:4])
        found = fine_tune(head, rows, labels, service, max_dollars=0.0, validation=validation, **options)
    with tf.GradientTape() as tape:
        loss = LOSS(labels, head(rows))
    expected = tape.gradient(loss, head.get_layer("reuploading_pqc").angles).numpy()
    moved = np.subtract(found.history[0].weights, found.history[1].weights)
    np.testing.assert_allclose(moved / 0.1, expected[found.places], atol=2e-5)
    assert np.abs(expected[found.places]).min() > 1e-6, "parameters without effect are not tuned"


def test_spsa_moves_all_parameters_by_the_slope_along_one_direction(emulator, tmp_path):
    options = {"steps": 1, "batch_size": 40, "learning_rate": 1.0, "perturbation": 1e-3, "parameters": 3}
    with at(emulator, tmp_path) as service:
        found = fine_tune(WRECKED, EMBEDDINGS, LABELS, service, max_dollars=0.0, validation=(EMBEDDINGS, LABELS), **options)
    assert found.evaluations == 40 + 2 * 40 + 40
    with tf.GradientTape() as tape:
        loss = LOSS(LABELS, WRECKED(EMBEDDINGS))
    slope = tape.gradient(loss, WRECKED.get_layer("reuploading_pqc").angles).numpy()[found.places]
    moved = np.subtract(found.history[0].weights, found.history[1].weights)
    np.testing.assert_allclose(moved, np.sign(moved) * np.abs(np.sum(slope * np.sign(moved))), atol=1e-3)
    assert found.history[0].loss.value == pytest.approx(float(loss), abs=1e-5)
    assert found.history[0].accuracy == np.mean(WRECKED(EMBEDDINGS).numpy().argmax(axis=1) == LABELS)


@pytest.mark.parametrize("method", ["spsa", "parameter-shift"])
def test_wrecked_parameters_are_mended(emulator, tmp_path, method):
    with at(emulator, tmp_path, Order("qpu.forte-1", 300)) as service:
        steps, rate = (15, 1.0) if method == "spsa" else (6, 3.0)
        options = {"method": method, "parameters": 3, "steps": steps, "batch_size": 12, "held_out": 12, "learning_rate": rate}
        found = fine_tune(WRECKED, EMBEDDINGS, LABELS, service, max_dollars=1e6, **options)
    first, best = found.history[0].loss, found.best.loss
    assert first.value - best.value > 5 * np.hypot(first.standard_error, best.standard_error)
    losses = [float(LOSS(LABELS, head(EMBEDDINGS))) for head in (WRECKED, with_weights(WRECKED, found.after), HEAD)]
    assert losses[1] < losses[0] - 0.5 * (losses[0] - losses[2])
    assert found.stopped == "steps"
    assert len(found.history) == steps + 1


def test_the_standard_error_is_how_far_repetitions_spread():
    rng = np.random.default_rng(0)
    machine = machine_head(HEAD)[1]
    exact, labels, shots = rng.uniform(-0.9, 0.9, [20, 1]), np.arange(20) % 2, 200
    draws = 2 * rng.binomial(shots, (1 + exact) / 2, [400, 20, 1]) / shots - 1
    losses = [loss_of(machine, values, labels, shots) for values in draws]
    spread = np.std([loss.value for loss in losses])
    assert np.mean([loss.standard_error for loss in losses]) == pytest.approx(spread, rel=0.15)
    assert loss_of(machine, np.ones([20, 1]), labels, 10).standard_error > 0
    assert loss_of(machine, exact, labels, None).standard_error == 0


SMALL = {"parameters": 2, "steps": 4, "batch_size": 2, "held_out": 3}
"""SPSA: 2 · 2 + 3 evaluations a step, and 3 at the end."""


@pytest.mark.parametrize(
    ("dollars", "evaluations", "steps", "stopped"),
    [
        (1e6, None, 4, "steps"),
        (1e6, 31, 4, "steps"),
        (1e6, 30, 3, "evaluations"),
        (1e6, 10, 1, "evaluations"),
        (31 * EACH, None, 4, "steps"),
        (31 * EACH - 0.01, None, 3, "dollars"),
        (24 * EACH, 40, 3, "dollars"),
        (24 * EACH - 0.01, 40, 2, "dollars"),
        (10 * EACH, None, 1, "dollars"),
    ],
)
def test_a_budget_is_never_crossed(emulator, tmp_path, dollars, evaluations, steps, stopped):
    with at(emulator, tmp_path, FORTE) as service:
        before = len(emulator.jobs())
        settings = Settings(dollars, evaluations, seed=steps, **SMALL)
        tuning = FineTuning(WRECKED, (EMBEDDINGS, LABELS), service, settings)
        found = tuning.run()
        assert (len(found.history) - 1, found.stopped) == (steps, stopped)
        assert tuning.costs.steps(settings) == steps
        assert tuning.costs.total(settings) == found.evaluations == 7 * steps + 3
        assert found.dollars == pytest.approx(EACH * found.evaluations)
        assert sum(job.dollars for job in service.jobs.ledger.jobs()) <= dollars + 1e-6
        assert sum(job["circuits"] for job in emulator.jobs()[before:]) <= (evaluations or 31)
    assert found.best.loss.value == min(step.loss.value for step in found.history)
    assert np.array_equal(found.after[found.places], found.best.weights)
    rest = np.setdiff1d(np.arange(len(found.before)), found.places)
    assert np.array_equal(found.after[rest], found.before[rest])


@pytest.mark.parametrize("budget", [{"max_dollars": 10 * EACH - 0.01}, {"max_dollars": 1e6, "max_evaluations": 9}])
def test_a_budget_that_is_not_enough_for_a_step_is_refused(emulator, tmp_path, budget):
    with at(emulator, tmp_path, FORTE) as service:
        with pytest.raises(
            InputError, match=r"not enough (dollars|evaluations) for one step: .* are \$257.90\. Nothing was sent"
        ):
            fine_tune(WRECKED, EMBEDDINGS, LABELS, service, **budget, **SMALL)
        assert not service.jobs.ledger.jobs()


def test_every_step_is_measured_anew_and_a_run_given_again_reads_what_it_has(emulator, tmp_path):
    with at(emulator, tmp_path, FORTE) as service:
        # A rate so small that the ledger takes all steps' circuits for the same ones.
        options = SMALL | {"learning_rate": 1e-9, "batch_size": 4}
        first = fine_tune(WRECKED, EMBEDDINGS, LABELS, service, max_dollars=1e6, **options)
        jobs = len(service.jobs.ledger.jobs())
        assert jobs == 5
        assert len({step.loss.value for step in first.history}) > 1
        again = fine_tune(WRECKED, EMBEDDINGS, LABELS, service, max_dollars=1e6, **options)
        assert again.history == first.history
        assert len(service.jobs.ledger.jobs()) == jobs


def test_more_money_goes_on_from_where_it_stopped(emulator, tmp_path):
    with at(emulator, tmp_path, FORTE) as service:
        poor = fine_tune(WRECKED, EMBEDDINGS, LABELS, service, max_dollars=17 * EACH, **SMALL)
        rich = fine_tune(WRECKED, EMBEDDINGS, LABELS, service, max_dollars=31 * EACH, **SMALL)
        assert [step.loss for step in rich.history[:3]] == [step.loss for step in poor.history]
        assert sum(job.circuits for job in service.jobs.ledger.jobs()) == rich.evaluations


def test_results_from_elsewhere_are_part_of_the_budget(emulator, tmp_path):
    with at(emulator, tmp_path, FORTE) as service:
        emulator.faults.add("other-target on=submit times=1 after=1")
        kept: list[FineTuned] = []
        settings = SMALL | {"max_dollars": 31 * EACH}
        with pytest.raises(ServiceError, match="7 of 7 circuits have no result that can be used"):
            fine_tune(WRECKED, EMBEDDINGS, LABELS, service, keep=kept.append, **settings)
        assert len(kept) == 1
        assert kept[0].after.shape == kept[0].before.shape
        found = fine_tune(WRECKED, EMBEDDINGS, LABELS, service, **settings)
        assert (len(found.history) - 1, found.stopped) == (3, "dollars")
        assert sum(job.dollars for job in service.jobs.ledger.jobs(DONE)) == pytest.approx(31 * EACH)


RESUME = """
import os, signal, sys, traceback
import numpy as np
import tfq_llm.layers
import tensorflow as tf
from pathlib import Path
from tfq_llm.ionq.finetune import fine_tune
from tfq_llm.ionq.orders import Order
from tfq_llm.ionq.prices import PRICES
from tfq_llm.ionq.service import Connection, Service, connected

def attempt(run, url, kill):
    def die(moment):
        if moment == kill:
            os.kill(os.getpid(), signal.SIGKILL)

    with connected(run, Connection(url, api_version="v0.3", settle_seconds=1.0)) as jobs:
        submit, sent = jobs.transport.submit, []

        def watched(*arguments, **options):
            found = submit(*arguments, **options)
            sent.append(found)
            die(f"sent {len(sent)}")
            return found

        jobs.transport.submit = watched
        service = Service(jobs, Order("qpu.forte-1", 50), PRICES["qpu.forte-1"], 30.0, 0.01)
        rows = np.load(run / "rows.npz")
        found = fine_tune(
            tf.keras.models.load_model(run / "head.keras"), rows["embeddings"], rows["labels"], service, max_dollars=1e6,
            agree=lambda plan: die(f"plan {len(sent) + 1}"), keep=lambda result: die(f"step {len(result.history)}"),
            parameters=2, steps=4, batch_size=2, held_out=3,
        )
        print(found.after.tolist(), [step.loss for step in found.history], flush=True)

for run, url, kill in zip(*[iter(sys.argv[1:])] * 3):
    child = os.fork()
    if not child:
        try:
            attempt(Path(run), url, kill)
        finally:
            traceback.print_exc()
            os._exit(0 if sys.exc_info()[0] is None else 1)
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    assert code == (0 if kill == "never" else -signal.SIGKILL), (kill, code)
"""


def _attempts(*attempts: tuple[Path, str, str]) -> list[str]:
    """What attempts (run, address, kill) that end print. Each is a process, forked from one that imports, which takes longest."""
    arguments = [str(each) for attempt in attempts for each in attempt]
    done = subprocess.run([sys.executable, "-c", RESUME, *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout.splitlines()


@pytest.mark.campaign
def test_a_killed_run_ends_as_an_undisturbed_one(tmp_path):
    """Killed when a job was made and its id not written, before the next is sent, and between steps."""
    runs = [tmp_path / name for name in ("undisturbed", "killed")]
    for run in runs:
        run.mkdir()
        WRECKED.save(run / "head.keras")
        np.savez(run / "rows.npz", embeddings=EMBEDDINGS, labels=LABELS)
    with Emulator() as first, Emulator() as second:
        kills = [(runs[1], second.url, moment) for moment in ("sent 2", "plan 1", "step 4", "never")]
        printed = _attempts((runs[0], first.url, "never"), *kills)
        ends = [
            (line, len(emulator.jobs()), sum(job["circuits"] for job in emulator.jobs()))
            for line, emulator in zip(printed, (first, second), strict=True)
        ]
    assert ends[0] == ends[1]
    assert ends[0][1:] == (5, 31)


@pytest.fixture
def own_run(run, tmp_path) -> tuple[Path, str]:
    """A run that may be written to, and the file it was trained on."""
    shutil.copytree(run[0], tmp_path / "run")
    return tmp_path / "run", str(run[0].parent / "train.npz")


def said(texts: list[str], dollars: list[float]):
    def ask(text: str, cost: float) -> None:
        texts.append(text)
        dollars.append(cost)

    return ask


def test_a_run_is_fine_tuned_beside_itself(emulator, own_run):
    run_dir, data = own_run
    texts, dollars = [], []
    with at(emulator, run_dir, FORTE) as service:
        settings = Settings(25 * EACH, **SMALL)
        report = finetune(run_dir, service, data, settings, said(texts, dollars))
        as_json = json.loads(finetune(run_dir, service, data, settings, said(texts, dollars), as_json=True))
    assert "3 of 4 steps are within the budget" in texts[0]
    assert dollars[0] == pytest.approx(24 * EACH)
    assert "(best)" in report
    assert "The next step would have crossed the budget of dollars" in report
    assert as_json == read_json(finetuned_path(run_dir))
    assert as_json["evaluations"] == 24
    angles = finetuned_head(run_dir).get_layer("reuploading_pqc").angles
    np.testing.assert_allclose(angles, as_json["weights"], atol=1e-6)
    np.testing.assert_allclose(load_run(run_dir).head.get_layer("reuploading_pqc").angles, as_json["before"], atol=1e-6)


def test_only_training_rows_are_trained_on(own_run):
    run_dir, data = own_run
    loaded, split = load_run(run_dir), read_json(run_dir / "splits.json")
    kept = np.load(data)
    (train, labels), validation = training_rows(run_dir, loaded, data, Settings(0.0, held_out=3))
    np.testing.assert_array_equal(train, kept["embeddings"][split["train"]])
    np.testing.assert_array_equal(labels, kept["labels"][split["train"]])
    assert all(row in kept["embeddings"][split["validation"]] for row in validation[0])
    # Of other data with the same rows in it, those that the run knows.
    other = run_dir / "other.npz"
    rows = [*split["test"][:5], *split["train"][:7]]
    np.savez(other, embeddings=kept["embeddings"][rows], labels=kept["labels"][rows])
    (train, _), validation = training_rows(run_dir, loaded, str(other), Settings(0.0))
    assert validation is None
    np.testing.assert_array_equal(train, kept["embeddings"][split["train"][:7]])
    # A saved head knows what it learned from, but not how.
    keep_head([run_dir], run_dir / "kept")
    (train, _), validation = training_rows(run_dir / "kept", load_run(run_dir / "kept"), data, Settings(0.0))
    assert validation is None
    np.testing.assert_array_equal(train, kept["embeddings"][sorted(split["train"] + split["validation"])])


def test_data_of_which_nothing_was_trained_on_are_refused(emulator, own_run, run):
    with at(emulator, own_run[0]) as service, pytest.raises(InputError, match="the run was trained on nothing of 'new"):
        finetune(own_run[0], service, run[1], Settings(0.0), lambda text, dollars: None)
    with pytest.raises(InputError, match=r"no fine-tuned weights .* 'tfq-llm ionq finetune' makes them"):
        finetuned_head(own_run[0])


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"method": "spas"}, "method must be one of spsa, parameter-shift, not 'spas'. Did you mean 'spsa'"),
        ({"steps": 0}, "steps must be a whole number of at least 1"),
        ({"batch_size": 1.5}, "batch_size must be a whole number"),
        ({"seed": -1}, "seed must be a whole number of at least 0"),
        ({"learning_rate": 0.0}, "learning_rate must be a finite number greater than 0"),
        ({"perturbation": float("nan")}, "perturbation must be a finite number greater than 0"),
        ({"max_dollars": -1.0}, "max_dollars must be a finite number and not negative"),
        ({"max_dollars": float("inf")}, "max_dollars must be a finite number"),
        ({"max_evaluations": 0}, "max_evaluations must be a whole number of at least 1"),
        ({"parameters": 1000}, r"parameters must be a number from 1 to \d+, independent weights that are measured"),
        ({"held_out": 40}, "40 sentences are held out .* and there are 40 in all"),
    ],
)
def test_wrong_settings_are_refused_before_anything_is_sent(emulator, tmp_path, settings, message):
    with at(emulator, tmp_path) as service:
        with pytest.raises(InputError, match=message):
            fine_tune(WRECKED, EMBEDDINGS, LABELS, service, **({"max_dollars": 0.0} | settings))
        assert not service.jobs.ledger.jobs()


@pytest.mark.parametrize("labels", [LABELS[:-1], LABELS + 1, LABELS * 0.5, LABELS[:, None]], ids=["few", "high", "real", "2-D"])
def test_wrong_labels_are_refused(emulator, tmp_path, labels):
    with at(emulator, tmp_path) as service, pytest.raises(InputError, match="labels must be whole numbers from 0 to 1"):
        fine_tune(WRECKED, EMBEDDINGS, labels, service, max_dollars=0.0, validation=(EMBEDDINGS, LABELS))


def test_weights_of_another_circuit_are_refused():
    with pytest.raises(InputError, match=r"the circuit has \d+ weights, and an array of shape \(3,\) was given"):
        with_weights(HEAD, np.zeros(3))
