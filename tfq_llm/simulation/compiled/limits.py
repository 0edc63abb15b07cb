"""What this process may use of the machine: a container's control groups, versions 1 and 2, may leave it less than there is."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator
from pathlib import Path

import psutil


def available_memory(root: Path = Path("/")) -> int:
    """Bytes that this process can still get."""
    left = [psutil.virtual_memory().available]
    for group in _groups(root, "memory"):
        limit = _number(group, "memory.max", "memory.limit_in_bytes")
        used = _number(group, "memory.current", "memory.usage_in_bytes")
        if math.isfinite(limit) and math.isfinite(used):
            left.append(int(limit - used) + _reclaimable(group))
    return max(0, min(left))


def available_processors(root: Path = Path("/")) -> int:
    """How many processors this process may keep busy, at least 1."""
    count = len(os.sched_getaffinity(0))
    for group in _groups(root, "cpu"):
        quota, period = _number(group, "cpu.max", "cpu.cfs_quota_us"), _number(group, "cpu.max", "cpu.cfs_period_us", 1)
        if 0 < quota < math.inf and 0 < period < math.inf:
            count = min(count, math.ceil(quota / period))
    return max(1, count)


def _groups(root: Path, controller: str) -> Iterator[Path]:
    """The directories of the process' control group and of those it belongs to."""
    try:
        lines = (root / "proc/self/cgroup").read_text().splitlines()
        fields = [line.split(":", 2) for line in lines]
    except (OSError, ValueError):
        return
    for _, controllers, path in (each for each in fields if len(each) == 3):
        if not controllers or controller in controllers.split(","):
            # Where several controllers are mounted together, each has a link of its own.
            for top in {root / "sys/fs/cgroup" / name for name in (controllers, controller if controllers else "")}:
                own = top / path.lstrip("/")
                yield from (group for group in (own, *own.parents) if group.is_relative_to(top))


def _number(group: Path, name: str, old_name: str, place: int = 0) -> float:
    """A number in a group's file, the one at `place` in that of version 2; infinity if there is none."""
    for file, word in ((group / name, place), (group / old_name, 0)):
        try:
            text = file.read_text().split()[word]
            return math.inf if text == "max" else float(text)
        except (OSError, IndexError, ValueError):
            continue
    return math.inf


def _reclaimable(group: Path) -> int:
    """Bytes of files that were read: they are counted as used, but make room when it is needed."""
    try:
        pages = dict(line.split() for line in (group / "memory.stat").read_text().splitlines())
        return int(pages.get("total_inactive_file", pages.get("inactive_file", 0)))
    except (OSError, ValueError):
        return 0
