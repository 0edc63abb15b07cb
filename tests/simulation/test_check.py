"""TensorFlow Quantum as the judge of what an executor returns."""

from __future__ import annotations

import cirq
import numpy as np
import pytest
import sympy
import tensorflow as tf

from tfq_llm import ReuploadingPQC
from tfq_llm.simulation import check
from tfq_llm.simulation.check import EngineMismatchError, check_against_tfq
from tfq_llm.simulation.compiled.engine import CompiledEngine
from tfq_llm.simulation.compiled_tensorflow import CompiledExecutor
from tfq_llm.simulation.tfq import TfqExecutor

A, B = cirq.LineQubit.range(2)
X, W = sympy.symbols("x w")
CASE = (
    cirq.Circuit(cirq.ry(X).on(A), cirq.rx(W).on(B), cirq.CNOT(A, B), cirq.ry(2 * X).on(B)),
    [cirq.PauliString(cirq.Z(B)), cirq.X(A) * cirq.Z(B) + cirq.Y(B)],
    [X],
    [W],
)


@pytest.fixture(autouse=True)
def _nothing_agreed(monkeypatch):
    monkeypatch.setattr(check, "_agreed", set())


def compiled(*case, dtype="float32"):
    return CompiledExecutor(CompiledEngine(*case, dtype=dtype))


class Counted:
    """An executor that counts its calls, and may spoil values and gradients by factors."""

    def __init__(self, values=1.0, by_data=1.0, by_weights=1.0):
        self.right, self.factors, self.calls = compiled(*CASE), (values, by_data, by_weights), 0

    def __call__(self, data, weights):
        self.calls += 1

        @tf.custom_gradient
        def spoil(array, on_value, on_gradient):
            return array * on_value, lambda upstream: (upstream * on_gradient, None, None)

        on_values, on_data, on_weights = self.factors
        return spoil(self.right(spoil(data, 1.0, on_data), spoil(weights, 1.0, on_weights)), on_values, 1.0)


def test_a_right_executor_passes_and_is_run_once_in_a_process():
    executor = Counted()
    for _ in range(3):
        check_against_tfq(executor, *CASE)
    assert executor.calls == 1
    check_against_tfq(Counted(), cirq.Circuit(CASE[0]), *CASE[1:])
    assert len(check._agreed) == 1


def test_another_circuit_or_other_observables_are_checked_anew():
    check_against_tfq(compiled(*CASE), *CASE)
    fewer = (CASE[0], CASE[1][:1], *CASE[2:])
    check_against_tfq(compiled(*fewer), *fewer)
    assert len(check._agreed) == 2


def test_every_dtype_is_checked_and_given_inputs_of_its_own():
    given = []

    def executor(data, weights):
        given.append((data.dtype, weights.dtype))
        return compiled(*CASE, dtype=data.dtype.name)(data, weights)

    for dtype in ("float32", "float64", "float64"):
        check_against_tfq(executor, *CASE, dtype)
    assert given == [(tf.float32, tf.float32), (tf.float64, tf.float64)]


@pytest.mark.parametrize("wrong", [0.999, -1.0, float("nan"), float("inf")])
@pytest.mark.parametrize("what", ["values", "by_data", "by_weights"])
def test_a_wrong_executor_is_refused_with_a_report(what, wrong):
    with pytest.raises(EngineMismatchError) as raised:
        check_against_tfq(Counted(**{what: wrong}), *CASE)
    report = str(raised.value)
    for part in ("values", "d/ddata", "d/dweights", "disagree", "2 qubits, 4 gates, 2 observables", "executor='tfq'"):
        assert part in report
    assert not check._agreed


def test_an_executor_that_was_refused_is_refused_again():
    for _ in range(2):
        with pytest.raises(EngineMismatchError):
            check_against_tfq(Counted(values=1.1), *CASE)


def test_a_mix_up_of_samples_or_observables_shows():
    right = compiled(*CASE)
    for mixed in (lambda data, weights: right(data, weights)[:, ::-1], lambda data, weights: right(data[::-1], weights)):
        with pytest.raises(EngineMismatchError):
            check_against_tfq(mixed, *CASE)


def test_tensorflow_quantum_agrees_with_itself():
    check_against_tfq(TfqExecutor(*CASE), *CASE)


def test_layers_are_checked_when_they_are_built_also_within_a_graph(monkeypatch):
    monkeypatch.setattr(CompiledExecutor, "__call__", lambda self, data, weights: tf.zeros([tf.shape(data)[0], 1]))
    with pytest.raises(EngineMismatchError):
        ReuploadingPQC(3)(tf.zeros([1, 3]))
    with pytest.raises(EngineMismatchError):
        ReuploadingPQC(3, shots=10)(tf.zeros([1, 3]))
    with pytest.raises(Exception, match="EngineMismatchError: the engine and"):
        tf.function(ReuploadingPQC(3))(tf.zeros([1, 3]))
    assert np.isfinite(ReuploadingPQC(3, executor="tfq")(tf.zeros([1, 3]))).all()
