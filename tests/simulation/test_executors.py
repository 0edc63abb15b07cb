"""Executors by name: the same circuit, exact or sampled, in three programs; and what cannot be asked of which."""

from __future__ import annotations

import json

import cirq
import numpy as np
import pytest
import sympy
import tensorflow as tf

from tests.simulation.sampling.oracles import assert_mean, density_values
from tfq_llm import InputError
from tfq_llm.circuits import reuploading_circuit
from tfq_llm.circuits.noise import depolarizing, ionq_noise, noisy_circuit
from tfq_llm.config import HeadConfig
from tfq_llm.execution import EXECUTORS, Sampling
from tfq_llm.simulation.executors import make_executor

ANSATZ = reuploading_circuit(2, reuploads=1, connectivity=1)
OBSERVABLES = ANSATZ.observables(2)
CASE = (ANSATZ.circuit, OBSERVABLES, ANSATZ.data_symbols, ANSATZ.weight_symbols, ANSATZ.qubits)
RNG = np.random.default_rng(0)
ROW, WEIGHTS = RNG.uniform(-3, 3, 2).astype(np.float32), RNG.uniform(-3, 3, len(ANSATZ.weight_symbols)).astype(np.float32)
BY_NAME = dict(zip(map(str, (*ANSATZ.data_symbols, *ANSATZ.weight_symbols)), [*ROW, *WEIGHTS], strict=True))
PER_QUBIT = "depolarizing:0.05,0.1,per-qubit"


def executed(name: str, rows: int, **options) -> np.ndarray:
    """Values [rows, 2] of the same sample."""
    return np.array(make_executor(name, *CASE, Sampling(**options))(tf.tile(ROW[None], [rows, 1]), tf.constant(WEIGHTS)))


@pytest.mark.parametrize("name", EXECUTORS)
def test_exact_executors_give_cirqs_values(name):
    exact = density_values(ANSATZ.circuit, OBSERVABLES, BY_NAME)
    np.testing.assert_allclose(executed(name, 2), np.tile(exact, (2, 1)), atol=1e-5)


@pytest.mark.parametrize("name", ["compiled", "tfq"])
@pytest.mark.parametrize(
    "options",
    [
        {"shots": 100},
        {"shots": 100, "noise": PER_QUBIT, "trajectories": 20},
        {"trajectories": 100, "noise": PER_QUBIT},
        {"trajectories": 100, "noise": PER_QUBIT, "readout_error": 0.1},
        {"trajectories": 100, "readout_error": 0.1},
    ],
    ids=str,
)
def test_sampled_executors_have_cirqs_means(name, options):
    if name == "tfq":
        options = options | {"gradient": "parameter-shift"}
        if "shots" in options:
            options.pop("trajectories", None)
    model = Sampling(**options).noise_model
    noisy = noisy_circuit(ANSATZ.circuit, model, readout=options.get("readout_error", 0.0), measured=ANSATZ.qubits)
    draws = executed(name, 200, **options)
    assert_mean(draws, density_values(noisy, OBSERVABLES, BY_NAME), rounding=1e-5)
    assert len(np.unique(draws[:, 0])) > 1


def test_only_measured_qubits_have_a_readout_error():
    sampling = Sampling(trajectories=5, readout_error=0.25)
    noisy = sampling.noisy(ANSATZ.circuit, [ANSATZ.qubits[1]])
    (channel,) = (
        operation for operation in noisy.all_operations() if not cirq.has_unitary(cirq.resolve_parameters(operation, BY_NAME))
    )
    assert channel.untagged == cirq.bit_flip(0.25).on(ANSATZ.qubits[1])


def test_the_executor_takes_idle_qubits():
    a, b = cirq.LineQubit.range(2)
    x = sympy.Symbol("x")
    execute = make_executor("compiled", cirq.Circuit(cirq.ry(x).on(b)), [cirq.PauliString(cirq.Z(b))], [x], [], [a, b])
    np.testing.assert_allclose(execute(tf.constant([[0.3]]), tf.zeros([0])), [[np.cos(0.3)]], atol=1e-6)


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("compiled", {"noise": "aria-1"}, "noise is simulated by trajectories or by shots: give trajectories or shots"),
        ("tensorflow", {"noise": "aria-1"}, "noise is simulated by trajectories or by shots|'tensorflow' is exact"),
        ("tensorflow", {"noise": "aria-1", "trajectories": 3}, "'tensorflow' is exact: it knows neither noise nor shots"),
        ("tensorflow", {"shots": 3}, "'tensorflow' is exact"),
        ("tensorflow", {"readout_error": 0.1, "shots": 3, "gradient": "spsa"}, "'tensorflow' is exact"),
        ("compiled", {"trajectories": 3}, "trajectories are for noisy circuits"),
        ("tfq", {"trajectories": 3}, "trajectories are for noisy circuits"),
        ("compiled", {"noise": "aria-1", "shots": 3}, "adjoint gradient of a noisy circuit is a mean over trajectories"),
        (
            "tfq",
            {"noise": "aria-1", "shots": 3, "gradient": "parameter-shift"},
            "only one-qubit channels.*P1,P2,per-qubit'",
        ),
        ("tfq", {"noise": "depolarizing:0.1,0.1", "trajectories": 3, "gradient": "parameter-shift"}, "cannot run depolarize"),
        ("tfq", {"shots": 3}, "TensorFlow Quantum .* differentiates what it samples by parameter shift"),
        ("tfq", {"shots": 3, "gradient": "spsa"}, "TensorFlow Quantum .* differentiates what it samples by parameter shift"),
        ("compiled", {"gradient": "spsa"}, "exact values have adjoint gradients"),
        ("compiled", {"noise": "arria-1", "shots": 3}, "Did you mean 'aria-1'"),
        ("compiled", {"readout_error": 1.5, "shots": 3}, "readout error p01 must be a probability from 0 to 1"),
        ("compiled", {"readout_error": (0.7, 0.6), "shots": 3}, "add up to more than 1"),
        ("compiled", {"readout_error": [0.1], "shots": 3}, "one probability or two"),
        ("compiled", {"shots": 0}, "shots must be a whole number of at least 1"),
        ("tfq", {"shots": 0}, "shots must be a whole number of at least 1"),
        ("compiled", {"shots": 3, "gradient": "finite"}, "gradient"),
        ("tfq", {"shots": 3, "gradient": "finite"}, "gradient"),
        ("compiled", {"gradient": "finite"}, "gradient"),
    ],
)
def test_what_an_executor_cannot_do_is_refused(name, options, message):
    with pytest.raises(InputError, match=message):
        make_executor(name, *CASE, Sampling(**options))


@pytest.mark.parametrize("readout_error", [0.1, (0.1, 0.3)])
def test_readout_errors_of_either_kind_have_cirqs_means(readout_error):
    draws = executed("compiled", 400, shots=20, gradient="parameter-shift", readout_error=readout_error)
    noisy = noisy_circuit(ANSATZ.circuit, None, readout=readout_error, measured=ANSATZ.qubits)
    assert_mean(draws, density_values(noisy, OBSERVABLES, BY_NAME), rounding=1e-5)


@pytest.mark.parametrize(("name", "gradient"), [("compiled", "adjoint"), ("compiled", "spsa"), ("tfq", "parameter-shift")])
def test_noise_of_strength_0_is_none(name, gradient):
    found = executed(name, 2, noise="depolarizing:0,0,per-qubit", trajectories=3, gradient=gradient)
    np.testing.assert_allclose(found, executed("compiled", 2), atol=1e-5)


def test_values_and_gradients_in_double_precision_are_cirqs():
    data, weights = tf.constant(ROW[None], tf.float64), tf.constant(WEIGHTS, tf.float64)
    exact = density_values(ANSATZ.circuit, OBSERVABLES, BY_NAME)
    for name in ("compiled", "tensorflow"):
        values = make_executor(name, *CASE, dtype="float64")(data, weights)
        assert values.dtype == tf.float64
        np.testing.assert_allclose(values[0], exact, atol=1e-10)
    sampled = make_executor("compiled", *CASE, Sampling(shots=10), dtype="float64")(data, weights)
    assert sampled.dtype == tf.float64


@pytest.mark.parametrize("sampling", [Sampling(), Sampling(shots=5)], ids=["exact", "sampled"])
def test_second_derivatives_and_xla_are_refused_with_a_way_out(sampling):
    executor = make_executor("compiled", *CASE, sampling)
    weights = tf.constant(WEIGHTS)

    def second_derivative() -> tf.Tensor:
        with tf.GradientTape() as outer:
            outer.watch(weights)
            with tf.GradientTape() as inner:
                inner.watch(weights)
                total = tf.reduce_sum(executor(ROW[None], weights))
            slope = inner.gradient(total, weights)
        return outer.gradient(slope, weights)

    with pytest.raises(InputError, match="second derivatives use executor='tensorflow'"):
        second_derivative()
    with pytest.raises(Exception, match=r"InputError: .* second derivatives use executor='tensorflow'"):
        tf.function(second_derivative)()
    for each in (executor, make_executor("tfq", *CASE)):
        with pytest.raises(Exception, match=r"InputError: XLA cannot compile .* leave jit_compile=True out"):
            tf.function(each, jit_compile=True)(tf.constant(ROW[None]), weights)


def test_second_derivatives_of_plain_operations_are_differences_of_the_first():
    executor = make_executor("tensorflow", *CASE, dtype="float64")
    data, weights = tf.constant(ROW[None], tf.float64), tf.constant(WEIGHTS, tf.float64)

    @tf.function
    def slope(weights: tf.Tensor) -> tf.Tensor:
        with tf.GradientTape() as tape:
            tape.watch(weights)
            total = tf.reduce_sum(executor(data, weights) ** 2)
        return tape.gradient(total, weights)

    with tf.GradientTape() as tape:
        tape.watch(weights)
        first = slope(weights)[1]
    step = 1e-5 * np.eye(len(WEIGHTS))
    differences = [(slope(weights + each)[1] - slope(weights - each)[1]) / 2e-5 for each in step]
    np.testing.assert_allclose(tape.gradient(first, weights), differences, atol=1e-8)


@pytest.mark.parametrize(
    "noise", ["none", "aria-1", PER_QUBIT, ionq_noise("forte-1"), depolarizing(0.1, 0.2), None], ids=lambda noise: str(noise)
)
def test_noise_survives_its_configuration(noise):
    config = Sampling(10, 20, noise, 0.1, "spsa", 3, True).get_config()
    again = Sampling(**config)
    assert again.get_config() == config
    assert again.noise_model == Sampling(10, 20 if again.noise_model else None, noise).noise_model


def test_a_pair_of_readout_errors_survives_json():
    sampling = Sampling(10, readout_error=(0.1, 0.2), gradient="spsa")
    assert Sampling(**json.loads(json.dumps(sampling.get_config()))) == sampling


def test_noise_models_of_cirq_survive_their_configuration():
    model = cirq.ConstantQubitNoiseModel(cirq.amplitude_damp(0.1))
    again = Sampling(**Sampling(10, noise=model, gradient="spsa").get_config())
    assert again.noisy(ANSATZ.circuit, []) == noisy_circuit(ANSATZ.circuit, model)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"noise": "aria-1"}, "noise is simulated by trajectories or by shots: give trajectories or shots"),
        ({"readout_error": 0.1}, "noise is simulated by trajectories or by shots: give trajectories or shots"),
        ({"trajectories": 5}, "trajectories are for noisy circuits: give noise or readout_error"),
        ({"noise": "aria-2", "shots": 5}, "Did you mean 'aria-1'|aria-1"),
        ({"shots": 5, "executor": "tensorflow"}, "'tensorflow' is exact"),
        ({"noise": "aria-1", "trajectories": 5, "executor": "tensorflow"}, "'tensorflow' is exact"),
        ({"shots": 0}, "greater than or equal to 1"),
        ({"trajectories": 0, "noise": "aria-1"}, "greater than or equal to 1"),
        ({"readout_error": 1.5, "shots": 5}, "the readout error p01 must be a probability"),
        ({"gradient": "finite"}, "'adjoint', 'parameter-shift' or 'spsa'"),
        ({"noise": "aria-1", "shots": 5}, "trajectories"),
        ({"noise": "aria-1", "trajectories": 5, "executor": "tfq"}, "differentiates what it samples by parameter shift"),
        (
            {"noise": "aria-1", "trajectories": 5, "executor": "tfq", "gradient": "parameter-shift"},
            "only one-qubit channels.*P1,P2,per-qubit'",
        ),
        ({"shots": 5, "executor": "tfq", "gradient": "parameter-shift", "fixed": True}, "draws anew at every step"),
        ({"readout_error": (0.1, 0.2), "trajectories": 5}, "two readout errors that differ .* no adjoint gradient"),
        ({"readout_error": [0.1], "shots": 5}, "one probability or two"),
        ({"gradient": "spsa"}, "exact values have adjoint gradients"),
    ],
)
def test_settings_that_do_not_go_together_are_refused(settings, message):
    with pytest.raises(ValueError, match=message):
        HeadConfig(**settings)


@pytest.mark.parametrize(
    "settings",
    [
        {"noise": "aria-1", "trajectories": 5},
        {"noise": "aria-1", "shots": 5, "trajectories": 5},
        {"noise": "aria-1", "shots": 5, "gradient": "spsa"},
        {"readout_error": 0.1, "shots": 5, "gradient": "parameter-shift"},
        {"noise": PER_QUBIT, "shots": 5, "executor": "tfq", "gradient": "parameter-shift"},
        {"noise": "aria-1", "shots": 5, "executor": "tfq", "gradient": "parameter-shift", "entangling": False},
        {"readout_error": (0.1, 0.2), "shots": 5, "gradient": "spsa", "fixed": True},
        {"shots": 5},
    ],
    ids=str,
)
def test_settings_that_go_together_are_taken(settings):
    assert HeadConfig(**settings).model_dump(exclude_unset=True) == settings
