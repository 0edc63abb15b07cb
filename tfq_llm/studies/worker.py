"""What runs in a worker process, on this machine or on a cluster: one thread, one trial at a time, errors as texts."""

from __future__ import annotations

import ctypes
import importlib
import os
import signal
import sys
import traceback
from contextlib import suppress
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from tfq_llm.errors import StoreError

# Nothing here loads NumPy: the number of threads has to be set before.
if TYPE_CHECKING:
    from tfq_llm.studies.trial import Trial, TrialResult

PERFORM = "tfq_llm.studies.perform:perform"
"""Where the function (trial, store's URL) → result is."""

ONE_THREAD = {
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "TF_NUM_INTRAOP_THREADS": "1",
    "TF_NUM_INTEROP_THREADS": "1",
}
"""Environment of a worker: sums in another order would make results depend on how many workers there are."""

_SET_PARENT_DEATH_SIGNAL = 1


class Failure(NamedTuple):
    """A trial that raised: the text of its traceback, for not every exception can be sent between processes."""

    traceback: str


class Unfit(NamedTuple):
    """A worker that must not run trials of this study, or cannot keep their results: why."""

    reason: str


class Expected(NamedTuple):
    """What a worker elsewhere must have.

    Attributes:
        versions: as `tfq_llm.studies.versions.as_text` writes them.
        mark: a file in the study's directory, and its text; None if the store is at a URL.
    """

    versions: str
    mark: tuple[str, str] | None


def begin(parent: int, log: str) -> None:
    """Prepares a process that was started to work for `parent`: it ends with it, and writes to the file `log`."""
    ctypes.CDLL(None).prctl(_SET_PARENT_DEATH_SIGNAL, signal.SIGKILL)
    if os.getppid() != parent:
        # It died before the signal was asked for.
        os._exit(1)
    try:
        file = os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o666)
    except OSError:
        # On a full disk it is the result that must be told of.
        file = os.open(os.devnull, os.O_WRONLY)
    for stream in (1, 2):
        os.dup2(file, stream)
    os.close(file)


def attempt(perform: str, trial: Trial, store_url: str, expected: Expected | None = None) -> TrialResult | Failure | Unfit:
    """Runs a trial and returns what came of it, whatever that is.

    Args:
        perform: the function, as "module:function".
        trial: for it.
        store_url: for it.
        expected: what to make sure of before.
    """
    os.environ.update(ONE_THREAD)
    if expected is not None and (reason := unfit(expected)):
        return Unfit(f"{reason} What is finished is kept.")
    try:
        module, _, function = perform.partition(":")
        if module.startswith("tfq_llm."):
            _limit_engine()
        result: TrialResult = getattr(importlib.import_module(module), function)(trial, store_url)
    except StoreError as error:
        # It says nothing of the trial: as a failure it would let settings be chosen without it.
        return Unfit(str(error))
    except (Exception, SystemExit):
        return Failure(traceback.format_exc())
    finally:
        for stream in (sys.stdout, sys.stderr):
            with suppress(OSError, ValueError):
                stream.flush()
    return result


@lru_cache(maxsize=1)
def _limit_engine() -> None:
    from tfq_llm.simulation.compiled.threads import set_num_threads

    set_num_threads(1)


@lru_cache(maxsize=1)
def unfit(expected: Expected) -> str | None:
    """Why this machine must not take part; None: it may."""
    from tfq_llm.studies.versions import differences, from_text, versions

    host = os.uname().nodename
    if found := differences(versions(), from_text(expected.versions)):
        return f"the machine {host} has other versions: {'; '.join(found)}. Install the same ones on all machines."
    if expected.mark is not None:
        path, text = Path(expected.mark[0]), expected.mark[1]
        try:
            seen = path.read_text(encoding="utf-8") == text
        except OSError:
            seen = False
        if not seen:
            return (
                f"the machine {host} does not see the study's directory '{path.parent}'. Give a directory that all machines "
                f"share under the same path, or the URL of an object store."
            )
    return None
