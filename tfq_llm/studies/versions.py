"""Versions of what numbers depend on: results of different ones are not put into one table."""

from __future__ import annotations

import importlib.metadata
from collections.abc import Mapping

from tfq_llm.errors import InputError

PACKAGES = ("tfq-llm", "tensorflow", "tensorflow-quantum", "tf-keras", "cirq-core", "numba", "numpy", "scipy", "scikit-learn")

# TensorFlow for processors alone is another distribution of the same package.
_ALIKE = {"tensorflow": ("tensorflow-cpu", "tensorflow-intel")}


def versions() -> dict[str, str]:
    """Versions of `PACKAGES` in this environment, by name; nothing is imported. Python's own changes no number."""
    return {name: _version(name) for name in PACKAGES}


def versions_of_study() -> dict[str, str]:
    """Those of `versions()`, and of what decides which trials a study has: a search goes other ways with another Optuna."""
    return versions() | {name: _version(name) for name in ("optuna", "pyDOE3")}


def _version(name: str) -> str:
    for distribution in (name, *_ALIKE.get(name, ())):
        try:
            return importlib.metadata.version(distribution)
        except importlib.metadata.PackageNotFoundError:
            continue
    return "not installed"


def as_text(of: Mapping[str, str]) -> str:
    """On one line, such as "numba 0.61.0; numpy 2.0.2", sorted by name."""
    return "; ".join(f"{name} {version}" for name, version in sorted(of.items()))


def from_text(text: str) -> dict[str, str]:
    """What `as_text` was given."""
    pairs = (part.strip().partition(" ") for part in text.split(";") if part.strip())
    return {name: version for name, _, version in pairs}


def differences(theirs: Mapping[str, str], ours: Mapping[str, str]) -> list[str]:
    """One phrase, such as "numpy 1.26.4 there and 2.0.2 here", for every name whose versions differ."""
    names = sorted({*theirs, *ours})
    return [
        f"{name} {theirs.get(name, 'unknown')} there and {ours.get(name, 'unknown')} here"
        for name in names
        if theirs.get(name) != ours.get(name)
    ]


def check_same_versions(theirs: Mapping[str, str], ours: Mapping[str, str], what: str) -> None:
    """Raises InputError if versions differ; the message begins with `what` was done with theirs."""
    found = differences(theirs, ours)
    if found:
        raise InputError(
            f"{what} with other versions: {'; '.join(found)}. Numbers of different versions do not belong in one study: install "
            f"those versions, or begin a new study in another directory."
        )
