"""Error mitigation against Cirq's density matrices, SciPy's fits and the statistics of repeated draws."""

from __future__ import annotations

from itertools import count

import cirq
import cirq_ionq
import numpy as np
import pytest
import sympy
from scipy import stats
from scipy.optimize import curve_fit

from tfq_llm import InputError
from tfq_llm.circuits import depolarizing, ionq_noise, noisy_circuit, readout_error, reduced, reuploading_circuit
from tfq_llm.circuits.folding import folded
from tfq_llm.circuits.reduction import with_own_angles
from tfq_llm.ionq.circuits import BoundCircuits
from tfq_llm.ionq.mitigation import (
    METHODS,
    Method,
    ReadoutError,
    calibration_templates,
    compare,
    corrected,
    extrapolate,
    measured_readout,
    mitigated,
    readout_from_values,
    shots_by_scale,
)
from tfq_llm.ionq.prices import PRICES
from tfq_llm.simulation.compiled.engine import CompiledEngine
from tfq_llm.simulation.sampling.engine import SamplingEngine

FORTE = PRICES["qpu.forte-1"]
P01, P10 = np.array([0.02, 0.1, 0.0]), np.array([0.05, 0.03, 0.01])
TRUE = np.array([-0.9, 0.3, 0.7])


def as_read(values: np.ndarray) -> np.ndarray:
    """⟨Z⟩ by detectors with P01 and P10, from the probabilities of their four outcomes."""
    zero, one = (1 + values) / 2, (1 - values) / 2
    return zero * (1 - P01) + one * P10 - zero * P01 - one * (1 - P10)


def shot_means(rng: np.random.Generator, values: np.ndarray, shots: int, repetitions: int) -> tuple[np.ndarray, np.ndarray]:
    """Means of shots [repetitions, ...] of a qubit with ⟨Z⟩, and their variances as estimated from them."""
    means = 2 * rng.binomial(shots, (1 + np.asarray(values)) / 2, [repetitions, *np.shape(values)]) / shots - 1
    return means, (1 - means**2) / (shots - 1)


def assert_unbiased(found: np.ndarray, true: np.ndarray) -> None:
    """At a significance of 1e-4 for all values together; repetitions come first."""
    found = found.reshape(len(found), -1)
    z = (found.mean(axis=0) - np.ravel(true)) / (found.std(axis=0, ddof=1) / np.sqrt(len(found)))
    assert np.all(np.abs(z) < stats.norm.isf(1e-4 / 2 / z.size))


def assert_covered(found: np.ndarray, errors: np.ndarray, true: np.ndarray, slack: float) -> None:
    """Whether ± 1.96 standard errors hold the truth in 95 % of the repetitions, within `slack` and draws at 1e-4."""
    inside = int(np.sum(np.abs(found - true) <= 1.96 * errors))
    assert stats.binom.cdf(inside, found.size, 0.95 - slack) > 1e-4
    assert stats.binom.sf(inside - 1, found.size, 0.95 + slack) > 1e-4


# Readout


@pytest.mark.parametrize("measured", [1, 3])
def test_calibration_circuits_prepare_zeros_and_ones_and_can_be_sent(measured):
    qubits = cirq.LineQubit.range(measured)
    for circuit, bit in zip(calibration_templates(measured), "01", strict=True):
        found = cirq.Simulator().sample(circuit + cirq.measure(*qubits, key="m"), repetitions=5)
        assert list(found["m"]) == [int(bit * measured, 2)] * 5
        body = cirq_ionq.Serializer().serialize_single_circuit(circuit + cirq.measure(*qubits, key="m")).body
        assert body["qubits"] == len(body["circuit"]) == measured


def test_correction_undoes_cirqs_readout_channel():
    qubits = cirq.LineQubit.range(3)
    circuit = cirq.Circuit(cirq.ry(0.4)(qubits[0]), cirq.ry(1.1)(qubits[1]), cirq.CNOT(*qubits[:2]), cirq.CNOT(*qubits[1:]))
    observables = [cirq.Z(qubit) + 0.0 for qubit in qubits]
    channels = [readout_error(p01, p10)(qubit) for p01, p10, qubit in zip(P01, P10, qubits, strict=True)]
    simulator = cirq.DensityMatrixSimulator(dtype=np.complex128)
    read = np.real(simulator.simulate_expectation_values(circuit + channels, observables))
    exact = np.real(simulator.simulate_expectation_values(circuit, observables))
    found, variances = corrected(read, ReadoutError(P01, P10), np.full(3, 0.01))
    np.testing.assert_allclose(found, exact, atol=1e-9)
    np.testing.assert_allclose(variances, 0.01 / (1 - P01 - P10) ** 2)
    zeros, ones = (
        np.real(simulator.simulate_expectation_values(calibration + channels, observables))
        for calibration in calibration_templates(3)
    )
    measured = readout_from_values(zeros, ones, 10_000)
    np.testing.assert_allclose([measured.p01, measured.p10], [P01, P10], atol=1e-9)


def test_measured_readout_is_that_of_counts():
    found = measured_readout([[990, 10], [1000, 0]], [[30, 470], [5, 495]])
    np.testing.assert_allclose(found.p01, [0.01, 0])
    np.testing.assert_allclose(found.p10, [0.06, 0.01])
    np.testing.assert_allclose(found.p01_error, [stats.beta(10.5, 990.5).std(), stats.beta(0.5, 1000.5).std()])
    same = readout_from_values([0.98, 1], [-0.88, -0.98], 1000)
    np.testing.assert_allclose([same.p01, same.p10], [found.p01, found.p10], atol=1e-12)


def test_corrected_values_have_no_bias_and_the_errors_that_they_say():
    rng, repetitions, shots, calibration = np.random.default_rng(1), 3000, 400, 2000
    read, variances = shot_means(rng, as_read(TRUE), shots, repetitions)
    zeros, ones = (shot_means(rng, as_read(np.full(3, state)), calibration, repetitions)[0] for state in (1.0, -1.0))
    found, spread = np.empty([2, repetitions, 3])
    for i in range(repetitions):
        found[i], spread[i] = corrected(read[i], readout_from_values(zeros[i], ones[i], calibration), variances[i])
    assert_unbiased(found, TRUE)
    assert_covered(found, np.sqrt(spread), TRUE, slack=0.01)
    # Where the calibration is poor and shots are many, its part is what counts.
    read, variances = shot_means(rng, as_read(TRUE), 100_000, repetitions)
    zeros, ones = (shot_means(rng, as_read(np.full(3, state)), 400, repetitions)[0] for state in (1.0, -1.0))
    for i in range(repetitions):
        found[i], spread[i] = corrected(read[i], readout_from_values(zeros[i], ones[i], 400), variances[i])
    assert_covered(found, np.sqrt(spread), TRUE, slack=0.02)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: ReadoutError(0.5, 0.5), "measured qubit 0 cannot be corrected"),
        (lambda: ReadoutError([0.1, 0.6], [0.1, 0.6]), "measured qubit 1 cannot be corrected"),
        (lambda: ReadoutError(0.4, 0.5, 0.04, 0.04), "cannot be told from it"),
        (lambda: ReadoutError(-0.1, 0.5), "are probabilities from 0 to 1"),
        (lambda: ReadoutError(float("nan"), 0.5), "are probabilities from 0 to 1"),
        (lambda: measured_readout([[1, 2]], [[0, 0]]), "counts are two numbers a qubit"),
        (lambda: measured_readout([1, 2], [1, 2]), "counts are two numbers a qubit"),
        (lambda: readout_from_values([1.2], [-1], 100), r"must be in \[−1, 1\]"),
        (lambda: readout_from_values([1], [-1], 0), "shots must be a whole number"),
        (lambda: corrected(np.zeros([4, 2]), ReadoutError(P01, P10)), "readout errors of 3 qubits do not fit"),
        (lambda: calibration_templates(0), "number of measured qubits must be"),
    ],
)
def test_bad_readout(make, message):
    with pytest.raises(InputError, match=message):
        make()


# Extrapolation


@pytest.mark.parametrize(
    ("scales", "model", "combined"),
    [((1, 3), "linear", [1.5, -0.5]), ((1, 3, 5), "quadratic", [15 / 8, -10 / 8, 3 / 8]), ((1, 3, 5), "linear", None)],
)
def test_polynomials_are_linear_combinations(scales, model, combined):
    rng = np.random.default_rng(0)
    values, variances = rng.uniform(-1, 1, [len(scales), 4, 2]), rng.uniform(0, 0.1, [len(scales), 4, 2])
    found = extrapolate(scales, values, variances, model)
    degree = 2 if model == "quadratic" else 1
    expected = [np.polyfit(scales, column, degree)[-1] for column in values.reshape(len(scales), -1).T]
    np.testing.assert_allclose(found.values.ravel(), expected)
    if combined is not None:
        np.testing.assert_allclose(found.standard_errors**2, np.tensordot(np.square(combined), variances, 1))
    assert np.all(found.linear == (model == "linear"))


def test_the_exponential_is_scipys_fit():
    rng, scales, sigma = np.random.default_rng(0), np.array([1.0, 3.0, 5.0]), 0.02
    true = rng.uniform(0.3, 1, 40) * rng.choice([-1, 1], 40)
    values = true * np.exp(-rng.uniform(0.1, 0.4, 40) * scales[:, None]) + sigma * rng.normal(size=[3, 40])
    found = extrapolate(scales, values, np.full([3, 40], sigma**2), "exponential")
    assert not found.linear.any()
    for column, value, error in zip(values.T, found.values, found.standard_errors, strict=True):
        fitted, covariance = curve_fit(
            lambda scale, a, b: a * np.exp(-b * scale), scales, column, [column[0], 0.1], [sigma] * 3, absolute_sigma=True
        )
        np.testing.assert_allclose([value, error], [fitted[0], np.sqrt(covariance[0, 0])], rtol=1e-4)


def test_the_exponential_finds_what_depolarizing_noise_hides():
    """Where every gate's noise strikes both qubits alike, ⟨Z⟩ decays exponentially, and nothing is left to fit."""
    a, b = cirq.LineQubit.range(2)
    circuit = cirq.Circuit(cirq.ry(0.7)(a), cirq.CNOT(a, b), cirq.ry(0.9)(b), cirq.CNOT(b, a))
    observables = [cirq.Z(a) + 0.0, cirq.Z(b) + 0.0]
    simulator = cirq.DensityMatrixSimulator(dtype=np.complex128)
    scales = (1, 3, 5)
    values = np.real(
        [
            simulator.simulate_expectation_values(noisy_circuit(folded(circuit, scale), depolarizing(0, 0.1)), observables)
            for scale in scales
        ]
    )
    exact = np.real(simulator.simulate_expectation_values(circuit, observables))
    nothing = np.zeros_like(values)
    np.testing.assert_allclose(extrapolate(scales, values, nothing, "exponential").values, exact, atol=1e-8)
    np.testing.assert_allclose(extrapolate(scales[:2], values[:2], nothing[:2], "exponential").values, exact, atol=1e-8)
    by_model = [np.abs(extrapolate(scales, values, nothing, model).values - exact).max() for model in ("quadratic", "linear")]
    assert 1e-4 < by_model[0] < by_model[1] < np.abs(values[0] - exact).max()


def test_a_line_where_there_is_no_exponential():
    """Another sign, growth, too near to 0, nothing at all; and two that decay."""
    values = np.array([[0.5, 0.3, 0.02, 0.03, 0.0, -0.4], [0.4, -0.1, 0.3, 0.001, 0.0, -0.3]])
    found = extrapolate((1, 3), values, np.full([2, 6], 0.02**2), "exponential")
    assert found.linear.tolist() == [False, True, True, True, True, False]
    line = extrapolate((1, 3), values, np.full([2, 6], 0.02**2))
    np.testing.assert_allclose(found.values[found.linear], line.values[found.linear])
    np.testing.assert_allclose(found.standard_errors[found.linear], line.standard_errors[found.linear])
    np.testing.assert_allclose(found.values[~found.linear], [0.5**1.5 / 0.4**0.5, -(0.4**1.5) / 0.3**0.5])


def test_a_fit_that_does_not_settle_is_a_line():
    found = extrapolate((1, 3, 5), [[1e-300], [1.0], [1e-300]], np.zeros([3, 1]), "exponential")
    assert np.isfinite(found.values).all()
    assert np.isfinite(found.standard_errors).all()


@pytest.mark.parametrize("scales", [(1, 3), (1, 3, 5)])
def test_values_near_zero_do_not_run_away(scales):
    """A ratio of two small numbers can be anything, and an exponential would follow it anywhere."""
    sigma, draws = 0.03, 200_000
    values = 0.03 * np.exp(-0.1 * np.array(scales))[:, None] + sigma * np.random.default_rng(0).normal(size=[len(scales), draws])
    variances = np.full_like(values, sigma**2)
    found, line = extrapolate(scales, values, variances, "exponential"), extrapolate(scales, values, variances)
    assert np.all(found.standard_errors <= 3 * line.standard_errors + 1e-12)
    assert np.abs(found.values).max() < 0.7
    assert 0.1 < found.linear.mean() < 0.95


@pytest.mark.parametrize(
    ("scales", "model", "slack", "biased"),
    [((1, 3), "linear", 0.01, False), ((1, 3, 5), "quadratic", 0.01, False), ((1, 3, 5), "exponential", 0.015, True)],
)
def test_extrapolated_values_have_the_errors_that_they_say(scales, model, slack, biased):
    rng, repetitions = np.random.default_rng(2), 4000
    true, points = np.array([0.8, -0.5]), np.array(scales)[:, None]
    means = {"linear": true * (1 - 0.05 * points), "quadratic": true * (1 - 0.1 * points + 0.01 * points**2)}
    values = means.get(model, true * np.exp(-0.1 * points))
    found = extrapolate(scales, *np.swapaxes(shot_means(rng, values, 1000, repetitions), 1, 2), model)
    assert_covered(found.values, found.standard_errors, true, slack)
    if not biased:
        assert_unbiased(found.values, true)


@pytest.mark.parametrize(
    ("scales", "shape", "model", "message"),
    [
        ((1, 3), [2, 4], "cubic", "must be one of linear, quadratic, exponential, not 'cubic'"),
        ((1, 3), [2, 4], "quadratic", "needs 3 or more different scales"),
        ((1, 1), [2, 4], "linear", "needs 2 or more different scales"),
        ((1,), [1, 4], "exponential", "needs 2 or more different scales"),
        ((1, 3), [3, 4], "linear", "2 scales need as many values"),
    ],
)
def test_bad_extrapolations(scales, shape, model, message):
    with pytest.raises(InputError, match=message):
        extrapolate(scales, np.ones(shape), np.ones(shape), model)


# Comparison


class Simulation:
    """The project's engine as a machine that has a noise and a readout error; it remembers what it was asked."""

    def __init__(self, noise: cirq.NoiseModel | None, readout: float, seed: int = 0) -> None:
        self.noise, self.readout, self.seeds = noise, readout, count(seed)
        self.asked: list[tuple[int, int, int]] = []

    def __call__(self, circuits, shots):
        qubits = cirq.LineQubit.range(circuits.measured)
        noisy = noisy_circuit(circuits.template, self.noise, readout=self.readout, measured=qubits)
        observables = [cirq.PauliString(cirq.Z(qubit)) for qubit in qubits]
        symbols = sympy.symbols(circuits.symbols)
        engine = SamplingEngine(noisy, observables, symbols, shots=shots, gradient="spsa", seed=next(self.seeds))
        found = engine.estimate(circuits.values)
        self.asked.append((len(circuits), shots, circuits.size.two_qubit))
        return found.values.astype(float), found.standard_errors.astype(float) ** 2


def classes(values: np.ndarray) -> np.ndarray:
    return (values[..., 0] > 0).astype(int)


def sentences(rows: int, qubits: int = 4, measured: int = 2) -> tuple[BoundCircuits, np.ndarray]:
    """A reduced re-uploading circuit at random angles, and its exact values."""
    ansatz = reuploading_circuit(qubits)
    symbols = [*ansatz.data_symbols, *ansatz.weight_symbols]
    template, own, matrix, shifts = with_own_angles(reduced(ansatz.circuit, ansatz.qubits[:measured]), symbols)
    # Angles near 0 keep |⟨Z⟩| large, as trained circuits do.
    values = np.random.default_rng(0).normal(0, 0.25, [rows, len(symbols)]) @ matrix + shifts
    exact = CompiledEngine(template, ansatz.observables(measured), own, dtype="float64").values(values)
    return BoundCircuits(template, tuple(map(str, own)), values, measured), exact


def test_all_methods_have_the_same_shots_and_pay_for_their_gates():
    circuits, exact = sentences(rows=10)
    run = Simulation(None, 0.0)
    table = compare(run, circuits, exact, classes, shots=200, price=FORTE, calibration_shots=100)
    assert [outcome.method for outcome in table.outcomes] == list(METHODS)
    assert [outcome.circuits for outcome in table.outcomes] == [10, 12, 20, 30, 22, 32]
    assert [outcome.shots for outcome in table.outcomes] == [2000] * 6
    assert sum(rows * shots for rows, shots, _ in run.asked) == 12_000
    gates = run.asked[0][2]
    assert [asked for asked in run.asked if asked[0] == 10] == [
        (10, 200, gates),
        (10, 180, gates),
        *[(10, 150, gates), (10, 50, 3 * gates)],
        *[(10, 118, gates), (10, 37, 3 * gates), (10, 45, 5 * gates)],
        *[(10, 135, gates), (10, 45, 3 * gates)],
        *[(10, 106, gates), (10, 33, 3 * gates), (10, 41, 5 * gates)],
    ]
    # All circuits cost the minimum here, so it is their number that is paid for.
    assert [outcome.dollars / FORTE.minimum for outcome in table.outcomes] == pytest.approx([10, 12, 20, 30, 22, 32])


def test_folded_circuits_cost_more_where_gates_count():
    circuits, exact = sentences(rows=2)
    table = compare(Simulation(None, 0.0), circuits, exact, classes, shots=4000, price=FORTE, methods=METHODS[::2])
    ones, twos = (sum(len(operation.qubits) == width for operation in circuits.template.all_operations()) for width in (1, 2))
    expected = [4000 * (0.0001645 * ones + 0.001121 * twos), 0.0]
    for shots, scale in ((3000, 1), (1000, 3)):
        expected[1] += max(25.79, shots * (0.0001645 * ones + 0.001121 * scale * twos))
    assert [outcome.dollars for outcome in table.outcomes[:2]] == pytest.approx([2 * each for each in expected])


def test_exact_machines_are_found_exact():
    """Without noise all methods agree with the exact values within the standard errors that they give."""
    circuits, exact = sentences(rows=60)
    table = compare(Simulation(None, 0.0, seed=5), circuits, exact, classes, shots=1000, price=FORTE)
    for outcome in table.outcomes:
        if "exponential" not in outcome.method.name:
            assert_covered(outcome.values, outcome.standard_errors, exact, slack=0.02)
    raw = table.outcomes[0]
    assert raw.gain == raw.gain_spread == 0
    assert raw.error == pytest.approx(np.abs(raw.values - exact).mean())
    assert raw.changed == np.mean(classes(raw.values) != classes(exact))


@pytest.mark.slow
@pytest.mark.parametrize("machine", ["aria-1", pytest.param("forte-1", marks=pytest.mark.campaign)])
def test_with_shots_enough_mitigation_takes_the_noise_out(machine):
    """What bias is left by each method, when shots are so many that they hide little of it."""
    circuits, exact = sentences(rows=30)
    run = Simulation(ionq_noise(machine), 0.02, seed=3)
    table = compare(run, circuits, exact, classes, shots=20_000, price=FORTE)
    by_name = {outcome.method.name: outcome for outcome in table.outcomes}
    for name in ("readout", "linear", "exponential", "readout, linear", "readout, exponential"):
        assert by_name[name].gain > 4 * by_name[name].gain_spread, name
    assert by_name["readout, linear"].error < by_name["linear"].error
    assert by_name["readout, exponential"].error < by_name["raw"].error / 3


def test_one_method_alone_with_known_readout_errors():
    """What corrects before the extrapolation is the same as what corrects behind it, for a line."""
    circuits, _ = sentences(rows=5)
    known = ReadoutError([0.02, 0.02], [0.02, 0.02], [0.001, 0.001], [0.001, 0.001])
    method = Method("both", (1.0, 3.0), readout=True)
    after, spread = mitigated(Simulation(None, 0.02), circuits, 1000, method, known)
    before, errors = mitigated(Simulation(None, 0.02), circuits, 1000, Method("line", (1.0, 3.0)))
    expected, variances = corrected(before, known, errors**2)
    np.testing.assert_allclose(after, expected)
    np.testing.assert_allclose(spread, np.sqrt(variances))


def test_shots_are_divided_for_the_least_error():
    assert shots_by_scale(Method("raw"), 1000) == [1000]
    best = shots_by_scale(Method("line", (1.0, 3.0)), 1000)
    assert best == [750, 250]
    spread = [extrapolate((1, 3), [0, 0], [1 / first, 1 / (1000 - first)]).standard_errors for first in range(1, 1000)]
    assert abs(1 + int(np.argmin(spread)) - best[0]) <= 1
    for shots in (3, 4, 7, 100, 999):
        divided = shots_by_scale(METHODS[3], shots)
        assert sum(divided) == shots
        assert min(divided) >= 1


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"shots": 2}, "too few for the method 'exponential'"),
        ({"shots": 0}, "shots must be a whole number of at least 1"),
        ({"shots": 100, "calibration_shots": 400}, "it takes 800 of them for calibration"),
        ({"shots": 100, "exact": np.zeros([3, 2])}, "needs exact values of 2 or more rows"),
    ],
)
def test_bad_comparisons(options, message):
    circuits, exact = sentences(rows=4)
    arguments = {"exact": exact, "price": FORTE, "methods": METHODS[::3] + METHODS[1:2]} | options
    with pytest.raises(InputError, match=message):
        compare(Simulation(None, 0.0), circuits, classes=classes, **arguments)
