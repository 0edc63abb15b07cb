"""Sections of settings from YAML files and `--set` overrides, and as YAML again."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, TypeVar

from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException
from pydantic import BaseModel
from yaml import YAMLError

from tfq_llm.errors import InputError
from tfq_llm.sections import Section, validated

_Settings = TypeVar("_Settings", bound=Section)


def load_settings(kind: type[_Settings], path: Path | str, overrides: list[str] | tuple[str, ...], *sections: str) -> _Settings:
    """Reads a section from a YAML file and validates it.

    Args:
        kind: the class of the section.
        path: the file.
        overrides: "section.key=value" each, as in `--set`; they go before what the file says.
        sections: names of some that belong into such a file, for messages.

    Raises:
        InputError: the file cannot be read, or some settings are wrong; the message names every one with its path.
    """
    return validated(kind, OmegaConf.merge(read_yaml(path, *sections), _dotlist(overrides)), str(path))


def from_overrides(kind: type[_Settings], overrides: list[str] | tuple[str, ...], origin: str) -> _Settings:
    """A section's defaults with overrides. Raises InputError as `load_settings`; `origin` is what to call it in messages."""
    return validated(kind, _dotlist(overrides), origin)


def read_yaml(path: Path | str, *sections: str) -> Any:
    """A YAML file that is a mapping of sections, such as those named; raises InputError if it is not, or cannot be read."""
    try:
        settings = OmegaConf.load(path)
    except OSError as error:
        raise InputError(f"cannot read the configuration '{path}': {error.strerror}.") from error
    except (YAMLError, UnicodeDecodeError) as error:
        raise InputError(f"'{path}' is not valid YAML: {error}") from error
    if not OmegaConf.is_dict(settings):
        raise InputError(f"'{path}' must be a mapping of sections such as {' and '.join(repr(name + ':') for name in sections)}.")
    return settings


def text_setting(key: str, text: str) -> str:
    """An override that sets a text, whatever it looks like: quoted, so that it is no number and has no comment."""
    return f"{key}={json.dumps(text, ensure_ascii=False)}"


def dump_yaml(config: BaseModel) -> str:
    """The settings as YAML that `load_settings` reads back."""
    return OmegaConf.to_yaml(OmegaConf.create(config.model_dump(mode="json")))


def _dotlist(overrides: list[str] | tuple[str, ...]) -> Any:
    for override in overrides:
        if "=" not in override:
            raise InputError(f"'{override}' is not of the form section.key=value.")
    try:
        return OmegaConf.from_dotlist(list(overrides))
    except (OmegaConfBaseException, YAMLError) as error:
        raise InputError(f"cannot understand the settings {' '.join(overrides)}: {error}") from error
