"""Versions come and go while requests are answered."""

from __future__ import annotations

import errno
import gc
import json
import logging
import os
import resource
import shutil
import signal
import threading
import time
import weakref
from contextlib import contextmanager, suppress
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import psutil
import pytest
import tensorflow as tf

from tests.serving.conftest import NAME, add_version, running
from tfq_llm.errors import InputError, UnreadableError
from tfq_llm.exported import load, manifest, version_directory
from tfq_llm.serving import failures, versions
from tfq_llm.serving.metrics import Metrics
from tfq_llm.serving.models import ServedModel, load_model
from tfq_llm.serving.server import Server
from tfq_llm.serving.settings import ServerSettings
from tfq_llm.serving.versions import ModelVersions


def asking(client):
    """Asks again and again in a thread: the statuses so far, what ends it, and the thread."""
    seen, stop = [], threading.Event()

    def ask():
        while not stop.is_set():
            reply = client.session.post(f"{client.url}/v1/models/{NAME}:predict", json={"instances": ["the movie"]}, timeout=30)
            seen.append(reply.status_code)

    thread = threading.Thread(target=ask)
    thread.start()
    return seen, stop, thread


def test_a_replaced_version_is_freed_once_no_request_holds_it(models, plain):
    model = models(1)
    versions = look(model)
    held = versions.model()
    graph = weakref.ref(held._functions["serving_default"].graph)  # of it and its constants only the search for garbage frees
    add_version(plain, model, 2)
    versions.refresh()
    assert available(versions) == [2]
    assert held.call("serving_default", {"text": np.array([b"the movie"], object)})["probabilities"].shape == (1, 2)
    assert gc.get_freeze_count() == 0
    held = [held]
    held.append(held)  # as the traceback of a request that failed
    del held
    versions.refresh()
    assert graph() is None
    versions.refresh()
    assert gc.get_freeze_count() > 0
    versions.stop()


def test_a_replaced_version_whose_last_request_ends_during_the_search_for_garbage_is_freed(models, plain, monkeypatch):
    looking = look(models(1))
    held = [looking.model()]
    graph = weakref.ref(held[0]._functions["serving_default"].graph)

    def collect():
        gc.collect()
        held.clear()

    monkeypatch.setattr(versions, "gc", SimpleNamespace(collect=collect, freeze=gc.freeze, unfreeze=gc.unfreeze))
    add_version(plain, looking._root, 2)
    for _ in range(2):
        looking.refresh()
    assert graph() is None
    assert gc.get_freeze_count() > 0
    looking.stop()


def test_a_new_version_takes_over_without_a_lost_request(models, plain):
    model = models(1)
    with running(model) as client:
        seen, stop, thread = asking(client)
        add_version(plain, model, 2)
        client.wait_for(lambda: client.states() == {"2": "AVAILABLE", "1": "END"})
        assert list(client.states()) == ["2", "1"]
        stop.set()
        thread.join()
        assert len(seen) > 3
        assert set(seen) == {200}
        assert client.post(f"/v1/models/{NAME}/versions/1:predict", {"instances": ["a"]}).status_code == 404
        assert client.post(f"/v1/models/{NAME}/versions/2:predict", {"instances": ["a"]}).status_code == 200
        assert 'tfq_llm_version_state{state="AVAILABLE",version="2"} 1.0' in client.get("/metrics").text


def test_a_server_that_stops_waits_for_a_version_that_is_being_loaded(models, plain, monkeypatch):
    model, begun = models(1), threading.Event()

    def slow(directory, version):
        if version == 2:
            begun.set()
            time.sleep(0.5)
        return load_model(directory, version)

    monkeypatch.setattr(versions, "load_model", slow)
    with running(model):
        add_version(plain, model, 2)
        assert begun.wait(30)
    assert "versions" not in [thread.name for thread in threading.enumerate()]


def test_told_twice_it_does_not_wait_for_the_first_version(models, monkeypatch):
    begun, go_on, loaded = threading.Event(), threading.Event(), []

    def slow(directory, version):
        begun.set()
        assert go_on.wait(60)
        return load_model(directory, version)

    monkeypatch.setattr(versions, "load_model", slow)
    server = Server(ServerSettings(models(1), port=0), lambda: loaded.append(True))
    serving = threading.Thread(target=server.run)
    serving.start()
    assert begun.wait(30)
    server._server.handle_exit(signal.SIGTERM, None)
    serving.join(1)
    assert serving.is_alive()
    server._server.handle_exit(signal.SIGTERM, None)
    serving.join(5)
    assert not serving.is_alive()
    assert (server.is_broken_off, loaded) == (True, [])
    go_on.set()


def test_a_broken_version_is_reported_and_the_old_one_stays(models, plain):
    model = models(1)
    with running(model) as client:
        broken = shutil.copytree(plain, model / ".2")
        (broken / "card.md").write_text("altered")
        broken.rename(model / "2")
        client.wait_for(lambda: client.states().get("2") == "END")
        (status,) = client.get(f"/v1/models/{NAME}/versions/2").json()["model_version_status"]
        assert status["status"]["error_code"] == "DATA_LOSS"
        assert str(model) not in status["status"]["error_message"]
        assert client.states()["1"] == "AVAILABLE"
        assert client.predict("the movie").status_code == 200
        # It is tried again once its files are others.
        shutil.copy(plain / "card.md", model / "2" / "card.md")
        client.wait_for(lambda: client.states() == {"2": "AVAILABLE", "1": "END"})


def test_a_version_that_is_still_being_copied_is_waited_for(models, plain):
    model = models(1)
    with running(model) as client:
        shutil.copytree(plain, model / "2", ignore=shutil.ignore_patterns("manifest.json"))
        client.wait_for(lambda: client.states() == {"2": "START", "1": "AVAILABLE"})
        shutil.copy(plain / "manifest.json", model / "2")
        client.wait_for(lambda: client.states() == {"2": "AVAILABLE", "1": "END"})


def test_a_version_whose_files_come_after_its_manifest_is_no_failure(models, plain):
    versions = look(models(1))
    coming = versions._root / "2"
    shutil.copytree(plain, coming, ignore=shutil.ignore_patterns("variables*"))
    versions.refresh()
    assert versions.statuses()[2].state == "START"
    shutil.copytree(plain / "variables", coming / "variables")
    versions.refresh()
    assert available(versions) == [2]
    broken = shutil.copytree(plain, versions._root / "3")
    (broken / "card.md").write_text("altered")
    versions.refresh()
    versions.refresh()
    assert versions.statuses()[3].code == "DATA_LOSS"


def test_a_version_that_fails_for_another_reason_than_its_files_is_tried_again_less_and_less_often(models, plain, monkeypatch):
    looking = look(models(1), poll_seconds=10.0)
    now, tried = 1000.0, []

    def short_of_memory(directory, version):
        tried.append(now)
        if now < 1100:
            raise MemoryError
        return load_model(directory, version)

    monkeypatch.setattr(versions, "load_model", short_of_memory)
    monkeypatch.setattr(failures, "time", SimpleNamespace(monotonic=lambda: now))
    add_version(plain, looking._root, 2)
    while now < 1200:
        looking.refresh()
        if now < 1100:
            assert (looking.statuses()[2].code, looking.model().version) == ("INTERNAL", 1)
        now += 10
    assert tried == [1000, 1010, 1030, 1070, 1150]
    assert available(looking) == [2]


@contextmanager
def full_memory(monkeypatch):
    """TensorFlow has no memory for another model."""

    def short(path):
        raise tf.errors.ResourceExhaustedError(None, None, "OOM when allocating tensor")

    with monkeypatch.context() as patched:
        patched.setattr(tf.saved_model, "load", short)
        yield


@contextmanager
def open_files(left):
    """So many files may be opened and no more."""
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    held = [os.open(os.devnull, os.O_RDONLY)]
    resource.setrlimit(resource.RLIMIT_NOFILE, (held[-1] + 20, before[1]))
    try:
        with suppress(OSError):
            while True:
                held.append(os.open(os.devnull, os.O_RDONLY))
        for _ in range(left):
            os.close(held.pop())
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)
        for each in held:
            os.close(each)


@contextmanager
def no_right_to_read(monkeypatch):
    """Contents are another user's."""

    def read(path):
        raise PermissionError(errno.EACCES, "Permission denied", str(path))

    with monkeypatch.context() as patched:
        patched.setattr(manifest, "file_digest", read)
        yield


@contextmanager
def closed_folder(monkeypatch):
    """A folder within the version's is another user's."""
    real = os.scandir

    def scandir(path):
        if Path(path).name == "variables":
            raise PermissionError(errno.EACCES, "Permission denied", str(path))
        return real(path)

    with monkeypatch.context() as patched:
        patched.setattr(os, "scandir", scandir)
        yield


@pytest.mark.parametrize("left", [0, 1], ids=["none for the manifest", "one, and TensorFlow needs two at once"])
def test_files_that_are_too_many_to_be_open_are_no_damaged_ones(left, plain):
    with open_files(left), pytest.raises(UnreadableError, match="Too many open files"):
        load(plain)
    load(plain)


@pytest.mark.parametrize("hindered", [full_memory, no_right_to_read, closed_folder])
def test_a_version_that_could_not_be_read_is_no_damaged_one(hindered, models, plain, monkeypatch):
    looking = look(models(1), poll_seconds=0.01)
    monkeypatch.setattr(failures, "LONGEST_PAUSE", 0.01)
    add_version(plain, looking._root, 2)
    with hindered(monkeypatch):
        for _ in range(3):
            looking.refresh()
            status = looking.statuses()[2]
            assert (status.state, status.code, looking.model().version) == ("END", "INTERNAL", 1)
            time.sleep(0.02)
    looking.refresh()
    assert available(looking) == [2]


def test_a_version_that_fails_again_and_again_keeps_no_file_open(models, plain, monkeypatch):
    """The traceback of a load that failed holds what TensorFlow had opened."""
    looking, process = look(models(1), poll_seconds=0.001), psutil.Process()
    monkeypatch.setattr(failures, "LONGEST_PAUSE", 0.001)
    add_version(plain, looking._root, 2)
    before = process.num_fds()
    for _ in range(3):
        with open_files(left=1):
            looking.refresh()
        assert (looking.statuses()[2].code, process.num_fds()) == ("INTERNAL", before)
        time.sleep(0.002)


def test_a_folder_that_cannot_be_entered_keeps_no_other_version_from_being_served(models, monkeypatch):
    model = models(1, 2)
    real = Path.stat

    def stat(path, **options):
        if model / "2" in path.parents:
            raise PermissionError(errno.EACCES, "Permission denied", str(path))
        return real(path, **options)

    looking = ModelVersions(ServerSettings(model, poll_seconds=1000.0), Metrics())
    with monkeypatch.context() as patched:
        patched.setattr(Path, "stat", stat)
        looking.first_load()
        looking.refresh()
        assert (looking.statuses()[2].code, looking.model().version) == ("INTERNAL", 1)
    looking.refresh()
    assert available(looking) == [2]


def test_while_the_directory_cannot_be_read_what_failed_is_known_and_not_tried_again(models, plain, monkeypatch):
    looking, tried = look(models(1), poll_seconds=1000.0), []

    def short_of_memory(directory, version):
        tried.append(version)
        raise MemoryError

    monkeypatch.setattr(versions, "load_model", short_of_memory)
    add_version(plain, looking._root, 2)
    looking.refresh()
    known = looking.statuses()
    assert (known[2].code, tried) == ("INTERNAL", [2])
    moved = looking._root.rename(looking._root.with_name("moved"))
    looking.refresh()
    assert (looking.statuses(), looking.model().version) == (known, 1)
    moved.rename(looking._root)
    looking.refresh()
    assert (looking.statuses(), tried) == (known, [2])


def test_a_version_that_failed_is_tried_again_when_its_rights_change(models, plain, monkeypatch):
    looking = look(models(1), poll_seconds=1000.0)
    version = add_version(plain, looking._root, 2)
    with no_right_to_read(monkeypatch):
        looking.refresh()
    looking.refresh()
    assert available(looking) == [1]
    (version / "card.md").chmod(0o600)
    looking.refresh()
    assert available(looking) == [2]


def test_what_was_loaded_of_a_version_that_failed_is_freed(models, plain, monkeypatch):
    looking, failed = look(models(1)), []

    def warm_up(model, sizes):
        failed.append(weakref.ref(model))
        raise MemoryError

    monkeypatch.setattr(ServedModel, "warm_up", warm_up)
    add_version(plain, looking._root, 2)
    looking.refresh()
    gc.collect()
    assert [model() for model in failed] == [None]


def unreadable(file):
    """Reads the bytes of every file but this one, which is on a disk that fails."""
    real = Path.read_bytes

    def read(path):
        if path == file:
            raise OSError(errno.EIO, "Input/output error", str(path))
        return real(path)

    return read


def test_commands_and_the_server_use_the_same_version_while_a_newer_one_is_copied(models, plain, caplog, monkeypatch):
    model = models(1, 2)
    for missing in ("manifest.json", "variables*", "saved_model.pb"):
        shutil.copytree(plain, model / "3", ignore=shutil.ignore_patterns(missing))
        assert version_directory(model) == model / "2"
        assert f"'{model / '3'}' is not complete" in caplog.text
        caplog.clear()
        assert look(model).model().version == 2
        shutil.rmtree(model / "3")
    shutil.copytree(plain, model / "3")
    caplog.clear()
    assert version_directory(model) == model / "3"
    assert not caplog.text
    # A file that is cut is still coming, and so is a cut manifest; one that cannot be read now is as good as none.
    (model / "3" / "card.md").write_text("")
    assert version_directory(model) == model / "2"
    shutil.copy(plain / "card.md", model / "3")
    for left in (0, 100):
        os.truncate(model / "3" / "manifest.json", left)
        assert version_directory(model) == model / "2"
    shutil.copy(plain / "manifest.json", model / "3")
    with monkeypatch.context() as patched:
        patched.setattr(Path, "read_bytes", unreadable(model / "3" / "manifest.json"))
        assert version_directory(model) == model / "2"
    assert caplog.text.count(f"'{model / '3'}' is not complete") == 4
    # A whole manifest that is none for this version is told, and so is a model with nothing complete.
    newer = json.loads((plain / "manifest.json").read_text()) | {"format": 99}
    (model / "3" / "manifest.json").write_text(json.dumps(newer))
    assert version_directory(model) == model / "3"
    (model / "3" / "manifest.json").write_text("")
    shutil.rmtree(model / "2")
    shutil.rmtree(model / "1")
    assert version_directory(model) == model / "3"


def look(model, **settings):
    versions = ModelVersions(ServerSettings(model, **settings), Metrics())
    versions.refresh()
    return versions


def available(versions):
    return [version for version, status in versions.statuses().items() if status.state == "AVAILABLE"]


def test_as_many_as_asked_are_served_and_labelled_ones_too(models):
    model = models(1, 2, 3, 4)
    versions = look(model, versions=2, labels={"stable": 1})
    assert available(versions) == [4, 3, 1]
    assert versions.model().version == 4
    assert versions.model(versions.labelled("stable")).version == 1


def test_that_a_label_has_no_version_is_logged_whenever_that_changes(models, plain, monkeypatch):
    logged = []
    monkeypatch.setattr(versions, "event", lambda name, level=logging.INFO, **fields: logged.append((name, level, fields)))
    looking = look(models(1), labels={"stable": 7, "old": 1})
    unserved = ("the version of a label is not loaded", logging.WARNING, {"label": "stable", "version": 7})
    looking.refresh()
    assert logged.count(unserved) == 1
    add_version(plain, looking._root, 7)
    looking.refresh()
    assert available(looking) == [7, 1]
    shutil.rmtree(looking._root / "7")
    for _ in range(2):
        looking.refresh()
    assert logged.count(unserved) == 2
    assert {fields["label"] for _, _, fields in logged if "label" in fields} == {"stable"}


def test_a_removed_version_gives_way_to_the_one_before_it_and_the_last_one_stays(models):
    model = models(1, 2)
    versions = look(model)
    assert available(versions) == [2]
    shutil.rmtree(model / "2")
    versions.refresh()
    assert (available(versions), versions.model().version) == ([1], 1)
    shutil.rmtree(model)
    versions.refresh()
    assert versions.model().version == 1


def test_one_version_alone_is_served_by_the_name_in_its_facts(models):
    model = models(3)
    versions = look(model / "3")
    assert (versions.name, available(versions)) == (NAME, [3])


def test_what_cannot_be_served_is_refused_in_the_beginning(models, tmp_path):
    with pytest.raises(InputError, match="there is no directory"):
        look(tmp_path / "nothing")
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match="is not an exported model"):
        look(tmp_path / "empty")
    model = models(1)
    with pytest.raises(InputError, match=f"is no exported model, but the directory of some: give one of them, {model}"):
        look(tmp_path)
    saved = Path(__file__).parents[2] / "saved_models" / "movie-reviews"
    with pytest.raises(InputError, match=f"is a saved head, not an exported model: 'tfq-llm export {saved} --to served/NAME'"):
        look(saved)
    newer = json.loads((model / "1" / "manifest.json").read_text()) | {"format": 99}
    (model / "1" / "manifest.json").write_text(json.dumps(newer))
    with pytest.raises(InputError, match="has the format 99"):
        ModelVersions(ServerSettings(model), Metrics()).first_load()
    (model / "1" / "manifest.json").unlink()
    with pytest.raises(InputError, match="could be loaded: no complete version is in it"):
        ModelVersions(ServerSettings(model), Metrics()).first_load()
