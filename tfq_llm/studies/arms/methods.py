"""The methods by name, and how one is fitted or rebuilt. TensorFlow is loaded by the first fit that needs it."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from tfq_llm.checks import whole_number
from tfq_llm.errors import InputError, did_you_mean
from tfq_llm.sections import Section
from tfq_llm.studies.arms import names
from tfq_llm.studies.arms.arm import FittedHead, checked_rows
from tfq_llm.studies.arms.settings import (
    AngleSurrogateSettings,
    FourierSettings,
    LogisticSettings,
    MLPSettings,
    NeighboursSettings,
    PCAMLPSettings,
    QuantumSettings,
    SurrogateSettings,
    SVCSettings,
    checked_settings,
)
from tfq_llm.studies.trial import Rows, Settings

Fit = Callable[[Any, Rows, Rows, int, int, "Path | None"], FittedHead]


@dataclass(frozen=True)
class Method:
    """How heads of a kind are fitted.

    Attributes:
        name: its key in `METHODS`.
        settings: the section that its settings make.
        fit: from settings, training rows, validation rows, number of classes, seed and a TensorBoard directory to a head.
        is_quantum: whether it has a quantum circuit in it, so that its weights can be kept and `restored`.
    """

    name: str
    settings: type[Section]
    fit: Fit
    is_quantum: bool = False


def fit(
    method: str,
    settings: Settings,
    train: Rows,
    validation: Rows,
    num_classes: int,
    seed: int,
    log_dir: Path | None = None,
) -> FittedHead:
    """Fits a head.

    The same arguments give the same predictions to the last bit, on the same machine and with the same number of threads.

    Args:
        method: a key of `METHODS`.
        settings: of the method, all of them.
        train: embeddings [rows, dim] and class indices [rows].
        validation: likewise. Methods with epochs stop early on them; the others do not look at them.
        num_classes: of the task, at least 2.
        seed: of initial weights, order of batches, solvers, random features, shots and noise; not negative.
        log_dir: for TensorBoard, of methods with epochs; None for none.

    Raises:
        InputError: there is no such method; settings are unknown, missing, wrong or do not fit the rows; or rows are wrong.
        TrainingDivergedError: the loss is not finite.
    """
    found = _method(method)
    whole_number("num_classes", num_classes, 2)
    whole_number("seed", seed, 0)
    checked = checked_settings(method, found.settings, settings)
    parts = checked_rows("training", train, num_classes), checked_rows("validation", validation, num_classes)
    if parts[0][0].shape[1] != parts[1][0].shape[1]:
        raise InputError(
            f"training embeddings have {parts[0][0].shape[1]} dimensions and validation embeddings {parts[1][0].shape[1]}."
        )
    return found.fit(checked, *parts, num_classes, seed, log_dir)


def restored(
    method: str,
    settings: Settings,
    weights: list[np.ndarray],
    input_dim: int,
    num_classes: int,
    seed: int,
    conditions: Settings,
) -> FittedHead:
    """A trained quantum head, rebuilt from its weights, under other shots or noise.

    Args:
        method: a key of `METHODS` of a quantum method.
        settings: those that it was trained with, all of them.
        weights: what `FittedHead.weights` gave.
        input_dim: dimensions of the embeddings.
        num_classes: of the task.
        seed: of the shots and the noise that are drawn.
        conditions: some of shots, trajectories, noise, readout_error and fixed. If there are any they say all: what they do not
            name is exact. If there are none, everything is as in training. Noise needs trajectories or shots.

    Returns:
        The head; its `epochs` is None.

    Raises:
        InputError: the method has no quantum circuit, the conditions are unknown or do not go together, or the weights do not fit
            the settings.
    """
    found = _method(method)
    if not found.is_quantum:
        raise InputError(f"'{method}' is no quantum method and cannot be rebuilt under other conditions: fit it again.")
    from tfq_llm.studies.arms.quantum import restored_quantum

    checked = checked_settings(method, QuantumSettings, settings)
    return restored_quantum(method, checked, weights, input_dim, num_classes, seed, conditions)


def _method(name: str) -> Method:
    if name not in METHODS:
        raise InputError(f"there is no method '{name}': {', '.join(METHODS)} are.{did_you_mean(name, METHODS)}")
    return METHODS[name]


def _quantum(name: str) -> Method:
    def fit_it(settings: Any, train: Rows, validation: Rows, num_classes: int, seed: int, log_dir: Path | None) -> FittedHead:
        from tfq_llm.studies.arms.quantum import fit_quantum

        return fit_quantum(name, settings, train, validation, num_classes, seed, log_dir)

    return Method(name, QuantumSettings, fit_it, is_quantum=True)


def _of_keras(name: str, settings: type[Section], module: str, function: str) -> Method:
    def fit_it(given: Any, train: Rows, validation: Rows, num_classes: int, seed: int, log_dir: Path | None) -> FittedHead:
        fit_head = getattr(importlib.import_module(f"tfq_llm.studies.arms.{module}"), function)
        head: FittedHead = fit_head(given, train, validation, num_classes, seed, log_dir)
        return head

    return Method(name, settings, fit_it)


def _of_scikit(name: str, settings: type[Section], function: str) -> Method:
    def fit_it(given: Any, train: Rows, validation: Rows, num_classes: int, seed: int, log_dir: Path | None) -> FittedHead:
        from tfq_llm.studies.arms import classical

        return getattr(classical, function)(given, train, num_classes, seed)

    return Method(name, settings, fit_it)


_METHODS = (
    *map(_quantum, names.QUANTUM_METHODS),
    _of_keras(names.ANGLE_SURROGATE, AngleSurrogateSettings, "angle_surrogate", "fit_angle_surrogate"),
    _of_scikit(names.LOGISTIC, LogisticSettings, "fit_logistic"),
    _of_scikit(names.SVC, SVCSettings, "fit_svc"),
    _of_scikit(names.NEIGHBOURS, NeighboursSettings, "fit_neighbours"),
    _of_scikit(names.FOURIER, FourierSettings, "fit_fourier"),
    _of_scikit(names.SURROGATE, SurrogateSettings, "fit_surrogate"),
    _of_keras(names.MLP, MLPSettings, "keras_heads", "fit_mlp"),
    _of_keras(names.PCA_MLP, PCAMLPSettings, "keras_heads", "fit_pca_mlp"),
)
METHODS: dict[str, Method] = {method.name: method for method in _METHODS}
"""All methods by name."""
