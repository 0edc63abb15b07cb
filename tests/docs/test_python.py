"""The Python examples of README and docs run as they stand, each in a process of its own."""

from __future__ import annotations

import ast
import re

import numpy as np
import pytest

from tests.docs.pages import ROOT, python_examples

README = (ROOT / "README.md").read_text(encoding="utf-8")


def test_there_are_examples():
    assert sum("accuracy" in example for example in python_examples("README.md")) == 1
    assert [len(python_examples(f"{page}.md")) for page in ("ionq", "scaling", "serving")] == [1, 1, 1]


@pytest.mark.slow
@pytest.mark.parametrize("example", python_examples("README.md"), ids=lambda example: example.strip().splitlines()[-1])
def test_an_example_runs(example, fresh_process, tmp_path):
    printed = fresh_process(example, cwd=tmp_path)
    if "SamplingEngine" in example:
        assert printed.strip() in README
    if "accuracy" in example:
        line = r"accuracy (\d\.\d+) on 200 texts; 229 parameters in the head"
        found, promised = re.match(line, printed), re.search(line, README)
        assert found, printed
        assert promised
        assert abs(float(found[1]) - float(promised[1])) <= 0.05


@pytest.mark.campaign
def test_the_program_for_several_machines_trains_alone_too(fresh_process, tmp_path, monkeypatch):
    monkeypatch.delenv("TF_CONFIG", raising=False)
    labels = np.arange(600) % 2
    vectors = np.random.default_rng(0).normal(size=[600, 7]) + 2 * labels[:, None]
    np.savez(tmp_path / "embeddings.npz", embeddings=vectors.astype(np.float32), labels=labels)
    printed = fresh_process(*python_examples("scaling.md"), cwd=tmp_path)
    assert re.fullmatch(r"best validation loss 0\.\d+ after \d+ epochs", printed.strip())
    assert (tmp_path / "head.keras").is_file()


@pytest.mark.slow
def test_what_an_example_imports_is_there(fresh_process):
    """Of examples that would spend money, or need a model; tests of executor and exported models run the like."""
    trees = [ast.parse(example) for page in ("ionq.md", "serving.md") for example in python_examples(page)]
    imports = [[node for node in tree.body if isinstance(node, (ast.Import, ast.ImportFrom))] for tree in trees]
    assert all(imports)
    fresh_process("\n".join(ast.unparse(node) for nodes in imports for node in nodes))
