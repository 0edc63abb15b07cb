"""Replies made wrong, by the faults that leave them well-formed."""

from __future__ import annotations

import random
from typing import Any

from tfq_llm.ionq.emulator.faults import Fault


def spoiled(value: Any, fault: Fault, shuffler: random.Random) -> Any:
    """A reply's JSON values with a fault in them; what the fault does not apply to stays as it is."""
    if not isinstance(value, dict):
        return value
    if fault.fault == "nulls":
        return _nulls(value, fault)
    is_batch = any(isinstance(each, dict) for each in value.values())
    if fault.fault == "unnormalised":
        scale = fault.scale
        return {name: _scaled(each, scale) for name, each in value.items()} if is_batch else _scaled(value, scale)
    if not is_batch:
        return value
    names = list(value)
    return {name: value[name] for name in (names[:-1] if fault.fault == "missing-circuit" else _shuffled(names, shuffler))}


def _nulls(value: dict[str, Any], fault: Fault) -> dict[str, Any]:
    nothing: dict[str, Any] = dict.fromkeys(fault.fields)
    if isinstance(value.get("jobs"), list):
        return value | {"jobs": [job | nothing for job in value["jobs"]]}
    return value | nothing


def _scaled(probabilities: dict[str, float], scale: float) -> dict[str, float]:
    return {state: scale * share for state, share in probabilities.items()}


def _shuffled(names: list[str], shuffler: random.Random) -> list[str]:
    found = shuffler.sample(names, len(names))
    return found if found != names else names[::-1]
