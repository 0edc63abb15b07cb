"""Circuits without symbols as real orthogonal matrices, worked out in double precision."""

from __future__ import annotations

from collections.abc import Sequence

import cirq
import numpy as np
import tensorflow as tf

from tfq_llm.simulation.tensorflow import TensorFlowExecutor


def rows_matrix(circuit: cirq.Circuit, qubits: Sequence[cirq.Qid], used: int | None = None) -> np.ndarray:
    """The matrix M by which states as rows are multiplied: row j is the circuit's action on basis state j, so M = Uᵀ.

    Args:
        circuit: real gates without symbols.
        qubits: the register, most significant first.
        used: how many basis states are wanted, from 0 on; all by default.

    Returns:
        float64 [used, 2^Q].
    """
    executor = TensorFlowExecutor(circuit, [cirq.PauliString(cirq.Z(qubits[0]))], qubits=qubits, dtype="float64")
    basis = np.eye(2 ** len(qubits) if used is None else used, 2 ** len(qubits))
    states: np.ndarray = executor.states(initial_state=tf.constant(basis)).numpy()
    return states


def z_signs(num_qubits: int) -> np.ndarray:
    """What probabilities [batch, 2^Q] are multiplied by for ⟨Z⟩ of every qubit: +1 and −1, float32 [2^Q, Q]."""
    bits = np.arange(2**num_qubits)[:, None] >> np.arange(num_qubits - 1, -1, -1) & 1
    return (1 - 2 * bits).astype(np.float32)
