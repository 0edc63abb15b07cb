"""The checksum manifest of an exported directory: written last, verified before anything else is read."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any, NoReturn

from tfq_llm.cache import file_digest
from tfq_llm.checks import is_whole
from tfq_llm.errors import InputError, UnreadableError

MANIFEST = "manifest.json"
FORMAT = 1
"""Of manifest.json and of model.json; a newer one is refused."""


def write_manifest(directory: Path) -> None:
    """Writes the SHA-256 and the size of every file below `directory`."""
    files = {
        name: {"sha256": file_digest(directory / name), "bytes": (directory / name).stat().st_size} for name in _files(directory)
    }
    text = json.dumps({"format": FORMAT, "files": files}, indent=1)
    (directory / MANIFEST).write_text(text + "\n", encoding="utf-8")


def verify_manifest(directory: Path) -> None:
    """Checks that `directory` holds what was exported: every file unaltered, none missing, none more.

    Raises:
        InputError: it does not, or a newer version of this package wrote it.
        UnreadableError: it cannot be read now.
    """
    listed = _listed(directory)
    try:
        found = _files(directory)
        for name in sorted({*listed, *found}):
            _check(directory, name, listed.get(name), name in found)
    except FileNotFoundError as error:
        raise InputError(f"'{error.filename}' is gone while the model is read: copy the directory again.") from error
    except OSError as error:
        raise UnreadableError(f"cannot read the exported model in '{directory}': {error.strerror} ({error.filename}).") from error


def has_manifest(directory: Path) -> bool:
    """Whether a directory has a manifest; False if nobody may look into it, as with a directory of another user."""
    try:
        return (directory / MANIFEST).exists()
    except OSError:
        return False


def is_complete(directory: Path) -> bool:
    """Whether a directory has its manifest and all files that this lists, in full size; False while it is being copied.

    A manifest that is cut is still being copied, too, and one that cannot be read now is as good as none. Contents are not looked
    at, and a manifest that is whole and yet not one that this version reads, such as of a newer format, counts: `verify_manifest`
    says what is wrong with these.
    """
    try:
        json.loads((directory / MANIFEST).read_bytes())
    except (OSError, ValueError, RecursionError):
        return False
    try:
        listed = _listed(directory)
    except InputError:
        return True
    return all(_size(directory / name) == entry.get("bytes") for name, entry in listed.items())


def _size(path: Path) -> int | None:
    try:
        return path.stat().st_size if path.is_file() else None
    except OSError:
        return None


def check_format(given: Any, path: Path) -> None:
    """Raises InputError unless `given` is a format that this version reads."""
    if not is_whole(given) or given < 1:
        raise InputError(f"'{path}' is damaged: its format is {given!r}, not a whole number. Export the model again.")
    if given > FORMAT:
        raise InputError(
            f"'{path}' has the format {given}, and this version of tfq_llm reads formats up to {FORMAT}: install a newer "
            "version, or export the model again with this one."
        )


def read_object(path: Path) -> dict[str, Any]:
    """The JSON object in a file of an exported directory, its format checked.

    Raises:
        InputError: there is no such file, it is damaged, or it is of a newer format.
        UnreadableError: it cannot be read now.
    """
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise InputError(
            f"'{path.parent}' is not an exported model: it has no {path.name}. 'tfq-llm export RUN --to DIR' makes one."
        ) from None
    except OSError as error:
        raise UnreadableError(f"cannot read '{path}': {error.strerror}.") from error
    except (ValueError, RecursionError) as error:
        raise InputError(f"'{path}' is damaged: {error}. Export the model again.") from error
    if not isinstance(value, dict):
        raise InputError(f"'{path}' is damaged: it holds no JSON object. Export the model again.")
    check_format(value.get("format"), path)
    return value


def _listed(directory: Path) -> dict[str, Any]:
    files = read_object(directory / MANIFEST).get("files")
    if not isinstance(files, dict) or not all(isinstance(entry, dict) for entry in files.values()):
        raise InputError(f"'{directory / MANIFEST}' is damaged: it lists no files. Export the model again.")
    return files


def _files(directory: Path) -> list[str]:
    """Relative paths of all files but the manifest, sorted; raises OSError if a folder cannot be read."""
    walk = os.walk(directory, onerror=_raise)  # rglob passes over a folder that it may not read, and its files would be missing
    found = (Path(folder) / name for folder, _, names in walk for name in names)
    return sorted(path.relative_to(directory).as_posix() for path in found if path != directory / MANIFEST)


def _raise(error: OSError) -> NoReturn:
    raise error


def _check(directory: Path, name: str, entry: dict[str, Any] | None, is_there: bool) -> None:
    if entry is None:
        raise InputError(f"the exported model in '{directory}' holds '{name}', which was not exported with it: remove that file.")
    if not is_there:
        raise InputError(
            f"the exported model in '{directory}' lacks '{name}': copy the directory again, or export the model again."
        )
    path = directory / name
    if path.stat().st_size != entry.get("bytes") or file_digest(path) != entry.get("sha256"):
        raise InputError(
            f"'{path}' was altered or damaged since the model was exported (its checksum differs): copy the directory again, or "
            "export the model again."
        )
