"""Memory: what a call takes depends on the width of the register alone, and too much is refused before it is taken."""

from __future__ import annotations

import tracemalloc
from itertools import combinations
from types import SimpleNamespace

import cirq
import numpy as np
import psutil
import pytest

from tfq_llm import InputError
from tfq_llm.simulation.compiled.engine import CompiledEngine

# VmHWM is the most that this process has held at once; unlike ru_maxrss it does not start at the parent's.
MEASURE = """
import sys
from pathlib import Path
import cirq, numpy as np, sympy
from tfq_llm.simulation.compiled.engine import CompiledEngine
from tfq_llm.simulation.compiled.threads import set_num_threads

def peak():
    status = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    return int(status["VmHWM"].split()[0]) / 1024

def call(layers, batch):
    "Megabytes by which a call raises the most this process has held."
    line, angle = cirq.LineQubit.range(16), sympy.Symbol("x")
    layer = [cirq.ry(angle).on_each(*line), [cirq.CNOT(a, b) for a, b in zip(line, line[1:])]]
    circuit = cirq.Circuit([layer] * layers)
    engine = CompiledEngine(circuit, [cirq.PauliString(cirq.Z(line[0]))], [angle])
    before = peak()
    engine.gradients(np.zeros([batch, 1]))
    return peak() - before

set_num_threads(2)
CompiledEngine(cirq.Circuit(cirq.ry(0.1)(cirq.LineQubit(0))), [cirq.PauliString(cirq.Z(cirq.LineQubit(0)))]).gradients()
print(call(1, 32), call(1, 160), call(6, 32))
"""
STATE = 2**16 * 16 * 4 / 2**20


@pytest.mark.slow
def test_memory_grows_with_neither_the_batch_nor_the_gates(fresh_process):
    first, larger_batch, more_gates = map(float, fresh_process(MEASURE).split())
    assert first < 2 * 2 * STATE + 8
    assert larger_batch < STATE / 2
    assert more_gates < STATE / 2


def test_what_does_not_fit_is_refused_before_it_is_taken(monkeypatch):
    line = cirq.LineQubit.range(20)
    engine = CompiledEngine(cirq.Circuit(cirq.H.on_each(*line)), [cirq.PauliString(cirq.Z(line[0]))])
    monkeypatch.setattr(psutil, "virtual_memory", lambda: SimpleNamespace(available=50 * 2**20))
    tracemalloc.start()
    try:
        with pytest.raises(
            InputError, match=r"20 qubits on 1 threads needs \d{3} MiB of memory and 50 MiB are available: use fewer"
        ):
            engine.gradients()
        assert tracemalloc.get_traced_memory()[1] < 20 * 2**20
    finally:
        tracemalloc.stop()


def test_a_small_circuit_runs_however_little_is_left(monkeypatch):
    monkeypatch.setattr(psutil, "virtual_memory", lambda: SimpleNamespace(available=0))
    line = cirq.LineQubit.range(8)
    engine = CompiledEngine(cirq.Circuit(cirq.ry(0.3).on_each(*line)), [cirq.PauliString(cirq.Z(line[0]))])
    np.testing.assert_allclose(engine.values(), [[np.cos(0.3)]], rtol=1e-6)


def test_an_observable_of_many_terms_takes_one_table(monkeypatch):
    """Three tables in double precision while they are summed up, and one of 2^16 floats that stays."""
    line = cirq.LineQubit.range(16)
    ising = sum((cirq.Z(a) * cirq.Z(b) for a, b in combinations(line, 2)), cirq.PauliSum())
    engine = CompiledEngine(cirq.Circuit(cirq.H.on_each(*line)), [ising])
    tracemalloc.start()
    try:
        assert engine.values().shape == (1, 1)
        assert tracemalloc.get_traced_memory()[1] < 16 * 2**20
        monkeypatch.setattr(psutil, "virtual_memory", lambda: SimpleNamespace(available=2**20))
        wide = cirq.LineQubit.range(20)
        with pytest.raises(InputError, match="20 qubits on 1 threads needs"):
            CompiledEngine(cirq.Circuit(cirq.H.on_each(*wide)), [cirq.Z(wide[0]) + cirq.Z(wide[1])]).values()
    finally:
        tracemalloc.stop()
