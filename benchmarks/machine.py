"""The machine that a measurement was made on, as its reader needs to know it."""

from __future__ import annotations

import os
import platform
from datetime import datetime, timezone
from importlib.metadata import version
from pathlib import Path

import psutil

PACKAGES = ("numpy", "numba", "cirq-core", "tensorflow", "tensorflow-quantum", "tf-keras")


def cpu_model() -> str:
    """The processor's name, as Linux tells it."""
    lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), platform.machine())


def extensions() -> str:
    """Those of its instructions that decide how fast matrices are multiplied."""
    known = Path("/proc/cpuinfo").read_text(encoding="utf-8").split()
    return " ".join(name for name in ("avx2", "avx512f", "avx512_bf16", "amx_bf16") if name in known) or "none known"


def cores() -> int:
    """Cores this process may use."""
    return len(os.sched_getaffinity(0))


def cache_sizes() -> str:
    """Of the first core's data caches, such as "L1 48 kB, L2 2048 kB"."""
    found = []
    for index in sorted(Path("/sys/devices/system/cpu/cpu0/cache").glob("index*")):
        level, kind, size = ((index / name).read_text().strip() for name in ("level", "type", "size"))
        if kind != "Instruction":
            found.append(f"L{level} {size.removesuffix('K')} kB")
    return ", ".join(found) or "not known"


def describe(command: str) -> list[tuple[str, str]]:
    """Rows of a table: what ran where and when."""
    memory = f"{psutil.virtual_memory().total / 2**30:.0f} GiB"
    ours = ", ".join(f"{name} {version(name)}" for name in PACKAGES)
    return [
        ("command", f"`{command}`"),
        ("date", f"{datetime.now(timezone.utc):%Y-%m-%d %H:%M} UTC"),
        ("processor", f"{cpu_model()}, {cores()} cores"),
        ("vector instructions", extensions()),
        ("data caches of a core", cache_sizes()),
        ("memory", memory),
        ("load before", f"{os.getloadavg()[0]:.1f} processes, mean of a minute"),
        ("software", f"{platform.system()}, Python {platform.python_version()}, {ours}"),
    ]
