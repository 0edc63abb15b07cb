"""Python environments of their own for clients that cannot be installed beside this package, made on demand and kept."""

from __future__ import annotations

import fcntl
import hashlib
import subprocess
import sys
import tempfile
from functools import cache
from pathlib import Path

# pytest's own cache, which `make clean` drops.
_KEPT = Path(__file__).parents[2] / ".pytest_cache" / "ionq-environments"


@cache
def client_environment(*pins: str) -> Path:
    """The Python of an environment with these packages, such as "cirq-ionq==1.7.0".

    It takes half a minute to make, once: later tests and test runs find it. Two runs at once wait for each other.
    """
    digest = hashlib.sha256("\n".join([sys.version, *pins]).encode()).hexdigest()[:16]
    place = _directory() / digest
    python, complete = place / "bin" / "python", place / "complete"
    with (place.parent / f"{digest}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not complete.exists():
            # Debian's python3 may lack ensurepip; this environment's pip can install into another.
            _run(sys.executable, "-m", "venv", "--clear", "--without-pip", place)
            _run(sys.executable, "-m", "pip", "--python", python, "install", "--quiet", "--disable-pip-version-check", *pins)
            complete.write_text("\n".join(pins))
    return python


def _directory() -> Path:
    try:
        _KEPT.mkdir(parents=True, exist_ok=True)
    except OSError:
        return Path(tempfile.mkdtemp(prefix="ionq-environments-"))
    return _KEPT


def _run(*command: object) -> None:
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
