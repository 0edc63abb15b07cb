"""What a sampling engine refuses, and how it says so."""

from __future__ import annotations

import cirq
import numpy as np
import pytest
import sympy

from tfq_llm import InputError
from tfq_llm.simulation.compiled.engine import CompiledEngine
from tfq_llm.simulation.sampling.engine import SamplingEngine

A, B = cirq.LineQubit.range(2)
T = sympy.Symbol("t")
Z = [cirq.PauliString(cirq.Z(A))]
PLAIN = cirq.Circuit(cirq.ry(T).on(A), cirq.CNOT(A, B))
NOISY = PLAIN + cirq.depolarize(0.1).on(A)
DAMPED = PLAIN + cirq.amplitude_damp(0.1).on(B)


@pytest.mark.parametrize(
    ("circuit", "options", "message"),
    [
        (PLAIN, {}, "give shots, trajectories, or both: .*CompiledEngine does that"),
        (NOISY, {}, "give shots, trajectories, or both"),
        (PLAIN, {"trajectories": 5}, "this one has none: leave them out"),
        (PLAIN, {"trajectories": 5, "shots": 5}, "this one has none: leave them out"),
        (NOISY, {"shots": 5}, "adjoint gradient of a noisy circuit is a mean over trajectories: say how many"),
        (
            DAMPED,
            {"trajectories": 5},
            r"amplitude_damp.* in moment 2 is not a mixture of unitary gates.*'parameter-shift' or 'spsa'",
        ),
        (DAMPED, {"trajectories": 5, "shots": 5}, "quantum jumps, which have no adjoint gradient"),
        *(
            (NOISY, {"trajectories": 5, name: wrong}, f"{name} must be a whole number of at least 1, not")
            for name in ("shots", "trajectories")
            for wrong in (0, -3, 2.5, True, "10")
        ),
        *((PLAIN, {"shots": 5, "seed": wrong}, "seed must be a whole number of at least 0") for wrong in (-1, 0.5, None)),
        (PLAIN, {"shots": 5, "gradient": "parameter_shift"}, "Did you mean 'parameter-shift'"),
        (PLAIN, {"shots": 5, "dtype": "float16"}, "dtype .* float32, float64"),
        *((PLAIN, {"shots": 5, "spsa_step": wrong}, "spsa_step must be") for wrong in (0, -0.1, float("nan"), "0.1", None)),
        (PLAIN + cirq.CCX(A, B, cirq.LineQubit(2)), {"shots": 5}, "CCX|TOFFOLI"),
        (PLAIN + cirq.measure(A), {"shots": 5}, "moment 2 is not supported"),
        (PLAIN, {"shots": 5, "qubits": [A]}, "which the list of qubits lacks"),
    ],
)
def test_arguments_that_do_not_go_together_are_refused(circuit, options, message):
    with pytest.raises(InputError, match=message):
        SamplingEngine(circuit, Z, [T], **options)


def test_an_infinite_step_is_refused():
    with pytest.raises(InputError, match="spsa_step must be"):
        SamplingEngine(PLAIN, Z, [T], shots=5, gradient="spsa", spsa_step=float("inf"))


@pytest.mark.parametrize("wrong", [1, 0, "no", None])
def test_fixed_is_a_flag(wrong):
    with pytest.raises(InputError, match="fixed must be True or False"):
        SamplingEngine(PLAIN, Z, [T], shots=5, fixed=wrong)


@pytest.mark.parametrize(
    ("observables", "message"),
    [
        ([], "at least one observable"),
        ([cirq.PauliString(cirq.Z(cirq.LineQubit(7)))], "which the circuit lacks"),
        ([1j * cirq.Z(A)], "only real ones are observables"),
        ([cirq.Z], "an observable is a cirq.PauliString or a cirq.PauliSum"),
    ],
)
def test_wrong_observables_are_refused(observables, message):
    with pytest.raises(InputError, match=message):
        SamplingEngine(PLAIN, observables, [T], shots=5)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((), r"data has the shape \(1, 0\); this circuit needs \(batch, 1\)"),
        (([0.1, 0.2],), r"data has the shape \(2,\)"),
        (([[0.1], [np.nan]],), "data must be finite; row 1, column 0 is nan"),
        (([[1j]],), "data must be an array of real numbers"),
        (([[0.1]], [0.2]), r"weights has the shape \(1,\)"),
        (([[0.1]], None, [[1.0, 2.0]]), r"upstream has the shape \(1, 2\); this circuit needs \(1, 1\)"),
    ],
)
def test_wrong_arrays_are_named(arguments, message):
    with pytest.raises(InputError, match=message):
        SamplingEngine(PLAIN, Z, [T], shots=5).gradients(*arguments)


def test_the_exact_engine_knows_no_noise():
    with pytest.raises(InputError, match=r"the circuit holds noise, depolarize.* in moment 2, which this executor cannot run"):
        CompiledEngine(NOISY, Z, [T])


@pytest.mark.parametrize("options", [{"shots": 5}, {"trajectories": 5}])
@pytest.mark.parametrize("gradient", ["adjoint", "parameter-shift", "spsa"])
def test_a_batch_may_be_empty_and_a_circuit_without_symbols(options, gradient):
    circuit = NOISY if "trajectories" in options else PLAIN
    found = SamplingEngine(circuit, Z, [T], gradient=gradient, **options).gradients(np.zeros([0, 1]))
    assert found.values.shape == found.data.shape == (0, 1)
    still = SamplingEngine(cirq.resolve_parameters(circuit, {"t": 0.3}), Z, gradient=gradient, **options).gradients()
    assert still.values.shape == (1, 1)
    assert still.data.shape == (1, 0)
