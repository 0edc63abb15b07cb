"""Where a model is that a command names, at a path or among the saved heads that come with the package; and what a path has."""

from __future__ import annotations

import logging
import re
from importlib.resources import files
from pathlib import Path

from tfq_llm.cache import former

logger = logging.getLogger(__name__)

SAVED_HEAD_FACTS, RUN_VERSIONS = "head.json", "versions.json"
"""Files that mark a saved head and a run."""
_SAVED_MODEL = "saved_model.pb"


def model_path(path: Path) -> Path:
    """A path as given if something is there; else that of a saved head of the package, if it names one, which the log says.

    So `saved_models/movie-reviews` is found wherever the package is installed, and not only in its checkout. Where a killed
    `keep-head --replace` left the old head beside the path, it is that one's path.
    """
    packaged = Path(str(files("tfq_llm"))) / path
    if path.parts[:1] != ("saved_models",) or path.exists() or former(path).exists() or not packaged.is_dir():
        return path
    logger.info("There is no '%s' here: taking the saved head of that name that comes with the package.", path)
    return packaged


def is_directory(path: Path) -> bool:
    """Whether a directory is at a path; False for what no path can be, as a text that is too long for one."""
    try:
        return path.is_dir()
    except OSError:
        return False


def is_saved_head(directory: Path) -> bool:
    """Whether a directory is a saved head, and not a run."""
    return is_directory(directory) and (directory / SAVED_HEAD_FACTS).is_file()


def what_is_at(path: Path) -> str | None:
    """What a path leads to, by the files that mark it, for messages: "a file", "a saved head", "a run" or "an exported model".

    None if it leads nowhere, to something else, or to what nobody may look into.
    """
    try:
        if path.is_file():
            return "a file"
        if is_saved_head(path):
            return "a saved head"
        if (path / RUN_VERSIONS).is_file() and (path / "config.yaml").is_file():  # a study has versions, too
            return "a run"
        return "an exported model" if _is_exported(path) else None
    except OSError:
        return None


def exported_models_in(path: Path) -> list[Path]:
    """Directories of exported models in a directory that is none itself, sorted; for messages."""
    try:
        return sorted(folder for folder in path.iterdir() if is_directory(folder) and _is_exported(folder))
    except OSError:
        return []


def _is_exported(path: Path) -> bool:
    """Whether a directory has a SavedModel, or versions of one."""
    versions = (folder for folder in path.iterdir() if re.fullmatch("[1-9][0-9]*", folder.name)) if path.is_dir() else ()
    return any((directory / _SAVED_MODEL).is_file() for directory in (path, *versions))
