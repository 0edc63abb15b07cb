"""Gzipped bodies, which TensorFlow Serving takes: unpacked within the limits, and refused with a reason when they cannot be."""

from __future__ import annotations

import gzip
import json
import time
import tracemalloc
import zlib
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest

from tests.serving.conftest import NAME, Client, running
from tfq_llm.serving.settings import Limits

PATH = f"/v1/models/{NAME}:predict"
GZIP = {"Content-Encoding": "gzip"}
BODY = json.dumps({"instances": ["the movie", "un able dog"]}).encode()
PACKED = gzip.compress(BODY)


def in_pieces(body: bytes, size: int):
    return (body[start : start + size] for start in range(0, len(body), size))


@pytest.mark.parametrize("encoding", ["gzip", "GZIP", "x-gzip", "identity, gzip"])
def test_a_gzipped_body_is_answered_as_the_body(encoding, client):
    expected = client.post(PATH, BODY).json()
    assert client.post(PATH, PACKED, headers={"Content-Encoding": encoding}).json() == expected
    pieces = client.session.post(client.url + PATH, data=in_pieces(PACKED, 7), headers=GZIP, timeout=30)
    assert pieces.json() == expected
    assert client.post(PATH, BODY, headers={"Content-Encoding": "identity"}).json() == expected


def test_every_endpoint_with_a_body_takes_one(client):
    examples = gzip.compress(b'{"signature_name": "classify", "examples": [{"text": "the movie"}]}')
    assert client.post(f"/v1/models/{NAME}:classify", examples, headers=GZIP).status_code == 200
    assert client.post("/api/shots", gzip.compress(b'{"shots": 0}'), headers=GZIP).json()["error"].startswith("shots:")


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (BODY, "is not, or is damaged"),
        (zlib.compress(BODY), "is not, or is damaged"),
        (PACKED[:30] + bytes([PACKED[30] ^ 255]) + PACKED[31:], "damaged"),
        (PACKED[:-8] + b"12345678", "damaged"),
        (PACKED[:-1], "is cut"),
        (b"", "is cut"),
        (PACKED + PACKED, "goes on after its end"),
        (PACKED + b"\0", "goes on after its end"),
    ],
    ids=["not gzip", "zlib", "a byte", "its checksum", "cut", "empty", "two", "more"],
)
def test_what_cannot_be_unpacked_is_refused_with_a_reason(body, reason, client):
    reply = client.post(PATH, body, headers=GZIP)
    assert (reply.status_code, reason in reply.json()["error"]) == (400, True), reply.text


@pytest.mark.parametrize("encoding", ["br", "deflate", "gzip, gzip", "gzip, br", "zstd"])
def test_other_encodings_are_refused_and_the_one_that_is_taken_is_named(encoding, client):
    reply = client.post(PATH, PACKED, headers={"Content-Encoding": encoding})
    assert (reply.status_code, "Content-Encoding gzip" in reply.json()["error"]) == (415, True)
    assert reply.headers["Accept-Encoding"] == "gzip"
    assert "415" in client.get("/openapi.json").json()["paths"][PATH.replace(NAME, "{name}")]["post"]["responses"]


def test_the_limit_is_of_what_comes_out_and_of_what_comes(plain, small_limits):
    """Blocks without content make a body that is long and says nothing."""
    packer = zlib.compressobj(wbits=31)
    empty = packer.compress(b"x") + packer.flush(zlib.Z_SYNC_FLUSH) + b"\0\0\0\xff\xff" * 1000
    with running(plain.parent, limits=small_limits) as client:
        for body in (gzip.compress(b"x" * 2001), gzip.compress(bytes(100_000)), empty, in_pieces(empty, 50)):
            reply = client.session.post(client.url + PATH, data=body, headers=GZIP, timeout=30)
            assert (reply.status_code, "may have 2,000 bytes" in reply.json()["error"]) == (413, True)
        just = json.dumps({"instances": ["x" * (2000 - len('{"instances": [""]}'))]}).encode()
        assert len(just) == 2000
        assert client.post(PATH, gzip.compress(just), headers=GZIP).status_code == 200


def test_a_bomb_takes_no_memory_and_keeps_nobody_waiting(client):
    bomb = gzip.compress(bytes(2**28))  # 256 MiB in 256 KiB
    client.post(PATH, bomb, headers=GZIP)
    tracemalloc.start()
    try:
        began = time.monotonic()
        assert client.post(PATH, bomb, headers=GZIP).status_code == 413
        assert time.monotonic() - began < 5
        assert tracemalloc.get_traced_memory()[1] < 4 * 2**22
    finally:
        tracemalloc.stop()
    assert "tfq_llm_bytes_in_progress 0.0" in client.get("/metrics").text


def test_what_comes_out_counts_among_the_bytes_in_progress(plain, slow):
    limits = replace(Limits(), body_bytes=150_000, bytes_in_progress=200_000)
    packed = gzip.compress(json.dumps({"instances": ["x" * 100_000]}).encode())
    assert len(packed) < 1000
    with running(plain.parent, limits=limits) as client, ThreadPoolExecutor(2) as pool:

        def ask(_: int) -> int:
            return Client(client.url).post(PATH, packed, headers=GZIP).status_code

        assert sorted(pool.map(ask, range(2))) == [200, 503]
        assert ask(0) == 200
        assert "tfq_llm_bytes_in_progress 0.0" in client.get("/metrics").text
