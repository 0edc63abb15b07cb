"""Versions of a model as TensorFlow Serving keeps them: NAME/1, NAME/2, …"""

from __future__ import annotations

import logging
import re
from pathlib import Path

from tfq_llm.errors import InputError
from tfq_llm.exported.manifest import MANIFEST, has_manifest, is_complete
from tfq_llm.model_paths import exported_models_in, is_directory, what_is_at

logger = logging.getLogger(__name__)

MAX_VERSION = 2**63 - 1
"""TensorFlow Serving's versions are 64-bit integers."""


def parse_version(text: str) -> int:
    """A version from the name of its directory; raises InputError if it is no whole number from 1 to 2⁶³ − 1."""
    if not re.fullmatch(r"[1-9][0-9]*", text):
        raise InputError(
            f"'{text}' is not a version: model servers know whole numbers from 1 on, such as 1, without leading zeros."
        )
    if len(text) > len(str(MAX_VERSION)) or int(text) > MAX_VERSION:
        raise InputError(f"'{text}' is too large for a version: model servers know whole numbers up to {MAX_VERSION}, 2^63 − 1.")
    return int(text)


def folders(directory: Path) -> list[Path]:
    """The folders in a directory, sorted.

    Raises:
        InputError: it cannot be read.
    """
    try:
        return sorted(path for path in directory.iterdir() if path.is_dir())
    except OSError as error:
        raise InputError(f"cannot read the directory '{directory}': {error.strerror}.") from error


def model_versions(directory: Path) -> tuple[int, ...]:
    """The versions in a model's directory, rising; folders with other names are none.

    Raises:
        InputError: it cannot be read.
    """
    found = (int(path.name) for path in folders(directory) if re.fullmatch(r"[1-9][0-9]*", path.name))
    return tuple(sorted(version for version in found if version <= MAX_VERSION))


def is_exported(path: Path) -> bool:
    """Whether a directory is an exported model, or holds versions of one."""
    return is_directory(path) and (
        has_manifest(path) or any(has_manifest(path / str(version)) for version in model_versions(path))
    )


def no_model(path: Path) -> InputError:
    """What to raise of a path at which no exported model is: it says what is there instead, and how to come to one."""
    found, models = what_is_at(path), exported_models_in(path)
    if found == "a file":
        return InputError(f"'{path}' is a file: give the directory of an exported model, or of one of its versions.")
    if not is_directory(path):
        return InputError(f"there is no directory '{path}': 'tfq-llm export RUN --to {path}' makes one; or check the path.")
    if found in ("a saved head", "a run"):
        return InputError(
            f"'{path}' is {found}, not an exported model: 'tfq-llm export {path} --to served/NAME' makes one of it."
        )
    if models:
        return InputError(
            f"'{path}' is no exported model, but the directory of some: give one of them, {', '.join(map(str, models))}."
        )
    return InputError(
        f"'{path}' is not an exported model: it has no {MANIFEST}, and no versions. 'tfq-llm export RUN --to served/NAME' makes "
        "one."
    )


def version_directory(path: Path) -> Path:
    """`path` itself if it is a version's directory; if it is a model's, that of the newest version that is complete.

    If the newest is not, as while it is being copied there or when it cannot be read, the log says so. If none is complete, it is
    the newest.

    Raises:
        InputError: there is no such directory, or no exported model in it.
    """
    if not is_directory(path):
        raise no_model(path)
    if has_manifest(path):
        return path
    versions = model_versions(path)
    if not versions:
        raise no_model(path)
    newest = path / str(versions[-1])
    complete = next((path / str(version) for version in reversed(versions) if is_complete(path / str(version))), newest)
    if complete != newest:
        message = (
            "'%s' is not complete, as while it is being copied, or cannot be read: version %s is used. Export or copy it anew if "
            "it stays so."
        )
        logger.warning(message, newest, complete.name)
    return complete
