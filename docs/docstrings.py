"""What autodoc has to be told of this project.

Docstrings are plain text with Google's sections, `names` and indented examples, as Markdown has them, and Sphinx reads
reStructuredText; settings are described by their fields; Keras hides the arguments of layers.
"""

from __future__ import annotations

import re
from typing import Any

from pydantic import BaseModel
from sphinx.application import Sphinx
from sphinx.util import inspect


def _marked(match: re.Match[str]) -> str:
    """`tfq_llm.data` becomes a reference, which is a link where it is known, other code a literal; a bar is no mark-up."""
    code, follows = match[1], match[2]
    if code is None:
        return r"\|"
    marked = f":py:obj:`{code}`" if re.fullmatch(r"[A-Za-z_][\w.]*", code) else f"``{code}``"
    return marked + (rf"\ {follows}" if follows.isalnum() else follows)  # the s of a plural would undo the mark


def to_restructured_text(lines: list[str]) -> list[str]:
    """A docstring's lines as reStructuredText. What is indented behind an empty line is an example."""
    result: list[str] = []
    margin, example = 0, None  # the indent of the last line of text; that of an example, inside one
    for line in lines:
        indent = len(line) - len(line.lstrip())
        if example is not None and (not line.strip() or indent >= example):
            result.append(line)
        elif result and not result[-1] and indent >= margin + 4:
            example = indent
            result += [" " * margin + "::", "", line]
        else:
            example = None
            result.append(re.sub(r"`([^`]+)`(.?)|\|", _marked, line))
            margin = indent if line.strip() else margin
    return result


def fields(settings: type[BaseModel]) -> list[str]:
    """Lines of a section on fields that describe themselves; the defaults of nested settings are where these are described."""
    described = {name: field for name, field in settings.model_fields.items() if field.description}
    lines = ["", "Attributes:"] if described else []
    for name, field in described.items():
        default = field.get_default(call_default_factory=True)
        known = "" if field.is_required() or default is None or isinstance(default, BaseModel) else f"; default: `{default!r}`"
        lines.append(f"    {name}: {(field.description or '').removesuffix('.')}{known}.")
    return lines


def translate(_app: Sphinx, what: str, _name: str, thing: Any, _options: Any, lines: list[str]) -> None:
    """Handles autodoc-process-docstring."""
    if what == "class" and issubclass(thing, BaseModel):
        lines += fields(thing)
    lines[:] = to_restructured_text(lines)


def arguments(
    _app: Sphinx, what: str, _name: str, thing: Any, _options: Any, signature: str | None, returns: str | None
) -> tuple[str | None, str | None]:
    """Handles autodoc-process-signature: none for settings, and a layer's own in place of what its base class takes."""
    if what == "class" and issubclass(thing, BaseModel):
        return "", None
    if what == "class" and signature == "(*args, **kwargs)":
        own = inspect.signature(thing.__init__, bound_method=True)
        return inspect.stringify_signature(own, show_return_annotation=False, unqualified_typehints=True), None
    return re.sub(r"TypeAliasForwardRef\('(\w+)'\)", r"\1", signature) if signature else signature, returns


def setup(app: Sphinx) -> dict[str, Any]:
    """Runs before napoleon reads the sections."""
    app.connect("autodoc-process-docstring", translate, priority=400)
    app.connect("autodoc-process-signature", arguments)
    return {"parallel_read_safe": True}
