"""Where a model is exported to: saved_models/NAME/VERSION."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from tfq_llm.errors import InputError
from tfq_llm.exported.versions import model_versions, parse_version

_LOOKS_LIKE_A_VERSION = re.compile(r"[+-]?v?\d[\d.,_-]*", re.IGNORECASE)


@dataclass(frozen=True)
class Destination:
    """A model's directory and the version to be written in it.

    Attributes:
        model: the directory NAME.
        version: a whole number of at least 1; None for the next one.
    """

    model: Path
    version: int | None

    @classmethod
    def parsed(cls, to: Path) -> Destination:
        """NAME/VERSION; or NAME, for its next version.

        Raises:
            InputError: the version is not a whole number, the name cannot be part of an address, or the version is there already.
        """
        path = Path(to).expanduser().absolute()
        if _LOOKS_LIKE_A_VERSION.fullmatch(path.name) or _is_model(path.parent):
            destination = cls(path.parent, parse_version(path.name))
        else:
            destination = cls(path, None)
        destination._check()
        return destination

    @property
    def name(self) -> str:
        """The model's name, which is part of its address on a server."""
        return self.model.name

    def next_version(self) -> int:
        """The version after the newest that is there; 1 for the first."""
        return max(model_versions(self.model), default=0) + 1 if self.model.is_dir() else 1

    def _check(self) -> None:
        if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]*", self.name):
            raise InputError(
                f"'{self.name}' cannot be a model's name, which is part of its address on a server: use letters, digits, '.', "
                "'_' and '-', as in --to saved_models/movie-reviews."
            )
        if self.model.exists() and not self.model.is_dir():
            raise InputError(f"'{self.model}' is a file: give a directory, as in --to saved_models/movie-reviews.")
        if self.version is not None and (self.model / str(self.version)).exists():
            raise InputError(
                f"'{self.model / str(self.version)}' exists already, and a version is never overwritten: leave the version out "
                "for the next one, or delete that directory."
            )


def _is_model(directory: Path) -> bool:
    """Whether versions of a model are in a directory; other folders may have numbers for names, too."""
    return directory.is_dir() and any(
        (directory / str(version) / "saved_model.pb").exists() for version in model_versions(directory)
    )
