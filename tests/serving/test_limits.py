"""What is too much is refused with a reason, and the next request is answered."""

from __future__ import annotations

import http.client
import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from urllib.parse import urlsplit

import psutil
import pytest

from tests.serving.conftest import NAME, Client, running
from tfq_llm.serving.models import ServedModel
from tfq_llm.serving.server import Server
from tfq_llm.serving.settings import ServerSettings


@pytest.fixture
def slow(monkeypatch):
    """Models take a quarter of a second."""
    real = ServedModel.call

    def call(self, signature, inputs):
        time.sleep(0.25)
        return real(self, signature, inputs)

    monkeypatch.setattr(ServedModel, "call", call)


def test_bodies_and_rows(plain, small_limits):
    with running(plain.parent, limits=small_limits) as client:
        assert client.predict("x" * 3000).status_code == 413
        pieces = client.session.post(client.url + f"/v1/models/{NAME}:predict", data=iter([b"x" * 500] * 6), timeout=30)
        assert (pieces.status_code, "2,000 bytes" in pieces.json()["error"]) == (413, True)
        assert client.predict(*"abcdefg").json() == {"error": "a request may have 6 rows, and this one has 7: send several."}
        assert client.predict(*"abcdef").status_code == 200


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        ("predict", b'{"instances": [%s]}' % b",".join([b'""'] * 1_300_000)),
        ("predict", b'{"inputs": [%s]}' % b",".join([b'""'] * 1_300_000)),
        ("classify", b'{"signature_name": "classify", "examples": [%s]}' % b",".join([b"{}"] * 1_300_000)),
        (
            "classify",
            b'{"signature_name": "classify", "context": {"text": "%s"}, "examples": [%s]}'
            % (b"x" * 4_000_000, b",".join([b"{}"] * 256)),
        ),
    ],
    ids=["instances", "inputs", "examples", "context"],
)
def test_a_large_body_of_small_things_is_refused_before_anything_is_made_of_it(kind, body, client):
    """Within the limit of bytes; made into tensors and examples it would be gigabytes, and take half a minute."""
    client.predict("the movie")
    before = psutil.Process().memory_info().rss
    with ThreadPoolExecutor(1) as pool:
        refused = pool.submit(client.post, f"/v1/models/{NAME}:{kind}", body)
        waits = []
        while not refused.done():
            began = time.monotonic()
            assert Client(client.url).get("/healthz").status_code == 200
            waits.append(time.monotonic() - began)
    assert (refused.result().status_code, "send" in refused.result().json()["error"]) == (413, True)
    assert psutil.Process().memory_info().rss - before < 500 * 2**20
    assert max(waits) < 10.0


def test_too_many_at_once_are_refused_and_the_next_is_answered(plain, small_limits, slow):
    with running(plain.parent, limits=small_limits) as client:
        assert statuses(client, 40) == {200, 429}
        assert client.predict("the movie").status_code == 200
        metrics = client.get("/metrics").text
        assert "tfq_llm_queue_rows 0.0" in metrics
        assert "tfq_llm_requests_in_progress 1.0" in metrics


def test_more_requests_in_progress_than_may_be_are_refused(plain, small_limits, slow):
    with running(plain.parent, limits=replace(small_limits, requests=3)) as client, ThreadPoolExecutor(1) as pool:
        refused = pool.submit(statuses, client, 12)
        while not refused.done():
            assert client.get("/metrics").status_code == 200
        assert refused.result() == {200, 503}
        assert client.predict("the movie").status_code == 200


def statuses(client, requests):
    """Of so many requests of two rows at once."""
    with ThreadPoolExecutor(requests) as pool:
        return set(pool.map(lambda _: Client(client.url).predict("a", "b").status_code, range(requests)))


def test_deadlines(plain, small_limits, slow):
    with running(plain.parent, limits=replace(small_limits, timeout=0.1)) as client:
        assert client.predict("the movie").status_code == 504
        # A body that does not come.
        with socket.create_connection((urlsplit(client.url).hostname, urlsplit(client.url).port)) as connection:
            head = f"POST /v1/models/{NAME}:predict HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\n"
            connection.sendall(head.encode() + b'{"inst')
            answer = http.client.HTTPResponse(connection)
            answer.begin()
            assert answer.status == 408


def test_what_was_asked_before_the_end_is_answered_and_what_comes_after_is_not(plain, slow):
    server = Server(ServerSettings(plain.parent, port=0))
    thread = threading.Thread(target=server.run)
    thread.start()
    client = Client(server.url)
    client.wait_for(client.is_ready)
    with ThreadPoolExecutor(4) as pool:
        asked = [pool.submit(Client(server.url).predict, "the movie") for _ in range(4)]
        time.sleep(0.15)
        server.stop()
        late = client.get("/readyz").status_code
        assert [reply.result().status_code for reply in asked] == [200] * 4
    assert late == 503
    thread.join()
    with pytest.raises(OSError, match="refused"):
        socket.create_connection((urlsplit(client.url).hostname, urlsplit(client.url).port))
