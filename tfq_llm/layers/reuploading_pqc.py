"""The paper's second module: the data re-uploading circuit that runs on the QPU."""

from __future__ import annotations

import math
from typing import Any

import cirq
import tensorflow as tf
from numpy.typing import ArrayLike

from tfq_llm.checks import flag, one_of, whole_number
from tfq_llm.circuits.noise import Readout
from tfq_llm.circuits.reuploading import ReuploadingCircuit, reuploading_circuit
from tfq_llm.errors import InputError
from tfq_llm.execution import EXECUTORS, MACHINE, CircuitService, Sampling
from tfq_llm.layers.arguments import known_width, simulation_dtype
from tfq_llm.simulation.check import check_against_tfq
from tfq_llm.simulation.executors import make_executor
from tfq_llm.simulation.inputs import check_shape, numbers
from tfq_llm.simulation.sampled_tensorflow import SampledExecutor
from tfq_llm.simulation.sampling.measurement import Estimate
from tfq_llm.simulation.service_tensorflow import NO_GRADIENT


@tf.keras.utils.register_keras_serializable("tfq_llm")
class ReuploadingPQC(tf.keras.layers.Layer):
    """N blocks of [RY angle encoding → PQC 1], then PQC 2, then ⟨Z⟩ of the first qubits.

    Args:
        num_qubits: Q ≥ 2.
        reuploads: N ≥ 1, how often the angles are uploaded.
        layers: layers of PQC 1, whose angles all blocks share.
        final_layers: layers of PQC 2.
        connectivity: longest distance of the CNOTs on the ring of qubits, 1 … Q − 1.
        num_measured: Q_m, how many qubits are measured, from qubit 0 on.
        executor: "compiled" for the compiled engine, "tfq" for `tfq.layers.ControlledPQC` with adjoint gradients,
            "tensorflow" for plain TensorFlow operations. Weights and outputs are the same. "ionq" sends the circuits to `service`
            and waits for what it measures: for predictions alone.
        entangling: False leaves the CNOTs out (ablation).
        shared: False gives every block PQC 1 angles of its own (ablation).
        shots: a finite number of measurements, None for exact values.
        trajectories: noisy circuits drawn per sample, for noise without shots, or with shots and adjoint gradients.
        noise: "none", "aria-1", "forte-1", "depolarizing:P1,P2" (see `parse_noise`), or any `cirq.NoiseModel`.
        readout_error: the probability with which a measured qubit is read wrongly, or two: 0 read as 1, 1 read as 0.
        gradient: of sampled values, "adjoint", "parameter-shift" or "spsa"; see `SamplingEngine`. The executor "tfq" knows only
            "parameter-shift", and draws without a seed.
        seed: of shots and trajectories. fixed: True for the same draws at every step.
        initializer: of the weights in radians; by default uniform in ±π.
        service: for the executor "ionq", a `tfq_llm.ionq.executor.MachineExecutor`. It is no part of the layer's configuration,
            for it holds a connection and a consent to spend: what is saved or cloned has the executor "compiled", with the same
            weights, and sends nothing.

    Input shape: [batch, Q] angles in radians. Output shape: [batch, Q_m], values in [−1, 1]. A row that is not finite gives NaN
    for that row (`SamplingEngine` and `CompiledEngine`, called with arrays, name the row instead). The layer's one weight
    `angles` has the order of `reuploading_circuit(...).weight_symbols`.

    A float64 layer simulates in float64, except with the executor "tfq", which has only float32. Under a mixed policy it computes
    in float32, and its output is cast. Second derivatives need the executor "tensorflow".

    When it is built, the compiled engine is compared with TensorFlow Quantum on this circuit.

    Raises:
        InputError: an argument is out of its range or does not go with the others, or the input does not have one angle per
            qubit; or XLA is asked for (jit_compile=True), or a second derivative, with the compiled engine; or training or a
            gradient, with the executor "ionq", which `tfq_llm.ionq.finetune` is for.
        EngineMismatchError: the compiled engine and TensorFlow Quantum disagree.

    Source: arXiv 2504.08732, figures 1–3.
    """

    def __init__(
        self,
        num_qubits: int,
        reuploads: int = 2,
        layers: int = 1,
        final_layers: int = 1,
        connectivity: int = 2,
        num_measured: int = 1,
        executor: str = "compiled",
        entangling: bool = True,
        shared: bool = True,
        shots: int | None = None,
        trajectories: int | None = None,
        noise: str | cirq.NoiseModel = "none",
        readout_error: Readout = 0.0,
        gradient: str = "adjoint",
        seed: int = 0,
        fixed: bool = False,
        initializer: Any = None,
        service: CircuitService | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(autocast=False, **kwargs)
        self._precision = simulation_dtype(self)
        self.num_qubits = whole_number("num_qubits", num_qubits, 2)
        self.reuploads = whole_number("reuploads", reuploads, 1)
        self.layers = whole_number("layers", layers, 1)
        self.final_layers = whole_number("final_layers", final_layers, 1)
        self.connectivity = whole_number("connectivity", connectivity, 1)
        self.num_measured = whole_number("num_measured", num_measured, 1)
        self.executor = one_of("executor", executor, (*EXECUTORS, MACHINE))
        self._service = _checked_service(self.executor, service)
        self.entangling, self.shared = flag("entangling", entangling), flag("shared", shared)
        self.initializer = tf.keras.initializers.get(initializer or tf.keras.initializers.RandomUniform(-math.pi, math.pi))
        self._ansatz = reuploading_circuit(
            self.num_qubits,
            self.reuploads,
            self.layers,
            self.final_layers,
            self.connectivity,
            entangling=self.entangling,
            shared=self.shared,
        )
        self.sampling = Sampling(shots, trajectories, noise, readout_error, gradient, seed, fixed)
        self._case = (
            self._ansatz.circuit,
            self._ansatz.observables(self.num_measured),
            self._ansatz.data_symbols,
            self._ansatz.weight_symbols,
        )
        self._execute = self._make_executor(self.executor, self.sampling)

    @property
    def ansatz(self) -> ReuploadingCircuit:
        """The circuit with its symbols."""
        return self._ansatz

    def build(self, input_shape: tf.TensorShape) -> None:
        given = known_width(self, input_shape)
        if given != self.num_qubits:
            raise InputError(
                f"the re-uploading circuit has {self.num_qubits} qubits and was given {given} angles per sample: the "
                f"amplitude encoder in front of it must put out {self.num_qubits} values."
            )
        if self.executor == "compiled":
            exact = self._execute if self.sampling.is_exact else self._make_executor("compiled", None)
            check_against_tfq(exact, *self._case, self._precision)
        shape = [len(self._ansatz.weight_symbols)]
        self.angles = self.add_weight("angles", shape, initializer=self.initializer, experimental_autocast=False)
        super().build(input_shape)

    def call(self, inputs: tf.Tensor, training: bool | None = None) -> tf.Tensor:
        if training and self.executor == MACHINE:
            # Before anything is sent: the gradient, which there is none of, is asked for only afterwards.
            raise InputError(NO_GRADIENT)
        values = self._execute(tf.cast(inputs, self._precision), self.angles)
        return tf.cast(values, self.compute_dtype)

    def estimate(self, angles: ArrayLike) -> Estimate:
        """What calling the layer gives, with standard errors, as NumPy arrays; not for graphs.

        Args:
            angles: [batch, Q] in radians.

        Returns:
            `values` and `standard_errors`, [batch, Q_m]. With the same angles the values are those of a call.

        Raises:
            InputError: the layer is exact; or its executor is "tfq" or "ionq", which give no standard errors; or the angles are
                not finite numbers of that shape.
        """
        if self.executor == MACHINE:
            raise InputError("the service gives values without standard errors: from S shots they are sqrt((1 - value²) / S).")
        if self.executor == "tfq":
            raise InputError("TensorFlow Quantum gives no standard errors: use executor='compiled'.")
        if not isinstance(self._execute, SampledExecutor):
            raise InputError("this layer's values are exact and have no standard errors: call it, or give it shots or noise.")
        rows = numbers("angles", angles, self._precision)
        check_shape("angles", rows, None, self.num_qubits)
        if not self.built:
            self(rows)
        return self._execute.engine.estimate(rows, self.angles.numpy())

    def _make_executor(self, name: str, sampling: Sampling | None) -> Any:
        return make_executor(name, *self._case, self._ansatz.qubits, sampling, self._precision, self._service)

    def compute_output_shape(self, input_shape: tf.TensorShape) -> tf.TensorShape:
        return tf.TensorShape([input_shape[0], self.num_measured])

    def get_config(self) -> dict[str, Any]:
        return super().get_config() | {
            "num_qubits": self.num_qubits,
            "reuploads": self.reuploads,
            "layers": self.layers,
            "final_layers": self.final_layers,
            "connectivity": self.connectivity,
            "num_measured": self.num_measured,
            "executor": "compiled" if self.executor == MACHINE else self.executor,
            "entangling": self.entangling,
            "shared": self.shared,
            **self.sampling.get_config(),
            "initializer": tf.keras.initializers.serialize(self.initializer),
        }


def _checked_service(executor: str, service: CircuitService | None) -> CircuitService | None:
    if executor != MACHINE and service is not None:
        raise InputError(f"a service is for the executor '{MACHINE}', and this layer's is '{executor}': give one or the other.")
    if executor == MACHINE and not isinstance(service, CircuitService):
        given = "none was given" if service is None else f"{type(service).__name__} was given"
        raise InputError(
            f"the executor '{MACHINE}' needs a service that is allowed to spend, and {given}: "
            f"service=tfq_llm.ionq.executor.MachineExecutor(service, max_cost=USD)."
        )
    return service
