"""The configurations that come with the package."""

from __future__ import annotations

from pathlib import Path

from tfq_llm.errors import InputError, did_you_mean


def find(name_or_path: str) -> Path:
    """The packaged configuration of that name, or the file at a path; a file called like a packaged one is written ./demo.

    Raises:
        InputError: there is neither.
    """
    packaged = {file.stem: file for file in sorted(Path(__file__).parent.glob("*.yaml"))}
    if name_or_path in packaged:
        return packaged[name_or_path]
    path = Path(name_or_path)
    if path.is_file():
        return path
    raise InputError(
        f"there is no configuration '{name_or_path}': give a YAML file, or one of {', '.join(packaged)}."
        f"{did_you_mean(name_or_path, packaged)}"
    )
