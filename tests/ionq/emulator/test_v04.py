"""API v0.4 over HTTP, as the published document describes it."""

from __future__ import annotations

import pytest

from tests.ionq.emulator.wire import BELL, FLIP, Caller, batch, single
from tfq_llm.ionq.emulator import Emulator
from tfq_llm.ionq.prices import PRICES

REQUIRED = {
    *("id", "status", "type", "backend", "dry_run", "submitter_id", "project_id", "parent_job_id", "session_id", "metadata"),
    *("name", "submitted_at", "started_at", "completed_at", "predicted_wait_time_ms", "predicted_execution_duration_ms"),
    *("execution_duration_ms", "failure", "output", "settings", "stats", "results"),
}


def test_a_single_circuit(caller: Caller) -> None:
    answer = caller.send("POST", "/v0.4/jobs", json=single(name="bell", metadata={"a": "b", "shots": "7"}))
    assert answer.status_code == 201
    assert answer.json().keys() == {"id", "status", "session_id"}
    job = caller.settled(answer.json()["id"])
    assert job.keys() == REQUIRED | {"child_job_ids", "cost_model", "noise"}  # no shots on the ideal simulator
    assert (job["status"], job["name"], job["backend"]) == ("completed", "bell", "simulator")
    assert job["metadata"] == {"a": "b", "shots": "7"}
    assert job["stats"] == {"qubits": 2, "circuits": 1, "gate_counts": {"1q": 1, "2q": 1}}
    assert caller.results(job["id"]) == pytest.approx({"0": 0.5, "3": 0.5})


def test_qubit_zero_is_the_lowest_bit(caller: Caller) -> None:
    assert caller.results(caller.submit(single(FLIP))) == {"1": 1.0}
    assert caller.results(caller.submit(single([{"gate": "x", "target": 1}]))) == {"2": 1.0}


def test_a_batch_has_children_in_order(caller: Caller) -> None:
    ident = caller.submit(batch(BELL, FLIP, [], name="three", backend="qpu.forte-1", shots=50))
    job = caller.settled(ident)
    assert (job["type"], job["shots"], job["stats"]["circuits"]) == ("ionq.multi-circuit.v1", 50, 3)
    assert list(caller.results(ident)) == job["child_job_ids"]
    children = [caller.get(f"/v0.4/jobs/{child}") for child in job["child_job_ids"]]
    assert [child["name"] for child in children] == ["circuit 0", "circuit 1", "circuit 2"]
    assert {child["parent_job_id"] for child in children} == {ident}
    assert {child["type"] for child in children} == {"ionq.circuit.v1"}
    assert caller.results(job["child_job_ids"][1]) == {"1": 1.0}
    assert caller.results(ident)[job["child_job_ids"][2]] == {"0": 1.0}


def test_results_of_shots_are_counts_over_shots(caller: Caller) -> None:
    ident = caller.submit(single(backend="qpu.aria-1", shots=300))
    found = caller.results(ident)
    assert sum(found.values()) == 1
    assert all((300 * share) == pytest.approx(round(300 * share)) for share in found.values())


def test_the_simulators_noise_is_sampled_by_its_seed(caller: Caller) -> None:
    gates = BELL * 20
    noisy = [
        caller.results(caller.submit(single(gates, shots=400, noise={"model": "aria-1", "seed": seed}))) for seed in (3, 3, 4)
    ]
    assert noisy[0] == noisy[1] != noisy[2]
    assert {*noisy[0]} == {"0", "1", "2", "3"}
    ideal = caller.results(caller.submit(single(gates, noise={"model": "ideal"})))
    assert sum(ideal.values()) == pytest.approx(1, abs=1e-12)


def test_artifacts_are_what_the_job_describes(caller: Caller) -> None:
    ident = caller.submit(single(backend="qpu.forte-1", shots=40))
    described = caller.settled(ident)["results"]
    for descriptor in described.values():
        assert {"id", "format", "media_type"} <= descriptor.keys()
    histogram = caller.get(f"/v0.4/jobs/{ident}/artifacts/{described['ionq.result.histogram.json.v1']['id']}")
    shots = caller.get(described["shots"]["url"])
    assert sum(histogram.values()) == len(shots) == 40
    assert {state: shots.count(state) for state in set(shots)} == histogram
    assert caller.get(described["probabilities"]["url"]) == caller.results(ident)
    assert caller.send("GET", f"/v0.4/jobs/{ident}/artifacts/nothing").status_code == 404


def test_results_of_one_kind_are_not_at_the_others_place(caller: Caller) -> None:
    one, many = caller.submit(single()), caller.submit(batch(FLIP))
    caller.settled(one), caller.settled(many)
    assert caller.send("GET", f"/v0.4/jobs/{one}/results/probabilities/aggregated").status_code == 404
    assert caller.send("GET", f"/v0.4/jobs/{many}/results/probabilities").status_code == 404


@pytest.mark.parametrize("sharpen", ["true", "false"])
def test_sharpening_is_true_or_false(caller: Caller, sharpen: str) -> None:
    ident = caller.submit(single())
    caller.settled(ident)
    caller.get(f"/v0.4/jobs/{ident}/results/probabilities?sharpen={sharpen}")
    assert caller.send("GET", f"/v0.4/jobs/{ident}/results/probabilities?sharpen=maybe").status_code == 400


def test_states_follow_each_other() -> None:
    with Emulator(queue_seconds=0.6, run_seconds=0.4) as emulator:
        caller = Caller(emulator)
        ident = caller.submit(batch(FLIP))
        seen: list[str] = []
        while "completed" not in seen:
            job = caller.get(f"/v0.4/jobs/{ident}")
            if job["status"] not in seen:
                seen.append(job["status"])
            assert (job["results"] is None) == (job["status"] != "completed")
            child = caller.get(f"/v0.4/jobs/{job['child_job_ids'][0]}")
            assert child["status"] in (job["status"], "ready", "started", "completed")
            if job["status"] != "completed":
                assert caller.send("GET", f"/v0.4/jobs/{ident}/results/probabilities/aggregated").status_code in (404, 200)
        assert seen == ["submitted", "ready", "started", "completed"]
        assert 400 <= caller.get(f"/v0.4/jobs/{ident}")["execution_duration_ms"] < 5000


def test_lists_come_in_pages(caller: Caller) -> None:
    made = [caller.submit(single(name=str(number))) for number in range(8)][::-1]
    first = caller.get("/v0.4/jobs?limit=3")
    assert first.keys() == {"jobs", "next"}
    caller.submit(single(name="late"))  # shifts nothing
    caller.send("DELETE", f"/v0.4/jobs/{made[3]}")
    second = caller.get("/v0.4/jobs", params={"limit": 3, "next": first["next"]})
    third = caller.get("/v0.4/jobs", params={"limit": 3, "next": second["next"]})
    assert [job["id"] for page in (first, second, third) for job in page["jobs"]] == made[:3] + made[4:]
    assert third["next"] is None
    assert all(job.keys() >= REQUIRED for job in first["jobs"])


def test_a_page_has_25_jobs_by_default_and_100_at_most(caller: Caller) -> None:
    for _ in range(103):
        caller.submit(single(FLIP))
    assert len(caller.get("/v0.4/jobs")["jobs"]) == 25
    assert len(caller.get("/v0.4/jobs?limit=1000")["jobs"]) == 100


def test_lists_are_filtered(caller: Caller) -> None:
    parent = caller.submit(batch(FLIP, BELL))
    one = caller.submit(single(backend="qpu.forte-1"))
    children = caller.settled(parent)["child_job_ids"]
    caller.settled(one)
    caller.send("PUT", f"/v0.4/jobs/{one}/status/cancel")

    def ids(query: str) -> list[str]:
        return [job["id"] for job in caller.get(f"/v0.4/jobs?{query}")["jobs"]]

    assert ids("") == [one, parent]
    assert ids(f"parent_job_id={parent}") == children
    assert ids(f"parent_job_id={parent}&limit=1") == children[:1]
    assert ids("status=canceled") == [one]
    assert ids("target=simulator") == [parent]
    assert ids("target=simulator,qpu.forte-1") == [one, parent]
    assert ids(f"ids={children[1]}&ids={one}&ids=nothing") == [children[1], one]
    assert ids("parent_job_id=nothing") == []


@pytest.mark.parametrize("query", ["limit=0", "limit=x", "next=nothing", "status=running"])
def test_a_list_refuses(caller: Caller, query: str) -> None:
    assert caller.send("GET", f"/v0.4/jobs?{query}").status_code == 400


def test_cancel_and_delete(caller: Caller) -> None:
    ident = caller.submit(batch(FLIP))
    child = caller.settled(ident)["child_job_ids"][0]
    assert caller.send("PUT", f"/v0.4/jobs/{ident}/status/cancel").json() == {"id": ident, "status": "canceled"}
    assert caller.get(f"/v0.4/jobs/{child}")["status"] == "canceled"
    assert caller.send("GET", f"/v0.4/jobs/{ident}/results/probabilities/aggregated").status_code == 404
    assert caller.send("DELETE", f"/v0.4/jobs/{ident}").json() == {"id": ident, "status": "deleted"}
    for gone in (ident, child):
        assert caller.send("GET", f"/v0.4/jobs/{gone}").status_code == 404
    assert caller.send("PUT", f"/v0.4/jobs/{ident}/status/cancel").status_code == 404
    assert [job["status"] for job in caller.emulator.jobs()] == ["deleted"]


def test_several_are_canceled_and_deleted_at_once(caller: Caller) -> None:
    ids = [caller.submit(single()) for _ in range(3)]
    assert caller.send("PUT", "/v0.4/jobs/status/cancel", json={"ids": ids[:2]}).json() == {"ids": ids[:2], "status": "canceled"}
    assert caller.send("DELETE", "/v0.4/jobs", json={"ids": ids[1:]}).json() == {"ids": ids[1:], "status": "deleted"}
    assert [job["id"] for job in caller.get("/v0.4/jobs")["jobs"]] == ids[:1]
    assert caller.send("DELETE", "/v0.4/jobs", json={"ids": [*ids[:1], "nothing"]}).status_code == 404
    assert caller.send("DELETE", "/v0.4/jobs", json={"id": ids[0]}).status_code == 400
    assert len(caller.get("/v0.4/jobs")["jobs"]) == 1


def test_costs_are_the_price_of_every_circuit(caller: Caller) -> None:
    price = PRICES["qpu.forte-1"]
    gates = BELL * 30
    ident = caller.submit(batch(gates, FLIP, backend="qpu.forte-1", shots=1000))
    caller.settled(ident)
    expected = price.of(30, 30, 1000, mitigated=True) + price.of(1, 0, 1000, mitigated=True)
    found = caller.get(f"/v0.4/jobs/{ident}/cost")
    assert found == {"dry_run": False, "estimated_cost": found["cost"], "cost": {"value": pytest.approx(expected), "unit": "usd"}}
    plain = {"error_mitigation": {"debiasing": False}}
    ident = caller.submit(single(gates, backend="qpu.forte-1", shots=1000, settings=plain))
    assert caller.get(f"/v0.4/jobs/{ident}/cost")["estimated_cost"]["value"] == pytest.approx(
        price.of(30, 30, 1000, mitigated=False)
    )
    assert caller.settled(ident)["settings"] == plain


def test_a_dry_run_costs_and_gives_nothing(caller: Caller) -> None:
    ident = caller.submit(single(backend="qpu.forte-1", dry_run=True))
    job = caller.settled(ident)
    assert (job["dry_run"], job["results"]) == (True, None)
    assert caller.get(f"/v0.4/jobs/{ident}/cost") == {"dry_run": True, "estimated_cost": {"value": 25.79, "unit": "usd"}}
    assert caller.send("GET", f"/v0.4/jobs/{ident}/results/probabilities").status_code == 404


def test_an_estimate(caller: Caller) -> None:
    query = {"backend": "qpu.forte-1", "shots": 10_000, "1q_gates": 100, "2q_gates": 40, "error_mitigation": "true"}
    found = caller.get("/v0.4/jobs/estimate", params=query)
    assert found["estimated_total_cost"] == pytest.approx(PRICES["qpu.forte-1"].of(100, 40, 10_000, mitigated=True))
    assert found["estimate_context"]["2q_gates"] == 40
    assert found["rate_card"]["rates"][0]["job_cost_minimum"] == 168.20
    for bad in ({"backend": "qpu.x"}, {"backend": "simulator", "shots": 0}, {"backend": "simulator", "qubits": "many"}):
        assert caller.send("GET", "/v0.4/jobs/estimate", params=bad).status_code == 400


def test_backends_and_characterizations_need_no_key() -> None:
    with Emulator(noise="forte-1", readout=(0.01, 0.03)) as emulator:
        caller = Caller(emulator)
        caller.headers = {}
        names = [backend["backend"] for backend in caller.get("/v0.4/backends")]
        assert names == ["simulator", "qpu.forte-1", "qpu.forte-enterprise-1", "qpu.aria-1"]
        backend = caller.get("/v0.4/backends/qpu.forte-1")
        found = caller.get("/v0.4/backends/qpu.forte-1/characterizations")["characterizations"]
        assert [each["id"] for each in found] == [backend["characterization_id"]]
        assert found[0]["fidelity"]["spam"]["median"] == pytest.approx(0.98)
        assert found[0]["fidelity"]["2q"]["median"] == pytest.approx(1 - 0.75 * 0.00494933, abs=1e-6)
        assert caller.get("/v0.4/backends/simulator/characterizations")["characterizations"] == []
        assert caller.send("GET", "/v0.4/backends/qpu.nine").status_code == 404
        path = f"/v0.4/backends/qpu.forte-1/characterizations/{found[0]['id']}"
        assert caller.send("GET", path).status_code == 401  # the document asks for a key here
        assert Caller(emulator).get(path) == found[0]


@pytest.mark.parametrize("given", [None, "apiKey wrong", "Bearer emulator", "emulator", "apiKey  emulator", "apiKey "])
@pytest.mark.parametrize("path", ["/v0.3/jobs", "/v0.4/jobs", "/v0.4/whoami"])
def test_everything_else_needs_the_key(caller: Caller, path: str, given: str | None) -> None:
    response = caller.send("GET", path, headers={} if given is None else {"Authorization": given})
    assert response.status_code == 401
    assert response.json()["statusCode"] == 401


def test_whoami_and_unknown_paths(caller: Caller) -> None:
    assert caller.get("/v0.4/whoami").keys() == {"key_id", "key_name", "project_id"}
    for method, path in (("GET", "/v0.5/jobs"), ("GET", "/v0.4/jobs/nothing"), ("PATCH", "/v0.4/jobs"), ("GET", "/")):
        assert caller.send(method, path).status_code == 404


def test_a_circuit_too_large_to_simulate_fails_as_a_job(caller: Caller) -> None:
    gates = [{"gate": "h", "target": qubit} for qubit in range(21)]
    ident = caller.submit(single(input={"gateset": "qis", "qubits": 21, "circuit": gates}))
    job = caller.settled(ident)
    assert job["status"] == "failed"
    assert job["failure"] == {
        "code": "SimulationError",
        "message": "the emulator simulates gates on at most 20 qubits, and this circuit has 21.",
    }
