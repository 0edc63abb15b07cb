"""What the ledger knows of: orders, which say how circuits are run, and the jobs that carry them out."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, fields
from typing import Any

# Ways in which the service puts a debiased job's variants together; the results of others are PLAIN.
PLAIN, MEAN, MAJORITY = "plain", "mean", "majority"


@dataclass(frozen=True)
class Order:
    """How circuits are run: circuits with the same order are paid for once.

    Attributes:
        target: as IonQ names it, such as "qpu.forte-1".
        shots: of each circuit.
        noise: for the target "simulator", the machine whose noise it has, such as "aria-1".
        seed: of that noise's draws; None leaves it to the service.
        debias: IonQ's debiasing, always said to be on or off, for the service has a default of its own.
        sharpen: debiased results by majority, and not by mean. Both come with the same job: this is no part of what is paid for.
        repetition: gives the same circuits again, as another measurement.
    """

    target: str
    shots: int
    noise: str | None = None
    seed: int | None = None
    debias: bool = False
    sharpen: bool = False
    repetition: int = 0

    @property
    def text(self) -> str:
        """What is paid for, in a canonical form. Defaults are left out, so that options that come later change no old order."""
        defaults = {field.name: field.default for field in fields(self)}
        given = {name: value for name, value in asdict(self).items() if name != "sharpen" and value != defaults[name]}
        return json.dumps(given, sort_keys=True)

    @property
    def variant(self) -> str:
        """Which of a job's results are read."""
        if not self.debias:
            return PLAIN
        return MAJORITY if self.sharpen else MEAN

    @property
    def noise_model(self) -> dict[str, Any] | None:
        """The noise as the service is asked for it."""
        if self.noise is None:
            return None
        return {"model": self.noise} | ({} if self.seed is None else {"seed": self.seed})

    @classmethod
    def parse(cls, text: str) -> Order:
        return cls(**json.loads(text))


@dataclass(frozen=True)
class Job:
    """A row of the ledger: circuits that go to the service together.

    Attributes:
        number: in the ledger.
        name: at the service, by which the job is found again when a reply was lost.
        circuits: how many.
        dollars: by the table of prices.
        state: see `tfq_llm.ionq.states`.
        job_id: the service's; None until it is known.
        status: the service's word for the job, as last seen.
        reported_target: where the service says it ran.
        matches: False if that, or its noise, is not what was asked.
        reported_dollars: what the service says it cost.
        message: why it was refused or failed.
        intended_at, sent_at, answered_at, finished_at: seconds since 1970.
    """

    number: int
    name: str
    host: str
    order: Order
    target: str
    shots: int
    circuits: int
    dollars: float
    state: str
    api_version: str
    job_id: str | None
    status: str | None
    reported_target: str | None
    matches: bool | None
    reported_dollars: float | None
    message: str | None
    intended_at: float
    sent_at: float | None
    answered_at: float | None
    finished_at: float | None
