"""What a trial may take, and how often it is tried."""

from __future__ import annotations

import math
from dataclasses import dataclass

from pydantic import ByteSize, TypeAdapter, ValidationError

from tfq_llm.checks import real_number, whole_number
from tfq_llm.errors import InputError

# Less is a number whose unit was forgotten.
_LEAST_MEMORY = 1_000_000


@dataclass(frozen=True)
class Limits:
    """Of every trial of a study.

    Attributes:
        retries: how often a trial runs again whose worker died; None: as the workers have it, once on this machine and three
            times on a cluster.
        timeout: seconds after which a trial is stopped and counts as failed until the next command; None: never. The first trial
            of a worker has its start in them, most of it importing TensorFlow.
        cpus: that a cluster sets aside for a trial; None: one.
        memory: bytes that a cluster sets aside for a trial; None: it does not look at memory.

    Raises:
        InputError: a number is out of its range.
    """

    retries: int | None = None
    timeout: float | None = None
    cpus: float | None = None
    memory: int | None = None

    def __post_init__(self) -> None:
        if self.retries is not None:
            whole_number("retries", self.retries, 0)
        if self.timeout is not None and not (
            real_number("the time limit of a trial", self.timeout) > 0 and self.timeout < math.inf
        ):
            raise InputError(f"the time limit of a trial must be a number of seconds above 0, not {self.timeout}.")
        if self.cpus is not None and not (0 < real_number("CPUs per trial", self.cpus) <= 1 or self.cpus in range(1, 10_000)):
            raise InputError(f"CPUs per trial must be a whole number, or a share between 0 and 1, not {self.cpus}.")
        if self.memory is not None and whole_number("memory per trial", self.memory, 1) < _LEAST_MEMORY:
            raise InputError(
                f"memory per trial is {self.memory} bytes, and must be a megabyte at least: give a unit, such as 2GB."
            )


def memory_of(text: str) -> int:
    """Bytes of a text such as "2GB" (2 · 10^9) or "1.5 GiB" (1.5 · 2^30).

    Raises:
        InputError: it is none.
    """
    try:
        return int(TypeAdapter(ByteSize).validate_python(text))
    except ValidationError as error:
        raise InputError(f"'{text}' is no amount of memory: give a number and a unit, such as 500MB, 2GB or 1.5GiB.") from error
