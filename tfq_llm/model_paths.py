"""Where a model is that a command names: at a path, or among the saved heads that come with the package."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path


def model_path(path: Path) -> Path:
    """A path as given if something is there; else that of a saved head of the package, if it names one.

    So `saved_models/movie-reviews` is found wherever the package is installed, and not only in its checkout.
    """
    packaged = Path(str(files("tfq_llm"))) / path
    return packaged if path.parts[:1] == ("saved_models",) and not path.exists() and packaged.is_dir() else path
