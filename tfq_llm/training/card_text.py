"""What all model cards have in common: Markdown with YAML front matter, as model hubs read it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import yaml


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


def model_index(
    name: str, task: Mapping[str, Any], dataset: Mapping[str, Any], metrics: Sequence[Mapping[str, Any]]
) -> list[dict[str, Any]]:
    """Results for the front matter: of one model, in one task, on one data set."""
    return [{"name": name, "results": [{"task": task, "dataset": dataset, "metrics": metrics}]}]


def versions_text(versions: Mapping[str, str]) -> str:
    """Such as "tfq_llm 0.1.0, python 3.11.7"."""
    return ", ".join(f"{name} {version}" for name, version in versions.items())
