"""The package as it is installed: from a wheel outside the checkout, and with Python started inside it."""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    target = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation", "--wheel-dir", target, ROOT]
    subprocess.run(command, check=True)
    return next(target.glob("tfq_llm-*.whl"))


def drawn(code_path: Path | None, directory: Path) -> str:
    """What `tfq-llm draw` says in a directory, with `code_path` before everything else, and where the package came from."""
    environment = os.environ | ({"PYTHONPATH": str(code_path)} if code_path else {})
    arguments = ["draw", "demo", "--qubits", "2", "--set", "head.connectivity=1"]
    code = f"import sys, tfq_llm.cli; print(tfq_llm.__file__); sys.exit(tfq_llm.cli.main({arguments}))"
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=directory, env=environment, check=False
    )
    assert result.returncode == 0, result.stderr
    return result.stdout


@pytest.mark.slow
def test_a_wheel_holds_package_pipelines_and_configurations(wheel):
    names = set(zipfile.ZipFile(wheel).namelist())
    assert {"tfq_llm/cli.py", "tfq_llm/py.typed", "tfq_llm/pipelines/train.py", "tfq_llm/pipelines/configs/demo.yaml"} <= names
    assert not [name for name in names if name.startswith(("tests/", "pipelines/"))]


@pytest.mark.slow
def test_a_wheel_works_outside_the_checkout(wheel, tmp_path):
    zipfile.ZipFile(wheel).extractall(tmp_path / "site")
    printed = drawn(tmp_path / "site", tmp_path)
    assert printed.startswith(str(tmp_path / "site"))
    assert "Ry(x0)" in printed


def test_python_started_inside_the_checkout_finds_the_pipelines():
    printed = drawn(None, ROOT)
    assert printed.startswith(str(ROOT))
    assert "Ry(x0)" in printed
