"""Requests that no client of good will sends: refused with a reason, and nothing is told of the machine."""

from __future__ import annotations

import json
import socket
from urllib.parse import urlsplit

import pytest

from tests.serving.conftest import NAME, running
from tests.serving.fuzz import LEAKS, fuzz

DEEP = b'{"instances": ' + b"[" * 100_000 + b"]" * 100_000 + b"}"
BODIES = {
    "invalid UTF-8": b'{"instances": ["\xff\xfe"]}',
    "a lone surrogate": b'{"instances": ["\\ud800"]}',
    "deep": DEEP,
    "deep objects": b'{"a":' * 5000 + b"1" + b"}" * 5000,
    "NaN": b'{"instances": [NaN]}',
    "Infinity": b'{"inputs": [-Infinity]}',
    "a huge number": b'{"instances": [1' + b"0" * 5000 + b"]}",
    "null": b"null",
    "a null text": b'{"instances": [null]}',
    "not JSON": b"\x00\x01\x02\x03",
    "a byte order mark": b'\xef\xbb\xbf{"instances": ["a"]}',
    "UTF-16": '{"instances": ["a"]}'.encode("utf-16"),
    "cut off": b'{"instances": ["a"',
    "two objects": b'{"instances": ["a"]}{}',
    "base64 of another alphabet": b'{"instances": [{"b64": "\xc3\xa4\xc3\xa4"}]}',
    "b64 and more": b'{"instances": [{"b64": "YQ==", "x": 1}]}',
    "an array of arrays": b'{"instances": [[["a"]]]}',
    "a form": b"instances=a&signature_name=b",
}


@pytest.mark.parametrize("name", BODIES)
@pytest.mark.parametrize("path", [f"/v1/models/{NAME}:predict", f"/v1/models/{NAME}:classify", "/api/shots"])
def test_bodies(name, path, client):
    reply = client.post(path, BODIES[name])
    assert 400 <= reply.status_code < 500
    assert list(reply.json()) == ["error"]
    assert len(reply.json()["error"]) > 10
    assert not any(leak in reply.text for leak in LEAKS)


def test_a_text_may_hold_anything(client):
    texts = ["", "\x00", "\u202e", "😀" * 1000, "a" * 100_000, "'; DROP TABLE texts; --", "<script>", '\n\t\\"{}']
    assert client.predict(*texts).status_code == 200
    assert client.post(f"/v1/models/{NAME}:predict", {"instances": [{"b64": "//79"}]}).status_code == 200


PATHS = ("/v1/models/%00:predict", "/v1/models/../../etc/passwd", "/static/../app.py", "/static/%2e%2e/app.py", "//", "/%ff")


@pytest.mark.parametrize("path", PATHS)
def test_paths(path, client):
    request = f"GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
    assert raw(client, request.encode()).split()[1] in (b"400", b"404")


@pytest.mark.parametrize(
    "request_bytes",
    [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"GET / HTTP/9.9\r\n\r\n",
        b"POST /v1/models/few-reviews:predict HTTP/1.1\r\nHost: localhost\r\nContent-Length: -1\r\nConnection: close\r\n\r\n",
        b"POST /v1/models/few-reviews:predict HTTP/1.1\r\nHost: localhost\r\nContent-Length: x\r\nConnection: close\r\n\r\n",
        b"POST /v1/models/few-reviews:predict HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n",
        b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nX: " + b"a" * 200_000 + b"\r\n\r\n",
    ],
)
def test_what_is_not_http_ends_the_connection_and_not_the_server(request_bytes, client):
    answer = raw(client, request_bytes)
    assert answer == b"" or answer.split()[1] in (b"400", b"413", b"431")
    assert client.predict("the movie").status_code == 200


def test_headers_behind_a_body_are_bounded_too(client):
    place = urlsplit(client.url)
    head = b"POST /v1/models/few-reviews:predict HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n"
    with socket.create_connection((place.hostname, place.port), timeout=10) as connection:
        connection.sendall(head)
        with pytest.raises(ConnectionError):
            connection.sendall(b"a: b\r\n" * 10_000_000)
    assert client.predict("the movie").status_code == 200


def raw(client, request: bytes) -> bytes:
    """What a server answers to bytes."""
    place = urlsplit(client.url)
    with socket.create_connection((place.hostname, place.port), timeout=10) as connection:
        try:
            connection.sendall(request)
            return connection.recv(100_000)
        except ConnectionError:
            return b""


@pytest.mark.slow
def test_replies_are_as_the_schema_says(plain):
    """A short run of `make fuzz-server`."""
    with running(plain.parent, labels={"stable": 1}) as client:
        statuses = fuzz(client.url, cases=60)
    assert {"200", "400"} <= statuses.keys()
    assert sum(statuses.values()) > 40


def test_logs_hold_no_text_of_a_request(plain, capfd):
    with running(plain.parent) as client:
        client.predict("a secret sentence")
        client.post(f"/v1/models/{NAME}:predict", b'{"instances": ["a secret sentence"')
        client.post(f"/v1/models/{NAME}:classify", {"signature_name": "classify", "examples": [{"wrong": "a secret sentence"}]})
        client.get("/v1/models/a-secret-name")
    lines = [json.loads(line) for line in capfd.readouterr().err.splitlines() if line.startswith("{")]
    asked = [line for line in lines if line["event"] == "request" and line["route"] != "/readyz"]
    assert [line["status"] for line in asked[:3]] == [200, 400, 400]
    assert asked[0]["rows"] == 1
    assert "secret" not in json.dumps(lines)
