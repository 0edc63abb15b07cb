"""The long-range ansatz against what figures 2 and 3 of arXiv 2504.08732 show."""

from __future__ import annotations

import cirq
import numpy as np
import pytest
import sympy

from tfq_llm import InputError
from tfq_llm.circuits import angle_encoding, draw_svg, draw_text, long_range_ansatz, long_range_parameters, reuploading_circuit


def names(circuit: cirq.Circuit) -> list[str]:
    return [str(operation.gate.exponent * sympy.pi) for operation in circuit.all_operations() if cirq.is_parameterized(operation)]


def test_one_layer_is_the_figure_gate_by_gate():
    a, b, c = cirq.LineQubit.range(3)
    t = sympy.symbols("t:9")
    paper = cirq.Circuit(
        [cirq.CNOT(a, b), cirq.ry(t[0]).on(b), cirq.CNOT(b, c), cirq.ry(t[1]).on(c), cirq.CNOT(c, a), cirq.ry(t[2]).on(a)],
        [cirq.CNOT(a, c), cirq.ry(t[3]).on(c), cirq.CNOT(b, a), cirq.ry(t[4]).on(a), cirq.CNOT(c, b), cirq.ry(t[5]).on(b)],
        [cirq.ry(t[6]).on(a), cirq.ry(t[7]).on(b), cirq.ry(t[8]).on(c)],
    )
    assert long_range_ansatz([a, b, c], layers=1, connectivity=2, prefix="t") == paper


@pytest.mark.parametrize(("qubits", "layers", "connectivity"), [(4, 3, 2), (2, 1, 1), (5, 2, 4), (10, 6, 9), (12, 3, 1)])
def test_number_of_parameters(qubits, layers, connectivity):
    circuit = long_range_ansatz(cirq.LineQubit.range(qubits), layers, connectivity)
    count = layers * connectivity * qubits + qubits
    assert cirq.parameter_names(circuit) == {f"theta{index}" for index in range(count)}
    assert long_range_parameters(qubits, layers, connectivity) == count


def test_the_column_of_ry_stands_behind_the_first_layer_only():
    circuit = long_range_ansatz(cirq.LineQubit.range(4), layers=3, connectivity=2)
    on_first = [gate for gate in circuit.all_operations() if gate.qubits == (cirq.LineQubit(0),)]
    # Two RY a layer as a CNOT's target, and the column's.
    assert [str(gate.gate.exponent * sympy.pi) for gate in on_first] == [
        "theta3",
        "theta6",
        "theta8",
        "theta15",
        "theta18",
        "theta23",
        "theta26",
    ]


def test_all_gates_are_real():
    circuit = long_range_ansatz(cirq.LineQubit.range(4), layers=2, connectivity=3)
    values = {f"theta{index}": 0.1 * index for index in range(28)}
    assert np.allclose(cirq.unitary(cirq.resolve_parameters(circuit, values)).imag, 0)


def test_without_entanglement_the_angles_stay():
    qubits = cirq.LineQubit.range(4)
    circuit = long_range_ansatz(qubits, layers=2, connectivity=3, entangling=False)
    assert not any(isinstance(operation.gate, cirq.CXPowGate) for operation in circuit.all_operations())
    assert cirq.parameter_names(circuit) == cirq.parameter_names(long_range_ansatz(qubits, layers=2, connectivity=3))


@pytest.mark.parametrize(
    ("qubits", "layers", "connectivity", "message"),
    [(1, 1, 1, "at least 2 qubits"), (4, 0, 1, "at least 1 layer"), (4, 1, 4, "from 1 to 3"), (4, 1, 0, "from 1 to 3")],
)
def test_impossible_numbers_are_named(qubits, layers, connectivity, message):
    with pytest.raises(InputError, match=message):
        long_range_ansatz(cirq.LineQubit.range(qubits), layers, connectivity)


def test_angle_encoding_rotates_each_qubit_by_its_datum():
    qubits = cirq.LineQubit.range(2)
    circuit = angle_encoding(qubits, sympy.symbols("x:2"))
    state = cirq.final_state_vector(cirq.resolve_parameters(circuit, {"x0": np.pi, "x1": 0.0}))
    assert np.allclose(np.abs(state), [0, 0, 1, 0], atol=1e-6)
    with pytest.raises(InputError, match="3 for 2 qubits"):
        angle_encoding(qubits, sympy.symbols("x:3"))


def test_reuploading_shares_the_first_pqc_between_blocks():
    ansatz = reuploading_circuit(3, reuploads=4, layers=2, final_layers=1, connectivity=2)
    first, last = long_range_parameters(3, 2, 2), long_range_parameters(3, 1, 2)
    assert [str(symbol) for symbol in ansatz.weight_symbols] == [f"theta{i}" for i in range(first)] + [
        f"phi{i}" for i in range(last)
    ]
    used = names(ansatz.circuit)
    assert [used.count(name) for name in ("x0", "x2", "theta0", f"theta{first - 1}", "phi0")] == [4, 4, 4, 4, 1]


def test_blocks_can_have_angles_of_their_own():
    ansatz = reuploading_circuit(3, reuploads=2, layers=1, final_layers=1, connectivity=1, shared=False)
    assert len(ansatz.weight_symbols) == 3 * long_range_parameters(3, 1, 1)
    assert set(map(str, ansatz.weight_symbols)) == set(names(ansatz.circuit)) - {"x0", "x1", "x2"}


@pytest.mark.parametrize("shared", [True, False])
def test_weight_symbols_are_in_the_order_of_the_gates(shared):
    ansatz = reuploading_circuit(3, reuploads=2, layers=2, final_layers=1, connectivity=1, shared=shared)
    a, b, c = cirq.LineQubit.range(3)
    data = [cirq.ry(symbol).on(qubit) for symbol, qubit in zip(ansatz.data_symbols, (a, b, c), strict=True)]
    layer = [(b, a), (c, b), (a, c)]  # target and control of each CNOT; the RY stands on the target
    column = [(a, None), (b, None), (c, None)]

    def gates(order, symbols):
        for (target, control), symbol in zip(order, symbols, strict=True):
            yield [cirq.CNOT(control, target)] if control is not None else []
            yield cirq.ry(symbol).on(target)

    weights = ansatz.weight_symbols
    first, second, last = weights[:9], weights[:9] if shared else weights[9:18], weights[-6:]
    assert len(weights) == (15 if shared else 24)
    blocks = [data, gates([*layer, *column, *layer], first), data, gates([*layer, *column, *layer], second)]
    expected = cirq.Circuit(*blocks, gates([*layer, *column], last))
    assert ansatz.circuit == expected


def test_observables_are_z_of_the_first_qubits():
    ansatz = reuploading_circuit(3)
    assert ansatz.observables(2) == [cirq.Z(cirq.LineQubit(0)) * 1.0, cirq.Z(cirq.LineQubit(1)) * 1.0]
    with pytest.raises(InputError, match="4 of 3"):
        ansatz.observables(4)


def test_drawings_show_every_qubit_and_symbol():
    circuit = reuploading_circuit(3).circuit
    text, svg = draw_text(circuit), draw_svg(circuit)
    assert text.startswith("0: ───Ry(x0)")
    assert all(f"{drawing}".count("theta8") == 2 for drawing in (text, svg))
    assert svg.lstrip().startswith("<svg")
    assert all(len(line) <= 60 for line in draw_text(circuit, width=60).splitlines())
