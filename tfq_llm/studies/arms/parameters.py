"""How many numbers heads have to train, by arithmetic: what the perceptron of equal size is made from."""

from __future__ import annotations

from tfq_llm.config import HeadConfig


def quantum_parameters(head: HeadConfig, input_dim: int, num_classes: int) -> int:
    """Trained numbers of `tfq_llm.models.quantum_head` with these settings."""
    qubits = head.encoder_qubits(input_dim)
    qpu_qubits = head.qpu_qubits(qubits)
    measured = head.num_measured or (1 if num_classes == 2 else qpu_qubits)
    connectivity = qubits - 1 if head.encoder_connectivity is None else head.encoder_connectivity
    blocks = 1 if head.shared else head.reuploads
    encoder = head.num_encoders * _ansatz(qubits, head.encoder_layers, connectivity)
    scaling = qpu_qubits * (head.trainable_gain + head.bias)
    qpu = blocks * _ansatz(qpu_qubits, head.layers, head.connectivity)
    qpu += _ansatz(qpu_qubits, head.final_layers, head.connectivity)
    return encoder + scaling + qpu + (measured + 1) * num_classes


def hidden_units(budget: int, inputs: int, num_classes: int) -> int:
    """Units of a hidden layer, at least 1, with which a perceptron's parameters come nearest to a budget."""
    return max(1, round((budget - num_classes) / (inputs + 1 + num_classes)))


def perceptron_parameters(inputs: int, hidden: int, num_classes: int) -> int:
    """Weights and biases of a perceptron; `hidden` is 0 for no hidden layer."""
    return (inputs + 1) * hidden + (hidden + 1) * num_classes if hidden else (inputs + 1) * num_classes


def _ansatz(qubits: int, layers: int, connectivity: int) -> int:
    """As `tfq_llm.circuits.ansatz.long_range_parameters`, without loading Cirq."""
    return layers * connectivity * qubits + qubits
