"""Encoding many texts, and the cache of their vectors."""

from __future__ import annotations

import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from tfq_llm import InputError
from tfq_llm.encoders import SentenceEncoder, embedding_cache, encode
from tfq_llm.encoders.embedding_cache import EmbeddingCache
from tfq_llm.encoders.encode import _mapped

TEXTS = ["a great movie", "un able", "", "the dog " * 30, "a great movie", "naive"]


@pytest.fixture
def encoded(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The sizes of the batches that a sentence encoder is called with."""
    sizes: list[int] = []
    original = SentenceEncoder.call

    def counting(self: SentenceEncoder, texts: tf.Tensor, training: bool | None = None) -> tf.Tensor:
        sizes.append(len(texts))
        return original(self, texts, training)

    monkeypatch.setattr(SentenceEncoder, "call", counting)
    return sizes


@pytest.fixture
def database(tiny: SentenceEncoder, tiny_cache: Path) -> Path:
    """The file that holds the vectors of `tiny`, not there yet."""
    path = tiny_cache / "embeddings" / f"{tiny.fingerprint}.sqlite"
    for part in path.parent.glob(f"{path.name}*"):
        part.unlink()
    return path


def test_vectors_in_the_order_of_the_texts(tiny: SentenceEncoder, database: Path) -> None:
    vectors = encode(tiny, TEXTS, batch_size=2)
    assert (vectors.dtype, vectors.shape) == (np.float32, (6, 32))
    for text, vector in zip(TEXTS, vectors, strict=True):
        np.testing.assert_allclose(vector, tiny(tf.constant([text]))[0], rtol=0, atol=1e-6)


def test_batches_are_read_only_a_little_ahead() -> None:
    read: list[int] = []

    def batches() -> Iterator[int]:
        for number in range(20):
            read.append(number)
            yield number

    def square(number: int) -> np.ndarray:
        time.sleep(0.01 * (number % 3))  # so that some are done before the one in front of them
        return np.array([number**2])

    for place, found in enumerate(_mapped(square, batches())):
        assert found == place**2
        assert len(read) <= place + 4
    assert place == 19


def test_a_batch_that_fails_ends_the_encoding() -> None:
    begun: list[int] = []

    def fail(number: int) -> np.ndarray:
        begun.append(number)
        raise ValueError(f"batch {number}")

    with pytest.raises(ValueError, match="batch 0"):
        list(_mapped(fail, range(100)))
    assert len(begun) <= 4


def test_a_second_run_encodes_nothing(tiny: SentenceEncoder, database: Path, encoded: list[int]) -> None:
    first = encode(tiny, TEXTS)
    assert sum(encoded) == len(set(TEXTS))
    np.testing.assert_array_equal(encode(tiny, TEXTS[::-1]), first[::-1])
    assert sum(encoded) == len(set(TEXTS))
    encode(tiny, [*TEXTS, "new"])
    assert sum(encoded) == len(set(TEXTS)) + 1
    encode(tiny, TEXTS, cache=False)
    assert sum(encoded) == 2 * len(set(TEXTS)) + 1


def test_a_tuned_encoder_has_vectors_of_its_own(tiny: SentenceEncoder, database: Path, encoded: list[int]) -> None:
    before = encode(tiny, TEXTS)
    tiny.hub_layer.weights[0].assign_add(tf.random.stateless_normal(tiny.hub_layer.weights[0].shape, [3, 4]))
    assert np.abs(encode(tiny, TEXTS) - before).max() > 1e-3
    assert sum(encoded) == 2 * len(set(TEXTS))


def test_nothing_to_encode(tiny: SentenceEncoder) -> None:
    assert encode(tiny, []).shape == (0, 32)


@pytest.mark.parametrize(
    ("texts", "complaint"), [("text", "a list of texts"), (["a", None], "text 1 is not a string but NoneType")]
)
def test_what_is_not_text(tiny: SentenceEncoder, texts: list[str], complaint: str) -> None:
    with pytest.raises(InputError, match=complaint):
        encode(tiny, texts)


def test_half_a_surrogate_pair(tiny: SentenceEncoder, database: Path) -> None:
    vectors = encode(tiny, ["a \ud83d movie", "a  movie"])
    np.testing.assert_allclose(vectors[0], vectors[1], rtol=0, atol=1e-6)


def test_an_altered_vector_is_encoded_again(tiny: SentenceEncoder, database: Path, encoded: list[int]) -> None:
    first = encode(tiny, TEXTS)
    connection = sqlite3.connect(database)
    with connection:
        connection.execute("UPDATE embeddings SET vector = zeroblob(128)")
    connection.close()
    encoded.clear()
    np.testing.assert_allclose(encode(tiny, TEXTS), first, rtol=0, atol=1e-6)
    assert sum(encoded) == len(set(TEXTS))


@pytest.mark.parametrize("garbage", [b"not a database " * 1000, b""])
def test_a_damaged_file_is_begun_anew(garbage: bytes, tiny: SentenceEncoder, database: Path, encoded: list[int]) -> None:
    first = encode(tiny, TEXTS)
    database.write_bytes(garbage)
    for suffix in ("-wal", "-shm"):
        database.with_name(database.name + suffix).unlink(missing_ok=True)
    np.testing.assert_allclose(encode(tiny, TEXTS), first, rtol=0, atol=1e-6)
    encoded.clear()
    encode(tiny, TEXTS)
    assert not encoded


def test_a_killed_writer_loses_only_what_it_had_not_finished(tmp_path: Path) -> None:
    code = """
import runpy, sys, numpy as np
from pathlib import Path
EmbeddingCache = runpy.run_path(sys.argv[2])["EmbeddingCache"]  # the file alone: importing the package loads TensorFlow
cache = EmbeddingCache(Path(sys.argv[1]), 4)
for number in range(10**6):
    cache.put({f"{number} {i}": np.full(4, number, np.float32) for i in range(10)})
    print(number, flush=True)
"""
    command = [sys.executable, "-c", code, str(tmp_path / "e.sqlite"), embedding_cache.__file__]
    writer = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert writer.stdout is not None
    for line in writer.stdout:
        if int(line) >= 20:
            writer.send_signal(signal.SIGKILL)
            break
    writer.stdout.close()
    writer.wait()
    with EmbeddingCache(tmp_path / "e.sqlite", 4) as cache:
        found = cache.get([f"{number} {i}" for number in range(21) for i in range(10)])
    assert len(found) == 210


def test_several_writers_at_once(tmp_path: Path) -> None:
    def write(worker: int) -> None:
        with EmbeddingCache(tmp_path / "e.sqlite", 4) as cache:
            for number in range(20):
                cache.put({f"{worker} {number}": np.full(4, worker, np.float32), "shared": np.ones(4, np.float32)})

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(write, range(4)))
    with EmbeddingCache(tmp_path / "e.sqlite", 4) as cache:
        assert len(cache.get([f"{worker} {number}" for worker in range(4) for number in range(20)] + ["shared"])) == 81


@pytest.mark.parametrize("mode", ["WAL", "DELETE"])  # the first is locked for `put`, the second cannot even be opened
def test_a_file_that_stays_locked(mode: str, tmp_path: Path) -> None:
    path = tmp_path / "e.sqlite"
    with EmbeddingCache(path, 4) as cache:
        cache.put({"text": np.ones(4, np.float32)})
    other = sqlite3.connect(path, isolation_level=None)
    other.execute(f"PRAGMA journal_mode = {mode}")
    other.execute("BEGIN EXCLUSIVE")
    with (
        pytest.raises(InputError, match=rf"'{path}' cannot be used \(database is locked\).*TFQ_LLM_CACHE.*cache=False"),
        EmbeddingCache(path, 4, seconds_to_wait=0.1) as cache,
    ):
        cache.put({"another": np.ones(4, np.float32)})
    other.execute("ROLLBACK")
    other.close()
    with EmbeddingCache(path, 4) as cache:
        assert list(cache.get(["text", "another"])) == ["text"]


def test_a_full_disk(tmp_path: Path) -> None:
    with EmbeddingCache(tmp_path / "e.sqlite", 4) as cache:
        cache._connection.execute("PRAGMA max_page_count = 2")  # SQLite's own limit, met with the error of a full disk
        with pytest.raises(InputError, match=r"disk is full\).*TFQ_LLM_CACHE.*cache=False"):
            cache.put({str(number): np.ones(4, np.float32) for number in range(1000)})
        assert not cache.get(["0"])


def test_the_length_of_a_very_long_text_does_not_matter(tiny: SentenceEncoder) -> None:
    def seconds(characters: int) -> float:
        texts = [*TEXTS, "a" * characters, "! " * (characters // 2)]
        times = []
        for _ in range(3):
            started = time.perf_counter()
            encode(tiny, texts, cache=False)
            times.append(time.perf_counter() - started)
        return min(times)

    seconds(100_000)
    assert seconds(10_000_000) < 20 * seconds(100_000)  # it would be 100 times as much if all of it were read
