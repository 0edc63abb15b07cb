"""What all model cards have in common: Markdown with YAML front matter, as model hubs read it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import yaml

from tfq_llm.training.provenance import Provenance, encoder_on_hubs


def card_text(front: Mapping[str, Any], title: str, opening: str, sections: Iterable[tuple[str, str]]) -> str:
    """A card.

    Args:
        front: the front matter, in its order.
        title: of the card.
        opening: what stands below the title.
        sections: title and text of each.
    """
    matter = yaml.safe_dump(dict(front), sort_keys=False, allow_unicode=True)
    parts = [("# " + title, opening), *(("## " + name, text) for name, text in sections)]
    return "\n\n".join([f"---\n{matter}---", *(f"{heading}\n\n{text}" for heading, text in parts)]) + "\n"


def front_matter(name: str, origin: Provenance, encoder: str | None, *, library: str, tags: Sequence[str] = ()) -> dict[str, Any]:
    """The front matter of a card.

    Args:
        name: of the model.
        origin: its licence, its data and the results of its head.
        encoder: name of the sentence encoder that it has or looks for; None for a head on embeddings.
        library: that loads it, as model hubs call it.
        tags: by which it is found.
    """
    head, base, task = origin.quantum, encoder_on_hubs(encoder) if encoder else None, "text-classification"
    metrics = [
        {
            "type": "accuracy",
            "name": "accuracy",
            "value": round(head.accuracy, 4),
            "interval_95": [round(head.low, 4), round(head.high, 4)],
        },
        {"type": "f1", "name": "macro-F1", "value": round(head.macro_f1, 4)},
    ]
    scored = {"name": origin.data, "type": origin.data, "rows": head.test_rows}
    return {
        **_licence(origin.licence),
        "library_name": library,
        "pipeline_tag": task,
        **({"base_model": base} if base else {}),
        "tags": ["quantum-machine-learning", task, *tags],
        "datasets": [origin.data],
        "model-index": [{"name": name, "results": [{"task": {"type": task}, "dataset": scored, "metrics": metrics}]}],
    }


def _licence(licence: str | None) -> dict[str, str]:
    """As model hubs read it: an identifier of SPDX in small letters. They have no expressions and none of somebody's own."""
    if licence is None:
        return {"license": "other"}
    if licence.startswith("LicenseRef-") or not re.fullmatch(r"[A-Za-z0-9.-]+", licence):
        return {"license": "other", "license_name": licence}
    return {"license": licence.lower()}


def versions_text(versions: Mapping[str, str]) -> str:
    """Such as "tfq_llm 0.1.0, python 3.11.7"."""
    return ", ".join(f"{name} {version}" for name, version in versions.items())
