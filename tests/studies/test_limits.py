"""Limits of a trial, as they are given on the command line."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

from tfq_llm.cli import main
from tfq_llm.errors import InputError
from tfq_llm.studies.limits import Limits, memory_of


def test_memory_has_a_unit() -> None:
    assert [memory_of(text) for text in ("2GB", "500 MB", "1.5GiB")] == [2_000_000_000, 500_000_000, 3 * 2**29]
    for bad in ("lots", "-1GB", "", "2 goats"):
        with pytest.raises(InputError, match="is no amount of memory: give a number and a unit"):
            memory_of(bad)


@pytest.mark.parametrize(
    "bad",
    [
        {"retries": -1},
        {"timeout": 0.0},
        {"timeout": math.nan},
        {"timeout": math.inf},
        {"cpus": 0.0},
        {"cpus": 1.5},
        {"cpus": math.nan},
        {"memory": 2},
    ],
)
def test_what_is_out_of_range_is_refused(bad: dict[str, float]) -> None:
    with pytest.raises(InputError, match="must be"):
        Limits(**bad)  # type: ignore[arg-type]


def test_what_is_in_range_is_taken() -> None:
    Limits(retries=0, timeout=0.5, cpus=0.25, memory=memory_of("1GB"))
    Limits(cpus=4.0)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (["--trial-timeout", "-3"], "seconds above 0"),
        (["--retries", "-1"], "--retries"),
        (["--retries", "some"], "--retries"),
        (["--memory-per-trial", "much", "--cluster", "auto"], "500MB, 2GB or 1.5GiB"),
        (["--memory-per-trial", "2GB"], "set aside by a cluster (--cluster)"),
        (["--cpus-per-trial", "2"], "set aside by a cluster (--cluster)"),
        (["--cpus-per-trial", "1.5", "--cluster", "auto"], "whole number, or a share"),
        (["--workers", "2", "--cluster", "auto"], "either workers on this machine or a cluster"),
    ],
)
def test_bad_options_end_with_exit_code_2_and_one_message(
    given: list[str], message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["study", "compare", "--study-dir", str(tmp_path / "s"), *given]) == 2
    said = " ".join(capsys.readouterr().err.split())
    assert message in said
    assert "Traceback" not in said
    assert not (tmp_path / "s").exists()
