"""Trials on a real Ray cluster of several nodes, all on this machine."""

from __future__ import annotations

import signal
import socket
import sys
import threading
import time
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from tests.studies.doubles import HERE, asks, entry, rows_of_slow_study, slow_study
from tests.support import two_ray_nodes
from tfq_llm import ray_cluster
from tfq_llm.errors import InputError
from tfq_llm.studies import cluster
from tfq_llm.studies.monitor import Monitor
from tfq_llm.studies.schedule import run
from tfq_llm.studies.store import Store
from tfq_llm.studies.worker import Expected

PERFORM = f"{HERE}:perform"


@pytest.fixture(scope="module")
def nodes() -> Iterator[Any]:
    """The same ones for all tests, of which the last loses one."""
    with two_ray_nodes() as made:
        yield made


needs_ray = pytest.mark.skipif(find_spec("ray") is None, reason="the extra [cluster] is not installed")


def test_a_missing_ray_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(InputError, match=r"pip install '.\[cluster\]'"):
        cluster.RayWorkers("auto", str(tmp_path))


@needs_ray
def test_a_store_in_memory_is_refused() -> None:
    with pytest.raises(InputError, match="memory of this process"):
        cluster.RayWorkers("auto", "memory://study")


@needs_ray
def test_a_cluster_that_does_not_answer_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ray_cluster, "_PATIENCE_SECONDS", 2.0)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        address = f"127.0.0.1:{silent.getsockname()[1]}"
        start = time.monotonic()
        with pytest.raises(
            InputError, match=rf"no Ray cluster at '{address}'.*did not answer within 2 seconds.*results are kept"
        ):
            cluster.RayWorkers(address, str(tmp_path))
    assert time.monotonic() - start < 5


@needs_ray
@pytest.mark.campaign
def test_a_trial_on_a_cluster_that_takes_too_long_is_stopped(
    nodes: Any, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    store = Store(tmp_path / "study")
    hangs, dies = entry(1, method="hangs"), entry(2, method="dies")
    before = signal.getsignal(signal.SIGTERM)
    with cluster.RayWorkers(nodes.address, store.url, perform=PERFORM, timeout=5.0) as workers:
        assert signal.getsignal(signal.SIGTERM) is before
        # Those that wait for their turn meanwhile are not counted as slow.
        others = [entry(number) for number in range(3, 9)]
        summary = run([asks([hangs, dies, *others])], store, workers, Monitor(), retries=1)
        assert set(summary.failed) == {hangs.trial.name, dies.trial.name}
        assert "longer than it may" in (store.failure(hangs.trial) or "")
        assert "its worker died 2 times" in (store.failure(dies.trial) or "")
        assert summary.done == len(others)
    assert not caplog.messages or "No machine" not in caplog.text
    # What no machine has is waited for, and told.
    with cluster.RayWorkers(nodes.address, store.url, perform=PERFORM, memory_per_trial=10**15) as workers:
        assert workers.busy == 1
    assert "No machine of the cluster has 1 CPUs and 1e+06 GB of memory for a trial" in caplog.text


@needs_ray
@pytest.mark.slow
def test_trials_that_fail_cost_only_themselves_and_a_machine_without_the_directory_is_not_let_in(
    nodes: Any, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    store = Store(tmp_path / "study")
    entries = [entry(1, method="dies"), entry(2, method="dies once"), entry(3, method="raises"), entry(4), entry(5)]
    with cluster.RayWorkers(nodes.address, store.url, perform=PERFORM) as workers:
        assert (workers.busy, workers.capacity) == (2, 4)
        summary = run([asks(entries)], store, workers, Monitor())
        assert (summary.done, set(summary.failed)) == (3, {entries[0].trial.name, entries[2].trial.name})
        assert "WorkerCrashedError" in (store.failure(entries[0].trial) or "")
        assert "ZeroDivisionError" in (store.failure(entries[2].trial) or "")
        workers._expected = Expected(workers._expected.versions, (str(tmp_path / "nowhere" / cluster.MARK), "mark"))
        with pytest.raises(InputError, match=r"does not see the study's directory .*nowhere"):
            run([asks([entry(30)])], store, workers, Monitor())
    out, err = capfd.readouterr()
    assert "raylet" not in out + err


@needs_ray
@pytest.mark.campaign
def test_a_study_survives_the_loss_of_a_node(nodes: Any, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    store, trials = Store(tmp_path / "study"), 80

    def lose_a_node() -> None:
        while len(list(tmp_path.glob("study/trials/*.json"))) < 10:
            time.sleep(0.02)
        nodes.remove_node(next(iter(nodes.worker_nodes)), allow_graceful=False)

    with cluster.RayWorkers(nodes.address, store.url, perform=PERFORM) as workers:
        killer = threading.Thread(target=lose_a_node)
        killer.start()
        summary = run(list(slow_study(trials)), store, workers, Monitor())
        killer.join()
        assert (summary.done, summary.failed) == (trials, ())
        assert store.export_rows() == Store(store.url).export_rows() == rows_of_slow_study(trials)
        # Ray calls a node dead after five missed checks, three seconds apart, and a busy machine makes that longer.
        until = time.monotonic() + 60
        while workers.busy > 1:
            assert time.monotonic() < until
            time.sleep(0.2)
        # One that kills its worker still costs only itself.
        once = entry(2, method="dies once")
        assert run([asks([once, entry(4)])], store, workers, Monitor()).failed == ()
    out, err = capfd.readouterr()
    assert "raylet" not in out + err
