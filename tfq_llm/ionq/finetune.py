"""The last parameters of a trained head, trained further on a machine within a budget that is never crossed."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import tensorflow as tf

from tfq_llm.data.sampling import stratified_order
from tfq_llm.errors import InputError
from tfq_llm.ionq.budget import Costs, Settings
from tfq_llm.ionq.circuits import BoundCircuits
from tfq_llm.ionq.executor import measured_values
from tfq_llm.ionq.head import angles_of, machine_head
from tfq_llm.ionq.plans import Agree, Plan
from tfq_llm.ionq.service import CostLimit, Service
from tfq_llm.ionq.states import DONE
from tfq_llm.ionq.tunable import Loss, Tunable, gradient_by, loss_of


@dataclass(frozen=True)
class Step:
    """What was measured of some weights on the held-out sentences.

    Attributes:
        number: how many updates the weights had.
        weights: the tuned ones, [P] in radians.
        loss: with its standard error.
        accuracy: share of right decisions.
        evaluations: made until then, those of this step's gradient among them.
        dollars: what these cost by the table of prices, whether they were measured now or in an earlier run.
    """

    number: int
    weights: tuple[float, ...]
    loss: Loss
    accuracy: float
    evaluations: int
    dollars: float


@dataclass(frozen=True, eq=False)
class FineTuned:
    """What came of it.

    Attributes:
        places: of the tuned parameters in the head's weights, int64 [P].
        before: all weights of the circuit as they were, float64 [weights] in radians.
        history: what was measured, step by step; the first is of the weights as they were.
        stopped: "steps", "dollars" or "evaluations": what there were no more of; "" while it goes on.
    """

    places: np.ndarray
    before: np.ndarray
    history: tuple[Step, ...]
    stopped: str

    @property
    def best(self) -> Step:
        """With the smallest loss."""
        return min(self.history, key=lambda step: step.loss.value)

    @property
    def after(self) -> np.ndarray:
        """All weights of the circuit, the tuned ones as they were best."""
        weights = self.before.copy()
        weights[self.places] = self.best.weights
        return weights

    @property
    def evaluations(self) -> int:
        """How many were made."""
        return self.history[-1].evaluations

    @property
    def dollars(self) -> float:
        """What they cost by the table of prices."""
        return self.history[-1].dollars


Rows = tuple[np.ndarray, np.ndarray]
"""Embeddings [rows, dim] and labels, int64 [rows]."""


class FineTuning:
    """A fine-tuning that is ready to begin: what it costs is known, and nothing was sent.

    The loss is the mean cross-entropy of softmax(values · kernel + bias); the linear layer stays as it is. Each step is sent as
    one: the weights as they are on the held-out sentences, and the gradient on a batch, so that the queue is waited through once.
    Its number is added to the order's repetition, so that the same circuits in another step are measured anew. All draws follow
    from seed and step: a run that was killed finds its results in the ledger and ends with the same weights, and one that is
    given more money goes on.

    Args:
        head: of `quantum_head`, trained. It stays as it is.
        train: sentences to train on.
        service: runs the circuits.
        settings: with the budget.
        validation: sentences to choose the best weights by; by default a part of `train`, which is then not trained on.

    Raises:
        InputError: the head is another, labels do not fit it, or the budget is not enough for one step.
    """

    def __init__(
        self, head: tf.keras.Model, train: Rows, service: Service, settings: Settings, validation: Rows | None = None
    ) -> None:
        angle_model, machine = machine_head(head)
        self.service, self.settings, self._head = service, settings, machine
        self._tunable = Tunable(machine, settings.parameters)
        self._gradient = gradient_by(settings.method, self._tunable, settings.perturbation, settings.seed)
        train, held_out = _divided(train, settings) if validation is None else (train, validation)
        (self._angles, self._labels), (self._check, self._answers) = (
            (angles_of(angle_model, embeddings), _labels(labels, embeddings, len(machine.bias)))
            for embeddings, labels in (train, held_out)
        )
        self._batch = min(settings.batch_size, len(self._labels))
        size = self._tunable.circuits(self._check[:1], machine.weights).size
        order = service.order
        each = size.dollars(service.price, order.shots, mitigated=order.debias)
        self.costs = Costs(each, len(self._answers), self._gradient.evaluations * self._batch)
        self._shots = None if order.target == "simulator" and order.noise is None else order.shots
        self._check_budget()

    def _check_budget(self) -> None:
        lost = self._lost()
        lacking = self.costs.lacking(self.settings, 0, lost)
        if lacking:
            needed = self.costs.step + self.costs.check
            spent = f", and ${lost:,.2f} went for results that came from elsewhere than asked" if lost else ""
            raise InputError(
                f"there are not enough {lacking} for one step: {self.costs.gradient:,} evaluations for its gradient, and twice "
                f"{self.costs.check:,} to see whether it helped, are ${needed * self.costs.each:,.2f}{spent}. Nothing was sent. "
                "Give more, or smaller batches, fewer held-out sentences, or the method 'spsa'."
            )

    def run(self, agree: Agree | None = None, keep: Callable[[FineTuned], object] | None = None) -> FineTuned:
        """Measures and trains until the steps or the budget are used up.

        Args:
            agree: is shown what each step sends, and raises if it is not to be; the budget holds without it.
            keep: is given what there is after each step, to be written down.

        Raises:
            ServiceError: circuits have no result. Given again, the fine-tuning goes on where it was.
        """
        limit = CostLimit(self.settings.max_dollars - self._lost())

        def allowed(plan: Plan) -> None:
            if agree is not None:
                agree(plan)
            limit(plan)

        history: list[Step] = []
        for step, stopped in self._steps(allowed):
            history.append(step)
            result = FineTuned(self._tunable.places, self._head.weights, tuple(history), stopped)
            if keep is not None:
                keep(result)
        return result

    def _steps(self, agree: Agree) -> Iterator[tuple[Step, str]]:
        weights, made, number, stopped = self._head.weights, 0, 0, "steps"
        while number < self.settings.steps:
            if lacking := self.costs.lacking(self.settings, made, self._lost()):
                stopped = lacking
                break
            made += self.costs.step
            measured, gradient = self._measured(number, weights, agree)
            yield self._step(number, weights, measured, made), ""
            weights = weights.copy()
            weights[self._tunable.places] -= self.settings.rate(number) * gradient
            number += 1
        made += self.costs.check
        measured = self._run(number, self._tunable.circuits(self._check, weights), agree)
        yield self._step(number, weights, measured, made), stopped

    def _measured(self, number: int, weights: np.ndarray, agree: Agree) -> tuple[np.ndarray, np.ndarray]:
        """Values of the held-out sentences [rows, K], and the gradient [P]."""
        rows = np.random.default_rng([self.settings.seed, 0, number]).permutation(len(self._labels))[: self._batch]
        check = self._tunable.circuits(self._check, weights)
        own = self._gradient.circuits(self._angles[rows], weights, number)
        values = self._run(number, replace(check, values=np.concatenate([check.values, own])), agree)
        measured, rest = np.split(values, [len(check)])
        return measured, self._gradient.gradient(rest, self._labels[rows], number)

    def _run(self, number: int, circuits: BoundCircuits, agree: Agree) -> np.ndarray:
        order = self.service.order
        return measured_values(self.service, circuits, agree, replace(order, repetition=order.repetition + number))

    def _step(self, number: int, weights: np.ndarray, values: np.ndarray, made: int) -> Step:
        tuned = tuple(map(float, weights[self._tunable.places]))
        accuracy = float(np.mean(self._head.classes(values) == self._answers))
        loss = loss_of(self._head, values, self._answers, self._shots)
        return Step(number, tuned, loss, accuracy, made, made * self.costs.each)

    def _lost(self) -> float:
        """Dollars of results of this order that came from elsewhere than asked: they were paid for and are sent again."""
        alike = replace(self.service.order, repetition=0)
        jobs = self.service.jobs.ledger.jobs(DONE)
        return sum(job.dollars for job in jobs if job.matches is False and replace(job.order, repetition=0) == alike)


def fine_tune(
    head: tf.keras.Model,
    embeddings: np.ndarray,
    labels: np.ndarray,
    service: Service,
    *,
    max_dollars: float,
    validation: Rows | None = None,
    agree: Agree | None = None,
    keep: Callable[[FineTuned], object] | None = None,
    **settings: Any,
) -> FineTuned:
    """`FineTuning` from beginning to end.

    Args:
        head: of `quantum_head`, trained.
        embeddings: [rows, dim], of sentences to train on.
        labels: int64 [rows].
        service: runs the circuits.
        max_dollars: see `Settings`, of which `settings` are others.
        validation: sentences to choose the best weights by.
        agree, keep: see `FineTuning.run`.
    """
    tuning = FineTuning(head, (embeddings, labels), service, Settings(max_dollars, **settings), validation)
    return tuning.run(agree, keep)


def with_weights(head: tf.keras.Model, weights: np.ndarray) -> tf.keras.Model:
    """A copy of a head whose re-uploading circuit has other weights [weights], such as `FineTuned.after`; uncompiled.

    Raises:
        InputError: the head is not one of `quantum_head`, or has another number of weights.
    """
    _, machine = machine_head(head)
    if np.shape(weights) != machine.weights.shape:
        raise InputError(f"the circuit has {len(machine.weights)} weights, and an array of shape {np.shape(weights)} was given.")
    copy = tf.keras.models.clone_model(head)
    copy.set_weights(head.get_weights())
    copy.get_layer("reuploading_pqc").angles.assign(np.asarray(weights))
    return copy


def _divided(rows: Rows, settings: Settings) -> tuple[Rows, Rows]:
    """Sentences to train on, and those to choose the best weights by; classes in proportion."""
    embeddings, labels = map(np.asarray, rows)
    if len(labels) <= settings.held_out:
        raise InputError(
            f"{settings.held_out} sentences are held out to choose the best weights by, and there are {len(labels)} in all: give "
            "more sentences, or hold out fewer."
        )
    order = stratified_order(np.arange(len(labels)), labels, settings.seed)
    held_out, rest = np.split(order, [settings.held_out])
    return (embeddings[rest], labels[rest]), (embeddings[held_out], labels[held_out])


def _labels(labels: np.ndarray, embeddings: np.ndarray, classes: int) -> np.ndarray:
    labels = np.asarray(labels)
    fits = labels.ndim == 1 and len(labels) == len(embeddings) and labels.size and labels.dtype.kind in "iu"
    if not fits or not 0 <= labels.min() <= labels.max() < classes:
        raise InputError(f"labels must be whole numbers from 0 to {classes - 1}, one for each sentence, and at least one.")
    return labels.astype(np.int64)
