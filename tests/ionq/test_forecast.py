"""What a run on a machine is expected to cost and to be worth, before anything is sent."""

from __future__ import annotations

import json

import cirq
import numpy as np
import pytest
import tensorflow as tf
from scipy import stats

from tests.support import TINY_HEAD, blobs
from tfq_llm import HeadConfig, InputError, quantum_head
from tfq_llm.ionq.circuits import Size
from tfq_llm.ionq.forecast import Forecast, Trial, affordable, forecast, interval
from tfq_llm.ionq.head import angles_of, machine_head
from tfq_llm.ionq.prices import PRICES, jobs, price_of
from tfq_llm.models import predict_logits
from tfq_llm.pipelines.ionq_estimate import estimate

EMBEDDINGS, LABELS = blobs(rows=40)
FORTE = PRICES["qpu.forte-1"]


@pytest.fixture(scope="module", params=[1, 3], ids=["1 measured", "3 measured"])
def head(request) -> tf.keras.Model:
    head = quantum_head(7, 2, HeadConfig(num_measured=request.param, **TINY_HEAD), seed=0)
    head.fit(EMBEDDINGS, LABELS, epochs=3, verbose=0)
    return head


def test_the_two_parts_of_a_head_are_the_head(head):
    model, machine = machine_head(head)
    symbols, values = machine.symbols(angles_of(model, EMBEDDINGS))
    observables = machine.ansatz.observables(machine.num_measured)
    found = [
        cirq.Simulator(dtype=np.complex128).simulate_expectation_values(
            machine.reduced, observables, dict(zip(map(str, symbols), row, strict=True))
        )
        for row in values
    ]
    logits = np.real(found) @ machine.kernel + machine.bias
    np.testing.assert_allclose(logits, predict_logits(head, EMBEDDINGS), atol=1e-4)
    np.testing.assert_array_equal(machine.classes(np.real(found)), logits.argmax(axis=1))


def test_a_head_of_another_make_is_refused():
    with pytest.raises(InputError, match="only a head made by quantum_head"):
        machine_head(tf.keras.Sequential([tf.keras.Input([3]), tf.keras.layers.Dense(2)]))


def test_prices_are_those_of_published_receipts():
    """From the marketplace's formula: shots · (0.0001645 · N1 + 0.001121 · N2), at least 25.79 or 168.20 dollars."""
    assert FORTE.of(100, 50, 1000, mitigated=False) == pytest.approx(1000 * (0.01645 + 0.05605))
    assert FORTE.of(10, 5, 1000, mitigated=False) == 25.79
    assert FORTE.of(100, 50, 1000, mitigated=True) == 168.20
    assert Size(100, 50).dollars(FORTE, 10_000, mitigated=True) == pytest.approx(725)
    assert affordable(300, Size(10, 5), FORTE, 1000, mitigated=False) == 11
    assert affordable(300, Size(10, 5), PRICES["simulator"], 1000, mitigated=False) is None


@pytest.mark.parametrize(
    ("circuits", "gates", "count"), [(1, 10, 1), (5000, 10, 1), (5001, 10, 2), (100, 2000, 2), (3, 200_000, 3)]
)
def test_jobs_are_split_to_the_services_limits(circuits, gates, count):
    assert jobs(circuits, gates) == count


def test_a_file_of_prices_comes_before_the_table(tmp_path):
    file = tmp_path / "prices.yaml"
    own = {"as_of": "2026-01", "one_qubit_gate": 1e-4, "two_qubit_gate": 1e-3, "minimum": 5, "minimum_mitigated": 9, "qubits": 64}
    file.write_text(json.dumps({"prices": {"qpu.tempo-1": own}}))
    assert price_of("qpu.tempo-1", file).qubits == 64
    assert price_of("qpu.forte-1", file) == FORTE
    with pytest.raises(InputError, match=r"no price for 'qpu.fort-1'; known are .* Did you mean 'qpu.forte-1'"):
        price_of("qpu.fort-1", file)
    file.write_text(json.dumps({"prices": {"qpu.tempo-1": own | {"minimum": -1, "minimun": 3}}}))
    with pytest.raises(
        InputError, match=r"prices.qpu.tempo-1.minimum: .*(\n.*)*there is no such setting. Did you mean 'minimum'"
    ):
        price_of("qpu.tempo-1", file)


def test_without_noise_decisions_become_those_of_exact_values(head):
    model, machine = machine_head(head)
    found = forecast(machine, angles_of(model, EMBEDDINGS), LABELS, "simulator", [1, 10_000])
    assert found.exact == found.noisy == np.mean(predict_logits(head, EMBEDDINGS).argmax(axis=1) == LABELS)
    one, many = found.trials
    assert many.changed < 0.05
    assert many.changed <= one.changed


def test_one_shot_decides_by_the_probability_of_a_zero():
    """With one measured qubit a single shot's decision is a coin with P(0) = (1 + ⟨Z⟩) / 2: a binomial count of right ones."""
    head = quantum_head(7, 2, HeadConfig(num_measured=1, **TINY_HEAD), seed=0)
    head.get_layer("logits").set_weights([np.array([[1.0, -1.0]]), np.zeros(2)])
    model, machine = machine_head(head)
    angles = angles_of(model, EMBEDDINGS)
    (one,) = forecast(machine, angles, LABELS, "simulator", [1], repetitions=50).trials
    values = tf.keras.Model(head.input, head.get_layer("reuploading_pqc").output)(EMBEDDINGS).numpy()[:, 0]
    chances = np.where(LABELS == 0, (1 + values) / 2, (1 - values) / 2)
    spread = np.sqrt(np.sum(chances * (1 - chances)) / 50) / len(LABELS)
    assert abs(one.accuracy - chances.mean()) < stats.norm.isf(5e-7) * spread


def test_the_fewest_shots_are_those_from_which_on_decisions_stay():
    trials = tuple(
        Trial(shots, 0.8, 0.0, changed) for shots, changed in ((10, 0.2), (20, 0.005), (50, 0.02), (100, 0.01), (200, 0.0))
    )
    found = Forecast(40, 0.8, 0.8, trials)
    assert found.fewest_shots(0.01) == 100
    assert found.fewest_shots(0.5) == 10
    assert Forecast(40, 0.8, 0.8, trials[:1]).fewest_shots(0.01) is None


def test_an_interval_is_scipys():
    low, high = interval(0.8, 50)
    expected = stats.binomtest(40, 50).proportion_ci(0.95, method="wilson")
    assert (low, high) == (expected.low, expected.high)


def test_a_report_in_words_and_in_json(run):
    text = estimate(*run, 1000, "qpu.forte-1", budget=500)
    for said in (
        "60 sentences with 1,000 shots each on qpu.forte-1, in 1 job",
        "as trained",
        "reduced",
        "Nothing was sent.",
        "Proposed: ",
    ):
        assert said in text
    facts = json.loads(estimate(*run, 1000, "qpu.forte-1", budget=500, as_json=True))
    before, after = facts["circuits"]["as trained"], facts["circuits"]["reduced"]
    assert after["one_qubit_gates"] < before["one_qubit_gates"]
    assert after["dollars"] == pytest.approx(
        60 * max(25.79, 1000 * (0.0001645 * after["one_qubit_gates"] + 0.001121 * after["two_qubit_gates"]))
    )
    assert all(plan["dollars"] <= 500 for plan in facts["budget"]["plans"])
    assert "one costs $25.79" in estimate(*run, 10, "qpu.forte-1", budget=20, simulated_rows=10)
    free = estimate(*run, 10, "simulator", budget=20, simulated_rows=10)
    assert "60 sentences" in free
    assert "no gate noise" in free


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"shots": 0}, "shots must be a number from 1 to 1,000,000, not 0"),
        ({"shots": 2_000_000}, "shots must be a number from 1 to 1,000,000"),
        ({"budget": -5.0}, "a budget must be a number of dollars greater than 0"),
        ({"budget": float("nan")}, "a budget must be a number of dollars greater than 0"),
        ({"target": "qpu.forte"}, "there is no price for 'qpu.forte'"),
    ],
)
def test_what_cannot_be_estimated(run, options, message):
    with pytest.raises(InputError, match=message):
        estimate(*run, **{"shots": 100, "target": "qpu.forte-1", "simulated_rows": 10} | options)


def test_a_circuit_that_is_too_wide_for_the_machine(run, tmp_path):
    file = tmp_path / "prices.yaml"
    small = FORTE.model_copy(update={"qubits": 2}).model_dump()
    file.write_text(json.dumps({"prices": {"qpu.small": small}}))
    with pytest.raises(InputError, match=r"the circuit has 3 qubits and 'qpu\.small' has 2"):
        estimate(*run, 100, "qpu.small", prices=file)
