"""The trained re-uploading circuit on TensorFlow Quantum's operators, exact or sampled as it was trained."""

from __future__ import annotations

import logging

import tensorflow as tf

from tfq_llm.errors import InputError
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
        observables = ansatz.observables(len(ansatz.qubits))
        self.serves: Sampled | None = parts.trained_with
        if self.serves is not None:
            noisy = sampling.noisy(parts.trained_circuit, ansatz.qubits)
            # With shots each has a trajectory of its own, whatever the training did.
            trajectories = None if sampling.shots else sampling.trajectories
            try:
                self._executor = sampled_tfq_executor(
                    noisy,
                    observables,
                    ansatz.data_symbols,
                    (),
                    shots=sampling.shots,
                    trajectories=trajectories,
                    is_noisy=sampling.is_noisy,
                    saveable=True,
                )
                self.serves = self.serves.model_copy(update={"trajectories": trajectories})
            except InputError as error:
                logger.warning("The model was trained with noise or shots and serves exact values: %s", error)
                self.serves = None
        if self.serves is None:
            self._executor = TfqExecutor(parts.trained_circuit, observables, ansatz.data_symbols, (), saveable=True)

    def __call__(self, angles: tf.Tensor) -> tf.Tensor:
        return self._executor(angles, tf.zeros([0]))
