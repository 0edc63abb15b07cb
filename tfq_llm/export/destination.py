"""Where a model is exported to: served/NAME or served/NAME/VERSION."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from tfq_llm.errors import InputError
from tfq_llm.exported.versions import folders, model_versions, parse_version
from tfq_llm.model_paths import RUN_VERSIONS, is_saved_head

_LOOKS_LIKE_A_VERSION = re.compile(r"[+-]?(v|ver|version)?[._-]?\d[\d.,_-]*", re.IGNORECASE)


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
        """NAME/VERSION if the last part reads as a version (3, but also v2, 1.0, -1 or 01, which are none); else NAME.

        What it means does not depend on what is there. No model's directory is within another's, or within a saved head's: what
        could be meant in two ways is refused, whichever of the two is there first.

        Raises:
            InputError: the version is not a whole number, the name cannot be part of an address, the version is there already, or
                the directory is something else's.
        """
        try:
            path = Path(to).expanduser().absolute()
        except RuntimeError as error:
            raise InputError(
                f"there is no home directory for '{to}': give the whole path, or ./{to} for a name with '~'."
            ) from error
        if _LOOKS_LIKE_A_VERSION.fullmatch(path.name):
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
                "'_' and '-', as in --to served/movie-reviews."
            )
        if self.model.exists() and not self.model.is_dir():
            raise InputError(f"'{self.model}' is a file: give a directory, as in --to served/movie-reviews.")
        self._check_what_is_there()
        if self.version is not None and (self.model / str(self.version)).exists():
            raise InputError(
                f"'{self.model / str(self.version)}' exists already, and a version is never overwritten: leave the version out "
                "for the next one, or delete that directory."
            )

    def _check_what_is_there(self) -> None:
        """Raises InputError if a path would lead to two models."""
        around = self.model.parent
        if _is_model(around):
            raise InputError(
                f"'{self.name}' is not a version, and in '{around}', which is an exported model, there is nothing else: give "
                f"--to {around} for its next version, --to {around}/N for another one, or a place that is not in it."
            )
        # A run's own directory may well hold a directory of what was exported from it.
        run = "a run" if (self.model / RUN_VERSIONS).is_file() else None
        for directory, found in ((self.model, _other_model(self.model) or run), (around, _other_model(around))):
            if found is not None:
                raise InputError(
                    f"'{directory}' is {found}, and no directory holds two models: give another place, such as --to "
                    f"served/{directory.name}."
                )
        within = next((path for path in folders(self.model) if _is_model(path)), None) if self.model.is_dir() else None
        if within is not None:
            raise InputError(
                f"'{self.model}' holds the exported model '{within.name}', so it cannot be a model itself: give the name of the "
                f"model, too, as in --to {self.model}/NAME."
            )


def _is_model(directory: Path) -> bool:
    """Whether versions of a model are seen in a directory; other folders may have numbers for names, too."""
    try:
        return directory.is_dir() and any(_is_version(directory / str(version)) for version in model_versions(directory))
    except InputError:  # a folder of another user, say
        return False


def _is_version(directory: Path) -> bool:
    return (directory / "saved_model.pb").exists()


def _other_model(directory: Path) -> str | None:
    """What kind of model has its files in a directory itself; None if none has."""
    if is_saved_head(directory):
        return "a saved head"
    return "a SavedModel" if _is_version(directory) else None
