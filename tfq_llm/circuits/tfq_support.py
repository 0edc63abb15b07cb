"""Which circuits TensorFlow Quantum's noisy simulator can run. No TensorFlow here: a circuit is judged before it is loaded."""

from __future__ import annotations

import cirq

from tfq_llm.errors import InputError

# What TensorFlow Quantum 0.7.6 serializes: SERIALIZERS in tensorflow_quantum/core/serialize/serializer.py.
TFQ_CHANNELS: tuple[type[cirq.Gate], ...] = (
    cirq.AmplitudeDampingChannel,
    cirq.AsymmetricDepolarizingChannel,
    cirq.BitFlipChannel,
    cirq.DepolarizingChannel,
    cirq.GeneralizedAmplitudeDampingChannel,
    cirq.PhaseDampingChannel,
    cirq.PhaseFlipChannel,
    cirq.ResetChannel,
)
TFQ_ONE_QUBIT: tuple[type[cirq.Gate], ...] = (
    cirq.HPowGate,
    cirq.IdentityGate,
    cirq.PhasedXPowGate,
    cirq.XPowGate,
    cirq.YPowGate,
    cirq.ZPowGate,
    *TFQ_CHANNELS,
)
TFQ_TWO_QUBITS: tuple[type[cirq.Gate], ...] = (
    cirq.CNotPowGate,
    cirq.CZPowGate,
    cirq.FSimGate,
    cirq.ISwapPowGate,
    cirq.PhasedISwapPowGate,
    cirq.SwapPowGate,
    cirq.XXPowGate,
    cirq.YYPowGate,
    cirq.ZZPowGate,
)


def unsupported_by_tfq(circuit: cirq.AbstractCircuit) -> cirq.Operation | None:
    """The first operation that TensorFlow Quantum's noisy ops (`tfq.noise`) cannot run rightly, untagged; None if they run all.

    Ask before running: TensorFlow Quantum 0.7.6 takes a two-qubit depolarizing channel without complaint, and applies a one-qubit
    channel to the first of its qubits. Left aside are symbols (TensorFlow Quantum wants them bare or times a number) and
    controlled operations (called unsupported here; it runs some).
    """
    for operation in circuit.all_operations():
        kinds = TFQ_ONE_QUBIT if len(operation.qubits) == 1 else TFQ_TWO_QUBITS
        on_line_or_grid = all(isinstance(qubit, (cirq.LineQubit, cirq.GridQubit)) for qubit in operation.qubits)
        if not (isinstance(operation.gate, kinds) and on_line_or_grid):
            return operation.untagged
    return None


def check_tfq_runs(circuit: cirq.AbstractCircuit) -> None:
    """Raises InputError if TensorFlow Quantum cannot run a noisy circuit, or would run it wrongly without saying so."""
    unsupported = unsupported_by_tfq(circuit)
    if unsupported is not None:
        raise InputError(
            f"TensorFlow Quantum cannot run {unsupported}: of noise it knows only one-qubit channels (and takes two-qubit ones "
            "for them), and of qubits those on a line or a grid. Use noise on each qubit ('depolarizing:P1,P2,per-qubit'), or "
            "the executor 'compiled'."
        )
