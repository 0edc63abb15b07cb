"""The environment of the worker that speaks API v0.4: made once, kept in the cache.

cirq-ionq 1.7 needs cirq-core 1.7, which cannot be installed beside TensorFlow Quantum.
"""

from __future__ import annotations

import hashlib
import logging
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

from tfq_llm.cache import cache_dir
from tfq_llm.errors import InputError
from tfq_llm.locks import waited_for

logger = logging.getLogger(__name__)

REQUIREMENTS = Path(__file__).with_name("worker-requirements.txt")
OLDEST = (3, 11)
COMMANDS = ("python3.11", "python3.12", "python3.13")
"""Of Pythons that the pinned versions install on."""

ABOUT_SECONDS = 30
_COMPLETE = "complete"
_WAY_OUT = "Or use the version that needs no environment of its own: --api-version v0.3."


def worker_python() -> Path:
    """The Python that runs the worker; makes its environment if there is none yet.

    Processes that ask at once make it once. One that was not finished is made anew.

    Raises:
        InputError: no Python is new enough, or the packages cannot be installed.
    """
    python, version = _base_python()
    pins = hashlib.sha256(REQUIREMENTS.read_bytes()).hexdigest()[:16]
    root = cache_dir("ionq-worker")
    directory = root / f"{pins}-python{version}"
    if not _is_complete(directory):
        with waited_for(root / f"{directory.name}.lock"):
            if not _is_complete(directory):
                _make(directory, python, version)
    return _python_of(directory)


def _python_of(directory: Path) -> Path:
    return directory / "bin" / "python"


def _is_complete(directory: Path) -> bool:
    """Whether it was finished, and the Python that it was made of is still there."""
    return (directory / _COMPLETE).exists() and os.access(_python_of(directory), os.X_OK)


def _base_python() -> tuple[str, str]:
    """A command that runs a Python new enough, and its version, such as "3.11"."""
    if sys.version_info >= OLDEST:
        return sys.executable, f"{sys.version_info[0]}.{sys.version_info[1]}"
    for command in COMMANDS:
        if (path := shutil.which(command)) and _runs(path):
            return path, command.removeprefix("python")
    running = ".".join(map(str, sys.version_info[:3]))
    raise InputError(
        f"API v0.4 needs a Python 3.11 or newer beside this one, which is {running}; none of {', '.join(COMMANDS)} runs. "
        f"Install one of them. {_WAY_OUT}"
    )


def _runs(path: str) -> bool:
    """Some commands only stand for a Python that might be installed."""
    return subprocess.run([path, "-c", "import venv"], capture_output=True, check=False).returncode == 0


def _make(directory: Path, python: str, version: str) -> None:
    logger.info("Making the environment for IonQ's API v0.4 in %s (about %d s, once)", directory, ABOUT_SECONDS)
    start = time.monotonic()
    shutil.rmtree(directory, ignore_errors=True)
    _run([python, "-m", "venv", "--without-pip", str(directory)], directory, "made")
    # pip of this environment installs into that one: Debian's Python has none to put there.
    pip = [sys.executable, "-m", "pip", "--python", str(_python_of(directory)), "--disable-pip-version-check", "install"]
    _run([*pip, "--quiet", "--no-deps", "--only-binary", ":all:", "--requirement", str(REQUIREMENTS)], directory, "filled")
    (directory / _COMPLETE).write_text(f"Python {version}\n", encoding="utf-8")
    logger.info("Made in %.0f s", time.monotonic() - start)


def _run(command: list[str], directory: Path, what: str) -> None:
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    if result.returncode:
        said = "\n".join((result.stderr or result.stdout).strip().splitlines()[-5:])
        raise InputError(
            f"the environment for API v0.4, {directory}, could not be {what}:\n{said}\nConnect to the package index (pip's own "
            f"settings apply) and run the command again. {_WAY_OUT}"
        )
