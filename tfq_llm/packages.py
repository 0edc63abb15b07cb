"""Fetches one pinned file from the Python package index through pip, refusing any other content."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

from tfq_llm.errors import InputError


def download(requirement: str, sha256: str, directory: Path, *, source: bool = False) -> Path:
    """Downloads one distribution without its dependencies and returns the file, in `directory`.

    pip checks the hash before it looks inside the file. Nothing is installed.

    Args:
        requirement: an exact pin, such as "name==1.0".
        sha256: the hash, in hexadecimal, that the file must have.
        directory: where to put it; must exist.
        source: the source distribution instead of the wheel.

    Raises:
        InputError: the index cannot be reached or serves another file.
    """
    kind = ["--no-binary", ":all:"] if source else ["--only-binary", ":all:"]
    before = set(directory.iterdir())
    with tempfile.NamedTemporaryFile("w", suffix=".txt") as requirements:
        requirements.write(f"{requirement} --hash=sha256:{sha256}\n")
        requirements.flush()
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--require-hashes", *kind]
        command += ["--dest", str(directory), "--requirement", requirements.name]
        result = subprocess.run(command, capture_output=True, text=True, check=False)
    new = set(directory.iterdir()) - before
    if result.returncode or len(new) != 1:
        reason = (result.stderr.strip().splitlines() or ["no file came"])[-1]
        raise InputError(
            f"could not download {requirement} from the package index: {reason}. It is needed once; connect to the index "
            f"(pip's own settings apply) and run the command again, or copy the cache directory of a machine that has it."
        )
    return new.pop()
