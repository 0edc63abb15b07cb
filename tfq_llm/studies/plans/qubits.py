"""Accuracy against the number of qubits, beside logistic regression on the same inputs."""

from __future__ import annotations

from collections.abc import Iterator

from tfq_llm.config import HeadConfig
from tfq_llm.errors import InputError
from tfq_llm.studies.arms.names import LOGISTIC
from tfq_llm.studies.config import StudyConfig
from tfq_llm.studies.desk import Desk, Draw
from tfq_llm.studies.plans.step import Step, all_arms, at_once, quantum_arm
from tfq_llm.studies.trial_rows import most_components


def steps(config: StudyConfig, draw: Draw) -> Iterator[Step]:
    """A step for each number of qubits, on principal components, of which a large register holds all that there are.

    The embeddings themselves are never taken, not where they fit either: they are not centred, and this head tells the two apart.

    Raises:
        InputError: the arm of one's own that is studied sets what every number of qubits decides.
    """
    own = config.more_arms.get(config.verdict.quantum)
    for name in ("num_qubits", "encoder_connectivity"):
        if own is not None and name in own.settings:
            raise InputError(
                f"more_arms.{config.verdict.quantum} sets {name}, which a study of the number of qubits decides: leave it out."
            )
    for qubits in config.qubits.qubits:
        components = _components(config, draw, qubits)
        desk = Desk(config, draw, components)
        reach = config.head.encoder_connectivity
        head = config.head.model_dump() | {
            "num_qubits": qubits,
            "encoder_connectivity": None if reach is None else min(reach, qubits - 1),
        }
        found = all_arms(desk, HeadConfig.model_validate(head))
        factors = {"qubits": qubits, "inputs": components}
        arms = (quantum_arm(config, found), found[LOGISTIC])
        yield at_once([entry for arm in arms for entry in desk.final(arm, arm.defaults, factors)])


def _components(config: StudyConfig, draw: Draw, qubits: int) -> int:
    """How many inputs there are: all amplitudes but the padding's, as far as the training rows have components."""
    held = min(config.qubits.qubits) if config.qubits.inputs == "fixed" else qubits
    free = 2**held - (config.head.padding == "constant")
    return min(free, most_components(draw.train_rows, draw.dim))
