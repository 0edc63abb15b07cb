"""How many files the process may have open: every connection is one."""

from __future__ import annotations

import logging
import resource
from contextlib import suppress

from tfq_llm.serving.log import event

SPARE = 256
"""For the model, its next version, and connections that wait or are refused."""


def allow_connections(requests: int) -> None:
    """Raises the limit that the shell set to as many open files as the system lets the process have, and warns if these are few.

    Where the limit is reached, connections cannot be accepted, so that callers wait or are reset in place of an answer.

    Args:
        requests: that may be in progress at once.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        with suppress(OSError, ValueError):  # where "no limit" is more than the system takes
            resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
            soft = hard
    if soft != resource.RLIM_INFINITY and soft < requests + SPARE:
        event("few files may be open", logging.WARNING, files=soft, wanted=requests + SPARE, requests=requests)
