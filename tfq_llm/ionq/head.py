"""What of a trained head runs on a machine: one circuit per sentence, and the linear layer that reads it."""

from __future__ import annotations

from dataclasses import dataclass

import cirq
import numpy as np
import sympy
import tensorflow as tf

from tfq_llm.circuits.reduction import reduced, with_own_angles
from tfq_llm.circuits.reuploading import ReuploadingCircuit
from tfq_llm.errors import InputError
from tfq_llm.ionq.circuits import BoundCircuits
from tfq_llm.layers import ReuploadingPQC
from tfq_llm.models import predict_logits


@dataclass(frozen=True)
class MachineHead:
    """A trained head's re-uploading circuit with its weights.

    Attributes:
        ansatz: the circuit with its symbols.
        num_measured: K, how many qubits are read, from qubit 0 on.
        weights: float64 [weights], in the order of the ansatz' symbols.
        kernel, bias: of the linear layer, [K, classes] and [classes].
    """

    ansatz: ReuploadingCircuit
    num_measured: int
    weights: np.ndarray
    kernel: np.ndarray
    bias: np.ndarray

    @property
    def measured(self) -> tuple[cirq.LineQubit, ...]:
        return self.ansatz.qubits[: self.num_measured]

    @property
    def reduced(self) -> cirq.Circuit:
        """The circuit without what the measured qubits do not depend on; its symbols still stand in it."""
        return reduced(self.ansatz.circuit, self.measured)

    def symbols(self, angles: np.ndarray) -> tuple[tuple[sympy.Symbol, ...], np.ndarray]:
        """All symbols, and their values [rows, symbols] for angles [rows, Q]."""
        shared = np.broadcast_to(self.weights, [len(angles), len(self.weights)])
        return self.ansatz.data_symbols + self.ansatz.weight_symbols, np.concatenate([angles, shared], axis=1)

    def circuits(self, angles: np.ndarray) -> BoundCircuits:
        """What runs on a machine for angles [rows, Q]: the reduced circuit, each of its rotations with an angle of its own."""
        symbols, values = self.symbols(angles)
        circuit, own, matrix, shifts = with_own_angles(self.reduced, symbols)
        return BoundCircuits(circuit, tuple(map(str, own)), values @ matrix + shifts, self.num_measured)

    def classes(self, values: np.ndarray) -> np.ndarray:
        """The class decided for by expectation values [..., K]."""
        return (values @ self.kernel + self.bias).argmax(axis=-1)


def machine_head(head: tf.keras.Model) -> tuple[tf.keras.Model, MachineHead]:
    """Divides a trained head: what computes the angles [rows, Q] from embeddings here, and what runs on a machine.

    Raises:
        InputError: the head is not one of `quantum_head`.
    """
    layers = {layer.name: layer for layer in head.layers}
    pqc, linear = layers.get("reuploading_pqc"), layers.get("logits")
    if not isinstance(pqc, ReuploadingPQC) or linear is None or "angle_scaling" not in layers:
        raise InputError("only a head made by quantum_head runs on a machine: this one has other layers.")
    kernel, bias = (weight.astype(float) for weight in linear.get_weights())
    machine = MachineHead(pqc.ansatz, pqc.num_measured, pqc.angles.numpy().astype(float), kernel, bias)
    return tf.keras.Model(head.input, layers["angle_scaling"].output), machine


def angles_of(model: tf.keras.Model, embeddings: np.ndarray) -> np.ndarray:
    """The angles [rows, Q] of embeddings [rows, dim], in radians; `model` is the first that `machine_head` returns."""
    return predict_logits(model, embeddings).astype(float)
