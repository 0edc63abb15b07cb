"""Every setting of a run, as Markdown: the text of docs/configuration.md."""

from __future__ import annotations

from typing import Any, Literal, get_args, get_origin

from pydantic import BaseModel

from tfq_llm.config import Config
from tfq_llm.metrics import markdown_table

INTRODUCTION = """# Settings

A run is configured by a YAML file of these sections, and by `--set section.key=value` on the command line. What is left out has
the default. `tfq-llm settings` prints this page."""


def settings() -> str:
    """The introduction, the settings outside sections, and a table per section with defaults as that section has them."""
    parts = [INTRODUCTION]
    top = {name: field for name, field in Config.model_fields.items() if not isinstance(field.default, BaseModel)}
    parts.append(_table(top, {name: field.default for name, field in top.items()}))
    for name, field in Config.model_fields.items():
        if isinstance(field.default, BaseModel):
            fields = type(field.default).model_fields
            parts.append(f"## {name}\n\n{field.description}\n\n{_table(fields, dict(field.default))}")
    return "\n\n".join(parts)


def _table(fields: dict[str, Any], defaults: dict[str, Any]) -> str:
    rows = [
        (f"`{name}`", _kind(field.annotation), _yaml(defaults[name]), field.description or "") for name, field in fields.items()
    ]
    return markdown_table(("setting", "kind", "default", "meaning"), rows)


def _kind(annotation: Any) -> str:
    """The type as a reader of YAML would say it."""
    if get_origin(annotation) is Literal:
        return " or ".join(str(choice) for choice in get_args(annotation))
    names: dict[Any, str] = {
        int: "whole number",
        float: "number",
        tuple[float, float]: "two numbers",
        str: "text",
        bool: "true or false",
        type(None): "null",
    }
    kinds = get_args(annotation) or (annotation,)
    return ", or ".join(names[kind] for kind in kinds)


def _yaml(value: Any) -> str:
    plain = {None: "null", True: "true", False: "false"}
    return plain[value] if value is None or isinstance(value, bool) else str(value)
