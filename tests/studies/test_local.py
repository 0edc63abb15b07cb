"""Worker processes that are killed at any time, and a main process that is."""

from __future__ import annotations

import contextlib
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from tests.kills.processes import alive, until, worker_processes
from tests.studies.doubles import HERE, asks, entry, rows_of_slow_study
from tfq_llm.errors import InputError
from tfq_llm.studies.local import LOG, LocalWorkers
from tfq_llm.studies.monitor import Monitor
from tfq_llm.studies.schedule import run
from tfq_llm.studies.store import Store

PERFORM = f"{HERE}:perform"
ROOT = Path(__file__).parents[2]

STUDY = """
import logging, sys
from tests.studies.doubles import slow_study
from tfq_llm.studies.local import LocalWorkers
from tfq_llm.studies.monitor import Monitor
from tfq_llm.studies.schedule import run
from tfq_llm.studies.store import Store

if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    url, trials = sys.argv[1], int(sys.argv[2])
    with LocalWorkers(2, url, perform="tests.studies.doubles:perform") as workers:
        print(run(list(slow_study(trials)), Store(url), workers, Monitor()))
"""


def test_workers_keep_results_and_their_deaths_cost_their_own_trials_only(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    store = Store(tmp_path)
    entries = [
        entry(0),
        entry(1, method="dies"),
        entry(2, method="dies once"),
        entry(3, method="raises"),
        *(entry(number, method="slow") for number in range(4, 8)),
    ]
    with LocalWorkers(2, store.url, perform=PERFORM) as workers:
        summary = run([asks(entries)], store, workers, Monitor())
        assert set(summary.failed) == {entries[1].trial.name, entries[3].trial.name}
        assert summary.done == len(entries) - 2
        assert set(Store(tmp_path).results()) == {each.trial.name for each in entries} - set(summary.failed)
        assert "its worker died 2 times" in (store.failure(entries[1].trial) or "")
        # The same workers take part in another run.
        assert run([asks([entry(20)])], store, workers, Monitor()).done == 1
    assert (tmp_path / LOG).exists()
    assert capfd.readouterr().err == ""


def test_a_trial_that_takes_too_long_fails_and_an_idle_worker_may_die(tmp_path: Path) -> None:
    store = Store(tmp_path)
    with LocalWorkers(1, store.url, perform=PERFORM, timeout=1.0) as workers:
        assert run([asks([entry(0)])], store, workers, Monitor()).done == 1
        for child in worker_processes(os.getpid()):
            child.kill()
        summary = run([asks([entry(1, method="hangs"), entry(2)])], store, workers, Monitor())
    assert summary.failed == (entry(1, method="hangs").trial.name,)
    assert summary.done == 1
    assert "longer than it may" in (store.failure(entry(1, method="hangs").trial) or "")


def test_bad_workers_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="number of workers"):
        LocalWorkers(0, str(tmp_path))
    with pytest.raises(InputError, match="memory of this process"):
        LocalWorkers(1, "memory://study")


def start(url: Path, trials: int) -> subprocess.Popen[str]:
    script = url.with_name("begin.py")
    script.write_text(STUDY)
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    return subprocess.Popen(
        [sys.executable, str(script), str(url), str(trials)],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        cwd=ROOT,
        env=environment,
        start_new_session=True,
        # A test run in the background of a shell has it ignored, and so would its processes.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )


def test_a_killed_study_leaves_no_worker_and_goes_on_to_the_same_rows(tmp_path: Path) -> None:
    url, trials = tmp_path / "study", 24
    first = start(url, trials)
    until(lambda: len(list(url.glob("trials/*.json"))) >= 5)
    workers = worker_processes(first.pid)
    assert len(workers) == 2
    first.kill()
    first.communicate()
    until(lambda: not any(map(alive, workers)))
    kept = len(Store(url).results())
    assert 5 <= kept < trials
    second = start(url, trials)
    said = second.communicate(timeout=60)[0]
    assert second.returncode == 0, said
    assert f"Summary(found={kept}, done={trials - kept}, failed=()" in said
    assert Store(url).export_rows() == rows_of_slow_study(trials)


def test_an_interrupted_study_says_how_to_go_on(tmp_path: Path) -> None:
    url = tmp_path / "study"
    study = start(url, 200)
    until(lambda: len(list(url.glob("trials/*.json"))) >= 3)
    # As a terminal does: to all processes of the command.
    os.killpg(study.pid, signal.SIGINT)
    said = study.communicate(timeout=20)[0]
    assert study.returncode in (1, -signal.SIGINT, 130), said
    assert f"Stopped. What is finished is kept in {url}: give the same command again" in said
    assert said.count("Traceback") == 1, said
    assert len(Store(url).results()) >= 3


@pytest.mark.slow
@pytest.mark.parametrize(("most", "trials"), [(6, 60), pytest.param(20, 120, marks=pytest.mark.campaign)])
def test_random_kills_change_nothing(tmp_path: Path, most: int, trials: int) -> None:
    url = tmp_path / "study"
    rng = random.Random(int(os.environ.get("TFQ_LLM_KILLS", 0)))
    kills = 0
    study = start(url, trials)
    while study.poll() is None:
        time.sleep(rng.uniform(0.05, 0.6))
        if kills >= most:
            break
        workers = worker_processes(study.pid)
        before = len(list(url.glob("trials/*.json")))
        if rng.random() < 0.35:
            study.kill()
            study.communicate()
            # What was finished before stays; at most the trials in flight are lost.
            assert len(Store(url).results()) >= before
            study = start(url, trials)
            kills += 1
        elif workers:
            with contextlib.suppress(psutil.NoSuchProcess):
                rng.choice(workers).kill()
                kills += 1
    assert kills == most
    said = study.communicate(timeout=120)[0]
    # A trial whose worker was killed twice counts as failed in that command; the next one runs it again.
    if "failed=()" not in said:
        study = start(url, trials)
        said = study.communicate(timeout=120)[0]
    assert "failed=()" in said, said
    assert Store(url).export_rows() == rows_of_slow_study(trials)
    assert Store(url).failures() == set()
