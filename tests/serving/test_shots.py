"""Shots on noisy machines against Cirq's density matrices."""

from __future__ import annotations

import asyncio
import threading
import time
from types import SimpleNamespace

import cirq
import numpy as np
import pytest

from tests.serving.conftest import NAME, running
from tests.serving.plain_model import expected, write_plain_model
from tfq_llm.circuits import ionq_noise, noisy_circuit
from tfq_llm.exported import read_facts
from tfq_llm.serving import shots
from tfq_llm.serving.settings import Limits
from tfq_llm.serving.shots import Machines, measured


def test_probabilities_are_those_of_the_noisy_circuit(client, plain):
    text, shots = "the movie was fine", 10_000
    reply = client.post("/api/shots", {"text": text, "machine": "aria-1", "shots": shots, "seed": 5}).json()
    np.testing.assert_allclose(reply["served"], expected(text), atol=1e-6)
    assert (reply["serves"], reply["version"]) == ("exact", 1)
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
    assert reply["answer"] == reply["class_names"][int(np.argmax(reply["served"]))]


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
        ({"text": "a", "version": 0}, "version: "),
        ({"text": "a", "version": "1"}, "version: "),
        ({"text": "a", "machine": "forte-2"}, "machine: "),
        ({"text": "a", "mashine": "aria-1"}, "a key of the request: "),
    ],
)
def test_what_cannot_be_measured_is_refused(body, reason, client):
    reply = client.post("/api/shots", body)
    assert (reply.status_code, reason in reply.json()["error"]) == (400, True), reply.text


def test_a_version_may_be_named_and_the_reply_says_which_one_answered(models):
    with running(models(1, 2), versions=2) as client:
        client.wait_for(lambda: client.states() == {"2": "AVAILABLE", "1": "AVAILABLE"})
        for given, answers in (({}, 2), ({"version": 1}, 1), ({"version": 2.0}, 2)):
            assert client.post("/api/shots", {"text": "a", "shots": 10, **given}).json()["version"] == answers
        refused = client.post("/api/shots", {"text": "a", "version": 3})
        assert (refused.status_code, f"({NAME}, 3)" in refused.json()["error"]) == (404, True)
        asked = client.get("/openapi.json").json()["components"]["schemas"]["ShotsRequest"]
        assert asked["properties"]["version"] == {"type": "integer", "enum": [2, 1]}


class Engine:
    """Stands in for the engine: all zeros. It begins to measure, and goes on when it may."""

    def __init__(self):
        self.pieces, self.begun, self.go_on = 0, threading.Event(), threading.Event()

    def counts(self, angles, shots, seed):
        self.pieces += 1
        self.begun.set()
        assert self.go_on.wait(60)
        yield np.array([0]), np.array([shots])


def test_shots_of_a_caller_who_hangs_up_end_with_their_piece(plain, monkeypatch):
    model, engine, machines = SimpleNamespace(facts=read_facts(plain)), Engine(), Machines(lambda: False)
    monkeypatch.setattr(shots, "_PIECE_AMPLITUDES", 1)  # 157 pieces
    monkeypatch.setattr(machines, "_sampler", lambda model, machine: engine)

    def ask(shots):
        return machines.measure(model, "aria-1", np.zeros(2), shots, seed=0, deadline=time.monotonic() + 60)

    async def hang_up():
        asked = asyncio.create_task(ask(10_000))
        await asyncio.to_thread(engine.begun.wait)
        asked.cancel()
        await asyncio.wait([asked])
        engine.go_on.set()
        assert asked.cancelled()
        return await ask(10)

    assert asyncio.run(hang_up()).outcomes == (("0", 10),)
    assert engine.pieces == 2
    machines.close()


def test_who_asks_while_the_engine_is_compiled_is_told_to_try_again(plain, engine_to_compile):
    with running(plain.parent) as client:
        for _ in range(2):
            refused = client.post("/api/shots", {"text": "the movie"})
            assert (refused.status_code, refused.headers["retry-after"]) == (503, "10")
            assert "being compiled for this machine, which takes a minute or so the first time" in refused.json()["error"]
        assert client.predict("the movie").status_code == 200
        engine_to_compile.go_on.set()
        client.wait_for(lambda: client.post("/api/shots", {"text": "the movie"}).status_code == 200)


@pytest.mark.slow
def test_shots_past_their_deadline_are_given_up_and_the_next_are_measured(tmp_path):
    write_plain_model(tmp_path / NAME / "1", qubits=18)
    few = {"text": "the movie", "shots": 10}
    with running(tmp_path / NAME, limits=Limits(timeout=2.0)) as client:
        client.wait_for(lambda: client.post("/api/shots", few).status_code == 200)  # the circuit is prepared
        many = client.post("/api/shots", {**few, "shots": 10_000})  # more than a minute
        assert (many.status_code, "took too long" in many.json()["error"]) == (504, True)
        began = time.monotonic()
        client.wait_for(lambda: client.post("/api/shots", few).status_code == 200)
        assert time.monotonic() - began < 10.0
