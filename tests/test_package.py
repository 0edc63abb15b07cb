"""Importing the package: cheap, and Keras 2 for the whole process."""

from __future__ import annotations


def test_import_loads_no_tensorflow(fresh_process):
    code = "import sys, tfq_llm; print([name for name in ('tensorflow', 'cirq', 'keras', 'sklearn') if name in sys.modules])"
    assert fresh_process(code).strip() == "[]"


def test_keras_2_is_selected_before_and_after_tensorflow_is_imported(fresh_process):
    for code in ("import tfq_llm, tensorflow as tf", "import tensorflow as tf, tfq_llm"):
        assert fresh_process(f"{code}; print(tf.keras.Model.__module__)").startswith("tf_keras.")


def test_keras_3_already_in_use_is_a_clear_error(fresh_process):
    said = fresh_process("import tensorflow as tf; tf.keras.layers.Dense(1); import tfq_llm", expect=1)
    assert "tf.keras is already Keras 3" in said
    assert "Import tfq_llm before anything that uses tf.keras" in said


def test_public_names_are_there(fresh_process):
    code = "import tfq_llm\nfor name in tfq_llm.__all__: getattr(tfq_llm, name)\nprint('all')"
    assert fresh_process(code).strip() == "all"
