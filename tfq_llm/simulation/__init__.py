"""Running circuits. Every executor is called as `executor(data, weights)` and returns expectation values [batch, K].

`tensorflow` holds the one made of plain TensorFlow operations, `quantum` the one on TensorFlow Quantum. Neither is imported here,
so that `program` and `blocks` stay usable without TensorFlow.
"""
