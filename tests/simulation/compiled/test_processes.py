"""Threads and processes: the same bits on any number of threads, and right results wherever a call comes from."""

from __future__ import annotations

import multiprocessing
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from tests.simulation.compiled.examples import gradients_on, inputs_of, reuploading_engine, same_bits, weights_in_a_worker
from tfq_llm import InputError
from tfq_llm.simulation.compiled import runner
from tfq_llm.simulation.compiled.threads import num_threads, set_num_threads

# A process that hangs is ended, instead of the tests hanging with it.
PREAMBLE = """
import os, signal, threading
signal.alarm(100)
from tests.simulation.compiled.examples import *

def in_a_child(check):
    child = os.fork()
    if not child:
        signal.alarm(30)
        code = 1
        try:
            code = 0 if check() else 2
        finally:
            os._exit(code)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
"""


@pytest.fixture(autouse=True)
def _keep_number_of_threads():
    before = num_threads()
    yield
    set_num_threads(before)


@pytest.fixture
def many_threads(monkeypatch):
    """Small work is shared among threads, too; returns how many parts each call had."""
    parts, original = [], runner.run_parts

    def recorded(run, count, are_done):
        parts.append(count)
        original(run, count, are_done)

    monkeypatch.setattr(runner, "_WORTH_A_THREAD", 1.0)
    monkeypatch.setattr(runner, "run_parts", recorded)
    return parts


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(("num_qubits", "batch"), [(3, 5), (8, 17), (9, 700), (12, 40)])
def test_results_do_not_depend_on_the_number_of_threads(many_threads, num_qubits, batch, dtype):
    one, *others = (gradients_on(threads, num_qubits, batch, dtype=dtype) for threads in (1, 2, 3, 7, 7))
    assert all(same_bits(one, other) for other in others)
    assert len(set(many_threads)) > 1 or batch <= 8


@pytest.mark.parametrize("kind", ["real", "complex"])
def test_gradients_by_states_do_not_depend_on_the_number_of_threads(many_threads, kind):
    engine = reuploading_engine(8)
    rng = np.random.default_rng(0)
    states = rng.normal(size=[90, 256]) + (1j * rng.normal(size=[90, 256]) if kind == "complex" else 0)
    states /= np.linalg.norm(states, axis=1, keepdims=True)
    found = []
    for threads in (1, 2, 3, 7, 7):
        set_num_threads(threads)
        found.append(engine.gradients(*inputs_of(engine, 90), initial_state=states))
    assert all(same_bits(found[0], each) for each in found)
    assert all(np.array_equal(found[0].initial_state, each.initial_state) for each in found)


def test_eight_python_threads_may_call_at_once(many_threads):
    set_num_threads(3)
    engine = reuploading_engine(8)
    alone = [engine.gradients(*inputs_of(engine, 60, seed)) for seed in range(8)]
    with ThreadPoolExecutor(8) as pool:
        for _ in range(3):
            together = pool.map(lambda seed: engine.gradients(*inputs_of(engine, 60, seed)), range(8))
            assert all(map(same_bits, alone, together))
    assert set(many_threads) == {3}


def test_the_number_of_threads_may_change_while_others_compute(many_threads):
    engine = reuploading_engine(8)
    alone = [engine.gradients(*inputs_of(engine, 60, seed)) for seed in range(16)]

    def call(seed):
        set_num_threads(1 + seed % 7)
        return engine.gradients(*inputs_of(engine, 60, seed))

    with ThreadPoolExecutor(4) as pool:
        assert all(map(same_bits, alone, pool.map(call, range(16))))
    assert len(set(many_threads)) > 3


@pytest.mark.parametrize("count", [0, -1, 1.5, True, "2", None])
def test_the_number_of_threads_is_a_whole_one(count):
    with pytest.raises(InputError, match="number of threads must be a whole number of at least 1"):
        set_num_threads(count)


@pytest.mark.slow
def test_a_spawned_process_may_call():
    expected = weights_in_a_worker(2)
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        assert pool.map_async(weights_in_a_worker, [1, 3]).get(timeout=100) == [expected] * 2


FORKS = {
    "after its parent used threads": """
expected = gradients_on(3)
assert threading.active_count() > 1
assert in_a_child(lambda: same_bits(gradients_on(3), expected)) == 0
assert in_a_child(lambda: in_a_child(lambda: same_bits(gradients_on(2), expected)) == 0) == 0
assert same_bits(gradients_on(3), expected)
""",
    # numba compiles, and loads compiled code, under one lock, which a child would inherit locked.
    "while a thread of its parent compiles": """
from numba.core.compiler_lock import global_compiler_lock
import time
compiling = threading.Event()

def compile_something():
    with global_compiler_lock:
        compiling.set()
        time.sleep(1)

expected = gradients_on(2)
thread = threading.Thread(target=compile_something)
thread.start()
compiling.wait()
assert in_a_child(lambda: same_bits(gradients_on(2), expected) and gradients_on(2, dtype="float64").weights.any()) == 0
thread.join()
""",
    # With engines made before: up to Python 3.11 a circuit that is built in another thread leaves locks of Cirq's behind.
    "while its parent's threads compute": """
engines = [reuploading_engine(8, dtype) for dtype in ("float32", "float64")]
inputs = inputs_of(engines[0], 100)
expected = [engine.gradients(*inputs) for engine in engines]
stop, wrong = threading.Event(), []

def right():
    return all(same_bits(engine.gradients(*inputs), wanted) for engine, wanted in zip(engines, expected))

def compute():
    while not stop.is_set():
        if not right():
            wrong.append(1)

set_num_threads(3)
threads = [threading.Thread(target=compute) for _ in range(3)]
for thread in threads:
    thread.start()
codes = [in_a_child(right) for _ in range(12)]
stop.set()
for thread in threads:
    thread.join()
assert codes == [0] * 12, codes
assert not wrong
""",
}


@pytest.mark.slow
def test_a_forked_child_may_call(fresh_process):
    """In one process, for starting it takes longest. Float64 kernels are loaded by nobody before the second."""
    fresh_process(PREAMBLE + "".join(FORKS.values()))
