"""Saved heads of the package are found wherever a command runs."""

from __future__ import annotations

import logging
import shutil
from pathlib import Path

import pytest
from typer.testing import CliRunner

from tfq_llm import InputError, load_run
from tfq_llm.cache import former
from tfq_llm.cli import app
from tfq_llm.model_paths import model_path
from tfq_llm.training.saved_head import SavedHead

NAMED = Path("saved_models/movie-reviews")


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_a_saved_head_of_the_package_is_found_and_the_log_says_so(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "tfq_llm.model_paths")
    assert SavedHead.read(model_path(NAMED)).class_names == ("negative", "positive")
    assert caplog.messages == [f"There is no '{NAMED}' here: taking the saved head of that name that comes with the package."]


def test_what_is_there_comes_first(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "tfq_llm.model_paths")
    NAMED.mkdir(parents=True)
    assert model_path(NAMED) == NAMED
    assert not caplog.messages


def test_a_head_whose_replacement_was_killed_is_not_taken_for_that_of_the_package() -> None:
    shutil.copytree(model_path(NAMED), former(NAMED))
    assert model_path(NAMED) == NAMED
    with pytest.raises(
        InputError, match=r"was killed before the new one was there. The old one is in '.*\.movie-reviews\.former'"
    ):
        load_run(model_path(NAMED))


@pytest.mark.parametrize("path", ["saved_models/none", "runs/demo", "pipelines/configs", "/saved_models/movie-reviews"])
def test_other_paths_are_as_given(path: str) -> None:
    assert model_path(Path(path)) == Path(path)


def test_a_command_takes_it(caplog: pytest.LogCaptureFixture) -> None:
    # The head is found: what is missing are the texts.
    result = CliRunner().invoke(app, ["predict", str(NAMED), "--file", "none.txt"])
    assert result.exit_code != 0
    assert "none.txt" in str(result.exception)
