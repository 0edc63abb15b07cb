"""Noise channels as operators that strike at random."""

from __future__ import annotations

import cirq
import numpy as np

from tfq_llm.errors import InputError

MAX_OPERATORS = 256
"""Of one channel: draws are bytes."""


def channel_operators(operation: cirq.Operation) -> tuple[np.ndarray | None, np.ndarray]:
    """A channel's probabilities [K] and operators [K, d, d].

    A mixture of unitaries has fixed probabilities; the most likely operator comes first, and a phase, which no expectation value
    depends on, is chosen so that operators such as Y are real. Phase damping is such a mixture too: of nothing and Z. Any other
    channel is given by its Kraus operators, whose probabilities depend on the state, and None.

    Raises:
        InputError: a mixture has too many operators.
    """
    gate = operation.gate
    if isinstance(gate, cirq.PhaseDampingChannel):
        flip = (1 - np.sqrt(1 - gate.gamma)) / 2
        return np.array([1 - flip, flip]), np.stack([np.eye(2), np.diag([1, -1])]).astype(complex)
    if not cirq.has_mixture(operation):
        return None, np.stack([np.asarray(operator, complex) for operator in cirq.kraus(operation)])
    mixture = [(weight, operator) for weight, operator in cirq.mixture(operation) if weight > 0]
    mixture.sort(key=lambda pair: -pair[0])
    if len(mixture) > MAX_OPERATORS:
        raise InputError(f"{operation} is a mixture of {len(mixture)} operators; {MAX_OPERATORS} is the most that is supported.")
    weights = np.array([weight for weight, _ in mixture])
    return weights / weights.sum(), np.stack([_real_if_possible(np.asarray(operator, complex)) for _, operator in mixture])


def one_qubit_factors(operators: np.ndarray) -> list[np.ndarray]:
    """Operators [K, d, d] on fewer qubits: two-qubit ones are split into those of either qubit if all of them are products, as
    Paulis are.

    Both factors of operator k belong to the same draw.
    """
    if operators.shape[-1] == 2:
        return [operators]
    tensors = operators.reshape(-1, 2, 2, 2, 2).transpose(0, 1, 3, 2, 4).reshape(-1, 4, 4)
    left, sizes, right = np.linalg.svd(tensors)
    if (sizes[:, 1] > 1e-9).any():
        return [operators]
    first = left[:, :, 0] * np.sqrt(sizes[:, :1])
    second = right[:, 0, :] * np.sqrt(sizes[:, :1])
    return [np.stack([_real_if_possible(operator) for operator in factors.reshape(-1, 2, 2)]) for factors in (first, second)]


def _real_if_possible(operator: np.ndarray) -> np.ndarray:
    largest = operator.flat[np.argmax(abs(operator))]
    turned = operator * (abs(largest) / largest)
    return turned if abs(turned.imag).max() < 1e-12 else operator
