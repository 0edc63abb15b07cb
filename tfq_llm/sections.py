"""Sections of settings: frozen, validated as a whole, and every wrong setting named with its path."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar, get_args

from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException
from pydantic import BaseModel, ConfigDict, ValidationError, model_validator

from tfq_llm.errors import InputError, did_you_mean


class Section(BaseModel):
    """A frozen group of settings that refuses names it does not know and values of another type."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class Groups(Section):
    """Groups of settings, each a section.

    A group that is given in part has, for the rest, the defaults that it has here, which are not always those of its class.
    """

    @model_validator(mode="before")
    @classmethod
    def _rest_of_groups(cls, given: Any) -> Any:
        if not isinstance(given, Mapping):
            return given
        groups = {name: field.default for name, field in cls.model_fields.items() if isinstance(field.default, Section)}
        in_part = {name: group for name, group in groups.items() if isinstance(given.get(name), Mapping)}
        return {**given, **{name: dict(group) | dict(given[name]) for name, group in in_part.items()}}


_Settings = TypeVar("_Settings", bound=Section)


def validated(kind: type[_Settings], settings: Any, origin: str) -> _Settings:
    """A mapping of settings as a section.

    Args:
        kind: the class of the section.
        settings: a plain mapping, or one of OmegaConf's.
        origin: what to call it in messages.

    Raises:
        InputError: some settings are wrong; the message names every one with its path.
    """
    try:
        plain = OmegaConf.to_container(settings, resolve=False) if OmegaConf.is_config(settings) else settings
        return kind.model_validate(plain)
    except OmegaConfBaseException as error:
        raise InputError(f"{origin}: {error}") from error
    except ValidationError as error:
        lines = [_line(kind, detail) for detail in error.errors()]
        raise InputError(f"{origin} has {len(lines)} wrong setting{'s' * (len(lines) > 1)}:\n" + "\n".join(lines)) from error


def _line(kind: type[Section], detail: Any) -> str:
    """One of pydantic's findings as "  path: what is wrong"."""
    location = [str(part) for part in detail["loc"]]
    path = ".".join(location) or "the whole"
    if detail["type"] == "extra_forbidden":
        return f"  {path}: there is no such setting.{did_you_mean(location[-1], _names(kind, location[:-1]))}"
    given = "" if isinstance(detail["input"], dict | BaseModel) else f" (given: {detail['input']!r})"
    quoting = (
        f"; to set a text that looks like a number, quote it: --set '{path}=\"1\"'" if detail["type"] == "string_type" else ""
    )
    return f"  {path}: {detail['msg'].removeprefix('Value error, ')}{given}{quoting}"


def _names(kind: type[Section], location: list[str]) -> list[str]:
    """The settings that exist in a section."""
    section: Any = kind
    for part in location:
        is_section = isinstance(section, type) and issubclass(section, Section)
        section = section.model_fields[part].annotation if is_section else get_args(section)[1]
    return list(section.model_fields)
