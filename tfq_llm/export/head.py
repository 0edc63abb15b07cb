"""The parts of a trained quantum head, as the export needs them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import cirq
import numpy as np
import tensorflow as tf

from tfq_llm.errors import InputError
from tfq_llm.execution import Sampling
from tfq_llm.exported.facts import Sampled
from tfq_llm.layers import AmplitudeEncoder, AngleScaling, ReuploadingPQC

_KINDS: tuple[type[tf.keras.layers.Layer], ...] = (AmplitudeEncoder, AngleScaling, ReuploadingPQC, tf.keras.layers.Dense)


@dataclass(frozen=True)
class HeadParts:
    """The four layers of a `quantum_head`, in the order in which an embedding meets them.

    Attributes:
        input_dim: length of the embeddings.
    """

    input_dim: int
    amplitude_encoder: AmplitudeEncoder
    scaling: AngleScaling
    pqc: ReuploadingPQC
    logits: tf.keras.layers.Dense

    @classmethod
    def of(cls, head: tf.keras.Model) -> HeadParts:
        """Takes a head apart; raises InputError if it is not one that `quantum_head` built."""
        layers = [layer for layer in head.layers if not isinstance(layer, tf.keras.layers.InputLayer)]
        if len(layers) != len(_KINDS) or not all(map(isinstance, layers, _KINDS)):
            found = ", ".join(type(layer).__name__ for layer in layers)
            expected = ", ".join(kind.__name__ for kind in _KINDS)
            raise InputError(f"what is exported is a quantum head ({expected}), and this model has the layers {found}.")
        return cls(int(head.input_shape[-1]), *layers)

    @property
    def gain_and_bias(self) -> tuple[np.ndarray, np.ndarray]:
        """Of the angles: angle = gain · ⟨Z⟩ + bias, float32 [qubits] each."""
        qubits, scaling = self.pqc.num_qubits, self.scaling
        gain = scaling.gain.numpy() if scaling.trainable_gain else np.full(qubits, np.pi, np.float32)
        bias = scaling.bias.numpy() if scaling.use_bias else np.zeros(qubits, np.float32)
        return gain, bias

    @property
    def trained_circuit(self) -> cirq.Circuit:
        """The re-uploading circuit with its trained angles; the data symbols are left open."""
        return self.with_trained_angles(self.pqc.ansatz.circuit)

    def with_trained_angles(self, circuit: cirq.Circuit) -> cirq.Circuit:
        """The re-uploading circuit or a part of it, with the trained angles."""
        angles = dict(zip(self.pqc.ansatz.weight_symbols, self.pqc.angles.numpy().astype(float).tolist(), strict=True))
        return cirq.resolve_parameters(circuit, angles)

    def exact_logits(self, embeddings: tf.Tensor) -> tf.Tensor:
        """Logits [batch, classes] of embeddings [batch, input_dim] by the layers themselves, without shots and noise."""
        pqc = self.pqc
        if not pqc.sampling.is_exact:
            pqc = ReuploadingPQC.from_config(pqc.get_config() | Sampling().get_config())
            pqc.build([None, pqc.num_qubits])
            pqc.set_weights(self.pqc.get_weights())
        return self.logits(pqc(self.scaling(self.amplitude_encoder(embeddings))))

    @property
    def trained_with(self) -> Sampled | None:
        """How the head's expectation values were sampled in training; None for exact ones."""
        sampling = self.pqc.sampling
        if sampling.is_exact:
            return None
        config: dict[str, Any] = sampling.get_config()
        return Sampled(**{name: config[name] for name in ("shots", "noise", "trajectories", "readout_error")})
