"""Where a model is that a command names: at a path, or among the saved heads that come with the package."""

from __future__ import annotations

import logging
from importlib.resources import files
from pathlib import Path

from tfq_llm.cache import former

logger = logging.getLogger(__name__)


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
