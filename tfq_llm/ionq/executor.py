"""A service as the executor of a Keras layer: `predict` measures on a machine."""

from __future__ import annotations

from collections.abc import Sequence

import cirq
import numpy as np
import tensorflow as tf

from tfq_llm.errors import InputError, ServiceError
from tfq_llm.execution import MACHINE, Sampling
from tfq_llm.ionq.circuits import BoundCircuits
from tfq_llm.ionq.orders import Order
from tfq_llm.ionq.plans import Agree
from tfq_llm.ionq.service import CostLimit, Service
from tfq_llm.layers import ReuploadingPQC


class MachineExecutor:
    """What `ReuploadingPQC(executor="ionq", service=…)` takes: a service, and the consent to spend.

    Every call sends the circuits that have no result yet, waits for them, and reads them. Called again with the same angles and
    weights it reads the same measurements, and pays nothing; `Order.repetition` gives new ones.

    Args:
        service: runs circuits for a run directory.
        max_cost: dollars that all calls together may cost. Needed unless the target is free.

    Raises:
        InputError: nothing says how much may be spent. And by calls: they would cost more; nothing is sent then.
    """

    def __init__(self, service: Service, max_cost: float | None = None) -> None:
        if max_cost is None and not is_free(service):
            raise InputError(
                f"'{service.order.target}' costs money: say how much all predictions may cost together, as in "
                "MachineExecutor(service, max_cost=100.0); 'tfq-llm ionq estimate' says what a sentence costs."
            )
        self.service, self._limit = service, CostLimit(max_cost)

    @property
    def spent(self) -> float:
        """Dollars so far."""
        return self._limit.spent

    def expectation_values(self, template: cirq.Circuit, symbols: Sequence[str], values: np.ndarray, measured: int) -> np.ndarray:
        """⟨Z⟩ [rows, measured], see `tfq_llm.execution.CircuitService`.

        Raises:
            InputError: it would cost more than is allowed.
            ServiceError: circuits have no result that can be used.
        """
        return measured_values(self.service, BoundCircuits(template, tuple(symbols), values, measured), self._limit)


def measured_values(service: Service, circuits: BoundCircuits, agree: Agree, order: Order | None = None) -> np.ndarray:
    """⟨Z⟩ [rows, measured] of circuits, of every one of them.

    Args:
        service: runs them.
        circuits: what is to run.
        agree: is shown the plan before anything is sent.
        order: in place of the service's own.

    Raises:
        ServiceError: circuits have no result that can be used; the message says how many.
    """
    values = service.run(circuits, agree, order)
    missing = int((~np.isfinite(values).all(axis=1)).sum())
    if missing:
        raise ServiceError(
            f"{missing:,} of {len(circuits):,} circuits have no result that can be used: their jobs failed, were canceled or ran "
            "elsewhere than asked ('tfq-llm ionq status' says which). The same call sends them again, and no others."
        )
    return values


def on_machine(head: tf.keras.Model, service: MachineExecutor) -> tf.keras.Model:
    """A trained head whose re-uploading circuit runs at a service; for `predict`.

    Weights are copies. All circuits of a batch are one job, and the next batch is sent when its results are there: give `predict`
    a `batch_size` that holds all rows, or the queue is waited through for every 32 of them.

    Args:
        head: any functional or sequential model with one or more `ReuploadingPQC` in it, such as `quantum_head`.
        service: runs the circuits. Shots and noise that the layers had are left out: the service's order says them.
    """

    def moved(layer: tf.keras.layers.Layer) -> tf.keras.layers.Layer:
        if isinstance(layer, ReuploadingPQC):
            return ReuploadingPQC.from_config(
                layer.get_config() | Sampling().get_config() | {"executor": MACHINE, "service": service}
            )
        return type(layer).from_config(layer.get_config())

    copy = tf.keras.models.clone_model(head, clone_function=moved)
    copy.set_weights(head.get_weights())
    # Inside a graph TensorFlow would wrap a refusal to spend in an error of its own.
    copy.compile(run_eagerly=True)
    return copy


def is_free(service: Service) -> bool:
    """Whether nothing that the service's target runs costs anything."""
    return service.price.of(1, 1, 1, mitigated=service.order.debias) == 0
