"""Fine-tune language models with quantum circuits.

    import tfq_llm

    encoder = tfq_llm.encoders.load("minilm")
    model = tfq_llm.hybrid_classifier(encoder, num_classes=2)

Importing the package is cheap: TensorFlow is loaded by the first name that needs it. TensorFlow Quantum 0.7.6 works with
Keras 2 only, so this package selects it (`TF_USE_LEGACY_KERAS=1`) for the whole process.
"""

from __future__ import annotations

import importlib
import os
import sys
from typing import Any

from tfq_llm.errors import InputError

__version__ = "0.1.0"

_MODULES = ("baselines", "circuits", "config", "data", "encoders", "layers", "models", "simulation", "training")
_NAMES = {
    "AmplitudeEncoder": "layers",
    "AngleScaling": "layers",
    "HeadConfig": "config",
    "ReuploadingPQC": "layers",
    "hybrid_classifier": "models",
    "load_run": "training",
    "long_range_ansatz": "circuits",
    "plain_tensorflow": "models",
    "quantum_head": "models",
    "reuploading_circuit": "circuits",
}

__all__ = ["InputError", "__version__", *_MODULES, *sorted(_NAMES)]


def _select_legacy_keras() -> None:
    """Makes `tf.keras` Keras 2, which `import tensorflow` alone does not decide: the first use of `tf.keras` does."""
    os.environ["TF_USE_LEGACY_KERAS"] = "1"
    tensorflow = sys.modules.get("tensorflow")
    # Both Keras versions give `tf.keras` the same name; the module that a class comes from tells them apart.
    if tensorflow is not None and not tensorflow.keras.Model.__module__.startswith("tf_keras."):
        raise ImportError(
            "tf.keras is already Keras 3 in this process, and TensorFlow Quantum needs Keras 2. Import tfq_llm before anything "
            "that uses tf.keras, or set TF_USE_LEGACY_KERAS=1 before Python starts."
        )


_select_legacy_keras()


def __getattr__(name: str) -> Any:
    if name in _MODULES:
        return importlib.import_module(f"{__name__}.{name}")
    if name in _NAMES:
        return getattr(importlib.import_module(f"{__name__}.{_NAMES[name]}"), name)
    raise AttributeError(f"module '{__name__}' has no attribute '{name}'")


def __dir__() -> list[str]:
    return sorted(__all__)
