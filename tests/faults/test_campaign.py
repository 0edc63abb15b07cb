"""The fast part of the fault campaign, and that the campaign finds broken clients out.

It runs in a process of its own, for it forks, and this one has threads.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.faults import cases
from tests.faults.attempt import circuits_of
from tests.faults.page import page
from tests.faults.runner import Outcome, bound, expected_values, wrong_values
from tfq_llm.ionq.forecast import exact_values

# What the campaign has to say of every broken client.
FOUND_OUT = {
    "sends twice": "duplicates",
    "looks nothing up": "duplicates",
    "forgets the intent": "duplicates",
    "mixes up results": "lost",
    "loses results": "lost",
    "hangs": "late",
    "tells the key": "leaked",
    "damages the ledger": "damaged",
    "leaves a process behind": "left_behind",
}


@pytest.fixture(scope="module")
def campaign(tmp_path_factory) -> list[dict[str, Any]]:
    """Every case of the three parts and its outcome; in one process, for cases mostly wait, and wait together."""
    report = tmp_path_factory.mktemp("faults") / "report.json"
    parts = ["--fast", "--fast-worker", "--mutants"]
    command = [sys.executable, "-m", "tests.faults.campaign", "--report", str(report), *parts]
    result = subprocess.run(command, capture_output=True, text=True, check=False, cwd=Path(__file__).parents[2])
    assert result.returncode == 1, result.stdout[-3000:] + result.stderr[-3000:]  # for the broken clients are found out
    return json.loads(report.read_text())


def part(campaign: list[dict[str, Any]], version: str, *, broken: bool = False) -> list[dict[str, Any]]:
    return [each for each in campaign if each["case"]["version"] == version and bool(each["case"]["mutant"]) == broken]


@pytest.mark.slow
def test_nothing_is_lost_doubled_or_hangs(campaign):
    found = part(campaign, "v0.3")
    assert len(found) >= 40
    for each in found:
        assert each["passed"], (each["text"], each["outcome"]["notes"])
        assert each["outcome"]["met"] or not each["case"]["phase"], each["text"]
        assert each["outcome"]["killed"] or not each["case"]["kill"]["owner"], each["text"]


@pytest.mark.slow
def test_through_the_worker_too(campaign):
    found = part(campaign, "v0.4")
    assert len(found) >= 6
    for each in found:
        assert each["passed"], (each["text"], each["outcome"]["notes"])


@pytest.mark.slow
def test_broken_clients_are_found_out(campaign):
    found = {each["case"]["mutant"]: each["outcome"] for each in part(campaign, "v0.3", broken=True)}
    assert set(found) == set(FOUND_OUT)
    for mutant, outcome in found.items():
        wrongs = {name for name in Outcome.WRONGS if outcome[name]}
        # Who hangs, or forgets results, loses them too; a ledger that is damaged may hold anything.
        assert FOUND_OUT[mutant] in wrongs, mutant
        assert wrongs <= {FOUND_OUT[mutant], "lost"}, mutant


def test_the_whole_has_every_fault_in_every_phase_with_every_kill():
    whole = [case for case in cases.whole() if case.version == "v0.3"]
    have = {(case.fault, case.phase, case.kill.title) for case in whole}
    for fault, phase in cases.pairs():
        kills = cases.CANCEL_KILLS if phase == "cancel" else (*cases.SENDING_KILLS, *cases.READING_KILLS)
        assert {(fault.title, phase, kill.title) for kill in (cases.NO_KILL, *(kills if fault.is_killed else ()))} <= have
    through_worker = {(case.fault, case.phase) for case in cases.whole() if case.version == "v0.4"}
    assert {(fault.title, phase) for fault, phase in cases.pairs()} <= through_worker


def test_cases_have_numbers_and_circuits_of_their_own():
    every = [*cases.whole(), *cases.fast(), *cases.fast_worker(), *cases.mutants()]
    assert len({case.number for case in every}) == len(every)
    assert len({circuits_of(case).digests for case in every[::100]}) == len(every[::100])


def test_results_are_held_against_cirqs_simulator():
    for case in cases.fast()[:2]:
        circuits = circuits_of(case)
        exact = exact_values(circuits)
        np.testing.assert_allclose(expected_values(circuits), exact, atol=1e-9)
        assert wrong_values(exact, circuits, "simulator") == 0
        assert wrong_values(exact[::-1], circuits, "simulator") > 0
        assert wrong_values(exact[:, ::-1], circuits, "qpu.forte-1") > 0
        assert wrong_values(exact + 1e-5, circuits, "simulator") == exact.size


def test_the_page_says_what_failed():
    chosen = cases.fast()[:3]
    outcomes = [Outcome(case.number) for case in chosen]
    outcomes[1] = Outcome(chosen[1].number, duplicates=1, notes=["twice"])
    text = page(chosen, outcomes, 12.0, "command")
    assert "2 of 3 cases passed" in text
    assert "**0/1**" in text
    assert f"{chosen[1].text}: twice" in text
    assert "| **duplicate jobs** | **1** |" in text


def test_bounds_follow_from_the_settings():
    none, job = cases.Case(1, "v0.3"), cases.Case(1, "v0.3", "500", "job", jobs=2)
    assert bound(none) == 5.0
    assert bound(job) == pytest.approx(4 + 2 * (1 + 3 * 2.5))
