"""The trained re-uploading circuit on TensorFlow Quantum's operators, exact or sampled as it was trained."""

from __future__ import annotations

import logging

import cirq
import tensorflow as tf

from tfq_llm.circuits import unsupported_by_tfq
from tfq_llm.export.head import HeadParts
from tfq_llm.exported.facts import Sampled

logger = logging.getLogger(__name__)


class TfqCircuit(tf.Module):
    """Angles [batch, Q] → ⟨Z⟩ of every qubit, float32 [batch, Q], by `ControlledPQC` or `NoisyControlledPQC`.

    Attributes:
        serves: how values are sampled at every call; None for exact ones, which are also put in the place of a sampling that
            TensorFlow Quantum cannot do, with a warning.
    """

    def __init__(self, parts: HeadParts) -> None:
        super().__init__()
        from tfq_llm.simulation.tfq import TfqExecutor, sampled_tfq_executor

        ansatz, sampling = parts.pqc.ansatz, parts.pqc.sampling
        case = (ansatz.observables(len(ansatz.qubits)), ansatz.data_symbols, ())
        noisy = sampling.noisy(parts.trained_circuit, ansatz.qubits)
        if parts.trained_with is None or (sampling.is_noisy and not _tfq_runs(noisy)):
            self.serves: Sampled | None = None
            self._executor = TfqExecutor(parts.trained_circuit, *case, saveable=True)
            return
        # With shots each has a trajectory of its own, whatever the training did.
        trajectories = None if sampling.shots else sampling.trajectories
        self.serves = parts.trained_with.model_copy(update={"trajectories": trajectories})
        self._executor = sampled_tfq_executor(
            noisy, *case, shots=sampling.shots, trajectories=trajectories, is_noisy=sampling.is_noisy, saveable=True
        )

    def __call__(self, angles: tf.Tensor) -> tf.Tensor:
        return self._executor(angles, tf.zeros([0]))


def _tfq_runs(noisy: cirq.Circuit) -> bool:
    """Whether TensorFlow Quantum can run a noisy circuit; warns if it cannot."""
    unsupported = unsupported_by_tfq(noisy)
    if unsupported is not None:
        message = (
            "The model was trained with noise and serves exact expectation values; the card says so. TensorFlow Quantum cannot "
            "run %s: it knows no noise on two qubits. A head that is trained with noise on each qubit "
            "('depolarizing:P1,P2,per-qubit') is exported with it."
        )
        logger.warning(message, unsupported)
    return unsupported is None
