"""The benchmark of the simulation: that it runs, what its page holds, and that it refuses to compare different results."""

from __future__ import annotations

import re
import sys
from dataclasses import replace
from pathlib import Path

import cirq
import numpy as np
import pytest
from typer.testing import CliRunner

from benchmarks import against_peers, against_tfq, fit_step, limit, noise_and_shots, peers, simulation, start_up, wide
from benchmarks.cost import cost_of
from benchmarks.noise_and_shots import check_estimates
from benchmarks.plan import QUICK
from benchmarks.reference import Digest, MismatchError, Work, engine_of, engine_step, reference_work
from benchmarks.report import Mark, Section, page

TINY = replace(
    QUICK,
    tfq_qubits=(4,),
    rounds=1,
    burst=0.01,
    trajectories=2,
    shots=10,
    wide_qubits=(5, 4),
    starts=1,
    fit_steps=2,
    growth_qubits=(2, 4),
    growth_blocks=(1, 2),
    growth_batches=(1, 16),
    growth_trajectories=(1, 2),
)

# A peer whose result is what its first argument says; it answers every line it reads, as the real script does.
FAKE_PEER = """
import json, sys
line = json.dumps(dict(ms=5.0, first_s=0.1, packages=["fake 1.0"], **{result}))
print(line, flush=True)
for _ in sys.stdin:
    print(line, flush=True)
"""


@pytest.fixture
def fake_peers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """A function that writes a script of a peer with this result, which is then the only peer."""
    monkeypatch.setattr(against_peers, "PEERS", {"fake": None})

    def write(result: dict[str, float]) -> Path:
        script = tmp_path / "fake_peers.py"
        script.write_text(FAKE_PEER.replace("{result}", repr(result)), encoding="utf-8")
        return script

    return write


def digest(qubits: int = 4, batch: int = 32) -> Digest:
    return Digest.of(engine_step(reference_work(qubits, batch))())


@pytest.mark.campaign
def test_a_run_writes_a_page_and_its_plots(tmp_path: Path, fake_peers, capsys: pytest.CaptureFixture[str]) -> None:
    output = tmp_path / "performance.md"
    simulation.run(TINY, output, "the command", Path(sys.executable), fake_peers(vars(digest())), 60)
    text = output.read_text(encoding="utf-8")
    headings = re.findall("^## (.*)$", text, re.MULTILINE)
    assert re.fullmatch(r"What must hold: \d+ of \d+ do", headings[0])
    assert headings[1:] == [
        "Against TensorFlow Quantum",
        "Against other simulators",
        "Noise and shots",
        "5 qubits",
        "Start of a process",
        "A step of fit",
        "How near to the machine's limit",
        "Growth",
    ]
    for told in ("`the command`", "processor", "UTC", "numba", "fake 1.0", "quick run"):
        assert told in text
    plots = re.findall(r"\]\((performance/\w+\.svg)\)", text)
    assert len(plots) == 5
    assert all((tmp_path / plot).read_text(encoding="utf-8").lstrip().startswith("<?xml") for plot in plots)
    assert str(tmp_path) not in text
    assert "## Against TensorFlow Quantum" in capsys.readouterr().out


def test_every_row_of_a_table_has_its_header_s_length() -> None:
    marks = (Mark("fast", 20, 15), Mark("small", 5, 4, " MiB", at_least=False))
    section = Section("Speed", "Text.", ("a", "b"), (("1", "2"),), marks, (("x.svg", "a plot"),))
    text = page("Title", [("date", "today")], "Notes.", [section], "folder")
    assert "## What must hold: 1 of 2 do" in text
    assert "| fast | ≥ 15× | 20.0× | yes |" in text
    assert "| small | ≤ 4 MiB | 5.00 MiB | **no** |" in text
    assert "![a plot](folder/x.svg)" in text
    for table in re.findall(r"(?:^\|.*\n)+", text, re.MULTILINE):
        assert len({line.count("|") for line in table.splitlines()}) == 1


def test_a_slow_start_does_not_hold() -> None:
    slow, fast = (start_up.section(start_up.StartUp(5, seconds, 1.4)) for seconds in (2.1, 1.9))
    assert [mark.holds for mark in (*slow.marks, *fast.marks)] == [False, True]
    assert slow.rows == (("2.10", "1.40", "0.700"),)


def test_the_engine_s_part_in_a_step_of_fit() -> None:
    step = fit_step.FitStep(32, ("values", "gradients"), quantum=4e-3, within=2.1e-3, answered=1.5e-3, dense=1e-3, engine=2e-3)
    assert (step.ratio, step.ratio_without_crossing) == (1.5, 1.25)
    assert "would be 1.25 instead of 1.50" in fit_step.section(step).text
    other_executor = replace(step, calls=(), engine=0.0)
    assert "no engine call" in fit_step.section(other_executor).text
    assert not fit_step.section(other_executor).marks[0].holds


@pytest.mark.parametrize("name", ["value0", "gx_norm", "gw_norm"])
def test_other_results_are_refused(name: str) -> None:
    ours = digest()
    ours.check(ours, "itself", "here")
    wrong = replace(ours, **{name: getattr(ours, name) + 0.01})
    with pytest.raises(MismatchError, match="that program did not compute what the engine did, here"):
        ours.check(wrong, "that program", "here")
    with pytest.raises(MismatchError):
        ours.check(replace(ours, **{name: float("nan")}), "that program", "here")


def test_a_peer_with_other_results_ends_the_run(tmp_path: Path, fake_peers, monkeypatch: pytest.MonkeyPatch) -> None:
    """What comes before the peers is left out: the test of the page has it."""
    script = fake_peers(vars(replace(digest(), gw_norm=1.0)))
    monkeypatch.setattr(simulation, "QUICK", TINY)
    for part in (against_tfq, noise_and_shots, wide, start_up, fit_step, limit):
        monkeypatch.setattr(part, "measure", lambda plan: ())
        monkeypatch.setattr(part, "section", lambda *found: Section("None", "Left out."))
    output = tmp_path / "performance.md"
    options = ["--quick", "--peers", sys.executable, "--peers-script", str(script), "--output", str(output)]
    result = CliRunner().invoke(simulation.app, options)
    assert result.exit_code == 1
    assert "fake did not compute what the engine did, 4 qubits, batch 32" in result.output
    assert not output.exists()


def test_a_peer_that_fails_is_told_of(fake_peers) -> None:
    script = fake_peers({})
    script.write_text("raise SystemExit('the module lacks a licence')", encoding="utf-8")
    (meeting,) = against_peers.measure(TINY, Path(sys.executable), script, 60)
    assert meeting.failed == "the module lacks a licence"
    script.write_text("import time; time.sleep(60)", encoding="utf-8")
    (meeting,) = against_peers.measure(TINY, Path(sys.executable), script, 0.5)
    assert meeting.failed.startswith("no result in")


def test_estimates_that_chance_cannot_explain_are_refused() -> None:
    found = engine_step(reference_work(4, 16))()
    check_estimates(found, found, 1000, "shots")
    for name in ("values", "data", "weights"):
        wrong = replace(found, **{name: getattr(found, name) + 1})
        with pytest.raises(MismatchError, match=f"with 1000 shots: {name}"):
            check_estimates(found, wrong, 1000, "shots")


@pytest.mark.parametrize("qubits", [3, 4, 10])
def test_peers_are_given_the_same_work(qubits: int) -> None:
    work, task = reference_work(qubits, 5), peers.reference_task(qubits, 5)
    line = cirq.LineQubit.range(qubits)

    def operation(gate: peers.Gate) -> cirq.Operation:
        if gate.control is not None:
            return cirq.CNOT(line[gate.control], line[gate.target])
        symbols = work.data_symbols if gate.datum else work.weight_symbols
        return cirq.ry(symbols[gate.angle]).on(line[gate.target])

    assert cirq.Circuit(map(operation, task.gates)) == work.circuit
    np.testing.assert_array_equal(task.data, work.data)
    np.testing.assert_array_equal(task.weights, work.weights)


def test_cost_of_one_gate() -> None:
    (symbol,) = reference_work(2, 1, connectivity=1).data_symbols[:1]
    circuit = cirq.Circuit(cirq.ry(symbol).on(cirq.LineQubit(0)))
    work = Work(circuit, (symbol,), (), np.zeros([17, 1], np.float32), np.zeros(0, np.float32))
    cost = cost_of(engine_of(work), work)
    # Two blocks of 16 samples; two rows: by 2 products forward, 2 · 3 back, 4 around; read and written once, twice, and 4 times.
    rows = 2 * 4  # a register of one qubit gets an idle one
    assert (cost.passes, cost.multiply_adds, cost.tile_bytes) == (1, rows * (2 + 6 + 4), rows * 6 * 64)
    assert cost.register_bytes == rows * 4 * 64
