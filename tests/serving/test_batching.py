"""Requests that wait together are answered together, each with its own rows."""

from __future__ import annotations

import asyncio
import gc
import threading
import time
import weakref

import numpy as np
import pytest

from tfq_llm.serving.batching import Batcher
from tfq_llm.serving.errors import RequestError
from tfq_llm.serving.metrics import Metrics
from tfq_llm.serving.settings import Limits


class Doubling:
    """Stands in for a model: twice its input, after `wait` seconds and once `gate` is open. It refuses negative numbers."""

    version = 1

    def __init__(self, wait=0.0):
        self.sizes, self.wait, self.gate, self.called = [], wait, threading.Event(), threading.Semaphore(0)
        self.gate.set()

    def call(self, signature, inputs):
        self.called.release()
        self.gate.wait()
        time.sleep(self.wait)
        self.sizes.append(len(inputs["x"]))
        if signature == "broken":
            raise RuntimeError("a text of the request")
        if (inputs["x"] < 0).any():
            raise RequestError(400, "negative")
        return {"y": 2 * inputs["x"]}


async def both_busy(batcher, model, signature="serving_default"):
    """Closes the gate and sends the model a request for each of its threads, which wait there then."""
    model.gate.clear()
    busy = []
    for _ in range(2):
        busy.append(asyncio.create_task(batcher.answer(model, signature, {"x": np.zeros(1)}, time.monotonic() + 60)))
        assert await asyncio.to_thread(model.called.acquire, timeout=60)
    return busy


def ask(requests, model, *, limits=None, seconds=60.0, signature="serving_default", until_answered=False):
    """Answers of requests, each an array of rows, that come while the model is busy with two others.

    These stay until the requests are in the queue, or until they are answered.
    """
    limits = limits or Limits()

    async def all_of_them():
        batcher = Batcher(limits, Metrics())
        batcher.start()
        busy = await both_busy(batcher, model, signature)
        deadline = time.monotonic() + seconds
        rest = [
            asyncio.create_task(batcher.answer(model, signature, {"x": np.array(rows, float)}, deadline)) for rows in requests
        ]
        await (asyncio.wait(rest) if until_answered else asyncio.sleep(0))  # either way they are in the queue by then
        model.gate.set()
        found = await asyncio.gather(*busy, *rest, return_exceptions=True)
        await asyncio.to_thread(batcher.close)
        return found[2:]

    return asyncio.run(all_of_them())


def test_what_waits_is_two_batches_of_like_size_and_everyone_gets_their_rows():
    model = Doubling()
    found = ask([[1, 2], [3], [4, 5, 6]], model)
    assert [answer["y"].tolist() for answer in found] == [[2, 4], [6], [8, 10, 12]]
    assert sorted(model.sizes) == [1, 1, 3, 3]


def test_batches_have_a_limit_and_a_larger_request_is_cut():
    model = Doubling()
    found = ask([[1, 2], [3], [4, 5], list(range(10))], model, limits=Limits(batch_rows=4))
    assert found[3]["y"].tolist() == [2 * row for row in range(10)]
    assert sorted(model.sizes) == [1, 1, 2, 2, 3, 4, 4]


def test_rows_are_counted_as_they_were_computed():
    metrics, model = Metrics(), Doubling()

    async def ten_rows():
        batcher = Batcher(Limits(batch_rows=4), metrics)
        batcher.start()
        await batcher.answer(model, "serving_default", {"x": np.zeros(10)}, time.monotonic() + 60)
        batcher.close()

    asyncio.run(ten_rows())
    assert model.sizes == [4, 4, 2]
    assert "tfq_llm_batch_rows_sum 10.0" in metrics.text().decode()


def test_no_thread_holds_a_model_that_was_answered_by():
    model = Doubling()
    gone = weakref.ref(model)

    async def once(model):
        batcher = Batcher(Limits(), Metrics())
        batcher.start()
        await batcher.answer(model, "serving_default", {"x": np.zeros(1)}, time.monotonic() + 60)
        return batcher

    batcher = asyncio.run(once(model))
    del model
    deadline = time.monotonic() + 10
    while gone() is not None and time.monotonic() < deadline:
        time.sleep(0.01)
    batcher.close()
    assert gone() is None


@pytest.mark.parametrize(("values", "seconds", "status"), [([1.0], 0.05, 504), ([-1.0], 60.0, 400)])
def test_inputs_of_a_request_that_failed_are_freed_without_a_search_for_garbage(values, seconds, status):
    model = Doubling(wait=0.0 if status == 400 else 0.3)

    async def once():
        batcher = Batcher(Limits(), Metrics())
        batcher.start()
        inputs = np.array(values)
        gone = weakref.ref(inputs)
        with pytest.raises(RequestError) as raised:
            await batcher.answer(model, "serving_default", {"x": inputs}, time.monotonic() + seconds)
        assert raised.value.status == status
        del raised
        await asyncio.to_thread(batcher.close)
        return gone

    gc.disable()
    try:
        assert asyncio.run(once())() is None
    finally:
        gc.enable()


def test_a_bad_request_harms_no_other():
    found = ask([[1], [-1], [2]], Doubling())
    assert (found[0]["y"].tolist(), found[2]["y"].tolist()) == ([2], [4])
    assert (found[1].status, found[1].message) == (400, "negative")


def test_a_bad_request_among_many_is_found_by_halving():
    model = Doubling()
    found = ask([[-1 if row == 20 else row] for row in range(32)], model)
    assert [row for row, answer in enumerate(found) if isinstance(answer, RequestError)] == [20]
    # The busy ones; two batches, but up to five if one of the busy stays, of 17, 8, 4, 2 and 1 row; halves of the one to blame.
    assert len(model.sizes) <= 2 + 5 + 2 * 4


def test_while_a_bad_request_is_looked_for_nothing_is_computed_for_whom_it_is_too_late():
    model = Doubling(wait=0.1)
    found = ask([[-1]] * 16, model, seconds=0.5)
    assert {error.status for error in found} <= {400, 504}
    assert 504 in {error.status for error in found}
    assert len(model.sizes) <= 2 + 2 * 5  # either thread, a tenth of a second each


def test_a_batch_has_no_more_bytes_than_a_request_may_have():
    model = Doubling()
    found = ask([[1] * 3, [2] * 3, [3] * 3, [4] * 9], model, limits=Limits(body_bytes=48))
    assert [answer["y"].tolist() for answer in found] == [[2] * 3, [4] * 3, [6] * 3, [8] * 9]
    assert sorted(model.sizes) == [1, 1, 3, 6, 9]


def test_who_does_not_wait_any_more_leaves_the_queue_at_once():
    model = Doubling()

    async def some_leave():
        batcher = Batcher(Limits(queue_rows=8), Metrics())
        batcher.start()
        later = time.monotonic() + 60

        async def ask(*rows, deadline=later):
            return await batcher.answer(model, "serving_default", {"x": np.array(rows, float)}, deadline)

        busy = await both_busy(batcher, model)
        leaving = [asyncio.create_task(ask(1, 2, 3, 4)) for _ in range(2)]
        await asyncio.sleep(0)  # they are in the queue
        with pytest.raises(RequestError, match="8 rows wait already"):
            await ask(5)
        leaving[0].cancel()
        await asyncio.wait(leaving[:1])
        assert batcher.rows == 4
        with pytest.raises(RequestError, match="deadline"):
            await ask(6, 7, deadline=time.monotonic() + 0.01)
        assert batcher.rows == 4
        stays = asyncio.create_task(ask(5))
        await asyncio.sleep(0)
        leaving[1].cancel()
        await asyncio.wait(leaving[1:])
        model.gate.set()
        found = await stays
        await asyncio.gather(*busy)
        await asyncio.to_thread(batcher.close)
        return found

    assert asyncio.run(some_leave())["y"].tolist() == [10]
    assert model.sizes == [1, 1, 1]


def test_a_full_queue_refuses():
    found = ask([[1] * 3, [2] * 3, [3] * 2, [4]], Doubling(), limits=Limits(queue_rows=8))
    assert [answer["y"].tolist() for answer in found[:3]] == [[2] * 3, [4] * 3, [6] * 2]
    assert found[3].status == 429


def test_a_deadline_is_kept_and_what_is_too_late_is_not_computed():
    model = Doubling()
    found = ask([[1], [2]], model, seconds=0.1, until_answered=True)
    assert [error.status for error in found] == [504, 504]
    assert model.sizes == [1, 1]


def test_a_failing_model_is_an_error_without_its_message():
    (found,) = ask([[1]], Doubling(), signature="broken")
    assert (found.status, "text of the request" in found.message) == (500, False)


def test_a_single_caller_never_waits_for_others():
    model = Doubling()

    async def one_after_the_other():
        batcher = Batcher(Limits(batch_wait=10.0), Metrics())
        batcher.start()
        for _ in range(3):
            await batcher.answer(model, "serving_default", {"x": np.zeros(1)}, time.monotonic() + 60)
        batcher.close()
        with pytest.raises(RequestError, match="stopping"):
            await batcher.answer(model, "serving_default", {"x": np.zeros(1)}, time.monotonic() + 60)

    began = time.monotonic()
    asyncio.run(one_after_the_other())
    assert time.monotonic() - began < 10
