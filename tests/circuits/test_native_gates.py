"""IonQ's gates are known although their package is not imported before somebody uses it."""

from __future__ import annotations


def test_cirq_ionq_is_imported_only_for_its_own_gates(fresh_process):
    code = """
import sys, cirq
from tfq_llm.simulation.program import compile_circuit

qubit = cirq.LineQubit(0)
print(len(compile_circuit(cirq.Circuit(cirq.X(qubit)), [qubit], [], []).gates), "cirq_ionq" in sys.modules)

import cirq_ionq
print(len(compile_circuit(cirq.Circuit(cirq_ionq.GPIGate(phi=0.2)(qubit)), [qubit], [], []).gates))
"""
    assert fresh_process(code).split() == ["1", "False", "3"]
