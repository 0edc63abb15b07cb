"""The commands from a trained run to a result, at the local stand-in."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Callable, Iterator
from io import StringIO
from pathlib import Path

import numpy as np
import pytest
from scipy import stats

from tfq_llm.circuits import ionq_noise, noisy_circuit
from tfq_llm.cli import main
from tfq_llm.ionq.emulator import Emulator
from tfq_llm.ionq.forecast import exact_values, observables_of
from tfq_llm.ionq.ledger import Ledger, ledger_path
from tfq_llm.pipelines.ionq_evaluate import sentences
from tfq_llm.simulation.sampling.engine import SamplingEngine

KEY = "a-key-that-is-easily-found-0123456789"
Command = Callable[..., tuple[str, str]]


@pytest.fixture(scope="module")
def trace(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("trace") / "trace.jsonl"


@pytest.fixture(scope="module")
def _emulator(trace) -> Iterator[Emulator]:
    with Emulator(key=KEY, trace=trace) as emulator:
        yield emulator


@pytest.fixture
def emulator(_emulator) -> Iterator[Emulator]:
    yield _emulator
    _emulator.faults.clear()


@pytest.fixture
def mine(run, tmp_path) -> Path:
    return Path(shutil.copytree(run[0], tmp_path / "run"))


@pytest.fixture
def new(run) -> str:
    return run[1]


@pytest.fixture
def many(run) -> str:
    return str(Path(run[1]).with_name("many.npz"))


@pytest.fixture
def ionq(emulator, capfd, monkeypatch) -> Command:
    """Runs `tfq-llm ionq …` at the stand-in; returns what it printed and what it said."""
    monkeypatch.setenv("IONQ_API_KEY", KEY)

    def call(command: str, *arguments: object, expect: int = 0, host: str = emulator.url, version: str = "v0.3"):
        where = ["--host", host, "--api-version", version] if command != "estimate" else []
        code = main(["ionq", command, *map(str, arguments), *where])
        printed, said = capfd.readouterr()
        assert code == expect, said
        return printed, said

    return call


def measured(run_dir: Path, data: str, count: int) -> tuple[np.ndarray, np.ndarray, int]:
    """⟨Z⟩ as measured and as exact simulation has it, and the number of shots, from the ledger's only job."""
    given = sentences(run_dir, data, count)
    with Ledger(ledger_path(run_dir)) as ledger:
        (job,) = ledger.jobs()
        distributions = dict(ledger.distributions(job))
        places = ledger.places(ledger.known(given.circuits), job.order, job.host)
    from tfq_llm.ionq.expectations import expectation_values

    values = [expectation_values(distributions[places[digest][1]], given.circuits.measured) for digest in given.circuits.digests]
    return np.array(values), exact_values(given.circuits), job.shots


def test_from_a_trained_run_to_a_result(ionq, emulator, mine, new):
    before = len(emulator.jobs())
    said = ionq("submit", mine, "--data", new, "--sentences", 12, "--shots", 200, "--yes")
    assert "12 circuits of" in said[1]
    assert "in 1 job, for $309.48" in said[1]
    assert "Sent: tfq-llm-" in said[0]
    assert "done" in ionq("status", mine)[0]
    assert "0 new results; jobs not finished: 0." in ionq("fetch", mine)[0]
    assert "of this run" in ionq("list", mine)[0]
    facts = json.loads(ionq("evaluate", mine, "--data", new, "--sentences", 12, "--shots", 200, "--json")[0])
    assert (facts["sentences"], facts["dollars_now"], facts["dollars_in_all"]) == (12, 0.0, pytest.approx(309.48))
    assert len(emulator.jobs()) == before + 1
    text, _ = ionq("evaluate", mine, "--data", new, "--sentences", 12, "--shots", 200)
    assert "Sent now for $0.00; by this run directory in all $309.48." in text


def test_without_noise_200_sentences_are_measured_as_exact_simulation_has_them(ionq, mine, many):
    """At a significance of 1e-6: the sum of squared deviations in units of the shot error."""
    text, _ = ionq("evaluate", mine, "--data", many, "--sentences", 200, "--shots", 500, "--yes", "--json")
    facts = json.loads(text)
    assert facts["sentences"] == 200
    values, exact, shots = measured(mine, many, 200)
    seen = np.abs(exact) < 0.99
    deviations = (values - exact)[seen] / np.sqrt((1 - exact[seen] ** 2) / shots)
    low, high = stats.chi2.interval(1 - 1e-6, deviations.size)
    assert low < np.sum(deviations**2) < high
    assert facts["mean_difference"] == pytest.approx(np.abs(values - exact).mean())


def test_with_noise_they_are_measured_as_the_engine_simulates_it(ionq, mine, many):
    with Emulator(noise="forte-1", key=KEY) as noisy:
        ionq("evaluate", mine, "--data", many, "--sentences", 200, "--shots", 2000, "--yes", host=noisy.url)
    values, exact, shots = measured(mine, many, 200)
    circuits = sentences(mine, many, 200).circuits
    circuit = noisy_circuit(circuits.template, ionq_noise("forte-1"))
    engine = SamplingEngine(circuit, observables_of(circuits), circuits.symbols, trajectories=4000, gradient="spsa", seed=0)
    simulated = engine.estimate(circuits.values)
    errors = np.sqrt((1 - simulated.values**2) / shots + np.asarray(simulated.standard_errors) ** 2)
    z = np.sum((values - simulated.values) / errors, axis=0) / np.sqrt(len(values))
    assert np.all(np.abs(z) < stats.norm.isf(1e-6 / 2))
    towards_zero = np.mean((exact - values) * np.sign(exact))
    assert towards_zero > 5 * np.sqrt(np.mean(1 - exact**2) / shots / exact.size), "the noise is there"


@pytest.mark.campaign
def test_2000_circuits_go_through_one_evaluation_in_bounded_memory(fresh_process, emulator, mine, many, monkeypatch):
    """Peak memory of 2,000 sentences behind that of 20 in the same process; results are read one by one."""
    script = (
        "import resource\n"
        "from tfq_llm.cli import main\n"
        f"command = ['ionq', 'evaluate', {str(mine)!r}, '--data', {many!r}, '--shots', '100', '--yes']\n"
        "for count in (20, 2000):\n"
        f"    code = main([*command, '--sentences', str(count), '--host', {emulator.url!r}, '--api-version', 'v0.3'])\n"
        "    print('peak', code, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)\n"
    )
    monkeypatch.setenv("IONQ_API_KEY", KEY)
    printed = fresh_process(script)
    assert "20 sentences" in printed
    assert "2,000 sentences" in printed
    codes, peaks = zip(*(map(int, line.split()[1:]) for line in printed.splitlines() if line.startswith("peak")), strict=True)
    assert codes == (0, 0)
    assert peaks[1] - peaks[0] < 200_000, f"KiB: {peaks}"


@pytest.mark.slow
def test_the_same_by_api_v04(ionq, emulator, mine, new):
    text, _said = ionq("evaluate", mine, "--data", new, "--sentences", 10, "--shots", 100, "--yes", version="v0.4")
    assert "10 sentences" in text
    assert "The service itself says $257.90" in text
    # What came by one version is not paid for again by the other.
    assert "10 have results here" in ionq("evaluate", mine, "--data", new, "--sentences", 10, "--shots", 100, version="v0.3")[1]


def test_jobs_are_canceled(ionq, mine, new):
    with Emulator(queue_seconds=60, key=KEY) as slow:
        submitted, _ = ionq("submit", mine, "--data", new, "--sentences", 3, "--shots", 100, "--yes", host=slow.url)
        name = submitted.split()[1].rstrip(".")
        assert "submitted" in ionq("status", mine, host=slow.url)[0]
        assert "give the names" in ionq("cancel", mine, host=slow.url, expect=2)[1]
        assert f"Did you mean '{name}'" in ionq("cancel", mine, name + "x", host=slow.url, expect=2)[1]
        assert ionq("cancel", mine, name, host=slow.url)[0] == f"{name}: canceled\n"
        assert ionq("cancel", mine, "--all", host=slow.url)[0] == "No job is waiting or running.\n"
        waited = ionq(
            "evaluate", mine, "--data", new, "--sentences", 3, "--shots", 50, "--yes", "--wait", 0.1, host=slow.url, expect=1
        )
        assert "nothing is sent again" in waited[1]


def test_errors_are_mitigated_and_compared(ionq, mine, new):
    with Emulator(noise="aria-1", readout=(0.02, 0.04), key=KEY) as noisy:
        table, said = ionq("mitigation", mine, "--data", new, "--sentences", 6, "--shots", 400, "--yes", host=noisy.url)
        assert "6 sentences by 6 methods, each with 400 shots a sentence" in said
        assert "To send: " in said
        for line in ("| raw ", "| readout ", "| linear ", "| exponential ", "| readout, linear ", "| exact "):
            assert line in table
        jobs = len(noisy.jobs())
        assert ionq("mitigation", mine, "--data", new, "--sentences", 6, "--shots", 400, "--yes", host=noisy.url)[0] == table
        assert len(noisy.jobs()) == jobs, "the same comparison is not paid for again"
        one = ("--data", new, "--sentences", 6, "--shots", 400, "--yes", "--mitigation", "readout, linear")
        assert "400 shots, readout, linear" in ionq("evaluate", mine, *one, host=noisy.url)[0]
        other = ("--data", new, "--mitigation", "lineer")
        assert "Did you mean 'linear'" in ionq("evaluate", mine, *other, host=noisy.url, expect=2)[1]


@pytest.mark.slow
def test_the_last_parameters_are_trained_on_a_machine(ionq, mine, new):
    assert "nothing.npz" in ionq("finetune", mine, "--data", new + "/nothing.npz", "--max-cost", 0, expect=2)[1]
    data = Path(new).with_name("train.npz")
    small = ("--steps", 2, "--batch-size", 4, "--held-out", 4, "--shots", 50, "--yes")
    _, said = ionq("finetune", mine, "--data", data, "--max-cost", 10, *small, expect=2)
    assert "there are not enough dollars for one step" in said
    text, said = ionq("finetune", mine, "--data", data, "--max-cost", 0, "--target", "simulator", *small)
    assert "2 of 2 steps are within the budget" in said
    assert "| 2 " in text
    assert (mine / "ionq" / "finetuned.json").exists()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--shots", 0], "shots must be a number from 1 to 1,000,000, not 0"),
        (["--shots", -3], "shots must be a number from 1 to 1,000,000, not -3"),
        (["--target", "qpu.forte-2"], "there is no price for 'qpu.forte-2'; known are .* Did you mean 'qpu.forte-1'"),
        (["--sentences", 0], "the number of sentences must be at least 1, not 0"),
        (["--max-cost", 50, "--yes"], r"this costs \$77.37 and at most \$50.00 may be spent"),
        ([], "nobody is there to be asked before spending: give --yes"),
        (["--key-file", "nothing.txt"], "cannot read the API key from 'nothing.txt'"),
        (["--max-cost", "nan", "--yes"], "a limit must be a number of dollars"),
        (["--settle", 1], "--settle must be at least twice --deadline, 60 s, not 1"),
        (["--debias", "--mitigation", "linear", "--yes"], "debiasing and mitigation on this side are for the same errors"),
        (["--noise", "aria-1"], "a noise model is for the target 'simulator'"),
    ],
)
def test_what_cannot_be_done_is_said_before_anything_is_spent(ionq, emulator, mine, new, options, message, monkeypatch):
    before = len(emulator.jobs())
    monkeypatch.setattr(sys, "stdin", StringIO())
    _, said = ionq(
        "evaluate", mine, "--data", new, *(options if "--sentences" in options else ["--sentences", 3, *options]), expect=2
    )
    with pytest.raises(AssertionError, match=message):
        raise AssertionError(said)
    assert len(emulator.jobs()) == before


def test_without_a_key_nothing_goes_to_ionq(ionq, mine, new, monkeypatch):
    for name in ("IONQ_API_KEY", "CIRQ_IONQ_API_KEY"):
        monkeypatch.delenv(name, raising=False)
    _, said = ionq("evaluate", mine, "--data", new, host="https://api.ionq.co", expect=2)
    assert "there is no API key for https://api.ionq.co" in said
    _, said = ionq("status", mine, host="http://192.0.2.1", expect=2)
    assert "plain text" in said


def test_version_run_and_ledger_are_checked(ionq, mine, new):
    assert "must be v0.3 or v0.4, not 'v0.5'" in ionq("status", mine, version="v0.5", expect=2)[1]
    assert "there is no run directory" in ionq("status", mine / "typo", expect=2)[1]
    with Ledger(ledger_path(mine)) as ledger:
        ledger.belongs_to(20)
    assert "is of a model with" in ionq("evaluate", mine, "--data", new, "--yes", expect=2)[1]
    ledger_path(mine).write_bytes(b"damaged " * 2000)
    assert "cannot be read" in ionq("status", mine, expect=2)[1]


def test_a_wrong_key_is_said(ionq, mine, new, monkeypatch):
    monkeypatch.setenv("IONQ_API_KEY", "another-key-that-is-wrong")
    _, said = ionq("evaluate", mine, "--data", new, "--sentences", 3, "--yes", expect=1)
    assert "another-key" not in said


def test_the_key_is_written_nowhere(ionq, emulator, trace, mine, new, caplog):
    caplog.set_level(0)
    for fault in ("status on=submit status=400", "cut on=results", "malformed on=job", "lost on=submit"):
        emulator.faults.add(fault)
    said = [
        "".join(
            ionq(
                "evaluate",
                mine,
                "--data",
                new,
                "--sentences",
                3,
                "--shots",
                77,
                "--yes",
                "--deadline",
                0.5,
                "--settle",
                1,
                expect=1,
            )
        )
    ]
    said += ionq("evaluate", mine, "--data", new, "--sentences", 3, "--shots", 77, "--yes", "--deadline", 0.5, "--settle", 1)
    said += ionq("status", mine, "--json")
    written = b"".join(path.read_bytes() for path in mine.rglob("*") if path.is_file())
    assert b"tfq-llm-" in written, "the ledger is among what was searched"
    for text in (written, trace.read_bytes(), "".join(said).encode(), caplog.text.encode()):
        assert KEY.encode() not in text
