"""Random numbers that follow from what is computed."""

from __future__ import annotations

from hashlib import blake2b

import numpy as np


def generator(seed: int, *inputs: np.ndarray | None) -> np.random.Generator:
    """A generator for one computation: the same seed and inputs give the same numbers, any others unrelated ones.

    Training therefore sees fresh noise at every step, because the weights have moved, and yet a run that is repeated, resumed or
    spread over threads sees the noise it would have seen. The forward and the backward pass of a step see the same.
    """
    digest = blake2b(str(seed).encode(), digest_size=16)
    for array in inputs:
        digest.update(b"|" if array is None else np.ascontiguousarray(array).tobytes())
    return np.random.Generator(np.random.Philox(key=int.from_bytes(digest.digest(), "little")))
