"""A step of `fit` on the demo's head: what Keras and TensorFlow add to the engine's work."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, nullcontext
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

Method = Callable[..., Any]
# Takes a method of the engine and its name, and returns what is to be called instead.
Replacement = Callable[[Method, str], Method]
# The name of a method of the engine, and that call.
Call = tuple[str, Callable[[], Any]]


@dataclass(frozen=True)
class FitStep:
    """Seconds of a step, the shortest each.

    Attributes:
        batch: its samples.
        calls: of the engine that it makes, by the methods' names.
        quantum: with the quantum layers.
        within: its engine calls, measured within that step.
        answered: with quantum layers whose engine calls answer at once, with what they answered the first time.
        dense: with Dense in the quantum layers' place.
        engine: the engine calls by themselves.
    """

    batch: int
    calls: tuple[str, ...]
    quantum: float
    within: float
    answered: float
    dense: float
    engine: float

    @property
    def ratio(self) -> float:
        return self._in_engine_calls(self.quantum - self.dense)

    @property
    def ratio_without_crossing(self) -> float:
        """What the ratio would be if calls from TensorFlow into Python cost nothing."""
        return self._in_engine_calls(self.quantum - self.answered)

    def _in_engine_calls(self, seconds: float) -> float:
        return seconds / self.engine if self.engine else float("inf")


def measure(plan: Plan) -> FitStep:
    """Fits the heads, and repeats the engine calls of one step, all in turns."""
    config = load_config(find("demo"))
    batch = config.head_training.batch_size
    calls = _calls_of_a_step(config, batch)
    quantum, answered = _head(config), _head(config)
    dense = _dense_head(quantum, config)
    taken: list[float] = []

    def turn() -> tuple[float, ...]:
        taken.clear()
        return (
            _fit(quantum, batch, plan.fit_steps, _timing(taken)),
            _shortest_step(taken, len(calls)),
            _fit(answered, batch, plan.fit_steps, _answering),
            _fit(dense, batch, plan.fit_steps),
            best_of(lambda: [call() for _, call in calls], plan.burst) if calls else 0.0,
        )

    with Progress("fit steps", plan.rounds, "rounds") as progress:
        rounds = []
        for _ in range(plan.rounds):
            rounds.append(turn())
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


def _fit(head: tf.keras.Model, batch: int, steps: int, replacement: Replacement | None = None) -> float:
    """Seconds of the shortest step of an epoch, of which the first two do not count; `replacement` as in `_replaced`."""
    rng = np.random.default_rng(0)
    rows = rng.normal(size=[batch * (steps + 2), _DIMENSIONS]).astype(np.float32)
    ends: list[float] = []
    clock = tf.keras.callbacks.LambdaCallback(on_train_batch_end=lambda batch, logs: ends.append(time.perf_counter()))
    with _replaced(replacement) if replacement else nullcontext():
        head.fit(rows, np.arange(len(rows)) % _CLASSES, batch_size=batch, epochs=1, verbose=0, callbacks=[clock])
    return float(np.diff(ends)[1:].min())


def _shortest_step(seconds: list[float], calls: int) -> float:
    """Of the seconds of an epoch's engine calls, the least sum over a step."""
    return float(np.reshape(seconds, [-1, calls]).sum(axis=1).min()) if calls else 0.0


def _calls_of_a_step(config: Config, batch: int) -> list[Call]:
    """The engine calls that a training step makes, to be made again by themselves; none if the head has another executor."""
    calls: list[Call] = []
    head = _head(config)
    rows, labels = np.random.default_rng(0).normal(size=[batch, _DIMENSIONS]).astype(np.float32), np.arange(batch) % _CLASSES
    with _replaced(_recording(calls)):
        head.train_on_batch(rows, labels)
        calls.clear()
        head.train_on_batch(rows, labels)
    return calls


@contextmanager
def _replaced(replacement: Replacement) -> Iterator[None]:
    """While it lasts, engines call the replacements; a graph keeps those of `values` that were there when it was traced."""
    with ExitStack() as patches:
        for name in ("values", "gradients"):
            method = replacement(getattr(CompiledEngine, name), name)
            patches.enter_context(mock.patch.object(CompiledEngine, name, method))
        yield


def _recording(calls: list[Call]) -> Replacement:
    """Writes down how engines are called."""

    def replacement(original: Method, name: str) -> Method:
        def call(engine: CompiledEngine, *arguments: Any) -> Any:
            copies = [None if each is None else np.array(each) for each in arguments]
            calls.append((name, partial(original, engine, *copies)))
            return original(engine, *arguments)

        return call

    return replacement


def _timing(seconds: list[float]) -> Replacement:
    """Writes down how long calls take."""

    def replacement(original: Method, name: str) -> Method:
        def call(engine: CompiledEngine, *arguments: Any) -> Any:
            start = time.perf_counter()
            found = original(engine, *arguments)
            seconds.append(time.perf_counter() - start)
            return found

        return call

    return replacement


def _answering(original: Method, name: str) -> Method:
    """Returns to every call what an engine's first call gave."""
    answers: dict[CompiledEngine, Any] = {}

    def call(engine: CompiledEngine, *arguments: Any) -> Any:
        if engine not in answers:
            answers[engine] = original(engine, *arguments)
        return answers[engine]

    return call


def section(step: FitStep) -> Section:
    """The table; says so if the head's layers made no engine call."""
    calls = (
        f"Its engine calls are {', '.join(step.calls)}, repeated by themselves with the arguments of a step. Where they answer "
        "at once, no engine computes, and what is left above Dense is the way from TensorFlow's graph into Python and back "
        "(`tf.numpy_function`). If that cost nothing, the ratio held against the mark would be "
        f"{number(step.ratio_without_crossing)} instead of {number(step.ratio)}."
    )
    missing = "The head made no engine call, so there is nothing to compare with."
    rows = (
        ("step with quantum layers", step.quantum),
        ("step with quantum layers, with calls that answer at once", step.answered),
        ("step with Dense", step.dense),
        ("difference of quantum layers and Dense", step.quantum - step.dense),
        ("TensorFlow's part: difference of calls that answer at once and Dense", step.answered - step.dense),
        ("engine calls within the step", step.within),
        ("engine calls by themselves", step.engine),
    )
    return Section(
        "A step of fit",
        f"`model.fit` of the demo's head on vectors of {_DIMENSIONS} numbers, batch {step.batch}, against the same head with "
        "Dense layers for its quantum layers; what is left is held against the engine's own time. "
        f"{calls if step.calls else missing}",
        ("", "ms"),
        tuple((what, milliseconds(seconds)) for what, seconds in rows),
        (Mark("a step of fit less that with Dense, against its engine calls", step.ratio, AT_MOST, at_least=False),),
    )
