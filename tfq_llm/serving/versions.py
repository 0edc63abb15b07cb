"""The versions of a model in a directory: which are served, loading new ones, unloading old ones."""

from __future__ import annotations

import gc
import logging
import threading
import weakref
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from tfq_llm.errors import InputError
from tfq_llm.exported import model_versions, parse_version, read_facts
from tfq_llm.exported.manifest import MANIFEST
from tfq_llm.exported.versions import no_model
from tfq_llm.model_paths import is_directory
from tfq_llm.serving import errors
from tfq_llm.serving.errors import RequestError
from tfq_llm.serving.failures import Failures, Stamp, stamp_of
from tfq_llm.serving.log import event, failure
from tfq_llm.serving.metrics import Metrics
from tfq_llm.serving.models import ServedModel, load_model
from tfq_llm.serving.settings import ServerSettings

_BROKEN = "The files of this version are damaged, incomplete or of another format; the server's log says what."
_FAILED = "This version could not be loaded and is tried again; the server's log says why."


@dataclass(frozen=True)
class VersionStatus:
    """As TensorFlow Serving reports a version.

    Attributes:
        state: START, LOADING, AVAILABLE, UNLOADING or END.
        code: OK, or why it could not be loaded.
        message: the same in words.
    """

    state: str
    code: str = "OK"
    message: str = ""


class ModelVersions:
    """Serves the newest versions of a directory, and goes on to serve what it has when a new one is broken.

    A version is loaded once its manifest is there and verified; older ones are unloaded after that. What is loaded does not
    change when its files do: another model is another version. The last version that is loaded stays, whatever becomes of its
    files.

    Loaded models are kept out of Python's search for garbage, for they live long, and looking through all of them would keep
    requests waiting again and again. When one was unloaded, that begins again only once nobody holds it any more: its parts
    refer to each other, so it is for the search to free them.

    Args:
        settings: directory, number of versions, labels.
        metrics: get the states, and count what is loaded.

    Attributes:
        name: of the model.

    Raises:
        InputError: there is no such directory, no exported model in it, or no readable one.
    """

    def __init__(self, settings: ServerSettings, metrics: Metrics) -> None:
        self._settings, self._metrics = settings, metrics
        self._root = settings.directory
        self._only = self._single_version(self._root)
        self.name = settings.name or self._default_name()
        self._loaded: Mapping[int, ServedModel] = {}
        self._statuses: dict[int, VersionStatus] = {}
        self._failures = Failures(settings.poll_seconds)
        self._refusal = self._none_loaded("no complete version is in it")
        self._missing_labels: set[str] = set()
        self._leaving: list[weakref.ref[ServedModel]] = []
        self._is_settled = False
        self._stopping = threading.Event()
        metrics.watch_versions(lambda: {version: status.state for version, status in self.statuses().items()})

    @property
    def is_ready(self) -> bool:
        """Whether a version is loaded."""
        return bool(self._loaded)

    def statuses(self) -> dict[int, VersionStatus]:
        """Of every version that was seen, the newest first."""
        return dict(sorted(self._statuses.copy().items(), reverse=True))

    def model(self, version: int | None = None) -> ServedModel:
        """The newest version that is loaded, or the one of a number.

        Raises:
            RequestError: none is loaded (503), or not that one (404).
        """
        loaded = self._loaded
        if not loaded:
            raise RequestError(errors.UNAVAILABLE, "no version of the model is loaded yet.")
        chosen = max(loaded) if version is None else version
        if chosen not in loaded:
            raise RequestError(errors.NOT_FOUND, f"Servable not found for request: Specific({self.name}, {chosen})")
        return loaded[chosen]

    def labelled(self, label: str) -> int:
        """The version of a label.

        Raises:
            RequestError: there is no such label.
        """
        if label not in self._settings.labels:
            raise RequestError(errors.NOT_FOUND, f"Unrecognized servable version label for the model {self.name}.")
        return self._settings.labels[label]

    def refresh(self) -> None:
        """Looks at the directory once: loads what is new, and then unloads what is not wanted any more."""
        self._load_and_unload()
        self._note_missing_labels()
        self._settle()

    def _load_and_unload(self) -> None:
        found = self._found()
        if found is None:
            return  # what is known of the versions stays as it is
        kept: list[int] = []
        for version in sorted(found, reverse=True):
            is_newest = len(kept) < self._settings.versions
            if (is_newest or version in self._settings.labels.values()) and self._is_loaded(version, found[version]):
                kept.append(version)
        if kept:
            self._unload([version for version in self._loaded if version not in kept])
        for version in [each for each in self._statuses if each not in found and each not in self._loaded]:
            del self._statuses[version]
            self._failures.forget(version)

    def _note_missing_labels(self) -> None:
        missing = {label for label, version in self._settings.labels.items() if version not in self._loaded}
        for label in sorted(missing - self._missing_labels):
            event("the version of a label is not loaded", logging.WARNING, label=label, version=self._settings.labels[label])
        self._missing_labels = missing

    def first_load(self) -> None:
        """As `refresh`, but raises InputError if nothing can be served."""
        self.refresh()
        if not self._loaded:
            raise InputError(self._refusal)

    def watch(self) -> None:
        """Refreshes again and again until `stop`."""
        while not self._stopping.wait(self._settings.poll_seconds):
            try:
                self.refresh()
            except Exception as error:
                failure("looking for versions failed", error)

    def stop(self) -> None:
        """Ends `watch`."""
        self._stopping.set()
        gc.unfreeze()

    def _found(self) -> dict[int, Path] | None:
        """The versions that are in the directory; None if it cannot be read."""
        if self._only is not None:
            return {self._only: self._root}
        try:
            return {version: self._root / str(version) for version in model_versions(self._root)}
        except InputError as error:
            event("the directory cannot be read", logging.WARNING, reason=str(error))
            return None

    def _is_loaded(self, version: int, directory: Path) -> bool:
        """Loads a version if it is not loaded; False if that cannot be done."""
        if version in self._loaded:
            return True
        try:
            stamp = stamp_of(directory) if (directory / MANIFEST).exists() else None
        except FileNotFoundError:  # a file was renamed while it was looked at
            stamp = None
        except OSError as error:  # such as a folder that is closed to the server
            if not self._failures.hold(version, ()):
                self._note_failure(version, (), error)
            return False
        if stamp is None:  # it is still being copied, or is something else
            self._statuses[version] = VersionStatus("START")
        return stamp is not None and not self._failures.hold(version, stamp) and self._load(version, directory, stamp)

    def _load(self, version: int, directory: Path, stamp: Stamp) -> bool:
        """Loads a version; False if that failed."""
        self._statuses[version] = VersionStatus("LOADING")
        event("loading", version=version)
        try:
            model = load_model(directory, version)
            if self._stopping.is_set():
                return False
            model.warm_up((1, self._settings.limits.batch_rows))
        except Exception as error:
            self._note_failure(version, stamp, error)
            return False
        self._loaded = {**self._loaded, version: model}
        self._statuses[version] = VersionStatus("AVAILABLE")
        self._failures.forget(version)
        self._is_settled = False
        self._metrics.loads.labels("loaded").inc()
        event("available", version=version)
        return True

    def _note_failure(self, version: int, stamp: Stamp, error: Exception) -> None:
        # Its words alone are kept: its traceback holds what was loaded of the version.
        self._refusal = str(error) if isinstance(error, InputError) else self._none_loaded(str(error) or type(error).__name__)
        failed = self._failures.note(version, stamp, error)
        if failed.may_be_coming:
            self._statuses[version] = VersionStatus("START")
            event("not complete", version=version)
            return
        code, message = ("DATA_LOSS", _BROKEN) if failed.is_damage else ("INTERNAL", _FAILED)
        self._statuses[version] = VersionStatus("END", code, message)
        self._metrics.loads.labels("failed").inc()
        event("not loaded", logging.ERROR, version=version, error=type(error).__name__, reason=str(error))

    def _none_loaded(self, reason: str) -> str:
        return f"no version of the model in '{self._root}' could be loaded: {reason}."

    def _unload(self, versions: list[int]) -> None:
        """Requests that hold an unloaded version still get their answers; it is gone when the last one has."""
        if not versions:
            return
        self._leaving += [weakref.ref(self._loaded[version]) for version in versions]
        self._loaded = {version: model for version, model in self._loaded.items() if version not in versions}
        self._is_settled = False
        for version in versions:
            self._statuses[version] = VersionStatus("END")
            event("unloaded", version=version)
        gc.unfreeze()

    def _settle(self) -> None:
        """Frees what was unloaded and keeps what is loaded out of the search for garbage, once requests hold no old version."""
        if self._is_settled:
            return
        # One that ends while it is collected leaves parts behind that were not: they would be kept for good. And what failed
        # requests left behind may hold a version, too, until it is collected.
        were_held = any(model() is not None for model in self._leaving)
        gc.collect()
        if were_held:
            return
        gc.freeze()
        self._leaving.clear()
        self._is_settled = True

    @staticmethod
    def _single_version(directory: Path) -> int | None:
        """The version's number if a directory is one; None if it is a model's."""
        if not is_directory(directory):
            raise no_model(directory)
        if (directory / MANIFEST).exists():
            try:
                return parse_version(directory.resolve().name)
            except InputError:
                return read_facts(directory).version
        if not model_versions(directory):
            raise no_model(directory)
        return None

    def _default_name(self) -> str:
        resolved = self._root.resolve()
        return resolved.name if self._only is None else read_facts(self._root).name
