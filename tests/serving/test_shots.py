"""Shots on noisy machines against Cirq's density matrices."""

from __future__ import annotations

import cirq
import numpy as np
import pytest

from tests.serving.plain_model import expected
from tfq_llm.circuits import ionq_noise, noisy_circuit
from tfq_llm.exported import read_facts
from tfq_llm.serving.shots import measured


def test_probabilities_are_those_of_the_noisy_circuit(client, plain):
    text, shots = "the movie was fine", 10_000
    reply = client.post("/api/shots", {"text": text, "machine": "aria-1", "shots": shots, "seed": 5}).json()
    np.testing.assert_allclose(reply["exact"], expected(text), atol=1e-6)
    circuit = noisy_circuit(cirq.read_json(plain / "circuit.json"), ionq_noise("aria-1"))
    angles = {"x0": len(text) / 10, "x1": 4 / 10}
    (value,) = cirq.DensityMatrixSimulator().simulate_expectation_values(
        circuit, [cirq.Z(cirq.q(0))], angles, qubit_order=cirq.LineQubit.range(2)
    )
    (found,), (error,) = reply["expectation_values"], reply["standard_errors"]
    assert abs(found - value.real) < 4 * error
    assert error == pytest.approx(np.sqrt((1 - value.real**2) / shots), rel=0.05)
    counts = {outcome["bits"]: outcome["count"] for outcome in reply["outcomes"]}
    assert (counts["0"] + counts["1"], (counts["0"] - counts["1"]) / shots) == (shots, pytest.approx(found))
    for interval in reply["probabilities"]:
        assert interval["low"] < interval["value"] < interval["high"]
    assert reply["answer"] == reply["class_names"][int(np.argmax(reply["exact"]))]


def test_the_same_seed_gives_the_same_shots_and_another_others(client):
    replies = [client.post("/api/shots", {"text": "the movie", "shots": 200, "seed": seed}).json() for seed in (1, 1, 2)]
    assert replies[0] == replies[1]
    assert replies[0]["outcomes"] != replies[2]["outcomes"]


def test_intervals_hold_95_percent_of_repetitions(plain):
    """Counts of a qubit that is 0 with probability 0.8, drawn again and again: how often the interval holds the true value."""
    facts, rng = read_facts(plain), np.random.default_rng(0)
    logits = 0.6 * np.array(facts.logits.kernel[0]) + np.array(facts.logits.bias)
    truth = np.exp(logits) / np.exp(logits).sum()
    held = []
    for _ in range(300):
        zeros = rng.binomial(500, 0.8)
        found = measured(facts, np.array([0, 2]), np.array([zeros, 500 - zeros]), rng)
        held.append(found.low[0] <= truth[0] <= found.high[0])
    assert 0.9 < np.mean(held) < 0.99


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ({}, "takes 'text', and the request has none"),
        ({"embedding": [1.0]}, "takes 'text', and the request has 'embedding'"),
        ({"text": "a", "embedding": [1.0]}, "has 'text' and 'embedding'"),
        ({"text": 3}, "text: "),
        ({"text": "a", "shots": 0}, "shots: "),
        ({"text": "a", "shots": 10_001}, "shots: "),
        ({"text": "a", "shots": "10"}, "shots: "),
        ({"text": "a", "seed": -1}, "seed: "),
        ({"text": "a", "machine": "forte-2"}, "machine: "),
        ({"text": "a", "mashine": "aria-1"}, "a key of the request: "),
    ],
)
def test_what_cannot_be_measured_is_refused(body, reason, client):
    reply = client.post("/api/shots", body)
    assert (reply.status_code, reason in reply.json()["error"]) == (400, True), reply.text
