"""Which operators a SavedModel has, and whether a stock TensorFlow Serving knows them."""

from __future__ import annotations

import functools
from pathlib import Path

import tensorflow as tf
import tensorflow_text
from tensorflow.core.protobuf.saved_model_pb2 import SavedModel

from tfq_llm.errors import InputError

# These are TensorFlow's, but call functions of the Python process that made them.
_PYTHON = frozenset({"PyFunc", "PyFuncStateless", "EagerPyFunc"})


def operators(directory: Path) -> frozenset[str]:
    """Names of all operators in the graphs and functions of a SavedModel."""
    model = SavedModel.FromString((directory / "saved_model.pb").read_bytes())
    graphs = [graph.graph_def for graph in model.meta_graphs]
    functions = (function for graph in graphs for function in graph.library.function)
    own = {function.signature.name for graph in graphs for function in graph.library.function}
    nodes = [node.op for graph in graphs for node in graph.node]
    nodes += [node.op for function in functions for node in function.node_def]
    return frozenset(nodes) - own


def check_operators(directory: Path, *, allow_tfq: bool) -> None:
    """Checks that a SavedModel can be loaded with TensorFlow and TF-Text, and TensorFlow Quantum if that is allowed.

    Raises:
        InputError: it has other operators.
    """
    foreign = operators(directory) - stock_operators()
    if allow_tfq:
        foreign = frozenset(name for name in foreign if not name.startswith("Tfq"))
    if foreign:
        raise InputError(
            f"the sentence encoder has operators that are neither TensorFlow's nor TF-Text's, so no ordinary model server "
            f"could load the model: {', '.join(sorted(foreign))}. Export the head alone with --head-only, or train "
            "with another sentence encoder."
        )


@functools.cache
def stock_operators() -> frozenset[str]:
    """Names of the operators that TensorFlow and TF-Text register, as far as they work in any process."""
    folder = Path(tensorflow_text.__file__).parent
    text = {name for library in folder.rglob("*.so") if library.name.startswith("_") for name in _registered(library)}
    return frozenset({*dir(tf.raw_ops), *text}) - _PYTHON


def _registered(library: Path) -> list[str]:
    """The operators of a library, by the names of TensorFlow's wrappers for them."""
    return dir(tf.load_op_library(str(library)))
