"""How much memory and how many processors there are: of the machine, and of the container."""

from __future__ import annotations

import os
from pathlib import Path

import psutil
import pytest

from tfq_llm.simulation.compiled.limits import available_memory, available_processors

MIB = 2**20


def machine(root: Path, cgroup: str, groups: dict[str, dict[str, str]]) -> Path:
    """A root directory with this /proc/self/cgroup and these files of control groups."""
    for name, content in {"proc/self": {"cgroup": cgroup}, **groups}.items():
        (root / name).mkdir(parents=True, exist_ok=True)
        for file, text in content.items():
            (root / name / file).write_text(text)
    return root


def v2(limit: str, used: int, files: int = 0) -> dict[str, str]:
    return {"memory.max": f"{limit}\n", "memory.current": f"{used}\n", "memory.stat": f"anon 1\ninactive_file {files}\n"}


def v1(limit: int, used: int) -> dict[str, str]:
    return {
        "memory.limit_in_bytes": f"{limit}\n",
        "memory.usage_in_bytes": f"{used}\n",
        "memory.stat": "inactive_file 7\ntotal_inactive_file 0\n",
    }


@pytest.mark.parametrize(
    ("cgroup", "groups", "left"),
    [
        ("0::/app\n", {"sys/fs/cgroup/app": v2(str(100 * MIB), 30 * MIB)}, 70 * MIB),
        ("0::/app\n", {"sys/fs/cgroup/app": v2(str(100 * MIB), 30 * MIB, files=10 * MIB)}, 80 * MIB),
        ("0::/a/b\n", {"sys/fs/cgroup/a": v2(str(50 * MIB), 20 * MIB), "sys/fs/cgroup/a/b": v2("max", 10 * MIB)}, 30 * MIB),
        ("0::/\n", {"sys/fs/cgroup": v2(str(20 * MIB), 30 * MIB)}, 0),
        ("5:cpu:/\n4:memory:/x\n", {"sys/fs/cgroup/memory/x": v1(60 * MIB, 20 * MIB)}, 40 * MIB),
        ("4:memory:/of/the/host\n", {"sys/fs/cgroup/memory": v1(60 * MIB, 20 * MIB)}, 40 * MIB),
    ],
    ids=["own limit", "cached files make room", "limit of a parent", "over the limit", "version 1", "path of the host"],
)
def test_a_container_has_what_its_control_groups_leave(tmp_path, cgroup, groups, left):
    assert available_memory(machine(tmp_path, cgroup, groups)) == left


@pytest.mark.parametrize("groups", [{}, {"sys/fs/cgroup/app": v2("max", 1)}, {"sys/fs/cgroup/memory/app": v1(2**63 - 4096, 1)}])
def test_without_limits_there_is_what_the_machine_has(tmp_path, groups):
    found = available_memory(machine(tmp_path, "0::/app\n4:memory:/app\n", groups))
    assert found == pytest.approx(psutil.virtual_memory().available, rel=0.2)


def test_this_machine_has_memory():
    assert 0 < available_memory() <= psutil.virtual_memory().total


def test_a_system_without_control_groups(tmp_path):
    assert available_memory(tmp_path) == pytest.approx(psutil.virtual_memory().available, rel=0.2)


@pytest.mark.parametrize(
    ("cgroup", "groups", "most"),
    [
        ("0::/app\n", {"sys/fs/cgroup/app": {"cpu.max": "100000 100000\n"}}, 1),
        ("0::/app\n", {"sys/fs/cgroup/app": {"cpu.max": "20000 100000\n"}}, 1),
        ("0::/a/b\n", {"sys/fs/cgroup/a": {"cpu.max": "150000 100000\n"}, "sys/fs/cgroup/a/b": {"cpu.max": "max 100000\n"}}, 2),
        (
            "3:cpu,cpuacct:/x\n",
            {"sys/fs/cgroup/cpu,cpuacct/x": {"cpu.cfs_quota_us": "250000\n", "cpu.cfs_period_us": "100000\n"}},
            3,
        ),
        ("3:cpu:/x\n", {"sys/fs/cgroup/cpu/x": {"cpu.cfs_quota_us": "-1\n", "cpu.cfs_period_us": "100000\n"}}, 1000),
    ],
    ids=["one", "a fifth", "limit of a parent", "version 1", "no quota"],
)
def test_a_container_keeps_as_many_processors_busy_as_its_quota_allows(tmp_path, monkeypatch, cgroup, groups, most):
    monkeypatch.setattr(os, "sched_getaffinity", lambda process: set(range(1000)))
    assert available_processors(machine(tmp_path, cgroup, groups)) == most


@pytest.mark.parametrize(
    "files",
    [
        {"proc/self": {"cgroup": "nothing\n0::/app\n"}},
        {"sys/fs/cgroup/app": {"memory.max": "many\n", "cpu.max": "\n"}},
        {"sys/fs/cgroup/app": {"memory.max": f"{2**62}\n", "memory.current": "0\n", "memory.stat": "odd\n"}},
        {"sys/fs/cgroup/app": {"memory.max": f"{2**62}\n", "memory.current": "0\n"}},
    ],
    ids=["odd line", "odd numbers", "odd statistics", "no statistics"],
)
def test_files_that_are_not_as_expected_limit_nothing(tmp_path, files):
    root = machine(tmp_path, "0::/app\n", files)
    assert available_memory(root) == pytest.approx(psutil.virtual_memory().available, rel=0.2)
    assert available_processors(root) == len(os.sched_getaffinity(0))


def test_controllers_that_are_mounted_under_another_name_have_a_link(tmp_path):
    groups = {"sys/fs/cgroup/cpu/x": {"cpu.cfs_quota_us": "100000\n", "cpu.cfs_period_us": "100000\n"}}
    assert available_processors(machine(tmp_path, "3:cpuacct,cpu:/x\n", groups)) == 1
