"""One circuit and its inputs, for tests that are about the process they run in; importable by a spawned process."""

from __future__ import annotations

import numpy as np

from tfq_llm.circuits import reuploading_circuit
from tfq_llm.simulation.compiled.engine import CompiledEngine
from tfq_llm.simulation.compiled.runner import Gradients
from tfq_llm.simulation.compiled.threads import set_num_threads


def reuploading_engine(num_qubits: int, dtype: str = "float32", measured: int = 2) -> CompiledEngine:
    """The engine of a re-uploading circuit, with Zs on the first qubits as observables."""
    ansatz = reuploading_circuit(num_qubits)
    return CompiledEngine(ansatz.circuit, ansatz.observables(measured), ansatz.data_symbols, ansatz.weight_symbols, dtype=dtype)


def inputs_of(engine: CompiledEngine, batch: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Random data and weights."""
    rng = np.random.default_rng(seed)
    return rng.uniform(-3, 3, [batch, engine.num_data]), rng.uniform(-3, 3, engine.num_weights)


def gradients_on(threads: int, num_qubits: int = 8, batch: int = 100, seed: int = 0, dtype: str = "float32") -> Gradients:
    """What the engine returns for random inputs on so many threads."""
    set_num_threads(threads)
    engine = reuploading_engine(num_qubits, dtype)
    return engine.gradients(*inputs_of(engine, batch, seed))


def same_bits(one: Gradients, other: Gradients) -> bool:
    """Whether two results are equal to the last bit."""
    return all(np.array_equal(getattr(one, name), getattr(other, name)) for name in ("values", "data", "weights"))


def weights_in_a_worker(threads: int) -> bytes:
    """For a spawned process: the bits of the gradient by the weights."""
    return gradients_on(threads).weights.tobytes()
