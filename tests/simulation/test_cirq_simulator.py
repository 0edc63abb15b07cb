"""The compiled engine in the place of Cirq's simulator."""

from __future__ import annotations

import cirq
import cirq_ionq
import numpy as np
import pytest
import sympy
import tensorflow as tf
import tensorflow_quantum as tfq

from tests.simulation.sampling.oracles import random_circuit
from tfq_llm import InputError
from tfq_llm.simulation.cirq_simulator import CompiledSimulator
from tfq_llm.simulation.compiled.engine import CompiledEngine

A, B, C = QUBITS = cirq.LineQubit.range(3)
T, U = sympy.symbols("t u")
OURS, CIRQS = CompiledSimulator("float64"), cirq.Simulator(dtype=np.complex128)
OBSERVABLES = [cirq.PauliString(cirq.Z(A)), cirq.X(A) * cirq.Y(C) - 0.5 * cirq.Z(B) + 2, cirq.PauliString(cirq.Y(B))]
CIRCUIT = random_circuit(3, 0) + cirq.ry(T).on(B) + (cirq.CNOT ** (2 * U + 0.1)).on(B, C)
STATE = np.array([1, 2j, 0, -1, 0.5, 0, 3, 1j]) / np.linalg.norm([1, 2, 1, 0.5, 3, 1])


def assert_same(program: cirq.AbstractCircuit, observables, params=None, **options) -> None:
    ours, cirqs = (
        simulator.simulate_expectation_values_sweep(program, observables, params, **options) for simulator in (OURS, CIRQS)
    )
    np.testing.assert_allclose(ours, cirqs, atol=1e-9)


def test_a_sweep_is_cirqs():
    assert_same(CIRCUIT, OBSERVABLES, cirq.Linspace("t", -2, 2, 5) * cirq.Points("u", [0.1, 0.7]))
    assert_same(CIRCUIT, OBSERVABLES, [{"t": 0.3, "u": 0.1}, cirq.ParamResolver({"t": "u", "u": 0.2})])


def test_one_set_of_parameters_and_one_observable():
    values = OURS.simulate_expectation_values(CIRCUIT, OBSERVABLES[1], {"t": 0.3, "u": 0.1})
    np.testing.assert_allclose(
        values, CIRQS.simulate_expectation_values(CIRCUIT, OBSERVABLES[1], {"t": 0.3, "u": 0.1}), atol=1e-9
    )
    assert len(values) == 1


@pytest.mark.parametrize("initial_state", [0, 5, STATE], ids=["zero", "five", "vector"])
@pytest.mark.parametrize("order", [cirq.QubitOrder.DEFAULT, QUBITS[::-1], [B, C, A]], ids=["default", "reversed", "mixed"])
def test_initial_states_and_qubit_orders(initial_state, order):
    assert_same(CIRCUIT, OBSERVABLES, {"t": 0.3, "u": 0.1}, initial_state=initial_state, qubit_order=order)


def test_qubits_that_only_the_order_or_an_observable_has():
    circuit = cirq.Circuit(cirq.ry(0.3).on(B))
    assert_same(circuit, [cirq.Z(B) * 1.0], initial_state=STATE, qubit_order=QUBITS)
    np.testing.assert_allclose(OURS.simulate_expectation_values(circuit, cirq.Z(A) * cirq.Z(B)), np.cos(0.3))


def test_terminal_measurements_are_left_out_if_permitted():
    """Cirq would give the values of a state that a measurement has collapsed."""
    measured, params = CIRCUIT + cirq.measure(A, B, key="m"), {"t": 0.3, "u": 0.1}
    values = OURS.simulate_expectation_values(measured, OBSERVABLES, params, permit_terminal_measurements=True)
    np.testing.assert_allclose(values, CIRQS.simulate_expectation_values(CIRCUIT, OBSERVABLES, params), atol=1e-9)
    for simulator in (OURS, CIRQS):
        with pytest.raises(ValueError, match="measurement"):
            simulator.simulate_expectation_values(measured, OBSERVABLES, params)


def test_a_qubit_that_is_only_measured_keeps_its_place():
    circuit = cirq.Circuit(cirq.ry(0.3).on(B), cirq.measure(A))
    state = np.array([0.6, 0, 0.8j, 0])
    assert_same(circuit, [cirq.PauliString(cirq.Z(B))], initial_state=state, permit_terminal_measurements=True)


def test_a_measurement_in_the_middle_is_refused():
    circuit = cirq.Circuit(cirq.H(A), cirq.measure(A), cirq.H(A))
    with pytest.raises(InputError, match="not supported"):
        OURS.simulate_expectation_values(circuit, cirq.Z(A) * 1.0)


def test_expressions_that_come_down_to_numbers():
    circuit = cirq.Circuit(cirq.ry(T**2).on(A), cirq.rx(T * U).on(B), cirq.CNOT(A, B), cirq.I(C))
    assert_same(circuit, OBSERVABLES, cirq.Points("t", [0.5, 1.5]) * cirq.Points("u", [0.1, 0.2]))


@pytest.mark.parametrize("angle", [T, 2 * T + 0.1, T**2, T * U])
def test_missing_parameters_are_named(angle):
    with pytest.raises(InputError, match=r"no value to t\b"):
        OURS.simulate_expectation_values(cirq.Circuit(cirq.ry(angle).on(A)), cirq.Z(A) * 1.0, {"u": 0.3})


def test_what_the_engine_does_not_know_is_refused_with_and_without_parameters():
    for circuit in (cirq.Circuit(cirq.CCX(*QUBITS)), cirq.Circuit(cirq.ry(T).on(A), cirq.CCX(*QUBITS))):
        for params in ({"t": 0.3}, {}):
            with pytest.raises(InputError, match=r"TOFFOLI|no value to t"):
                OURS.simulate_expectation_values(circuit, cirq.Z(A) * 1.0, params)


def test_programs_are_compiled_once(monkeypatch):
    simulator, made = CompiledSimulator("float64"), []

    def engine(*arguments, **options):
        made.append(CompiledEngine(*arguments, **options))
        return made[-1]

    monkeypatch.setattr("tfq_llm.simulation.cirq_simulator.CompiledEngine", engine)
    for angle in (0.1, 0.2, 0.3):
        simulator.simulate_expectation_values(CIRCUIT.copy(), OBSERVABLES, {"t": angle, "u": angle})
    assert len(made) == 1


def test_tensorflow_quantum_takes_it_as_a_backend():
    circuit = cirq.Circuit(cirq.ry(T).on(A), cirq.CNOT(A, B), cirq.rz(U).on(B), cirq.H(B))
    observables = [cirq.PauliString(cirq.Z(A)), cirq.X(A) * cirq.X(B) + 0.5 * cirq.Z(B)]
    values = np.random.default_rng(0).uniform(-3, 3, [4, 2]).astype(np.float32)
    ours, stock = (
        tfq.layers.Expectation(backend=backend)(
            circuit, symbol_names=["t", "u"], symbol_values=tf.constant(values), operators=observables
        )
        for backend in (CompiledSimulator(), "noiseless")
    )
    np.testing.assert_allclose(ours, stock, atol=1e-5)


def test_symbols_in_ionqs_gates_are_parameters_too():
    phases = cirq.Points("t", [0.1, 0.4])
    symbolic = cirq.Circuit(cirq.H(A), cirq_ionq.GPI2Gate(phi=T).on(A))
    expected = [
        CIRQS.simulate_expectation_values(cirq.Circuit(cirq.H(A), cirq_ionq.GPI2Gate(phi=phase).on(A)), cirq.X(A) * 1.0)
        for phase in (0.1, 0.4)
    ]
    np.testing.assert_allclose(OURS.simulate_expectation_values_sweep(symbolic, cirq.X(A) * 1.0, phases), expected, atol=1e-9)


def test_a_moment_keeps_its_number():
    late = cirq.Circuit(cirq.Moment(cirq.H(A)), cirq.Moment(), cirq.Moment(cirq.CCX(*QUBITS)), cirq.Moment(cirq.measure(A)))
    with pytest.raises(InputError, match="in moment 2"):
        OURS.simulate_expectation_values(late, cirq.Z(A) * 1.0, permit_terminal_measurements=True)


def test_expressions_in_ionqs_gates_come_down_to_numbers():
    params = {"t": 0.3}
    for gate, wanted in (
        (cirq_ionq.GPIGate(phi=T**2), 0.09),
        (cirq_ionq.GPIGate(phi=T), 0.3),
        (cirq_ionq.GPIGate(phi=sympy.pi / 8), np.pi / 8),
    ):
        circuit = cirq.Circuit(cirq.ry(T**2).on(A), gate.on(A))
        expected = CIRQS.simulate_expectation_values(
            cirq.Circuit(cirq.ry(0.09).on(A), cirq_ionq.GPIGate(phi=wanted).on(A)), cirq.X(A) * 1.0
        )
        np.testing.assert_allclose(OURS.simulate_expectation_values(circuit, cirq.X(A) * 1.0, params), expected, atol=1e-9)
    with pytest.raises(InputError, match="TOFFOLI"):
        OURS.simulate_expectation_values(
            cirq.Circuit(cirq_ionq.GPI2Gate(phi=T).on(A), cirq.CCX(*QUBITS)), cirq.Z(A) * 1.0, params
        )
