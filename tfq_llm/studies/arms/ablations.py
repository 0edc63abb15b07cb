"""The ablations: what each of them takes away from the quantum head."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from tfq_llm.studies.arms import names
from tfq_llm.studies.arms.arm import Arm
from tfq_llm.studies.arms.settings import QuantumSettings
from tfq_llm.studies.trial import Scalar, Settings

OF_THE_ENCODER = ("num_encoders", "encoder_layers", "encoder_connectivity", "padding", "padding_value")
OF_THE_QPU = ("reuploads", "layers", "final_layers", "connectivity", "num_measured", "shared")


@dataclass(frozen=True)
class Ablation:
    """What is taken away.

    Attributes:
        name: of the arm.
        changes: to the settings of the quantum head.
        method: that replaces a part of it.
        idle: settings that have no effect any more, and are not searched.
    """

    name: str
    changes: Settings = field(default_factory=dict)
    method: str = names.QUANTUM
    idle: tuple[str, ...] = ()


ABLATIONS = (
    Ablation("no entanglement", {"entangling": False}),
    Ablation("nearest neighbours only", {"connectivity": 1, "encoder_connectivity": 1}),
    Ablation("no re-uploading", {"reuploads": 1}),
    Ablation("PCA for the amplitude encoder", method=names.PCA_AND_QPU, idle=OF_THE_ENCODER),
    Ablation("linear layer for the amplitude encoder", method=names.LINEAR_AND_QPU, idle=OF_THE_ENCODER),
    Ablation("PQC frozen at random", {"qpu_trainable": False}),
    Ablation("no QPU", method=names.NO_QPU, idle=OF_THE_QPU),
    Ablation("padding zero", {"padding": "zero"}, idle=("padding_value",)),
)


def ablations(whole: Arm, input_dim: int) -> list[Arm]:
    """The ablations of a quantum arm, in order; those that would change nothing are left out.

    Args:
        whole: the arm.
        input_dim: dimensions of the embeddings.
    """
    return [_ablated(whole, ablation, input_dim) for ablation in ABLATIONS if _differs(whole.defaults, ablation)]


def _differs(settings: Mapping[str, Scalar], ablation: Ablation) -> bool:
    return ablation.method != names.QUANTUM or any(settings[name] != value for name, value in ablation.changes.items())


def _ablated(whole: Arm, ablation: Ablation, input_dim: int) -> Arm:
    changes = {**ablation.changes, **_same_qubits(whole.defaults, ablation.changes, input_dim)}
    fixed = {*changes, *ablation.idle}
    return Arm(
        ablation.name,
        ablation.method,
        "ablation",
        {**whole.defaults, **changes},
        {name: values for name, values in whole.space.items() if name not in fixed},
        ablates=whole.name,
        changes=changes,
    )


def _same_qubits(settings: Settings, changes: Settings, input_dim: int) -> Settings:
    """The number of qubits, if it would be another one without the padding constant."""
    before, after = (QuantumSettings.model_validate(given) for given in (settings, {**settings, **changes}))
    qubits = before.encoder_qubits(input_dim)
    return {} if after.encoder_qubits(input_dim) == qubits else {"num_qubits": qubits}
