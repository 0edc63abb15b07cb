"""A step of `fit` on the demo's head: what Keras adds to the engine's work."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any
from unittest import mock

import numpy as np
import tensorflow as tf

from benchmarks.plan import Plan
from benchmarks.report import Mark, Section, milliseconds, number
from benchmarks.timing import best_of
from tfq_llm.config import Config, load_config
from tfq_llm.layers import AngleScaling
from tfq_llm.models import compile_classifier, quantum_head
from tfq_llm.pipelines.configs import find
from tfq_llm.progress import Progress
from tfq_llm.simulation.compiled.engine import CompiledEngine

AT_MOST = 1.3
# Of the demo's sentence encoder.
_DIMENSIONS, _CLASSES = 384, 2

# The name of a method of the engine, and that call.
Call = tuple[str, Callable[[], Any]]


@dataclass(frozen=True)
class FitStep:
    """Seconds of a step with the quantum layers, with Dense in their place, and of the former's engine calls by themselves."""

    batch: int
    calls: tuple[str, ...]
    quantum: float
    dense: float
    engine: float

    @property
    def ratio(self) -> float:
        return (self.quantum - self.dense) / self.engine if self.engine else float("inf")


def measure(plan: Plan) -> FitStep:
    """Fits both heads, and repeats the engine calls of one step, all in turns."""
    config = load_config(find("demo"))
    batch = config.head_training.batch_size
    calls = _calls_of_a_step(_head(config), batch)
    quantum = _head(config)
    dense = _dense_head(quantum, config)
    turns = [
        lambda: _fit(quantum, batch, plan.fit_steps),
        lambda: _fit(dense, batch, plan.fit_steps),
        lambda: best_of(lambda: [call() for _, call in calls], plan.burst) if calls else 0.0,
    ]
    with Progress("fit steps", plan.rounds, "rounds") as progress:
        rounds = []
        for _ in range(plan.rounds):
            rounds.append([turn() for turn in turns])
            progress.update()
    return FitStep(batch, tuple(name for name, _ in calls), *map(min, zip(*rounds, strict=True)))


def _head(config: Config) -> tf.keras.Model:
    return quantum_head(_DIMENSIONS, _CLASSES, config.head, seed=0)


def _dense_head(quantum: tf.keras.Model, config: Config) -> tf.keras.Model:
    """The same head with Dense layers of the same widths for its quantum layers."""
    widths = {name: quantum.get_layer(name).output.shape[-1] for name in ("amplitude_encoder", "reuploading_pqc")}
    inputs = tf.keras.Input([_DIMENSIONS])
    values = tf.keras.layers.Dense(widths["amplitude_encoder"])(inputs)
    angles = AngleScaling(config.head.trainable_gain, config.head.bias)(values)
    measured = tf.keras.layers.Dense(widths["reuploading_pqc"])(angles)
    return compile_classifier(tf.keras.Model(inputs, tf.keras.layers.Dense(_CLASSES)(measured)))


def _fit(head: tf.keras.Model, batch: int, steps: int) -> float:
    """Seconds of the shortest step of an epoch, of which the first two do not count."""
    rng = np.random.default_rng(0)
    rows = rng.normal(size=[batch * (steps + 2), _DIMENSIONS]).astype(np.float32)
    ends: list[float] = []
    clock = tf.keras.callbacks.LambdaCallback(on_train_batch_end=lambda batch, logs: ends.append(time.perf_counter()))
    head.fit(rows, np.arange(len(rows)) % _CLASSES, batch_size=batch, epochs=1, verbose=0, callbacks=[clock])
    return float(np.diff(ends)[1:].min())


def _calls_of_a_step(head: tf.keras.Model, batch: int) -> list[Call]:
    """The engine calls that a training step makes, to be made again by themselves; none if the head has another executor."""
    calls: list[Call] = []
    rows, labels = np.random.default_rng(0).normal(size=[batch, _DIMENSIONS]).astype(np.float32), np.arange(batch) % _CLASSES
    with _recorded(calls):
        head.train_on_batch(rows, labels)
        calls.clear()
        head.train_on_batch(rows, labels)
    return calls


@contextmanager
def _recorded(calls: list[Call]) -> Iterator[None]:
    """While it lasts, engines that are traced into a graph also write down how they are called."""

    def recording(name: str) -> Callable[..., Any]:
        original = getattr(CompiledEngine, name)

        def call(engine: CompiledEngine, *arguments: Any) -> Any:
            copies = [None if each is None else np.array(each) for each in arguments]
            calls.append((name, partial(original, engine, *copies)))
            return original(engine, *arguments)

        return call

    values, gradients = recording("values"), recording("gradients")
    with mock.patch.object(CompiledEngine, "values", values), mock.patch.object(CompiledEngine, "gradients", gradients):
        yield


def section(step: FitStep) -> Section:
    """The table; says so if the head's layers made no engine call."""
    calls = f"Its engine calls are {', '.join(step.calls)}, repeated by themselves with the arguments of a step."
    missing = "The head made no engine call, so there is nothing to compare with."
    return Section(
        "A step of fit",
        f"`model.fit` of the demo's head on vectors of {_DIMENSIONS} numbers, batch {step.batch}, against the same head with "
        "Dense layers for its quantum layers; what is left is held against the engine's own time. "
        f"{calls if step.calls else missing}",
        ("with quantum layers, ms", "with Dense, ms", "difference, ms", "engine calls, ms", "difference / engine"),
        (
            (
                *map(milliseconds, (step.quantum, step.dense, step.quantum - step.dense, step.engine)),
                number(step.ratio),
            ),
        ),
        (Mark("a step of fit less that with Dense, against its engine calls", step.ratio, AT_MOST, at_least=False),),
    )
