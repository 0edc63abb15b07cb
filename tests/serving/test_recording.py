"""Counting and logging of requests, several at once."""

from __future__ import annotations

import asyncio
import logging

import pytest

from tfq_llm.serving import recording
from tfq_llm.serving.log import JsonFormatter
from tfq_llm.serving.metrics import Metrics
from tfq_llm.serving.recording import Ended, Records

MARCH, APRIL = 1772323200.25, 1775001600.5
FIRST = Ended("/a", "GET", 200, 0.125, MARCH, {"id": "one"})
SECOND = Ended("/a", "POST", 404, 0.25, APRIL, {"id": "two", "rows": 3})


@pytest.fixture
def lines(caplog, monkeypatch):
    """The log's lines so far."""
    logger = logging.getLogger("tfq_llm.serving")
    monkeypatch.setattr(logger, "propagate", True)
    caplog.set_level(logging.INFO, "tfq_llm.serving")
    return lambda: [JsonFormatter().format(record) for record in caplog.records]


def test_requests_are_counted_and_logged_with_the_time_of_their_end(lines):
    metrics = Metrics()
    records = Records(metrics)

    async def add():
        records.add(FIRST)
        records.add(SECOND)
        assert lines() == []

    asyncio.run(add())
    records.write()
    records.write()
    assert lines() == [
        '{"time":"2026-03-01T00:00:00.250+00:00","level":"info","event":"request","route":"/a","method":"GET","status":200,'
        '"ms":125.0,"id":"one"}',
        '{"time":"2026-04-01T00:00:00.500+00:00","level":"info","event":"request","route":"/a","method":"POST","status":404,'
        '"ms":250.0,"id":"two","rows":3}',
    ]
    text = metrics.text().decode()
    assert 'tfq_llm_requests_total{method="POST",route="/a",status="404"} 1.0' in text
    assert 'tfq_llm_request_seconds_sum{route="/a"} 0.375' in text


def test_they_are_written_soon_without_being_asked_for(lines, monkeypatch):
    monkeypatch.setattr(recording, "_LATER_SECONDS", 0.01)
    records = Records(Metrics())

    async def add_and_wait():
        for ended in (FIRST, SECOND):
            records.add(ended)
            for _ in range(500):
                if lines() and ended.fields["id"] in lines()[-1]:
                    break
                await asyncio.sleep(0.01)
            assert ended.fields["id"] in lines()[-1]

    asyncio.run(add_and_wait())
    assert len(lines()) == 2
