"""Connections: several requests in one piece, bodies that are refused, and callers that hang up."""

from __future__ import annotations

import json
import socket
import threading
import time
from urllib.parse import urlsplit

import numpy as np
import pytest
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from tests.serving.conftest import NAME, Client, running
from tfq_llm.serving import reading
from tfq_llm.serving.models import ServedModel
from tfq_llm.serving.server import Server
from tfq_llm.serving.settings import Limits, ServerSettings


@pytest.fixture(scope="module")
def limited(plain):
    """A caller of a server that takes bodies of 2,000 bytes."""
    with running(plain.parent, limits=Limits(body_bytes=2000)) as caller:
        yield caller


HEALTH = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n"


def connect(client):
    place = urlsplit(client.url)
    return socket.create_connection((place.hostname, place.port), timeout=20)


def head(length, more=b""):
    return b"POST /v1/models/%s:predict HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n%s\r\n" % (
        NAME.encode(),
        length,
        more,
    )


def predict(*texts):
    body = json.dumps({"instances": list(texts)}).encode()
    return head(len(body)) + body


def status(reader):
    """Of the next answer; None when the connection is closed before it."""
    line, length = reader.readline(), 0
    while header := (line and reader.readline().strip()):
        if header.startswith(b"content-length:"):
            length = int(header.split()[1])
    reader.read(length)
    return int(line.split()[1]) if line else None


def stopped(monkeypatch):
    """Lets the model stand still, until what this returns is set."""
    real, go_on = ServedModel.call, threading.Event()
    monkeypatch.setattr(ServedModel, "call", lambda *args: go_on.wait(60) and real(*args))
    return go_on


def statuses(client, *pieces, answers):
    """Of answers to pieces that are sent at once."""
    with connect(client) as connection, connection.makefile("rb") as reader:
        for piece in pieces:
            connection.sendall(piece)
            time.sleep(0.1)
        return [status(reader) for _ in range(answers)]


def refusal(client, *pieces):
    """Why a request that is sent in pieces got 400, on a connection that is closed then."""
    with connect(client) as connection, connection.makefile("rb") as reader:
        for piece in pieces:
            connection.sendall(piece)
            time.sleep(0.1)
        head, reason = reader.read().split(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 400 ")
    return reason.decode()


def test_two_requests_in_one_piece_are_answered_in_their_order(client, slow):
    assert statuses(client, predict("a") + HEALTH.replace(b"healthz", b"nothing"), answers=2) == [200, 404]


def test_of_many_requests_in_one_piece_few_are_taken(client, monkeypatch):
    """Each takes memory before any limit of the server can count it."""
    begun, real = [], HttpToolsProtocol.on_headers_complete
    monkeypatch.setattr(HttpToolsProtocol, "on_headers_complete", lambda self: begun.append(1) or real(self))
    taken = reading.MOST_WAITING + 1
    assert statuses(client, HEALTH * 2000, answers=taken + 2) == [200] * taken + [400, None]
    assert len(begun) == taken


def test_nothing_is_read_behind_a_request_that_waits_for_its_turn(plain, monkeypatch):
    read, real = [], HttpToolsProtocol.on_body
    body = json.dumps({"instances": ["x" * 4_000_000]}).encode()
    pieces = HEALTH * 8 + predict("a") + head(len(body)) + body
    with running(plain.parent) as client, connect(client) as caller, caller.makefile("rb") as reader:
        go_on = stopped(monkeypatch)
        monkeypatch.setattr(HttpToolsProtocol, "on_body", lambda self, body: read.append(len(body)) or real(self, body))
        sending = threading.Thread(target=caller.sendall, args=[pieces])
        sending.start()
        assert [status(reader) for _ in range(8)] == [200] * 8
        client.wait_for(lambda: metric(client, "tfq_llm_requests_in_progress") == 2)
        meanwhile = sum(read)
        go_on.set()
        assert [status(reader) for _ in range(2)] == [200] * 2
        sending.join()
    assert meanwhile < 500_000


@pytest.mark.parametrize("before", [predict("x" * 1000), HEALTH * 15], ids=["a body", "heads"])
def test_what_stands_before_a_head_in_the_same_piece_does_not_make_it_too_long(before, client, monkeypatch):
    monkeypatch.setattr(reading, "MOST_BYTES", 500)
    requests = before.count(b"HTTP/1.1") + 1
    assert statuses(client, before + HEALTH[:20], HEALTH[20:], answers=requests) == [200] * requests
    assert statuses(client, before, b"GET /healthz HTTP/1.1\r\n", b"X: " + b"x" * 600, answers=requests) == [200] * (
        requests - 1
    ) + [400]


def test_a_good_request_is_answered_before_a_bad_one_behind_it_is_refused(client, slow):
    assert statuses(client, predict("a") + HEALTH + b"\x16\x03\x01\r\n\r\n", answers=4) == [200, 200, 400, None]
    chunked = head(0).replace(b"Content-Length: 0", b"Transfer-Encoding: chunked")
    assert statuses(client, predict("a") + chunked + b"xyz\r\n", answers=3) == [200, 400, None]


@pytest.mark.parametrize("place", ["path", "header"])
@pytest.mark.parametrize("pieces", [1, 2])
def test_a_head_that_is_too_long_is_refused_however_it_comes(pieces, place, client):
    long = b"x" * reading.MOST_BYTES
    whole = HEALTH.replace(b"/healthz", b"/" + long) if place == "path" else HEALTH.replace(b"Host", b"X: " + long + b"\r\nHost")
    middle = len(whole) if pieces == 1 else len(whole) // 2
    assert refusal(client, whole[:middle], whole[middle:]) == "The head of the request is too long."


def test_the_next_head_may_wait_for_the_answer_before_it(client, slow, monkeypatch):
    monkeypatch.setattr(reading, "MOST_SECONDS", 0.1)
    assert statuses(client, predict("a") + HEALTH[:20], answers=2) == [200, None]


@pytest.mark.parametrize("is_chunked", [False, True])
def test_after_a_refused_body_the_connection_can_be_used_again(is_chunked, limited):
    body = b"x" * 5000
    if is_chunked:
        first = head(0).replace(b"Content-Length: 0", b"Transfer-Encoding: chunked")
        pieces = [first + b"%x\r\n" % 2500 + body[:2500] + b"\r\n", b"%x\r\n" % 2500 + body[2500:] + b"\r\n0\r\n\r\n"]
    else:
        pieces = [head(5000) + body[:100], body[100:]]
    assert statuses(limited, *pieces, predict("a"), answers=2) == [413, 200]


def test_a_refused_body_without_end_is_not_read_without_end(limited):
    with connect(limited) as connection:
        connection.sendall(head(10**9))
        with pytest.raises(ConnectionError):
            connection.sendall(b"x" * 10**8)


def test_the_rest_of_a_refused_body_is_not_waited_for_without_end(limited, monkeypatch):
    monkeypatch.setattr(reading, "MOST_SECONDS", 0.5)
    began = time.monotonic()
    assert statuses(limited, head(5000), answers=2) == [413, None]
    assert time.monotonic() - began < 3  # uvicorn waits 5 s


@pytest.mark.parametrize("begin", [b"HTTP/1.0\r\n", b"HTTP/1.1\r\nConnection: close\r\n"], ids=["1.0", "close"])
def test_who_still_sends_reads_why_although_the_connection_is_closed(begin, limited):
    """A kernel that gets what nobody reads sends a reset, and the answer is lost."""
    with connect(limited) as caller, caller.makefile("rb") as reader:
        caller.sendall(head(8000).replace(b"HTTP/1.1\r\n", begin))
        for _ in range(8):
            time.sleep(0.02)
            caller.sendall(b"x" * 1000)
        assert [status(reader), status(reader)] == [413, None]


def test_who_sends_without_end_what_is_not_wanted_is_cut_off(limited):
    with connect(limited) as caller:
        caller.sendall(head(10**9, b"Connection: close\r\n"))
        with pytest.raises(ConnectionError):
            caller.sendall(b"x" * 10**8)


def test_a_connection_is_closed_although_empty_lines_come(client, monkeypatch):
    monkeypatch.setattr(reading, "MOST_SECONDS", 0.5)
    with connect(client) as caller, caller.makefile("rb") as reader:
        caller.sendall(HEALTH)
        assert status(reader) == 200
        for _ in range(4):
            caller.sendall(b"\r\n")
            time.sleep(0.05)
        caller.settimeout(3)  # uvicorn closes after 5 s what nothing comes on
        assert status(reader) is None


def test_a_connection_is_closed_although_its_last_answer_is_not_read(client, monkeypatch):
    monkeypatch.setattr(reading, "MOST_SECONDS", 0.5)
    monkeypatch.setattr(HttpToolsProtocol, "pause_writing", lambda self: None)  # as when less than 64 KiB were left
    monkeypatch.setattr(ServedModel, "call", lambda self, signature, inputs: {"z": np.zeros([1, 3_000_000], np.float32)})
    lost, real = threading.Event(), HttpToolsProtocol.connection_lost
    with connect(client) as caller:

        def connection_lost(self, error):
            if self.client == caller.getsockname():
                lost.set()
            real(self, error)

        monkeypatch.setattr(HttpToolsProtocol, "connection_lost", connection_lost)
        caller.sendall(predict("a").replace(b"Host", b"Connection: close\r\nHost", 1))
        assert lost.wait(10)


def test_a_server_that_stops_waits_for_who_reads_and_not_for_who_does_not(plain, monkeypatch):
    monkeypatch.setattr(reading, "STOP_SECONDS", 0.5)
    server = Server(ServerSettings(plain.parent, port=0))
    serving = threading.Thread(target=server.run)
    serving.start()
    client = Client(server.url)
    client.wait_for(client.is_ready)
    answered, go_on, floats = [], threading.Event(), np.zeros([1, 3_000_000], np.float32)

    def call(self, signature, inputs):
        answered.append(go_on.wait(60))
        return {"z": floats}

    monkeypatch.setattr(ServedModel, "call", call)
    with connect(client) as reads, connect(client) as reads_not:
        for caller in (reads, reads_not):
            caller.sendall(predict("a"))
        client.wait_for(lambda: metric(client, "tfq_llm_requests_in_progress") == 3)
        server.stop()
        go_on.set()
        size = 0
        while piece := reads.recv(2**17):
            size += len(piece)
            time.sleep(0.01)
        ended = time.monotonic()
        serving.join()
        assert size > 4 * floats.size  # "0.0," each
        assert time.monotonic() - ended < 5


def test_callers_that_hang_up_are_not_waited_for(plain, monkeypatch):
    number = 300  # each opens two files, their end and the server's, and many systems let a process have 1,024
    with running(plain.parent) as client:
        go_on = stopped(monkeypatch)
        callers = [connect(client) for _ in range(number)]
        for caller in callers:
            caller.sendall(predict("a"))
        computing = 2 * Limits().batch_rows
        client.wait_for(lambda: metric(client, "tfq_llm_queue_rows") >= number - computing)
        for caller in callers:
            caller.close()
        client.wait_for(lambda: metric(client, "tfq_llm_requests_in_progress") == 1, seconds=15)
        assert metric(client, "tfq_llm_queue_rows") == metric(client, "tfq_llm_bytes_in_progress") == 0
        before = metric(client, "tfq_llm_batch_rows_count")
        go_on.set()
        assert client.predict("the movie").status_code == 200
        assert metric(client, "tfq_llm_batch_rows_count") - before <= 3  # the two that were being computed, and its own
        assert (
            metric(client, 'tfq_llm_requests_total{method="POST",route="/v1/models/{name}:predict",status="499"}')
            >= number - computing
        )


def test_hanging_up_is_seen_behind_a_large_body_and_before_its_end(plain, monkeypatch):
    body = json.dumps({"instances": ["x" * 2_000_000]}).encode()
    with running(plain.parent) as client:
        go_on = stopped(monkeypatch)
        for sent in (len(body), 1_000_000):
            with connect(client) as caller:
                caller.sendall(head(len(body)) + body[:sent])
                client.wait_for(lambda: metric(client, "tfq_llm_bytes_in_progress") > 1_000_000)
            client.wait_for(lambda: metric(client, "tfq_llm_requests_in_progress") == 1, seconds=5)
            assert metric(client, "tfq_llm_bytes_in_progress") == 0
        assert metric(client, 'tfq_llm_requests_total{method="POST",route="/v1/models/{name}:predict",status="499"}') == 2
        go_on.set()


def test_an_answer_that_is_not_read_counts_and_is_not_kept_without_end(client, monkeypatch):
    monkeypatch.setattr(reading, "MOST_SECONDS", 1.0)
    monkeypatch.setattr(ServedModel, "call", lambda self, signature, inputs: {"z": np.zeros([1, 3_000_000], np.float32)})
    with connect(client) as caller:
        caller.sendall(predict("a"))
        client.wait_for(lambda: metric(client, "tfq_llm_bytes_in_progress") > 9_000_000, seconds=5)
        client.wait_for(lambda: metric(client, "tfq_llm_requests_in_progress") == 1, seconds=5)
        assert metric(client, "tfq_llm_bytes_in_progress") == 0
    with connect(client) as caller, caller.makefile("rb") as reader:
        caller.sendall(predict("a"))
        assert status(reader) == 200


def test_an_offer_of_another_protocol_is_not_taken_and_the_request_answered(client):
    """Java's HttpClient makes it with every first request."""
    offering = predict("a").replace(
        b"Host", b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAM\r\nHost", 1
    )
    assert statuses(client, offering + offering + HEALTH, answers=3) == [200] * 3
    assert statuses(client, offering[:-5], offering[-5:] + HEALTH, answers=2) == [200] * 2
    assert refusal(client, b"CONNECT localhost:80 HTTP/1.1\r\nHost: localhost\r\n\r\n") == "This server is no proxy."


def test_who_is_not_waited_for_any_longer_is_told_so(plain, monkeypatch, capfd):
    """At the end of the grace, or when the server is told to stop twice."""
    server = Server(ServerSettings(plain.parent, port=0))
    server._server.config.timeout_graceful_shutdown = 0
    serving = threading.Thread(target=server.run)
    serving.start()
    client = Client(server.url)
    client.wait_for(client.is_ready)
    go_on = stopped(monkeypatch)
    with connect(client) as caller, caller.makefile("rb") as reader:
        caller.sendall(predict("a") + HEALTH)
        client.wait_for(lambda: metric(client, "tfq_llm_requests_in_progress") == 2)
        threading.Timer(1, go_on.set).start()
        server.stop()
        assert [status(reader), status(reader)] == [503, None]
    serving.join()
    log = capfd.readouterr().err
    assert '"status":503' in log
    assert "Exception" not in log


def metric(client, name):
    (line,) = [line for line in client.get("/metrics").text.splitlines() if line.startswith(name + " ")]
    return float(line.split()[-1])
