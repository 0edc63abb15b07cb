"""The ablations: what each of them takes away from the quantum head."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass, field

from tfq_llm.studies.arms import names
from tfq_llm.studies.arms.arm import Arm
from tfq_llm.studies.arms.settings import QuantumSettings
from tfq_llm.studies.trial import Settings

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
        derived: changes that follow from the settings of the quantum head and its number of qubits.
    """

    name: str
    changes: Settings = field(default_factory=dict)
    method: str = names.QUANTUM
    idle: tuple[str, ...] = ()
    derived: Callable[[QuantumSettings, int], Settings] | None = None


def _as_many_neighbours(whole: QuantumSettings, qubits: int) -> Settings:
    """Connectivity 1, and as many layers more as keep the number of gates and parameters what it is."""
    return {
        "connectivity": 1,
        "layers": whole.layers * whole.connectivity,
        "final_layers": whole.final_layers * whole.connectivity,
        "encoder_connectivity": 1,
        "encoder_layers": whole.encoder_layers * (whole.encoder_connectivity or qubits - 1),
    }


ABLATIONS = (
    Ablation("no entanglement", {"entangling": False}),
    Ablation("nearest neighbours only", {"connectivity": 1, "encoder_connectivity": 1}),
    Ablation("nearest neighbours, as many parameters", derived=_as_many_neighbours),
    Ablation("no re-uploading", {"reuploads": 1}),
    Ablation("PCA for the amplitude encoder", method=names.PCA_AND_QPU, idle=OF_THE_ENCODER),
    Ablation("linear layer for the amplitude encoder", method=names.LINEAR_AND_QPU, idle=OF_THE_ENCODER),
    Ablation("PQC frozen at random", {"qpu_trainable": False}),
    Ablation("no QPU", method=names.NO_QPU, idle=OF_THE_QPU),
    Ablation("surrogate for the QPU", {"order": 2, "C": 1.0}, names.ANGLE_SURROGATE),
    Ablation("padding zero", {"padding": "zero"}, idle=("padding_value",)),
)


def ablations(whole: Arm, input_dim: int) -> list[Arm]:
    """The ablations of a quantum arm, in order; those that would change nothing are left out.

    Args:
        whole: the arm.
        input_dim: dimensions of the embeddings.
    """
    found = [_ablated(whole, ablation, input_dim) for ablation in ABLATIONS]
    return [arm for arm in found if arm.method != whole.method or dict(arm.defaults) != dict(whole.defaults)]


def _ablated(whole: Arm, ablation: Ablation, input_dim: int) -> Arm:
    derived = None if ablation.derived is None else functools.partial(_derived, ablation.derived, whole.defaults, input_dim)
    stated = derived({}) if derived else ablation.changes
    changes = {**stated, **_same_qubits(whole.defaults, stated, input_dim)}
    fixed = {*changes, *ablation.idle}
    return Arm(
        ablation.name,
        ablation.method,
        "ablation",
        {**whole.defaults, **changes},
        {name: values for name, values in whole.space.items() if name not in fixed},
        ablates=whole.name,
        changes=changes,
        derived=derived,
    )


def _derived(
    derive: Callable[[QuantumSettings, int], Settings], defaults: Settings, input_dim: int, chosen: Settings
) -> Settings:
    whole = QuantumSettings.model_validate({**defaults, **chosen})
    return derive(whole, whole.encoder_qubits(input_dim))


def _same_qubits(settings: Settings, changes: Settings, input_dim: int) -> Settings:
    """The number of qubits, if it would be another one without the padding constant."""
    own = {name: value for name, value in changes.items() if name in QuantumSettings.model_fields}
    before, after = (QuantumSettings.model_validate(given) for given in (settings, {**settings, **own}))
    qubits = before.encoder_qubits(input_dim)
    return {} if after.encoder_qubits(input_dim) == qubits else {"num_qubits": qubits}
