"""Every fault, as a caller meets it."""

from __future__ import annotations

import time
from typing import Any

import pytest
import requests

from tests.ionq.emulator.wire import BELL, FLIP, Caller, batch, old, single
from tfq_llm.errors import InputError
from tfq_llm.ionq.emulator import Emulator, Fault


def submitted(caller: Caller, **arguments: Any) -> requests.Response:
    return caller.send("POST", "/v0.4/jobs", json=single(), **arguments)


@pytest.mark.parametrize("status", [400, 403, 404, 409, 429, 500, 502, 503, 504, 520])
def test_an_error_before_and_after_the_job_is_made(caller: Caller, status: int) -> None:
    for when, made in (("before", 0), ("after", 1)):
        caller.emulator.faults.add("status", on="submit", status=status, when=when)
        response = submitted(caller)
        assert response.status_code == response.json()["statusCode"] == status
        assert "Retry-After" not in response.headers
        assert len(caller.emulator.jobs()) == made
    assert submitted(caller).status_code == 201


def test_too_many_requests_say_when_to_come_back(caller: Caller) -> None:
    caller.emulator.faults.add("rate-limited", on="list", retry_after=2)
    response = caller.send("GET", "/v0.4/jobs")
    assert (response.status_code, response.headers["Retry-After"]) == (429, "2")
    caller.emulator.faults.add("status", on="list", status=503, retry_after=0.3)  # whole seconds on the wire
    assert caller.send("GET", "/v0.3/jobs").headers["Retry-After"] == "1"


def test_a_slow_reply(caller: Caller) -> None:
    caller.emulator.faults.add("slow", on="submit", seconds=0.5)
    start = time.monotonic()
    assert submitted(caller).ok
    assert 0.5 <= time.monotonic() - start < 5


def test_a_slow_reply_that_nobody_waits_for_makes_the_job_at_once_or_late(caller: Caller) -> None:
    for when, made in (("after", 1), ("before", 1)):
        caller.emulator.faults.add("slow", on="submit", seconds=0.6, when=when)
        with pytest.raises(requests.Timeout):
            submitted(caller, timeout=0.3)
        assert len(caller.emulator.jobs()) == made
    Caller.until(caller.emulator.jobs, lambda jobs: len(jobs) == 2)


@pytest.mark.parametrize(("when", "made"), [("before", 0), ("after", 1)])
def test_a_stalled_server_never_replies_and_others_are_served(caller: Caller, when: str, made: int) -> None:
    caller.emulator.faults.add("stalled", on="submit", when=when)
    with pytest.raises(requests.Timeout):
        submitted(caller, timeout=0.5)
    assert len(caller.emulator.jobs()) == made
    assert caller.emulator.log()[-1]["status"] is None
    assert submitted(caller).ok


@pytest.mark.parametrize(("when", "made"), [("before", 0), ("after", 1)])
def test_a_lost_reply(caller: Caller, when: str, made: int) -> None:
    caller.emulator.faults.add("lost", on="submit", when=when)
    with pytest.raises(requests.ConnectionError):
        submitted(caller)
    assert len(caller.emulator.jobs()) == made
    assert caller.emulator.log()[-1]["status"] is None


def test_a_connection_cut_in_the_middle_of_the_body(caller: Caller) -> None:
    caller.emulator.faults.add("cut", on="any", times=2)
    with pytest.raises(requests.exceptions.ChunkedEncodingError, match="IncompleteRead"):
        submitted(caller)
    with pytest.raises(requests.exceptions.ChunkedEncodingError, match="IncompleteRead"):
        caller.send("GET", "/v0.4/jobs")
    assert len(caller.emulator.jobs()) == 1


def test_malformed_json(caller: Caller) -> None:
    caller.emulator.faults.add("malformed", on="submit")
    response = submitted(caller)
    assert response.status_code == 201
    with pytest.raises(requests.JSONDecodeError):
        response.json()
    assert len(caller.emulator.jobs()) == 1


def test_null_fields_of_a_job_and_of_a_list(caller: Caller) -> None:
    ident = caller.submit(old(), "v0.3")
    caller.emulator.faults.add("nulls")
    job = caller.get(f"/v0.3/jobs/{ident}")
    assert job["warning"] is None
    assert job["failure"] is None
    caller.emulator.faults.add("nulls", on="list", fields=["metadata", "stats"])
    (job,) = caller.get("/v0.4/jobs")["jobs"]
    assert (job["metadata"], job["stats"], job["id"]) == (None, None, ident)
    assert caller.get("/v0.4/jobs")["jobs"][0]["stats"] is not None


def test_a_job_that_fails(caller: Caller) -> None:
    caller.emulator.faults.add("fails", times=2, message="The trap is empty.")
    new, before = caller.submit(batch(FLIP, BELL)), caller.submit(old(), "v0.3")
    job = caller.settled(new)
    assert (job["status"], job["results"]) == ("failed", None)
    assert job["failure"] == {"code": "QuantumComputerError", "message": "The trap is empty."}
    assert caller.get(f"/v0.4/jobs/{job['child_job_ids'][0]}")["status"] == "failed"
    assert caller.settled(before, "v0.3")["failure"]["error"] == "The trap is empty."
    assert caller.send("GET", f"/v0.3/jobs/{before}/results").status_code == 404
    assert caller.settled(caller.submit(single()))["status"] == "completed"


def test_a_job_that_runs_on_another_target_says_so(caller: Caller) -> None:
    caller.emulator.faults.add("other-target", times=2)
    new = caller.submit(single(backend="qpu.forte-1"))
    before = caller.submit(old(target="qpu.forte-1"), "v0.3")
    assert caller.settled(new)["backend"] == "simulator"
    assert caller.settled(before, "v0.3")["target"] == "simulator"
    assert [(job["target"], job["ran_on"]) for job in caller.emulator.jobs()] == [("qpu.forte-1", "simulator")] * 2
    assert caller.results(new) == pytest.approx({"0": 0.5, "3": 0.5}, abs=1e-12)


def test_results_that_do_not_sum_to_one(caller: Caller) -> None:
    one, many = caller.submit(single()), caller.submit(batch(FLIP, BELL))
    caller.settled(one), caller.settled(many)
    caller.emulator.faults.add("unnormalised", scale=0.8, times=2)
    assert sum(caller.results(one).values()) == pytest.approx(0.8)
    assert [sum(each.values()) for each in caller.results(many).values()] == pytest.approx([0.8, 0.8])
    assert sum(caller.results(one).values()) == pytest.approx(1)


def test_results_that_miss_a_circuit_or_come_in_another_order(caller: Caller) -> None:
    many = caller.submit(batch(FLIP, BELL, []))
    right = caller.results(many)
    caller.emulator.faults.add("missing-circuit")
    assert list(caller.results(many)) == list(right)[:-1]
    caller.emulator.faults.add("shuffled")
    found = caller.results(many)
    assert found == right
    assert list(found) != list(right)
    caller.emulator.faults.add("shuffled", version="v0.3")
    assert list(caller.get(f"/v0.3/jobs/{many}/results")) != list(right)


def test_a_fault_waits_for_its_requests(caller: Caller) -> None:
    caller.emulator.faults.add("status on=list status=503 after=1 times=2 version=v0.3")
    assert caller.send("GET", "/v0.4/jobs").ok
    assert [caller.send("GET", "/v0.3/jobs").status_code for _ in range(4)] == [200, 503, 503, 200]
    caller.emulator.faults.add("status", on="list", times=None)
    assert {caller.send("GET", "/v0.3/jobs").status_code for _ in range(4)} == {500}
    caller.emulator.faults.clear()
    assert caller.send("GET", "/v0.3/jobs").ok


@pytest.mark.parametrize(
    ("kind", "method", "path"),
    [
        ("job", "GET", "/v0.4/jobs/{id}"),
        ("results", "GET", "/v0.4/jobs/{id}/results/probabilities"),
        ("results", "GET", "/v0.3/jobs/{id}/results"),
        ("list", "GET", "/v0.4/jobs"),
        ("cost", "GET", "/v0.4/jobs/{id}/cost"),
        ("estimate", "GET", "/v0.4/jobs/estimate?backend=simulator"),
        ("backends", "GET", "/v0.4/backends"),
        ("calibrations", "GET", "/v0.3/calibrations"),
        ("calibrations", "GET", "/v0.4/backends/qpu.forte-1/characterizations"),
        ("whoami", "GET", "/v0.4/whoami"),
        ("cancel", "PUT", "/v0.4/jobs/{id}/status/cancel"),
        ("delete", "DELETE", "/v0.4/jobs/{id}"),
    ],
)
def test_every_kind_of_request_has_its_faults(caller: Caller, kind: str, method: str, path: str) -> None:
    ident = caller.submit(single())
    caller.settled(ident)
    caller.emulator.faults.add("status", on=kind, status=502)
    assert caller.send(method, path.format(id=ident)).status_code == 502
    assert caller.send(method, path.format(id=ident)).ok
    assert caller.emulator.log()[-1]["kind"] == kind
    assert caller.emulator.log()[-2]["faults"] == ["status"]


def test_a_fault_of_the_work_goes_with_one_of_the_transport(caller: Caller) -> None:
    caller.emulator.faults.add("fails")
    caller.emulator.faults.add("lost", on="submit")
    caller.emulator.faults.add("status", on="submit", status=503)  # waits: a reply is broken one way at a time
    with pytest.raises(requests.ConnectionError):
        submitted(caller)
    assert [job["status"] for job in caller.emulator.jobs()] == ["failed"]
    assert submitted(caller).status_code == 503


def test_faults_are_set_over_http(caller: Caller) -> None:
    path = "/emulator/faults"
    added = caller.send("POST", path, headers={}, json={"fault": "status", "on": "list", "times": 2, "status": 418})
    assert added.status_code == 201
    assert caller.send("POST", path, json=["lost on=submit", {"fault": "fails"}]).status_code == 201
    assert [fault["fault"] for fault in caller.get(path)["faults"]] == ["status", "lost", "fails"]
    assert caller.send("GET", "/v0.4/jobs").status_code == 418
    assert caller.get(path)["faults"][0]["times"] == 1
    assert caller.send("DELETE", path).json() == {"faults": []}
    for bad in ({"fault": "gremlins"}, {"fault": "lost", "on": "submit", "often": 3}, 7, {"fault": "status", "status": 200}):
        response = caller.send("POST", path, json=bad)
        assert response.status_code == 400, response.text
    assert "'lost on=submit times=2'" in response.json()["message"]


def test_faults_are_given_at_the_start() -> None:
    with Emulator(faults=["status on=list", {"fault": "fails"}, Fault.parse("lost on=cost")]) as emulator:
        assert [fault["fault"] for fault in emulator.faults.waiting()] == ["status", "fails", "lost"]
        assert [fault["on"] for fault in emulator.faults.waiting()] == ["list", "submit", "cost"]


@pytest.mark.parametrize("text", ["", "gremlins", "lost submit", "lost on=nowhere", "status times=0", "slow seconds=-1"])
def test_no_fault(text: str) -> None:
    with pytest.raises(InputError, match="not a fault"):
        Emulator(faults=[text])
