"""Compiled kernels are kept on disk: only the first process that needs one compiles it."""

from __future__ import annotations

import time
from types import SimpleNamespace

import numpy as np
import pytest

from tests.simulation.compiled.examples import gradients_on, inputs_of, reuploading_engine
from tfq_llm.simulation.compiled.blocks import RUN_CHUNKS
from tfq_llm.simulation.compiled.first_call import announced, is_compiling

CALL = """
from tests.simulation.compiled.examples import gradients_on
from tfq_llm.simulation.compiled.blocks import RUN_CHUNKS
found = gradients_on(2, num_qubits=4, batch=20)
stats = [kernel.stats for kernel in RUN_CHUNKS.values()]
print(*(sum(sum(each.values()) for each in kind) for kind in zip(*((s.cache_misses, s.cache_hits) for s in stats))), end=" ")
print(abs(found.weights).sum())
"""


def compiled() -> int:
    """How many kinds of arguments this process has compiled or loaded code for."""
    return sum(len(kernel.signatures) for kernel in RUN_CHUNKS.values())


@pytest.mark.slow
def test_another_process_finds_what_this_one_compiled(fresh_process):
    """This process compiles unless others have; the other one then loads one kernel and compiles none."""
    expected = abs(gradients_on(2, num_qubits=4, batch=20).weights).sum()
    misses, hits, found = fresh_process(CALL).splitlines()[-1].split()
    assert (misses, hits) == ("0", "1")
    assert found == str(expected)


@pytest.mark.campaign
def test_a_second_process_finds_what_the_first_compiled(fresh_process, monkeypatch, tmp_path):
    """With an empty cache."""
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path))
    first, second = (fresh_process(CALL).splitlines()[-1].split() for _ in range(2))
    assert (first[:2], second[:2]) == (["1", "0"], ["0", "1"])
    assert first[2] == second[2]


def test_compiling_is_announced_and_loading_is_not(capfd):
    class Kernel:
        stats = SimpleNamespace(cache_misses={}, cache_path="here")

    with announced(Kernel(), "loaded"):
        time.sleep(0.8)
        assert not is_compiling()
    assert not capfd.readouterr().err
    Kernel.stats.cache_misses["signature"] = 1
    kernel = Kernel()
    for compiles in (True, False):
        with announced(kernel, "compiled"):
            time.sleep(0.8)
            assert is_compiling() == compiles
        assert not is_compiling()
    assert capfd.readouterr().err.count("Compiling the simulation's kernels for this processor (compiled)") == 1


def test_one_kernel_serves_every_circuit_and_call_of_a_dtype():
    small, wide = reuploading_engine(3), reuploading_engine(9, measured=3)
    small.values(*inputs_of(small, 4))
    before = compiled()
    for engine, batch in ((small, 1), (small, 33), (wide, 5)):
        inputs = inputs_of(engine, batch)
        engine.values(*inputs)
        states = np.eye(2**engine.num_qubits)[:1].repeat(batch, axis=0)
        engine.gradients(*inputs, initial_state=states, upstream=np.ones([batch, engine.num_observables]))
    assert compiled() == before


def read_only(array):
    copy = array.copy()
    copy.flags.writeable = False
    return copy


def unaligned(array):
    return np.frombuffer(bytearray(1) + array.tobytes(), array.dtype, offset=1).reshape(array.shape)


@pytest.mark.parametrize(
    "layout", [read_only, unaligned, np.asfortranarray, np.ndarray.tolist, lambda array: np.repeat(array, 2, axis=0)[::2]]
)
def test_inputs_of_any_layout_need_no_kernel_of_their_own(layout):
    engine = reuploading_engine(3)
    inputs = [*inputs_of(engine, 4), np.eye(8, dtype=np.float32)[:4], np.ones([4, 2])]
    expected = engine.gradients(*inputs)
    before = compiled()
    found = engine.gradients(*map(layout, inputs))
    np.testing.assert_array_equal(found.data, expected.data)
    np.testing.assert_array_equal(found.initial_state, expected.initial_state)
    assert compiled() == before
