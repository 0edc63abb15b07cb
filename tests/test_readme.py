"""The examples of README.md run as they stand, each in a process of its own."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

README = Path(__file__).parents[1] / "README.md"
EXAMPLES = re.findall(r"^```python\n(.*?)^```$", README.read_text(encoding="utf-8"), flags=re.DOTALL | re.MULTILINE)


def test_there_are_examples():
    assert sum("accuracy" in example for example in EXAMPLES) == 1


@pytest.mark.slow
@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: example.strip().splitlines()[-1])
def test_an_example_runs(example, fresh_process, tmp_path):
    printed = fresh_process(example, cwd=tmp_path)
    if "SamplingEngine" in example:
        assert printed.strip() in README.read_text(encoding="utf-8")
    if "accuracy" in example:
        line = r"accuracy (\d\.\d+) on 200 texts; 229 parameters in the head"
        found, promised = re.match(line, printed), re.search(line, README.read_text(encoding="utf-8"))
        assert found, printed
        assert promised
        assert abs(float(found[1]) - float(promised[1])) <= 0.05
