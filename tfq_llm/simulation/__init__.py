"""Running circuits. Every executor is called as `executor(data, weights)` and returns expectation values [batch, K].

`CompiledEngine` is exact, `SamplingEngine` has shots and noise, `CompiledSimulator` is the engine for Cirq; these take and return
NumPy arrays and need no TensorFlow. `executors` has the ones for TensorFlow graphs by name.
"""

from tfq_llm.simulation.cirq_simulator import CompiledSimulator
from tfq_llm.simulation.compiled.engine import CompiledEngine
from tfq_llm.simulation.compiled.threads import num_threads, set_num_threads
from tfq_llm.simulation.sampling.engine import SamplingEngine
from tfq_llm.simulation.sampling.measurement import Estimate

__all__ = ["CompiledEngine", "CompiledSimulator", "Estimate", "SamplingEngine", "num_threads", "set_num_threads"]
