"""Versions of what a model is trained with, for those who ask later why numbers differ."""

from __future__ import annotations

import platform
from importlib import metadata

import tfq_llm

_PACKAGES = (
    "tensorflow",
    "tensorflow-quantum",
    "tensorflow-text",
    "tensorflow-hub",
    "tf-keras",
    "cirq-core",
    "numpy",
    "scikit-learn",
)


def versions() -> dict[str, str]:
    """Of this package, Python and the packages of the stack, by name."""
    ours = {"tfq_llm": tfq_llm.__version__, "python": platform.python_version()}
    return ours | {package: metadata.version(package) for package in _PACKAGES}
