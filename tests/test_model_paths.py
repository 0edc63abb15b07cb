"""Saved heads of the package are found wherever a command runs."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from tfq_llm.cli import app
from tfq_llm.model_paths import model_path
from tfq_llm.training.saved_head import SavedHead

NAMED = Path("saved_models/movie-reviews")


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_a_saved_head_of_the_package_is_found() -> None:
    assert SavedHead.read(model_path(NAMED)).class_names == ("negative", "positive")


def test_what_is_there_comes_first() -> None:
    NAMED.mkdir(parents=True)
    assert model_path(NAMED) == NAMED


@pytest.mark.parametrize("path", ["saved_models/none", "runs/demo", "pipelines/configs", "/saved_models/movie-reviews"])
def test_other_paths_are_as_given(path: str) -> None:
    assert model_path(Path(path)) == Path(path)


def test_a_command_takes_it(caplog: pytest.LogCaptureFixture) -> None:
    # The head is found: what is missing are the texts.
    result = CliRunner().invoke(app, ["predict", str(NAMED), "--file", "none.txt"])
    assert result.exit_code != 0
    assert "none.txt" in str(result.exception)
