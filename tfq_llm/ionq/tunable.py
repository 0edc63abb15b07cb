"""A head's circuit as a function of its last parameters: the circuits that a loss and its gradient are measured by."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Protocol

import numpy as np
from scipy.special import log_softmax, softmax

from tfq_llm.circuits.reduction import with_own_angles
from tfq_llm.errors import InputError
from tfq_llm.ionq.circuits import BoundCircuits
from tfq_llm.ionq.head import MachineHead

METHODS = ("spsa", "parameter-shift")
"""Of estimating a gradient from measured values."""


@dataclass(frozen=True, eq=False)
class Tunable:
    """The reduced circuit of a head, with the parameters that are tuned.

    Attributes:
        head: the trained head.
        count: P, how many parameters: the last of those that the reduced circuit depends on, independently of each other.

    Raises:
        InputError: the circuit does not have that many.
    """

    head: MachineHead
    count: int

    def __post_init__(self) -> None:
        if not 1 <= self.count <= len(self._used):
            raise InputError(
                f"parameters must be a number from 1 to {len(self._used)}, independent weights that are measured, and "
                f"{self.count} was given."
            )

    @property
    def places(self) -> np.ndarray:
        """Of the tuned parameters in the head's weights, int64 [P], ascending."""
        return self._used[-self.count :]

    def circuits(self, angles: np.ndarray, weights: np.ndarray) -> BoundCircuits:
        """One circuit for each row of angles [rows, Q], with all weights [weights]: the same as the head's own."""
        symbols = np.concatenate([angles, np.broadcast_to(weights, [len(angles), len(weights)])], axis=1)
        return BoundCircuits(self._template.template, self._template.symbols, self._own(symbols), self.head.num_measured)

    @property
    def by_parameter(self) -> np.ndarray:
        """How the circuit's own angles move with the tuned parameters, [P, own angles]."""
        return self._matrix[len(self.head.ansatz.data_symbols) + self.places]

    @cached_property
    def _compiled(self) -> tuple[BoundCircuits, np.ndarray, np.ndarray]:
        """Made once: the template, and the matrix and shifts from symbols to its own angles."""
        symbols = self.head.ansatz.data_symbols + self.head.ansatz.weight_symbols
        circuit, own, matrix, shifts = with_own_angles(self.head.reduced, symbols)
        return BoundCircuits(circuit, tuple(map(str, own)), np.zeros([0, len(own)]), self.head.num_measured), matrix, shifts

    @property
    def _template(self) -> BoundCircuits:
        return self._compiled[0]

    @property
    def _matrix(self) -> np.ndarray:
        return self._compiled[1]

    def _own(self, symbols: np.ndarray) -> np.ndarray:
        _, matrix, shifts = self._compiled
        own: np.ndarray = symbols @ matrix + shifts
        return own

    @cached_property
    def _used(self) -> np.ndarray:
        """From the last weight on, those that move the rotations as no later ones do.

        The others would only be paid for: the measured qubits do not depend on them, or they stand beside a later one in the
        same merged rotations.
        """
        effects = self._matrix[len(self.head.ansatz.data_symbols) :]
        used: list[int] = []
        for place in reversed(range(len(effects))):
            if np.linalg.matrix_rank(effects[[place, *used]]) > len(used):
                used.insert(0, place)
        return np.array(used)


@dataclass(frozen=True)
class Loss:
    """Mean cross-entropy of measured sentences.

    Attributes:
        value: in nats.
        standard_error: by the shots alone; at most that, for the values of one circuit share their shots.
    """

    value: float
    standard_error: float


def loss_of(head: MachineHead, values: np.ndarray, labels: np.ndarray, shots: int | None) -> Loss:
    """The loss of measured values [rows, K]; `shots` is None if these are exact."""
    logs = log_softmax(values @ head.kernel + head.bias, axis=1)
    value = -float(np.mean(logs[np.arange(len(labels)), labels]))
    if shots is None:
        return Loss(value, 0.0)
    # All shots alike would say that there is no error: one more of each kind is counted.
    spread = np.sqrt((1 - (values * shots / (shots + 2)) ** 2) / shots)
    by_row = (np.abs(slopes(head, values, labels)) * spread).sum(axis=1)
    return Loss(value, float(np.sqrt((by_row**2).sum())))


def slopes(head: MachineHead, values: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Derivatives [rows, K] of the mean cross-entropy by the values."""
    found: np.ndarray = (softmax(values @ head.kernel + head.bias, axis=1) - np.eye(len(head.bias))[labels]) @ head.kernel.T
    return found / len(labels)


class Gradient(Protocol):
    """Circuits to measure, and the gradient that follows from what they give."""

    @property
    def evaluations(self) -> int:
        """Circuits for each sentence."""

    def circuits(self, angles: np.ndarray, weights: np.ndarray, step: int) -> np.ndarray:
        """The own angles of all circuits, [evaluations · rows, own angles], those of one kind of evaluation together."""

    def gradient(self, values: np.ndarray, labels: np.ndarray, step: int) -> np.ndarray:
        """By the tuned parameters, [P], from measured values [evaluations · rows, K]."""


@dataclass(frozen=True, eq=False)
class ParameterShift:
    """Exact up to shots: every rotation's own angle is shifted by ±π/2, and the chain rule leads to the parameters.

    The loss' slope is taken at values with shot error, so that the gradient has a bias of the order of 1/shots.

    Source: Schuld, Bergholm, Gogolin, Izaac, Killoran, Evaluating analytic gradients on quantum hardware, Phys. Rev. A 99,
    032331 (2019).
    """

    tunable: Tunable

    @cached_property
    def _angles(self) -> np.ndarray:
        """The own angles that the tuned parameters move."""
        return np.flatnonzero(self.tunable.by_parameter.any(axis=0))

    @property
    def evaluations(self) -> int:
        return 1 + 2 * len(self._angles)

    def circuits(self, angles: np.ndarray, weights: np.ndarray, step: int) -> np.ndarray:
        centre = self.tunable.circuits(angles, weights).values
        shifts = math.pi / 2 * np.eye(centre.shape[1])[self._angles]
        return np.concatenate([centre, *(centre + sign * shift for shift in shifts for sign in (1, -1))])

    def gradient(self, values: np.ndarray, labels: np.ndarray, step: int) -> np.ndarray:
        centre, *shifted = values.reshape(self.evaluations, len(labels), -1)
        slope = slopes(self.tunable.head, centre, labels)
        by_angle = [np.sum(slope * (up - down) / 2) for up, down in zip(shifted[::2], shifted[1::2], strict=True)]
        found: np.ndarray = self.tunable.by_parameter[:, self._angles] @ by_angle
        return found


@dataclass(frozen=True, eq=False)
class Spsa:
    """Two evaluations whatever the number of parameters, all of which move by ±c at random.

    Attributes:
        tunable: the circuit.
        perturbation: c of the first step, in radians; it falls as the step's number to the power of −0.101.
        seed: of the directions.

    Source: Spall, Implementation of the simultaneous perturbation algorithm for stochastic optimization, IEEE Trans. Aerospace
    and Electronic Systems 34, 817 (1998).
    """

    tunable: Tunable
    perturbation: float
    seed: int

    evaluations = 2

    def _move(self, step: int) -> np.ndarray:
        signs = np.random.default_rng([self.seed, 1, step]).choice([-1.0, 1.0], self.tunable.count)
        return self.perturbation / (step + 1) ** 0.101 * signs

    def circuits(self, angles: np.ndarray, weights: np.ndarray, step: int) -> np.ndarray:
        move = np.zeros(len(weights))
        move[self.tunable.places] = self._move(step)
        return np.concatenate([self.tunable.circuits(angles, moved).values for moved in (weights + move, weights - move)])

    def gradient(self, values: np.ndarray, labels: np.ndarray, step: int) -> np.ndarray:
        up, down = (loss_of(self.tunable.head, half, labels, None).value for half in np.split(values, 2))
        return (up - down) / (2 * self._move(step))


def gradient_by(method: str, tunable: Tunable, perturbation: float, seed: int) -> Gradient:
    """The gradient of a method."""
    makers: dict[str, Callable[[], Gradient]] = {
        "spsa": lambda: Spsa(tunable, perturbation, seed),
        "parameter-shift": lambda: ParameterShift(tunable),
    }
    return makers[method]()
