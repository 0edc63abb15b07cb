"""Both versions of the API, spoken to the emulator over real HTTP: v0.3 in this process, v0.4 by the worker."""

from __future__ import annotations

import logging
import socket
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import cirq
import numpy as np
import pytest
import sympy

from tfq_llm.ionq import remote
from tfq_llm.ionq.emulator import Emulator
from tfq_llm.ionq.remote import Client, Malformed, NotFound, OutcomeUnknown, Refused, RemoteError, Unavailable
from tfq_llm.ionq.transport import Transport, open_transport

KEY = "k3y-of-the-tests-0123456789"
SYMBOLS = ["angle0", "angle1", "angle2"]
VALUES = [[0.3, 0.4, 2.5], [1.0, 2.0, 0.1], [-0.7, 3.0, 1.2]]
LABELS = ["first", "second", "third"]
VERSIONS = ["v0.3", pytest.param("v0.4", marks=pytest.mark.slow)]


def template() -> cirq.Circuit:
    """Asymmetric: no two qubits have one distribution, and one is not measured."""
    qubits = cirq.LineQubit.range(4)
    rotations = [cirq.ry(sympy.Symbol(name))(qubit) for name, qubit in zip(SYMBOLS, qubits, strict=False)]
    return cirq.Circuit(*rotations, cirq.CNOT(qubits[1], qubits[2]), cirq.rx(0.3)(qubits[3]), cirq.CNOT(qubits[0], qubits[3]))


CIRCUIT = template() + cirq.measure(*cirq.LineQubit.range(3), key="m")
TEMPLATE = cirq.to_json(CIRCUIT)


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as free:
        return free.getsockname()[1]


@pytest.fixture(scope="module")
def port() -> int:
    return _free_port()


@pytest.fixture(scope="module")
def other_port() -> int:
    """Where other servers than the usual emulator listen, one after the other, for the same reason."""
    return _free_port()


@pytest.fixture
def emulator(port, tmp_path) -> Iterator[Emulator]:
    """A new one for every test, always at the same address: workers, which take a second to start, are used again."""
    with Emulator(port, key=KEY, trace=tmp_path / "trace.jsonl") as running:
        yield running


@pytest.fixture(params=VERSIONS)
def version(request) -> str:
    return request.param


@pytest.fixture(scope="module")
def kept() -> Iterator[tuple[ExitStack, dict[tuple, Transport]]]:
    with ExitStack() as stack:
        yield stack, {}


@pytest.fixture
def opened(version, emulator, kept) -> Iterator[Callable[..., Transport]]:
    """Opens a transport to the emulator, or gives one that is open; the deadlines are short enough for tests."""
    with ExitStack() as of_this_test:

        def open_one(deadline: float = 1.5, retry_seconds: float = 2.0, url: str = "", *, new: bool = False) -> Transport:
            stack, known = kept
            settings = (version, url or emulator.url, KEY, deadline, retry_seconds)
            if new:
                return of_this_test.enter_context(open_transport(*settings))
            if settings not in known:
                known[settings] = stack.enter_context(open_transport(*settings))
            return known[settings]

        yield open_one


@pytest.fixture
def transport(opened) -> Transport:
    return opened()


# For tests that wait for a deadline: half as long, and one worker for all of them.
HASTY = {"deadline": 0.8, "retry_seconds": 0.5}


@pytest.fixture
def hasty(opened) -> Transport:
    return opened(**HASTY)


@pytest.fixture
def elsewhere(opened, other_port) -> Transport:
    """To whatever listens at the other port."""
    return opened(url=f"http://127.0.0.1:{other_port}", **HASTY)


def submit(transport: Transport, name: str = "a job", values=VALUES, labels=LABELS, **options) -> str:
    return transport.submit(TEMPLATE, SYMBOLS, values, labels, **{"shots": 100, "target": "simulator", "name": name} | options)


def completed(transport: Transport, id: str) -> dict:
    end = time.monotonic() + 20
    while (job := transport.job(id))["status"] not in ("completed", "failed", "canceled"):
        assert time.monotonic() < end, job
        time.sleep(0.02)
    return job


def exact(row: list[float]) -> np.ndarray:
    """Of all four qubits, by Cirq's simulator; qubit 0 the highest bit, as is its custom."""
    resolved = cirq.resolve_parameters(template(), dict(zip(SYMBOLS, row, strict=True)))
    return np.abs(cirq.Simulator(dtype=np.complex128).simulate(resolved).final_state_vector) ** 2


def vector(probabilities: dict[str, float]) -> np.ndarray:
    """In Cirq's order."""
    found = np.zeros(16)
    for key, value in probabilities.items():
        found[int(f"{int(key):04b}"[::-1], 2)] = value
    return found


def posts(emulator: Emulator) -> int:
    return sum(entry["method"] == "POST" for entry in emulator.log())


class TestAJob:
    def test_results_are_those_of_cirqs_simulator_qubit_0_in_the_lowest_bit(self, transport):
        id = submit(transport)
        completed(transport, id)
        results = transport.results(id)
        assert [each["label"] for each in results["circuits"]] == LABELS
        for each, row in zip(results["circuits"], VALUES, strict=True):
            np.testing.assert_allclose(vector(each["probabilities"]), exact(row), atol=1e-6)
        assert set(results["raw"]) == {each["id"] for each in results["circuits"]}

    def test_one_circuit_is_a_batch_of_one(self, transport):
        id = submit(transport, values=VALUES[:1], labels=LABELS[:1])
        completed(transport, id)
        (only,) = transport.results(id)["circuits"]
        np.testing.assert_allclose(vector(only["probabilities"]), exact(VALUES[0]), atol=1e-6)

    def test_what_the_service_says_of_it(self, transport, version):
        id = submit(transport, "named", noise={"model": "aria-1", "seed": 3})
        job = completed(transport, id)
        assert (job["id"], job["name"], job["status"], job["target"], job["shots"]) == (
            id,
            "named",
            "completed",
            "simulator",
            100,
        )
        assert job["noise"] == {"model": "aria-1", "seed": 3}
        assert job["failure"] is None
        assert job["warnings"] == []
        assert len(job["children"]) == 3
        assert transport.api_version == version

    def test_a_job_of_another_process_is_read_as_well(self, opened):
        id = submit(opened())
        other = opened(new=True)
        completed(other, id)
        assert [each["label"] for each in other.results(id)["circuits"]] == LABELS

    def test_a_single_circuit_that_another_client_sent(self, transport, emulator, version):
        import requests

        circuit = {"gateset": "qis", "qubits": 2, "circuit": [{"gate": "x", "target": 1}]}
        body = {"target": "simulator", "body": circuit, "shots": "10", "lang": "json", "metadata": {}}
        if version == "v0.4":
            body = {"backend": "simulator", "type": "ionq.circuit.v1", "input": circuit, "shots": 10}
        headers = {"Authorization": f"apiKey {KEY}"}
        id = requests.post(f"{emulator.url}/{version}/jobs", json=body, headers=headers, timeout=5).json()["id"]
        completed(transport, id)
        assert transport.results(id)["circuits"] == [{"id": None, "label": None, "probabilities": {"2": 1.0}}]

    def test_found_by_its_name_alone(self, transport):
        ids = [submit(transport, name) for name in ("one", "two", "one")]
        assert {job["id"] for job in transport.find("one")} == {ids[0], ids[2]}
        assert transport.find("on") == []

    def test_found_although_the_list_leaves_out_names(self, transport, emulator):
        id = submit(transport, "one")
        emulator.faults.add("nulls", on="list", times=None)
        assert [job["id"] for job in transport.find("one")] == [id]

    def test_canceled_and_deleted(self, elsewhere, other_port):
        transport = elsewhere
        with Emulator(other_port, key=KEY, queue_seconds=60):
            id = submit(transport)
            with pytest.raises(NotFound):
                transport.results(id)
            transport.cancel(id)
            assert transport.job(id)["status"] == "canceled"
            transport.delete(id)
            for call in (transport.job, transport.results):
                with pytest.raises(NotFound):
                    call(id)

    def test_deleted_although_the_first_reply_was_lost(self, transport, emulator):
        id = submit(transport)
        emulator.faults.add("lost", on="delete")
        transport.delete(id)
        assert transport.find("a job") == []

    def test_all_pages_of_jobs(self, transport):
        ids = {submit(transport, f"job {number}", VALUES[:1], LABELS[:1]) for number in range(remote.PAGE + 3)}
        assert {job["id"] for job in transport.jobs(1000)} == ids
        assert len(transport.jobs(5)) == 5
        assert len(transport.find("job 0")) == len(transport.find(f"job {remote.PAGE + 2}")) == 1

    def test_one_that_fails_says_why(self, transport, emulator):
        emulator.faults.add("fails", message="No ions today.")
        job = completed(transport, submit(transport))
        assert job["status"] == "failed"
        assert "No ions today." in job["failure"]

    def test_one_that_runs_elsewhere_says_where(self, transport, emulator):
        emulator.faults.add("other-target")
        assert completed(transport, submit(transport, target="qpu.forte-1"))["target"] == "simulator"

    def test_fields_that_are_null(self, transport, emulator):
        id = submit(transport)
        completed(transport, id)
        emulator.faults.add("nulls", times=None, fields=["warning", "failure", "error", "name", "metadata", "noise", "shots"])
        job = transport.job(id)
        assert job["warnings"] == []
        assert job["failure"] is None
        assert len(transport.results(id)["circuits"]) == 3

    def test_error_mitigation_is_sent_if_asked_for(self, transport, emulator, version):
        for debias in (None, True, False):
            submit(transport, target="qpu.forte-1", shots=500, debias=debias)
        bodies = [entry["body"] for entry in emulator.log() if entry["method"] == "POST"]
        if version == "v0.3":
            assert [body.get("error_mitigation") for body in bodies] == [None, {"debias": True}, {"debias": False}]
        else:
            settings = [body.get("settings", {}).get("error_mitigation") for body in bodies]
            assert settings == [None, {"debiasing": True}, {"debiasing": False}]

    def test_sharpening_is_written_as_the_specification_has_it(self, transport, emulator):
        id = submit(transport)
        completed(transport, id)
        for sharpen in (None, True, False):
            transport.results(id, sharpen)
        queries = [entry["path"].partition("?")[2] for entry in emulator.log() if entry["kind"] == "results"]
        assert queries == ["", "sharpen=true", "sharpen=false"]

    def test_only_the_name_and_the_shots_are_metadata(self, transport, emulator):
        submit(transport, "short")
        submit(transport, "x" * 41)
        bodies = [entry["body"]["metadata"] for entry in emulator.log() if entry["method"] == "POST"]
        assert bodies == [{"name": "short", "shots": "100"}, {"shots": "100"}]

    def test_costs(self, transport, version):
        id = submit(transport, target="qpu.forte-1")
        completed(transport, id)
        assert transport.cost(id) == (None if version == "v0.3" else pytest.approx(3 * 25.79))

    def test_bytes_are_an_upper_bound_near_the_truth(self, transport, emulator):
        labels = ["-" * 64] * 3
        submit(transport, labels=labels)
        (length,) = [entry["bytes"] for entry in emulator.log() if entry["method"] == "POST"]
        bound = transport.bytes_of(TEMPLATE, SYMBOLS)
        assert length - 400 < 3 * bound < 1.3 * length


class TestManyCircuits:
    def test_labels_of_all_and_the_jobs_order(self, transport):
        rng = np.random.default_rng(0)
        values = rng.uniform(-3, 3, (50, 3)).tolist()
        id = submit(transport, values=values, labels=[f"c{index}" for index in range(50)])
        completed(transport, id)
        circuits = transport.results(id)["circuits"]
        assert [each["label"] for each in circuits] == [f"c{index}" for index in range(50)]
        for each, row in zip(circuits, values, strict=True):
            np.testing.assert_allclose(vector(each["probabilities"]), exact(row), atol=1e-6)


class TestNothingIsSent:
    @pytest.mark.parametrize(
        "change",
        [
            {"values": [[0.1, 0.2]], "labels": ["a"]},
            {"values": [[0.1, 0.2, float("nan")]], "labels": ["a"]},
            {"values": VALUES, "labels": ["a"]},
            {"values": [], "labels": []},
        ],
        ids=["a value too few", "not finite", "a label too few", "none"],
    )
    def test_values_that_do_not_fit(self, transport, emulator, change):
        with pytest.raises(Refused) as caught:
            submit(transport, **change)
        assert caught.value.status is None
        assert posts(emulator) == 0

    def test_a_gate_that_ionq_has_not(self, transport, emulator):
        circuit = cirq.to_json(cirq.Circuit(cirq.CZ(*cirq.LineQubit.range(2)), cirq.measure(cirq.LineQubit(0), key="m")))
        with pytest.raises(Refused, match="cannot be serialised"):
            transport.submit(circuit, [], [[]], ["a"], shots=10, target="simulator", name="x")
        assert posts(emulator) == 0


SUBMISSIONS = {
    "bad request": ({"fault": "status", "status": 400}, Refused, 0),
    "forbidden": ({"fault": "status", "status": 403}, Refused, 0),
    "not found": ({"fault": "status", "status": 404}, Refused, 0),
    "conflict": ({"fault": "status", "status": 409}, Refused, 0),
    "rate limit": ({"fault": "rate-limited", "retry_after": 7}, Refused, 0),
    "broken before": ({"fault": "status", "status": 500}, OutcomeUnknown, 0),
    "broken after": ({"fault": "status", "status": 503, "when": "after"}, OutcomeUnknown, 1),
    "broken network": ({"fault": "status", "status": 520, "when": "after"}, OutcomeUnknown, 1),
    "lost": ({"fault": "lost"}, OutcomeUnknown, 1),
    "lost before": ({"fault": "lost", "when": "before"}, OutcomeUnknown, 0),
    "cut": ({"fault": "cut"}, OutcomeUnknown, 1),
    "malformed": ({"fault": "malformed"}, OutcomeUnknown, 1),
    "stalled": ({"fault": "stalled"}, OutcomeUnknown, 0),
    "stalled after": ({"fault": "stalled", "when": "after"}, OutcomeUnknown, 1),
    "slow": ({"fault": "slow", "seconds": 0.3}, None, 1),
}


class TestFaultsOfASubmission:
    @pytest.mark.parametrize("case", SUBMISSIONS)
    def test_is_told_as_it_is_within_the_deadline_and_never_sent_again(self, hasty, emulator, case):
        transport = hasty
        fault, error, jobs = SUBMISSIONS[case]
        emulator.faults.add({"on": "submit", "times": None, **fault})
        start = time.monotonic()
        if error is None:
            submit(transport)
        else:
            with pytest.raises(error) as caught:
                submit(transport)
            assert type(caught.value) is error
        assert time.monotonic() - start < 0.8 + 1.0
        assert posts(emulator) == 1
        assert len(emulator.jobs()) == len(transport.find("a job")) == jobs
        if case == "rate limit":
            assert (caught.value.status, caught.value.retry_after) == (429, 7)

    def test_nobody_listens(self, elsewhere):
        with pytest.raises(OutcomeUnknown):
            submit(elsewhere)
        with pytest.raises(Unavailable):
            elsewhere.find("a job")

    def test_a_wrong_key(self, elsewhere, other_port):
        transport = elsewhere
        with Emulator(other_port, key="an0ther-key-altogether"):
            for call in (lambda: submit(transport), lambda: transport.find("x"), lambda: transport.job("x")):
                with pytest.raises(Refused, match="key") as caught:
                    call()
                assert caught.value.status == 401


READS = {
    "job": lambda transport, id: transport.job(id)["id"],
    "list": lambda transport, id: transport.find("a job")[0]["id"],
    "results": lambda transport, id: len(transport.results(id)["circuits"]),
}
PASSING = [
    "status status=500",
    "malformed",
    "status status=503",
    "status status=409",
    "lost",
    "cut",
    "stalled",
    "slow seconds=0.2",
]
LASTING = [
    ("status status=500", Unavailable),
    ("malformed", Malformed),
    ("stalled", Unavailable),
    ("lost", Unavailable),
    ("cut", Unavailable),
    ("rate-limited retry_after=60", Unavailable),
    ("status status=404", NotFound),
    ("status status=400", Refused),
]


def by_all_ways(faults: list) -> list:
    """All of them for one read of each version; the first two for the others, since all reads take the same way."""
    every = [
        pytest.param(version, "job", fault, marks=marks)
        for version, marks in (("v0.3", ()), ("v0.4", pytest.mark.slow))
        for fault in faults
    ]
    return every + [pytest.param("v0.3", on, fault, marks=pytest.mark.slow) for on in ("list", "results") for fault in faults[:2]]


class TestFaultsOfReads:
    @pytest.mark.parametrize(("version", "on", "fault"), by_all_ways(PASSING), indirect=["version"])
    def test_passing_ones_are_not_noticed(self, transport, emulator, on, fault):
        id = submit(transport)
        completed(transport, id)
        emulator.faults.add(f"{fault} on={on}")
        assert READS[on](transport, id) == (3 if on == "results" else id)

    @pytest.mark.parametrize(("version", "on", "lasting"), by_all_ways(LASTING), indirect=["version"])
    def test_lasting_ones_are_told_in_time(self, hasty, emulator, on, lasting):
        fault, error = lasting
        id = submit(hasty)
        completed(hasty, id)
        emulator.faults.add(f"{fault} on={on} times=always")
        start = time.monotonic()
        with pytest.raises(error) as caught:
            READS[on](hasty, id)
        assert type(caught.value) is error
        assert time.monotonic() - start < 4

    def test_retry_after_is_honoured(self, transport, emulator):
        id = submit(transport)
        emulator.faults.add("rate-limited", on="job", retry_after=1)
        start = time.monotonic()
        transport.job(id)
        assert time.monotonic() - start >= 1
        assert sum(entry["kind"] == "job" for entry in emulator.log()) == 2

    def test_no_longer_wait_than_there_is_time(self, transport, emulator):
        id = submit(transport)
        emulator.faults.add("rate-limited", on="job", retry_after=3600)
        start = time.monotonic()
        with pytest.raises(Unavailable, match="429"):
            transport.job(id)
        assert time.monotonic() - start < 1


class TestResultsThatAreWrong:
    def test_another_order_is_none_of_our_business(self, transport, emulator):
        id = submit(transport)
        completed(transport, id)
        emulator.faults.add("shuffled", times=None)
        results = transport.results(id)
        assert list(results["raw"]) != [each["id"] for each in results["circuits"]]
        for each, row in zip(results["circuits"], VALUES, strict=True):
            np.testing.assert_allclose(vector(each["probabilities"]), exact(row), atol=1e-6)

    @pytest.mark.parametrize("fault", ["missing-circuit", "unnormalised", "unnormalised scale=1.01", "unnormalised scale=0"])
    def test_are_refused_with_the_answer_attached(self, transport, emulator, fault):
        id = submit(transport)
        completed(transport, id)
        emulator.faults.add(fault)
        with pytest.raises(Malformed) as caught:
            transport.results(id)
        assert set(caught.value.raw) < set(transport.job(id)["children"]) or "missing" not in fault
        assert len(transport.results(id)["circuits"]) == 3

    def test_rounding_is_made_up_for(self, transport, emulator):
        id = submit(transport)
        completed(transport, id)
        emulator.faults.add("unnormalised", scale=1 + 1e-7)
        for each in transport.results(id)["circuits"]:
            assert sum(each["probabilities"].values()) == pytest.approx(1, abs=1e-12)

    @pytest.mark.parametrize(
        "raw",
        [
            {"0": 1.0, "4": 0.0},
            {"0": 0.5, "00": 0.5},
            {"-1": 1.0},
            {"0x1": 1.0},
            {"0": "1.0"},
            {"0": True},
            {"0": None},
            {"0": 1.5, "1": -0.5},
            {"0": float("nan")},
            {"0": float("inf")},
            {},
        ],
    )
    def test_what_is_no_distribution_of_two_qubits(self, raw):
        with pytest.raises(Malformed):
            remote._distribution(raw, 2)


@contextmanager
def odd_server(answer: Callable[[BaseHTTPRequestHandler], None], port: int) -> Iterator[None]:
    """A server at this port that answers as no service should; closed with the block."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length") or 0))
            answer(self)

        do_POST = do_PUT = do_DELETE = do_GET  # noqa: N815

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    try:
        yield
    finally:
        server.shutdown()
        server.server_close()


def reply(handler: BaseHTTPRequestHandler, status: int, body: bytes = b"{}", **headers: str) -> None:
    handler.send_response(status)
    for name, value in {"Content-Length": str(len(body)), **headers}.items():
        handler.send_header(name, value)
    handler.end_headers()
    handler.wfile.write(body)


class TestOddServers:
    def test_a_page_that_leads_back_is_an_error_not_an_end(self, elsewhere, other_port):
        body = b'{"jobs": [], "next": "again"}'
        with odd_server(lambda handler: reply(handler, 200, body), other_port), pytest.raises(Malformed, match="gave before"):
            elsewhere.find("a job")

    def test_a_redirect_is_not_followed(self, elsewhere, other_port, emulator):
        seen = []

        def away(handler: BaseHTTPRequestHandler) -> None:
            seen.append(handler.path)
            reply(handler, 307, Location=emulator.url + handler.path)

        with odd_server(away, other_port):
            for call in (lambda: submit(elsewhere), lambda: elsewhere.job("x")):
                with pytest.raises(Refused, match="307"):
                    call()
        assert len(seen) == 2
        assert emulator.log() == []

    def test_an_answer_that_drips_ends_with_the_deadline(self, elsewhere, other_port):
        def drip(handler: BaseHTTPRequestHandler) -> None:
            handler.send_response(200)
            handler.send_header("Content-Length", "1000")
            handler.end_headers()
            for _ in range(100):
                try:
                    handler.wfile.write(b" ")
                except OSError:
                    return
                time.sleep(0.1)

        with odd_server(drip, other_port):
            for call, error in ((lambda: elsewhere.job("x"), Unavailable), (lambda: submit(elsewhere), OutcomeUnknown)):
                start = time.monotonic()
                with pytest.raises(error):
                    call()
                assert time.monotonic() - start < 3

    @pytest.mark.parametrize("body", [b"[]", b'"x"', b"null", b'{"id": 5, "status": "ready"}', b'{"id": "x", "status": "odd"}'])
    def test_an_answer_that_is_no_job(self, elsewhere, other_port, body):
        with odd_server(lambda handler: reply(handler, 200, body), other_port):
            for call in (lambda: elsewhere.job("x"), lambda: elsewhere.results("x"), lambda: elsewhere.find("x")):
                with pytest.raises(Malformed):
                    call()

    @pytest.mark.parametrize("body", [b"[]", b"null", b"{}", b'{"id": null}', b'{"id": ""}', b"<html>"])
    def test_a_job_that_was_accepted_without_an_id(self, elsewhere, other_port, body):
        with odd_server(lambda handler: reply(handler, 200, body), other_port), pytest.raises(OutcomeUnknown):
            submit(elsewhere)

    def test_an_id_cannot_lead_elsewhere(self, elsewhere, other_port):
        seen = []

        def note(handler: BaseHTTPRequestHandler) -> None:
            seen.append(handler.path.split("/", 2)[2])
            reply(handler, 404)

        with odd_server(note, other_port):
            for id in ("../whoami", "a/results?x=1#y"):
                with pytest.raises(NotFound):
                    elsewhere.job(id)
        assert seen == ["jobs/..%2Fwhoami", "jobs/a%2Fresults%3Fx%3D1%23y"]

    def test_a_server_that_repeats_the_key_is_not_quoted(self, elsewhere, other_port, caplog):
        caplog.set_level(logging.DEBUG)
        body = f'{{"message": "the key {KEY} is unknown", "id": "x", "status": "{KEY}"}}'.encode()
        for status in (401, 500, 200):
            with odd_server(lambda handler, status=status: reply(handler, status, body), other_port):
                with pytest.raises(RemoteError) as caught:
                    elsewhere.job("x")
                assert KEY not in "".join(traceback.format_exception(caught.value)) + repr(caught.value.to_json())
        assert KEY not in caplog.text


class TestSecrets:
    @pytest.mark.slow
    def test_the_key_is_in_no_error_log_or_trace(self, hasty, emulator, tmp_path, caplog, capfd):
        caplog.set_level(logging.DEBUG)
        transport = hasty
        texts = [repr(transport), str(transport)]
        id = submit(transport)
        completed(transport, id)
        for fault in ("status status=401", "status status=500", "lost", "cut", "malformed", "stalled", "rate-limited"):
            emulator.faults.add(f"{fault} times=always")
            for call in (lambda: submit(transport), lambda: transport.results(id)):  # results ask for the job first
                with pytest.raises(RemoteError) as caught:
                    call()
                texts += [*traceback.format_exception(caught.value), repr(caught.value.to_json())]
            emulator.faults.clear()
        with pytest.raises(Refused) as caught:
            submit(transport, values=[["x"]], labels=["a"])
        texts += traceback.format_exception(caught.value)
        assert KEY not in "".join(texts) + caplog.text + "".join(capfd.readouterr())
        assert KEY not in (tmp_path / "trace.jsonl").read_text(encoding="utf-8")

    def test_neither_a_proxy_nor_netrc_comes_between_this_machine_and_itself(self, opened, tmp_path, monkeypatch):
        netrc = tmp_path / "netrc"
        netrc.write_text("machine 127.0.0.1 login somebody password else\n", encoding="utf-8")
        netrc.chmod(0o600)
        monkeypatch.setenv("NETRC", str(netrc))
        monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
        monkeypatch.delenv("no_proxy", raising=False)
        assert opened().find("a job") == []


def test_the_users_own_client_stays_as_it_is():
    import cirq_ionq.ionq_client
    import requests

    Client("http://127.0.0.1:1", KEY)
    assert cirq_ionq.ionq_client.requests is requests


@pytest.mark.parametrize(
    "error",
    [Refused("no", 429, 3.0), NotFound("none"), OutcomeUnknown("who knows"), Unavailable("away"), Malformed("odd", {"a": 1})],
)
def test_errors_pass_between_processes(error):
    copy = RemoteError.from_json(error.to_json())
    assert type(copy) is type(error)
    assert (str(copy), vars(copy)) == (str(error), vars(error))


@pytest.mark.parametrize(
    ("header", "seconds"),
    [("7", 7), ("0.5", 0.5), ("-3", 0), ("nan", None), ("soon", None), (None, None), ("Wed, 21 Oct 2015 07:28:00 GMT", 0)],
)
def test_retry_after_holds_seconds_or_a_date(header, seconds):
    assert remote._seconds(header) == seconds
