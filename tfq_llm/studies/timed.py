"""A trial with a time limit on a machine of a cluster, in a process of its own that can be stopped whatever it does."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

from tfq_llm.studies.worker import Expected, Failure, Unfit, unfit

if TYPE_CHECKING:
    from tfq_llm.studies.local import LocalWorkers
    from tfq_llm.studies.trial import Trial, TrialResult


def attempt_within(
    timeout: float, perform: str, trial: Trial, store_url: str, expected: Expected
) -> TrialResult | Failure | Unfit:
    """As `tfq_llm.studies.worker.attempt`, in a process that this one keeps for it.

    A thread could not be stopped in the middle of a matrix product, and the end of the cluster's own worker would look like a
    loss of it.

    Args:
        timeout: seconds.
        perform: the function, as "module:function".
        trial: for it.
        store_url: for it.
        expected: what to make sure of before.

    Raises:
        TimeoutError: it took longer.
        ProcessExpired, BrokenProcessPool: its process died.
    """
    if reason := unfit(expected):
        return Unfit(f"{reason} What is finished is kept.")
    return _worker(perform, store_url, timeout).submit(trial).result()


@lru_cache(maxsize=1)
def _worker(perform: str, store_url: str, timeout: float) -> LocalWorkers:
    from tfq_llm.studies.local import LocalWorkers

    return LocalWorkers(1, store_url, perform=perform, timeout=timeout)
