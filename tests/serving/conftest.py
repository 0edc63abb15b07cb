"""What the tests of serving share: exported models in folders of their own, and servers in threads of this process."""

from __future__ import annotations

import shutil
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import requests

from tests.serving.plain_model import write_plain_model
from tfq_llm.serving.models import ServedModel
from tfq_llm.serving.server import Server
from tfq_llm.serving.settings import Limits, ServerSettings
from tfq_llm.serving.shots import Machines
from tfq_llm.simulation.compiled.first_call import announced

NAME = "few-reviews"


class Client:
    """A caller of a server: requests below its address, on one connection."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.session = requests.Session()

    def get(self, path: str, **options: Any) -> requests.Response:
        return self.session.get(self.url + path, timeout=30, **options)

    def post(self, path: str, body: Any, **options: Any) -> requests.Response:
        given = {"data": body} if isinstance(body, (bytes, str)) else {"json": body}
        return self.session.post(self.url + path, timeout=30, **given, **options)

    def predict(self, *texts: str) -> requests.Response:
        return self.post(f"/v1/models/{NAME}:predict", {"instances": list(texts)})

    def wait_for(self, condition: Callable[[], bool], seconds: float = 60.0) -> None:
        """Waits until something is so."""
        deadline = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < deadline, "it did not happen in time"
            time.sleep(0.05)

    def is_ready(self) -> bool:
        return self.get("/readyz").status_code == 200

    def states(self) -> dict[str, str]:
        """The states of all versions."""
        reply = self.get(f"/v1/models/{NAME}").json()
        return {each["version"]: each["state"] for each in reply.get("model_version_status", [])}


class EngineToCompile:
    """Stands in for the engine after an installation: its kernel is compiled until `go_on` is set. It measures zeros."""

    stats = SimpleNamespace(cache_misses={"signature": 1}, cache_path="here")

    def __init__(self) -> None:
        self.go_on = threading.Event()

    def counts(self, angles: np.ndarray, shots: int, seed: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        with announced(self, "float32"):
            assert self.go_on.wait(60)
        yield np.array([0]), np.array([shots])


@pytest.fixture
def engine_to_compile(monkeypatch: pytest.MonkeyPatch) -> Iterator[EngineToCompile]:
    """What all shots are measured by."""
    engine = EngineToCompile()
    monkeypatch.setattr(Machines, "_sampler", lambda *args: engine)
    yield engine
    engine.go_on.set()


@contextmanager
def running(directory: Path, **settings: Any) -> Iterator[Client]:
    """A server on a free port, ready to answer; it is stopped in the end."""
    server = Server(ServerSettings(directory, **({"port": 0, "poll_seconds": 0.1} | settings)))
    thread = threading.Thread(target=server.run)
    thread.start()
    client = Client(server.url)
    try:
        client.wait_for(client.is_ready)
        yield client
    finally:
        server.stop()
        thread.join()


@pytest.fixture(scope="session")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Version 1 of the plain model; no test alters it."""
    model = tmp_path_factory.mktemp("saved_models") / NAME
    model.mkdir()
    return write_plain_model(model / "1")


@pytest.fixture
def models(plain: Path, tmp_path: Path) -> Callable[..., Path]:
    """Makes a model's directory with these versions, all the same model."""

    def make(*versions: int) -> Path:
        for version in versions:
            add_version(plain, tmp_path / NAME, version)
        return tmp_path / NAME

    return make


def add_version(source: Path, model: Path, version: int) -> Path:
    """Puts a version into a model's directory in one step, as `tfq-llm export` does."""
    model.mkdir(exist_ok=True)
    shutil.copytree(source, model / f".{version}")
    return (model / f".{version}").rename(model / str(version))


@pytest.fixture(scope="module")
def client(plain: Path) -> Iterator[Client]:
    """A caller of a server of the plain model, shared by the tests of a module."""
    with running(plain.parent) as caller:
        yield caller


@pytest.fixture
def slow(monkeypatch: pytest.MonkeyPatch) -> None:
    """Models take a quarter of a second."""
    real = ServedModel.call

    def call(self: ServedModel, signature: str, inputs: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        time.sleep(0.25)
        return real(self, signature, inputs)

    monkeypatch.setattr(ServedModel, "call", call)


@pytest.fixture
def small_limits() -> Limits:
    """Limits that a test can reach."""
    return Limits(batch_rows=4, queue_rows=8, request_rows=6, body_bytes=2000, requests=100, timeout=5.0)
