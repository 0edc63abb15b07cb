"""Importing the package: cheap, and Keras 2 for the whole process."""

from __future__ import annotations

import pytest

import tfq_llm


def test_import_loads_no_tensorflow(fresh_process):
    code = "import sys, tfq_llm; print([name for name in ('tensorflow', 'cirq', 'keras', 'sklearn') if name in sys.modules])"
    assert fresh_process(code).strip() == "[]"


@pytest.mark.slow
def test_keras_2_is_selected_before_and_after_tensorflow_is_imported(fresh_process):
    printed = "print(tf.keras.Model.__module__)"
    assert fresh_process(f"import tensorflow as tf, tfq_llm; {printed}").startswith("tf_keras.")
    # This process imported the package first.
    import tensorflow as tf

    assert tf.keras.Model.__module__.startswith("tf_keras.")


@pytest.mark.slow
def test_keras_3_already_in_use_is_a_clear_error(fresh_process):
    said = fresh_process("import tensorflow as tf; tf.keras.layers.Dense(1); import tfq_llm", expect=1)
    assert "tf.keras is already Keras 3" in said
    assert "Import tfq_llm before anything that uses tf.keras" in said


def test_public_names_are_there():
    assert [name for name in tfq_llm.__all__ if not hasattr(tfq_llm, name)] == []
