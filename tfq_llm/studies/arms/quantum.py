"""The quantum head, and its ablations that replace a part."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import tensorflow as tf

from tfq_llm.errors import InputError, did_you_mean
from tfq_llm.models import quantum_head
from tfq_llm.sections import validated
from tfq_llm.studies.arms.components import projection
from tfq_llm.studies.arms.keras_heads import KerasHead, projection_layer, trained
from tfq_llm.studies.arms.names import NO_QPU, PCA_AND_QPU, QUANTUM
from tfq_llm.studies.arms.settings import QuantumSettings
from tfq_llm.studies.trial import Rows, Settings

EXACT: Settings = {
    "shots": None,
    "trajectories": None,
    "noise": "none",
    "readout_error": 0.0,
    "gradient": "adjoint",
    "fixed": False,
}
"""The settings that sampling consists of, for a circuit without shots and noise."""


def fit_quantum(
    method: str, settings: QuantumSettings, train: Rows, validation: Rows, num_classes: int, seed: int, log_dir: Path | None
) -> KerasHead:
    """Trains a quantum head or an ablation of it."""
    model = quantum_model(method, settings, train[0].shape[1], num_classes, seed)
    if method == PCA_AND_QPU:
        components = model.get_layer("components")
        components.set_weights(projection(train[0], components.units, "largest"))
    return trained(model, method, settings.fit, train, validation, seed, log_dir, restorable=True)


def restored_quantum(
    method: str,
    settings: QuantumSettings,
    weights: list[np.ndarray],
    input_dim: int,
    num_classes: int,
    seed: int,
    conditions: Settings,
) -> KerasHead:
    """A trained head with given weights, under other shots or noise; see `tfq_llm.studies.arms.restored`."""
    model = quantum_model(method, _under(method, settings, conditions), input_dim, num_classes, seed)
    shapes, given = [weight.shape for weight in model.get_weights()], [np.shape(weight) for weight in weights]
    if shapes != given:
        raise InputError(f"these weights are not of the method '{method}' with these settings: {given}, and not {shapes}.")
    model.set_weights(weights)
    return KerasHead(model, None, restorable=True)


def quantum_model(method: str, settings: QuantumSettings, input_dim: int, num_classes: int, seed: int) -> tf.keras.Model:
    """The untrained model of a quantum method.

    Every ablation takes the layers that it keeps from the quantum head of the same seed, so that they start from the same
    weights. In place of the amplitude encoder there are principal components, each scaled to at most 1 as ⟨Z⟩ is, or a linear
    layer, trained; both go through the angle scaling.
    """
    head = settings.head
    has_encoder = method in (QUANTUM, NO_QPU)
    # Without an amplitude encoder the number of qubits may be too small for the embedding.
    whole = quantum_head(input_dim if has_encoder or head.num_qubits is None else 1, num_classes, head, seed)
    whole.get_layer("reuploading_pqc").trainable = settings.qpu_trainable
    if method == QUANTUM:
        return whole
    inputs = tf.keras.Input([input_dim], name="embedding")
    if method == NO_QPU:
        values = whole.get_layer("amplitude_encoder")(inputs)
        start = tf.keras.initializers.GlorotUniform(seed)
        return tf.keras.Model(inputs, tf.keras.layers.Dense(num_classes, kernel_initializer=start, name="logits")(values))
    width = whole.get_layer("angle_scaling").output.shape[-1]
    if method == PCA_AND_QPU:
        values = projection_layer(width, "components")(inputs)
    else:
        # Its bias would be that of the angle scaling once more.
        start = tf.keras.initializers.GlorotUniform(seed)
        values = tf.keras.layers.Dense(width, use_bias=False, kernel_initializer=start, name="linear")(inputs)
    for name in ("angle_scaling", "reuploading_pqc", "logits"):
        values = whole.get_layer(name)(values)
    return tf.keras.Model(inputs, values)


def _under(method: str, settings: QuantumSettings, conditions: Settings) -> QuantumSettings:
    """The settings under other conditions; nothing is sampled that these do not name."""
    if not conditions:
        return settings
    for name in conditions:
        if name not in EXACT:
            raise InputError(
                f"'{name}' is no condition under which a trained head can be scored: those are {', '.join(EXACT)}."
                f"{did_you_mean(name, EXACT)}"
            )
    if method == NO_QPU:
        raise InputError(f"'{method}' has no quantum circuit that could have shots or noise.")
    changed = {**EXACT, **conditions}
    if changed["shots"] is not None and changed["trajectories"] is None and "gradient" not in conditions:
        # Only values are asked for. An adjoint gradient would demand trajectories.
        changed["gradient"] = "parameter-shift"
    return validated(QuantumSettings, settings.model_dump() | changed, f"'{method}' under other conditions")
