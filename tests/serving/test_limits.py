"""What is too much is refused with a reason, and the next request is answered."""

from __future__ import annotations

import http.client
import json
import resource
import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from urllib.parse import urlsplit

import psutil
import pytest

from tests.serving.conftest import NAME, Client, running
from tfq_llm.serving.server import Server
from tfq_llm.serving.settings import Limits, ServerSettings


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


def test_large_bodies_have_a_limit_together_and_memory_does_not_grow_with_their_number(plain, slow):
    body = json.dumps({"instances": ["word " * (2**22 // 5 - 10)]}).encode()
    limits = Limits(bytes_in_progress=2**25)
    with running(plain.parent, limits=limits) as client, ThreadPoolExecutor(100) as pool:
        before, process = psutil.Process().memory_info().rss, psutil.Process()
        asked = [pool.submit(Client(client.url).post, f"/v1/models/{NAME}:predict", body) for _ in range(200)]
        most, small = 0, set()
        while not all(reply.done() for reply in asked):
            most = max(most, process.memory_info().rss)
            small.add(Client(client.url).predict("the movie").status_code)
        assert {reply.result().status_code for reply in asked} == {200, 503}
        assert {reply.result().json()["error"][:13] for reply in asked if reply.result().status_code == 503} == {"as many bytes"}
        assert small == {200}
        assert most - before < 400 * 2**20  # 800 MiB were sent
        assert client.post(f"/v1/models/{NAME}:predict", body).status_code == 200
        assert "tfq_llm_bytes_in_progress 0.0" in client.get("/metrics").text


def test_bytes_are_given_back_however_a_request_ends(plain, small_limits, slow):
    path = f"/v1/models/{NAME}:predict"
    right = json.dumps({"instances": ["x" * 100_000]}).encode()
    limits = replace(small_limits, body_bytes=150_000, bytes_in_progress=200_000, timeout=1.0)
    with running(plain.parent, limits=limits) as client, ThreadPoolExecutor(2) as pool:
        assert client.post(path, right).status_code == 200
        assert client.session.post(client.url + path, data=iter([right[:70_000], right[70_000:]]), timeout=30).status_code == 200
        for body, status in ((b"x" * 100_000, 400), (b"x" * 200_000, 413), (iter([b"x" * 100_000] * 2), 413)):
            assert client.session.post(client.url + path, data=body, timeout=30).status_code == status
        assert sorted(pool.map(lambda _: Client(client.url).post(path, right).status_code, range(2))) == [200, 503]
        place = urlsplit(client.url)
        head = f"POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100000\r\n\r\n".encode()
        for hangs_up in (False, True):
            with socket.create_connection((place.hostname, place.port)) as connection:
                connection.sendall(head + right[:50_000])
                client.wait_for(lambda: "tfq_llm_bytes_in_progress 100000.0" in client.get("/metrics").text)
                assert Client(client.url).post(path, right).status_code == 503
                if not hangs_up:
                    answer = http.client.HTTPResponse(connection)
                    answer.begin()
                    assert answer.status == 408
            client.wait_for(lambda: "tfq_llm_bytes_in_progress 0.0" in client.get("/metrics").text)
        assert client.post(path, right).status_code == 200


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


def test_as_many_files_may_be_open_as_the_system_allows(plain, capsys):
    before = soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(soft, hard - 1, 1000), hard))
    try:
        with running(plain.parent, limits=Limits(requests=hard - 256)):
            assert resource.getrlimit(resource.RLIMIT_NOFILE) == (hard, hard)
        assert "few files" not in capsys.readouterr().err
        with running(plain.parent, limits=Limits(requests=hard - 255)):
            pass
        (line,) = [line for line in capsys.readouterr().err.splitlines() if "few files may be open" in line]
        assert json.loads(line)["files"] == hard
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)


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
