"""What the compiled engine refuses, and what it says: one error per mistake, with what to do next."""

from __future__ import annotations

import cirq
import numpy as np
import pytest
import sympy

from tfq_llm import InputError
from tfq_llm.simulation.compiled.engine import CompiledEngine
from tfq_llm.simulation.inputs import is_finite

X, Y, W = sympy.symbols("x y w")
A, B, C = cirq.LineQubit.range(3)
CIRCUIT = cirq.Circuit(cirq.ry(X)(A), cirq.ry(Y)(B), cirq.CNOT(A, B), cirq.ry(W)(B))
Z = [cirq.PauliString(cirq.Z(A)), cirq.PauliString(cirq.Z(B))]
DATA, WEIGHTS = [[0.1, 0.2], [0.3, 0.4], [0.5, 0.6]], [0.7]


def engine(**options) -> CompiledEngine:
    return CompiledEngine(CIRCUIT, Z, [X, Y], [W], **options)


@pytest.mark.parametrize(
    ("operation", "message"),
    [
        (
            cirq.CCX(A, B, C),
            r"the gate TOFFOLI.* in moment 1 is not supported here\. Supported are unitary gates on one or two qubits",
        ),
        (cirq.measure(A), r"Measurement.* in moment 1 is not supported"),
        (cirq.reset(A), r"the circuit holds noise, reset.* in moment 1.* the circuit without noise"),
        (cirq.depolarize(0.1)(A), r"the circuit holds noise, depolarize.* in moment 1"),
        (cirq.FSimGate(X, 0.1)(A, B), r"FSim.* in moment 1 is not supported"),
        (cirq.PhasedISwapPowGate(phase_exponent=X, exponent=0.5)(A, B), r"PhasedISWAP.* in moment 1 is not supported"),
        (cirq.PhasedISwapPowGate(phase_exponent=X, exponent=W)(A, B), r"PhasedISWAP.* in moment 1 is not supported"),
        (cirq.ry(X * W)(A), r"moment 1 must be a linear expression of one symbol, not .*w\*x"),
        (cirq.ry(X + W)(A), r"moment 1 must be a linear expression of one symbol, not"),
        (cirq.ry(X**2)(A), r"moment 1 must be a linear expression of one symbol, not .*x\*\*2"),
        (cirq.ry(sympy.sin(X))(A), r"moment 1 must be a linear expression of one symbol"),
        (cirq.rz(sympy.Symbol("q"))(A), r"the symbol 'q' of .* in moment 1 is neither in data_symbols nor in weight_symbols"),
    ],
)
def test_what_a_circuit_may_not_hold_is_named_with_its_moment(operation, message):
    with pytest.raises(InputError, match=message):
        CompiledEngine(cirq.Circuit(cirq.Moment(cirq.H(A)), cirq.Moment(operation)), Z[:1], [X], [W])


@pytest.mark.parametrize(
    ("observables", "message"),
    [
        ([], "at least one observable"),
        ([cirq.PauliString(cirq.Z(C))], r"is on q\(2\), which the circuit lacks"),
        ([1j * cirq.Z(A)], r"has the coefficient 1j; only real ones are observables"),
        ([cirq.Z(A) + 0.5j * cirq.X(B)], r"has the coefficient 0\.5j; only real ones are observables"),
        ([cirq.Circuit()], "is a cirq.PauliString or a cirq.PauliSum, not"),
        (["Z"], "is a cirq.PauliString or a cirq.PauliSum, not 'Z'"),
        ([cirq.PauliString(cirq.Z(A), coefficient=X)], "the coefficient of the observable .* must be a number"),
    ],
)
def test_what_is_no_observable_of_the_circuit_is_refused(observables, message):
    with pytest.raises(InputError, match=message):
        CompiledEngine(CIRCUIT, observables, [X, Y], [W])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"dtype": "float16"}, "dtype must be one of float32, float64, not 'float16'"),
        ({"dtype": "flaot32"}, "Did you mean"),
        ({"unnormalised": "ignore"}, "unnormalised must be one of refuse, normalise, allow, not 'ignore'"),
        ({"qubits": [A]}, "which the list of qubits lacks"),
        ({"qubits": []}, "simulates 1 to 20 qubits and was given 0"),
        ({"qubits": cirq.LineQubit.range(21)}, "simulates 1 to 20 qubits and was given 21"),
    ],
)
def test_options_are_checked(options, message):
    with pytest.raises(InputError, match=message):
        engine(**options)


def test_a_symbol_has_one_place():
    with pytest.raises(InputError, match="a symbol stands twice"):
        CompiledEngine(CIRCUIT, Z, [X, Y], [W, X])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((None, WEIGHTS), r"data has the shape \(1, 0\); this circuit needs \(batch, 2\)"),
        ((DATA, None), r"weights has the shape \(0,\); this circuit needs \(1,\)"),
        (([0.1, 0.2], WEIGHTS), r"data has the shape \(2,\); this circuit needs \(batch, 2\)"),
        (([[0.1]], WEIGHTS), r"data has the shape \(1, 1\); this circuit needs \(batch, 2\)"),
        ((DATA, [0.1, 0.2]), r"weights has the shape \(2,\); this circuit needs \(1,\)"),
        ((DATA, WEIGHTS, np.eye(4)), r"data has the shape \(3, 2\); this circuit needs \(4, 2\)"),
        ((DATA, WEIGHTS, np.eye(3)), r"initial_state has the shape \(3, 3\); this circuit needs \(batch, 4\)"),
        ((DATA, WEIGHTS, np.eye(4)[0]), r"initial_state has the shape \(4,\); this circuit needs \(batch, 4\)"),
        (([[0.1, 0.2], [0.3, np.nan]], WEIGHTS), "data must be finite; row 1, column 1 is nan"),
        (([[0.1, 0.2], [np.inf, np.nan]], WEIGHTS), "data must be finite; row 1, column 0 is inf"),
        ((DATA, [np.nan]), "weights must be finite; row 0 is nan"),
        (
            (DATA, WEIGHTS, [[1, 0, 0, 0], [1, 0, 0, 0], [0, np.nan, 0, 0]]),
            "initial_state must be finite; row 2, column 1 is nan",
        ),
        (([["a", "b"]], WEIGHTS), "data must be an array of real numbers"),
        (([[1.0], [1.0, 2.0]], WEIGHTS), "data must be an array of real numbers"),
        (([[0.1j, 0.2]], WEIGHTS), "data must be an array of real numbers"),
        ((DATA, [0.1j]), "weights must be an array of real numbers"),
        ((DATA, WEIGHTS, [["up", "down", "up", "down"]]), "initial_state must be an array of"),
    ],
)
@pytest.mark.parametrize("method", ["values", "gradients"])
def test_arrays_are_checked(method, arguments, message):
    with pytest.raises(InputError, match=message):
        getattr(engine(), method)(*arguments)


@pytest.mark.parametrize(
    ("upstream", "message"),
    [
        (np.ones([3, 1]), r"upstream has the shape \(3, 1\); this circuit needs \(3, 2\)"),
        (np.ones(3), r"upstream has the shape \(3,\); this circuit needs \(3, 2\)"),
    ],
)
def test_upstream_is_checked(upstream, message):
    with pytest.raises(InputError, match=message):
        engine().gradients(DATA, WEIGHTS, upstream=upstream)


@pytest.mark.parametrize(
    ("operation", "angle"),
    [
        (cirq.ry(sympy.pi / 2).on(cirq.LineQubit(0)), np.pi / 2),
        ((cirq.X ** sympy.Rational(1, 4)).on(cirq.LineQubit(0)), np.pi / 4),
        (cirq.global_phase_operation(1j), 0.0),
    ],
)
def test_numbers_of_sympy_and_global_phases_are_taken(operation, angle):
    a = cirq.LineQubit(0)
    values = CompiledEngine(cirq.Circuit(operation), [cirq.PauliString(cirq.Z(a))], qubits=[a]).values()
    np.testing.assert_allclose(values, [[np.cos(angle)]], atol=1e-6)


def test_a_loss_that_is_not_finite_shows_in_the_gradient():
    found = engine().gradients(DATA, WEIGHTS, upstream=[[1, 1], [np.nan, 1], [1, 1]])
    assert np.isfinite(found.values).all()
    assert np.isnan(found.weights).all()
    assert list(np.isnan(found.data).all(axis=1)) == [False, True, False]


def test_amplitudes_are_refused_normalised_or_taken_as_they_are():
    states = np.eye(4)[[0, 0, 3]] * [[1.0], [1.5], [1.0]]
    with pytest.raises(
        InputError, match=r"must be normalised; row 1 has the norm 1\.5: normalise it, or choose unnormalised='normalise'"
    ):
        engine().values(DATA, WEIGHTS, states)
    unit = engine().values(DATA, WEIGHTS, np.eye(4)[[0, 0, 3]])
    np.testing.assert_allclose(engine(unnormalised="normalise").values(DATA, WEIGHTS, states), unit, atol=1e-6)
    np.testing.assert_allclose(engine(unnormalised="allow").values(DATA, WEIGHTS, states), unit * [[1], [2.25], [1]], atol=1e-5)


def test_a_state_of_zeros_has_no_direction():
    states = np.eye(4)[[0, 1, 2]] * [[1], [1], [0]]
    with pytest.raises(InputError, match="row 2 has the norm 0"):
        engine().values(DATA, WEIGHTS, states)
    with pytest.raises(InputError, match="initial_state must not be 0, as row 2 is"):
        engine(unnormalised="normalise").values(DATA, WEIGHTS, states)


def test_states_normalised_in_single_precision_are_normalised():
    states = np.random.default_rng(0).normal(size=[3, 4]).astype(np.float32)
    values = engine(dtype="float64").values(DATA, WEIGHTS, states / np.linalg.norm(states, axis=1, keepdims=True))
    assert np.abs(values).max() <= 1 + 1e-6


@pytest.mark.parametrize("states", [None, np.zeros([0, 4])])
def test_a_batch_of_no_rows_has_no_values(states):
    data = np.zeros([0, 2])
    assert engine().values(data, WEIGHTS, states).shape == (0, 2)
    found = engine().gradients(data, WEIGHTS, states)
    assert (found.values.shape, found.data.shape) == ((0, 2), (0, 2))
    np.testing.assert_array_equal(found.weights, [0.0])
    assert states is None or found.initial_state.shape == (0, 4)


@pytest.mark.parametrize("rows", [10, 10_000])
@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_one_number_among_few_or_many_is_found(rows, bad):
    data = np.full([rows, 2], 1e200)  # whose squares overflow
    assert is_finite(data)
    data[rows // 2, 1] = bad
    with pytest.raises(InputError, match=f"data must be finite; row {rows // 2}, column 1 is"):
        engine().values(data, WEIGHTS)
