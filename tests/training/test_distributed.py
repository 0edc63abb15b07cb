"""Several processes train one model as one process does."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import numpy as np
import pytest

from tests.support import GOOD, TINY_HEAD, blobs
from tests.tiny_models import write_sentence_transformers
from tfq_llm import encoders
from tfq_llm.config import FitConfig, HeadConfig
from tfq_llm.errors import InputError
from tfq_llm.models import hybrid_classifier, quantum_head
from tfq_llm.training import resumable_fit
from tfq_llm.training.cluster import Cluster, refuse_cluster
from tfq_llm.training.distributed import fit_distributed
from tfq_llm.training.heads import prepared
from tfq_llm.training.rendezvous import WorkerLostError, meet

# The last of the five batches has one row, so that one of two workers has none.
FIT = FitConfig(epochs=4, batch_size=7, learning_rate=0.005, weight_decay=0.1, patience=4)
INPUTS, LABELS = blobs(40)
TRAIN, VALIDATION = (INPUTS[:29], LABELS[:29]), (INPUTS[29:], LABELS[29:])
TEXTS = np.array([f"a {GOOD[row % 6]} movie {row}" if row % 2 else f"un able dog {row}" for row in range(12)], dtype=object)
TEXT_ROWS = (TEXTS, np.arange(12) % 2)
TEXT_FIT = FitConfig(epochs=2, batch_size=5, learning_rate=1e-4, weight_decay=0.1, patience=2)


def new_head(**changes):
    return quantum_head(7, 2, HeadConfig(**TINY_HEAD | changes), seed=3)


def new_text_model(directory: Path):
    """A tiny sentence encoder and a head."""
    return hybrid_classifier(encoders.load(directory, trainable=True, max_tokens=16), 2, HeadConfig(**TINY_HEAD), seed=3)


def worker(folder: Path, dies_in_epoch: int = -1) -> None:
    """What each process does: see `start`. Files of the folder say what besides: "others" that a worker which differs is refused,
    "texts" that a sentence encoder is trained, too."""
    import tensorflow as tf

    from tfq_llm.simulation.compiled.threads import set_num_threads

    set_num_threads(1)
    index = Cluster.from_environment().index

    class Dying(tf.keras.callbacks.Callback):
        def on_epoch_begin(self, epoch, logs=None):
            self.epoch = epoch

        def on_train_batch_end(self, batch, logs=None):
            if index == 0 and self.epoch == dies_in_epoch and batch == 1:
                os.kill(os.getpid(), signal.SIGKILL)

    if (folder / "others").exists():
        for make, seed in ((new_head, index), (lambda: new_head(layers=1 + index), 0)):
            with pytest.raises(InputError, match="was given other rows, settings, seed or model than"):
                fit_distributed(make, TRAIN, VALIDATION, FIT, seed=seed, wait=30)
    # Only the chief needs the folder.
    files = {"state_file": folder / f"state-{index}", "log_dir": folder / f"logs-{index}"}
    head, state = fit_distributed(new_head, TRAIN, VALIDATION, FIT, seed=0, callbacks=[Dying()], wait=30, **files)
    np.savez(folder / f"head-{index}.npz", *head.get_weights())
    (folder / f"history-{index}.json").write_text(json.dumps(state.history))
    if (folder / "texts").exists():
        model, _ = fit_distributed(lambda: new_text_model(folder / "texts"), TEXT_ROWS, TEXT_ROWS, TEXT_FIT, seed=0)
        np.savez(folder / f"texts-{index}.npz", *model.get_weights())


def free_ports(count: int) -> list[int]:
    with ExitStack() as sockets:
        opened = [sockets.enter_context(socket.create_server(("", 0))) for _ in range(count)]
        return [server.getsockname()[1] for server in opened]


def cluster_of(count: int) -> list[Cluster]:
    addresses = tuple(f"localhost:{port}" for port in free_ports(count))
    return [Cluster(addresses, index) for index in range(count)]


@contextmanager
def start(folder: Path, dies_in_epoch: int = -1) -> Iterator[list[subprocess.Popen]]:
    """Two processes that run `worker`; none is left at the end."""
    code = "import sys; from pathlib import Path; from tests.training import test_distributed as test; "
    code += "test.worker(Path(sys.argv[1]), int(sys.argv[2]))"
    processes = []
    try:
        for cluster in cluster_of(2):
            task = {"type": "worker", "index": cluster.index}
            config = {"cluster": {"worker": cluster.workers}, "task": task}
            environment = os.environ | {"TF_CONFIG": json.dumps(config), "TF_NUM_INTRAOP_THREADS": "1", "OMP_NUM_THREADS": "1"}
            environment["TFQ_LLM_CACHE"] = str(folder / "cache")
            command = [sys.executable, "-c", code, str(folder), str(dies_in_epoch)]
            processes.append(subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True))
        yield processes
    finally:
        for process in processes:
            process.kill()
            process.communicate()


def ended(processes: list[subprocess.Popen]) -> list[tuple[int, str]]:
    """Exit codes and what was written to stderr."""
    return [(process.returncode, errors) for process in processes for errors in [process.communicate(timeout=90)[1]]]


def weights(file: Path) -> list[np.ndarray]:
    with np.load(file) as arrays:
        return [arrays[name] for name in arrays.files]


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory) -> Path:
    """The folder that two workers have left."""
    folder = tmp_path_factory.mktemp("undisturbed")
    (folder / "others").touch()
    train_undisturbed(folder)
    return folder


def train_undisturbed(folder: Path) -> None:
    with start(folder) as processes:
        for code, errors in ended(processes):
            assert code == 0, errors[-3000:]


@pytest.mark.slow
def test_two_workers_train_as_one(undisturbed):
    head = prepared(new_head(), FIT, len(TRAIN[1]))
    state = resumable_fit(head, TRAIN, VALIDATION, FIT, name="head", seed=0)
    for mine, theirs, one in zip(*(weights(undisturbed / f"head-{i}.npz") for i in (0, 1)), head.get_weights(), strict=True):
        np.testing.assert_array_equal(mine, theirs)
        np.testing.assert_allclose(mine, one, atol=1e-5)
    histories = [json.loads((undisturbed / f"history-{index}.json").read_text()) for index in (0, 1)]
    assert histories[0] == histories[1]
    for found, wanted in zip(histories[0], state.history, strict=True):
        assert found == pytest.approx(wanted, abs=1e-5)


@pytest.mark.campaign
def test_a_sentence_encoder_is_trained_with_its_head(tmp_path, monkeypatch):
    write_sentence_transformers(tmp_path / "texts", "bert")
    train_undisturbed(tmp_path)
    monkeypatch.setenv("TFQ_LLM_CACHE", str(tmp_path / "cache"))
    model = prepared(new_text_model(tmp_path / "texts"), TEXT_FIT, 12)
    initial = model.get_weights()
    resumable_fit(model, TEXT_ROWS, TEXT_ROWS, TEXT_FIT, name="texts", seed=0)
    found = [weights(tmp_path / f"texts-{index}.npz") for index in (0, 1)]
    for mine, theirs, one in zip(*found, model.get_weights(), strict=True):
        np.testing.assert_array_equal(mine, theirs)
        np.testing.assert_allclose(mine, one, atol=1e-5)
    of_encoder = len(model.layers[1].weights)
    assert max(np.abs(mine - start).max() for mine, start in zip(found[0][:of_encoder], initial, strict=False)) > 1e-4


@pytest.mark.slow
def test_the_chief_alone_writes(undisturbed):
    assert (undisturbed / "state-0").exists()
    assert list((undisturbed / "logs-0").rglob("events.*"))
    assert not list(undisturbed.glob("state-1")) + list(undisturbed.glob("logs-1"))


@pytest.mark.campaign
def test_after_a_kill_the_training_goes_on_to_the_same_weights(undisturbed, tmp_path):
    with start(tmp_path, dies_in_epoch=2) as processes:
        (killed, _), (code, errors) = ended(processes)
    assert killed == -signal.SIGKILL
    assert code == 1
    assert "WorkerLostError: training: worker 1 of 2" in errors
    assert not list(tmp_path.glob("*.npz"))
    train_undisturbed(tmp_path)
    for index in (0, 1):
        for again, wanted in zip(
            weights(tmp_path / f"head-{index}.npz"), weights(undisturbed / f"head-{index}.npz"), strict=True
        ):
            np.testing.assert_array_equal(again, wanted)


def test_alone_it_is_a_plain_fit(monkeypatch):
    monkeypatch.delenv("TF_CONFIG", raising=False)
    fit = FIT.model_copy(update={"epochs": 1})
    head, state = fit_distributed(new_head, TRAIN, VALIDATION, fit, seed=0)
    plain = prepared(new_head(), fit, len(TRAIN[1]))
    assert resumable_fit(plain, TRAIN, VALIDATION, fit, name="head", seed=0).history == state.history
    np.testing.assert_array_equal(plain.get_weights()[0], head.get_weights()[0])


@pytest.mark.parametrize("index", [0, 1])
def test_a_worker_that_is_not_there_is_named_after_the_deadline(index):
    cluster = cluster_of(2)[index]
    with pytest.raises(
        WorkerLostError, match=rf"worker {1 - index} \({cluster.workers[1 - index]}\) did not answer within 0.3 sec"
    ):
        fit_distributed(new_head, TRAIN, VALIDATION, FIT, seed=0, cluster=cluster, wait=0.3)


def met(*calls: Callable[[], None]) -> list[str]:
    """What each of the calls raised, all made at once; "" for nothing."""
    raised = [""] * len(calls)

    def call(place: int) -> None:
        try:
            calls[place]()
        except (InputError, WorkerLostError) as error:
            raised[place] = f"{type(error).__name__}: {error}"

    threads = [threading.Thread(target=call, args=[place]) for place in range(len(calls))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    return raised


def test_workers_meet_though_one_is_late_and_strangers_knock():
    clusters = cluster_of(3)

    def knock_and_come() -> None:
        for said in (b"GET / HTTP/1.1\r\n\r\n", b'{"index": 7}\n', b""):
            with connected(clusters[0]) as stranger:
                stranger.sendall(said)
        meet(clusters[2], 10)

    assert met(lambda: meet(clusters[0], 10), lambda: meet(clusters[1], 10), knock_and_come) == ["", "", ""]


def connected(chief: Cluster) -> socket.socket:
    """A connection to a chief that may not listen yet."""
    while True:
        with suppress(ConnectionRefusedError):
            return socket.create_connection(("localhost", chief.port))
        time.sleep(0.05)


def test_all_are_told_of_a_worker_that_is_missing():
    clusters = cluster_of(3)
    found = met(lambda: meet(clusters[0], 0.5), lambda: meet(clusters[2], 5))
    assert found[0] == found[1]
    assert f"WorkerLostError: worker 1 ({clusters[1].workers[1]}) did not answer" in found[0]


def test_all_are_told_of_a_worker_that_knows_other_workers():
    clusters = cluster_of(2)
    other = Cluster((*clusters[0].workers, "three.example:1"), 1)
    for found in met(lambda: meet(clusters[0], 5), lambda: meet(other, 5)):
        assert "InputError: worker 1 has" in found
        assert "three.example:1" in found


def test_a_port_in_use_is_named():
    cluster = cluster_of(2)[1]
    with socket.create_server(("", cluster.port)), pytest.raises(InputError, match=f"cannot use its port {cluster.port}"):
        meet(cluster, 1)


def environment(cluster: object, task: object) -> dict[str, str]:
    return {"TF_CONFIG": json.dumps({"cluster": cluster, "task": task})}


def test_tf_config_is_read():
    two = {"worker": ["a:1", "b:2"]}
    assert Cluster.from_environment(environment(two, {"type": "worker", "index": 1})) == Cluster(("a:1", "b:2"), 1)
    with_chief = {"chief": ["c:3"], **two}
    assert Cluster.from_environment(environment(with_chief, {"type": "chief", "index": 0})) == Cluster(("c:3", "a:1", "b:2"), 0)
    assert Cluster.from_environment(environment(with_chief, {"type": "worker", "index": 1})).index == 2
    assert Cluster.from_environment({}) is None
    assert Cluster.from_environment({"TF_CONFIG": "{}"}) is None


WORKER = {"type": "worker", "index": 0}


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"TF_CONFIG": "{"}, "not valid JSON"),
        ({"TF_CONFIG": "[1]"}, "not an object"),
        (environment(["a:1"], WORKER), "must be an object of lists"),
        (environment({"worker": "a:1"}, WORKER), "must be an object of lists"),
        (environment({"worker": ["a:1"], "ps": ["b:1"]}, WORKER), "tasks of the type 'ps'"),
        (environment({"worker": ["a:1"]}, None), "'task' must have"),
        (environment({"worker": ["a:1"]}, {"type": "worker", "index": "0"}), "'task' must have"),
        (environment({"worker": ["a:1"]}, {"type": "worker", "index": 1}), "no task of the type 'worker' with the index 1"),
        (environment({"worker": ["a:1"]}, {"type": "chief", "index": 0}), "no task of the type 'chief'"),
        (environment({"chief": ["a:1", "b:1"], "worker": []}, {"type": "chief", "index": 0}), "more than one chief"),
        (environment({"worker": ["a:1", "b"]}, WORKER), "must be 'host:port'.*not 'b'"),
        (environment({"worker": ["a:1", "b:70000"]}, WORKER), "must be 'host:port'"),
        (environment({"worker": ["a:1", "a:1"]}, WORKER), "an address of its own"),
    ],
)
def test_a_wrong_tf_config_is_refused(given, message):
    with pytest.raises(InputError, match=message):
        Cluster.from_environment(given)


def test_a_command_for_one_machine_refuses_a_cluster(monkeypatch):
    for name, value in environment({"worker": ["a:1", "b:2"]}, WORKER).items():
        monkeypatch.setenv(name, value)
    with pytest.raises(InputError, match="names 2 workers, and 'tfq-llm train' trains on one machine"):
        refuse_cluster("tfq-llm train")
    monkeypatch.setenv("TF_CONFIG", environment({"worker": ["a:1"]}, WORKER)["TF_CONFIG"])
    refuse_cluster("tfq-llm train")
