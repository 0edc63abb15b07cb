"""What all tests share."""

from __future__ import annotations

import os
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator

import pytest
from hypothesis import settings

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import tfq_llm  # noqa: F401  # before TensorFlow, so that tf.keras is Keras 2 in every test module
from tests.support import two_ray_nodes

# The same cases every time, so that what makes the suite fail is a change. Campaigns draw others.
settings.register_profile("same", derandomize=True)


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Files with most slow tests first, so that no process of the suite is left with a long one in the end."""
    slow = Counter(item.path for item in items if item.get_closest_marker("slow"))
    items.sort(key=lambda item: -slow[item.path])


@pytest.fixture
def fresh_process() -> Callable[..., str]:
    """Runs Python code in a new process and returns what it prints; the test fails with the process's own error if it fails."""

    def run(code: str, *arguments: object, cwd: object = None, expect: int = 0) -> str:
        command = [sys.executable, "-c", code, *map(str, arguments)]
        environment = {name: value for name, value in os.environ.items() if name != "TF_USE_LEGACY_KERAS"}
        result = subprocess.run(command, capture_output=True, text=True, check=False, cwd=cwd, env=environment)
        assert result.returncode == expect, result.stderr[-3000:]
        return result.stdout if expect == 0 else result.stderr

    return run


@pytest.fixture(scope="module")
def module_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """A cache of a module's tests alone, for building a sentence encoder takes seconds."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("TFQ_LLM_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture
def nodes() -> Iterator[object]:
    """A Ray cluster on this machine: a head without CPUs, and two nodes with one each."""
    with two_ray_nodes() as made:
        yield made
