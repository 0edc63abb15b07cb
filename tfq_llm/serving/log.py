"""Logs for machines: a JSON object on each line of standard error, without any text of a request."""

from __future__ import annotations

import logging
import sys
import traceback
from datetime import datetime, timezone
from typing import Any

import orjson

logger = logging.getLogger("tfq_llm.serving")


def event(name: str, level: int = logging.INFO, at: float | None = None, **fields: Any) -> None:
    """Logs an event with fields, whose values JSON can hold; `at` is when it was, in the seconds of `time.time`, if not now."""
    logger.log(level, name, extra={"fields": fields, "at": at})


def failure(name: str, error: BaseException, **fields: Any) -> None:
    """Logs an exception by its type and place; its message may hold texts of a request."""
    where = [f"{frame.filename}:{frame.lineno} {frame.name}" for frame in traceback.extract_tb(error.__traceback__)]
    event(name, logging.ERROR, error=type(error).__name__, where=where, **fields)


class JsonFormatter(logging.Formatter):
    """A record as a line of JSON: time (UTC), level, event and the fields."""

    def format(self, record: logging.LogRecord) -> str:
        at = getattr(record, "at", None) or record.created
        time = datetime.fromtimestamp(at, timezone.utc).isoformat(timespec="milliseconds")
        entry = {"time": time, "level": record.levelname.lower(), "event": record.getMessage()}
        return orjson.dumps(entry | getattr(record, "fields", {}), default=str).decode()


def log_to_stderr() -> None:
    """Sends this server's records, and uvicorn's that matter, to standard error."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonFormatter())
    for name, level in (("tfq_llm.serving", logging.INFO), ("uvicorn", logging.WARNING)):
        chosen = logging.getLogger(name)
        chosen.handlers[:], chosen.propagate = [handler], False
        chosen.setLevel(level)
