"""A process that has TensorFlow and TF-Text and nothing that trains, as a stock model server has."""

from __future__ import annotations

FORBIDDEN = ("tensorflow_quantum", "tfq_llm", "cirq", "numba", "tensorflow_hub", "tf_keras", "tensorflow_serving")

PREAMBLE = f"""
import sys
FORBIDDEN = set({FORBIDDEN})
class Refuse:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in FORBIDDEN:
            raise ImportError(f"{{name}} is not on this server")
sys.meta_path.insert(0, Refuse())
import numpy as np, tensorflow as tf, tensorflow_text
"""
"""Runs before the code of such a process; `np` and `tf` are what they always are."""
