"""What a study keeps, in a directory or at a URL: results of trials, failures, weights, embeddings, and who saw the test rows.

    trials/<name of a trial>.json      its result
    failures/<name of a trial>.txt     the traceback of its last failure
    weights/<training name>.npz        of a trained head
    embeddings/<digest>.npz            embeddings, labels and bound rows
    prepared/<digest>.txt              which embeddings were made of what
    claims/<digest>.json               which trial may score test rows, by arm and split
    study.yaml, draws.json             the configuration, and what is drawn from which embeddings
    versions.json                      of what numbers depend on

Every file is written in one step. A file that is damaged all the same counts as absent and is replaced.
"""

from __future__ import annotations

import dataclasses
import hashlib
import io
import json
import zipfile
from collections.abc import Iterable, Mapping
from functools import lru_cache
from pathlib import Path

import numpy as np
from filelock import FileLock
from pydantic import ValidationError

from tfq_llm.cache import atomic_file, cache_dir
from tfq_llm.data.datasets import EmbeddingDataset
from tfq_llm.data.embeddings import arrays_of, load_embeddings
from tfq_llm.errors import InputError
from tfq_llm.studies import rows
from tfq_llm.studies.places import Directory, place
from tfq_llm.studies.trial import Trial, TrialResult
from tfq_llm.studies.versions import differences, from_text, versions


class Store:
    """A study's files.

    Args:
        url: a directory, which is made if need be, or any URL that fsspec knows, such as "s3://bucket/study"; the package of its
            protocol must be installed.

    Attributes:
        url: the same; a directory as an absolute path.
        directory: of a local store; None elsewhere.

    Raises:
        InputError: the directory cannot be written, or the protocol's package is missing.
    """

    def __init__(self, url: str | Path) -> None:
        self._place = place(str(url))
        self.directory = self._place.path if isinstance(self._place, Directory) else None
        self.url = str(self.directory or url)
        self._results: dict[str, TrialResult] = {}
        self._claims: dict[str, str] | None = None
        self._is_followed = False

    # Results

    def result(self, trial: Trial) -> TrialResult | None:
        """Of one trial, if it is there."""
        return self.found([trial]).get(trial.name)

    def found(self, trials: Iterable[Trial]) -> dict[str, TrialResult]:
        """Results of those of the trials that have one, by name. Only files that were not read before are read, together."""
        names = {trial.name for trial in trials}
        self._read(names)
        return {name: self._results[name] for name in names if name in self._results}

    def results(self) -> dict[str, TrialResult]:
        """All results by name, sorted. One listing; only new files are read."""
        names = [name.removesuffix(".json") for name in self._place.names("trials") if name.endswith(".json")]
        self._read(names)
        return {name: self._results[name] for name in names if name in self._results}

    def follow(self) -> None:
        """Reads all results once; from then on a result is there if it was noted here.

        For the one process that drives a study: it is told of every result, and asking a distant store for each trial that has
        none yet would take it longer than all else that it does.
        """
        self.results()
        self._is_followed = True

    def keep(self, result: TrialResult) -> None:
        """Writes a result; one of the same trial is replaced."""
        text = json.dumps(result.model_dump(mode="json"), indent=1, ensure_ascii=False)
        self._place.write(_trial_file(result.trial.name), text.encode())
        self.note(result)

    def note(self, result: TrialResult) -> None:
        """Remembers a result that a worker wrote itself, so that it need not be read."""
        self._results[result.trial.name] = result

    def _read(self, names: Iterable[str]) -> None:
        """Adds those results to the remembered ones that are there and good."""
        missing = [] if self._is_followed else [name for name in names if name not in self._results]
        for path, data in self._place.read_many(map(_trial_file, missing)).items():
            try:
                result = TrialResult.model_validate_json(data)
            except (ValidationError, UnicodeDecodeError):
                continue
            if _trial_file(result.trial.name) == path:
                self.note(result)

    # Failures

    def keep_failure(self, trial: Trial, text: str) -> str:
        """Writes the traceback of a failed trial and returns where it is."""
        path = f"failures/{trial.name}.txt"
        self._place.write(path, text.encode())
        return self._place.full(path)

    def failure(self, trial: Trial) -> str | None:
        """The traceback of the trial's last failure, if it failed and did not succeed since."""
        data = self._place.read(f"failures/{trial.name}.txt")
        return None if data is None else data.decode(errors="replace")

    def failures(self) -> set[str]:
        """Names of the trials that failed last time. One listing."""
        return {name.removesuffix(".txt") for name in self._place.names("failures")}

    def forget_failure(self, trial: Trial) -> None:
        """Deletes the traceback, for the trial succeeded."""
        self._place.remove(f"failures/{trial.name}.txt")

    # The test rows

    def claim(self, key: str, name: str) -> None:
        """Says that a trial scores test rows: of all trials with the same key one may, ever.

        Of two processes that claim a key at the same time one gets it. That is certain in a directory (also a shared one, if its
        file system has hard links) and in stores with conditional puts, such as S3, Google's and Azure's; elsewhere fsspec looks
        and then writes, and both may get it if they come within that time.

        Args:
            key: whose score of which rows, such as the arm with its data, split and seed.
            name: of the trial.

        Raises:
            InputError: another trial has the claim.
        """
        claims = self.claims()
        holder = claims.get(key) or self._new_claim(key, name)
        claims[key] = holder
        if holder != name:
            raise InputError(
                f"the test rows of this split were already scored for this arm with other settings: {key} belongs to the trial "
                f"{holder}, and {name} wants it now. Test rows are scored once for an arm, or they would choose its settings: "
                f"undo the change, or begin a new study in another directory."
            )

    def claims(self) -> dict[str, str]:
        """Which trial has the claim, by key. One listing, the first time."""
        if self._claims is None:
            files = self._place.read_many(f"claims/{file}" for file in self._place.names("claims"))
            self._claims = dict(pair for pair in map(_claim, files.values()) if pair)
        return self._claims

    def _new_claim(self, key: str, name: str) -> str:
        """Writes a claim and returns who has it."""
        path = f"claims/{hashlib.sha256(key.encode()).hexdigest()[:24]}.json"
        data = json.dumps({"key": key, "trial": name}, indent=1).encode()
        if not self._place.create(path, data):
            held = _claim(self._place.read(path) or b"")
            if held:
                return held[1]
            # It was not written to its end, so the trial that it was for was never begun.
            self._place.write(path, data)
        return name

    # Arrays

    def keep_embeddings(self, dataset: EmbeddingDataset) -> str:
        """Writes embeddings unless they are there, and returns their digest, 16 hexadecimal digits.

        It is of embeddings, labels, class names and bound rows, not of the name.
        """
        digest = embeddings_digest(dataset)
        try:
            self.embeddings(digest)
        except InputError:
            arrays = {**arrays_of(dataset), "name": np.array(dataset.name)}
            self._place.write(f"embeddings/{digest}.npz", _npz(arrays))
        return digest

    def embeddings(self, digest: str) -> EmbeddingDataset:
        """Embeddings by their digest. Those of a remote store are kept in the cache directory, the last ones in memory.

        Raises:
            InputError: there are none, or they are damaged.
        """
        return _embeddings(self.url, digest)

    def keep_digest(self, made_of: str, digest: str) -> None:
        """Remembers the digest of embeddings by a name for what they were made of."""
        self._place.write(f"prepared/{made_of}.txt", digest.encode())

    def digest_of(self, made_of: str) -> str | None:
        """That digest, if it is remembered."""
        data = self._place.read(f"prepared/{made_of}.txt")
        return None if data is None else data.decode(errors="replace")

    def keep_weights(self, trial: Trial, weights: list[np.ndarray]) -> None:
        """Writes the weights of a trained head, for all trials that score it."""
        arrays = {f"weight_{index:04d}": weight for index, weight in enumerate(weights)}
        self._place.write(f"weights/{trial.training_name}.npz", _npz(arrays))

    def weights(self, trial: Trial) -> list[np.ndarray] | None:
        """Weights of the head that the trial scores, in their order; None if they are not there."""
        data = self._place.read(f"weights/{trial.training_name}.npz")
        try:
            with np.load(io.BytesIO(data or b""), allow_pickle=False) as file:
                return [file[name] for name in sorted(file.files)]
        except (OSError, ValueError, EOFError, AttributeError, zipfile.BadZipFile):
            return None

    # The study

    def write_text(self, name: str, text: str) -> None:
        """Writes a file of the study, such as "study.yaml"."""
        self._place.write(name, text.encode())

    def text(self, name: str) -> str | None:
        """A file of the study; None if it is not there."""
        data = self._place.read(name)
        return None if data is None else data.decode(errors="replace")

    def check_versions(self, current: Mapping[str, str] | None = None) -> None:
        """Refuses to go on with other versions than the study was begun with; a new study remembers them.

        Args:
            current: by name; default: `versions()`.

        Raises:
            InputError: they differ; the message names the differences.
        """
        ours = dict(versions() if current is None else current)
        data = json.dumps(ours, indent=1).encode()
        if self._place.create("versions.json", data):
            return
        try:
            theirs = {str(name): str(version) for name, version in json.loads(self._place.read("versions.json") or b"").items()}
        except (ValueError, AttributeError):
            self._place.write("versions.json", data)
            return
        _same_versions(theirs, ours, f"the study in {self.url} was begun")

    def export_rows(self) -> str:
        """All results as CSV, without their cost; the same text for the same results."""
        return rows.to_csv(self.results().values())

    def import_rows(self, text: str) -> int:
        """Keeps the results of such a CSV that are not there yet, and returns how many.

        Their cost is unknown: not a number of seconds, on the host "imported".

        Raises:
            InputError: the rows are damaged, or were made with other versions than the running ones; nothing is kept then.
        """
        results = rows.from_csv(text)
        for made_with in sorted({result.versions for result in results}):
            _same_versions(from_text(made_with), versions(), "the rows were made")
        there = self.results()
        new = [result for result in results if result.trial.name not in there]
        for result in new:
            self.keep(result)
        return len(new)


def embeddings_digest(dataset: EmbeddingDataset) -> str:
    """16 hexadecimal digits of a SHA-256 of embeddings, labels, class names and bound rows."""
    digest = hashlib.sha256(dataset.digest().encode())
    digest.update(json.dumps(dataset.class_names).encode())
    for bound in (dataset.train, dataset.validation, dataset.test):
        digest.update(b"none" if bound is None else np.asarray(bound, np.int64).tobytes() + b"rows")
    return digest.hexdigest()[:16]


# Workers open a store for every trial; trials of one split follow each other.
@lru_cache(maxsize=4)
def _embeddings(url: str, digest: str) -> EmbeddingDataset:
    at = place(url)
    path = f"embeddings/{digest}.npz"
    if isinstance(at, Directory):
        return _intact(at.path / path, digest, url)
    cached = cache_dir("study-embeddings", "embeddings") / f"{digest}.npz"
    # All workers of a machine begin at once: one of them fetches.
    with FileLock(cached.with_suffix(".lock")):
        try:
            return _intact(cached, digest, url)
        except InputError:
            data = at.read(path)
            if data is not None:
                with atomic_file(cached) as temporary:
                    temporary.write_bytes(data)
            return _intact(cached, digest, url)


def _intact(path: Path, digest: str, url: str) -> EmbeddingDataset:
    if not path.exists():
        raise InputError(f"the study in {url} has no embeddings {digest}. Start it again with its data: they are put there.")
    dataset = load_embeddings(path)
    with np.load(path, allow_pickle=False) as file:
        dataset = dataclasses.replace(dataset, name=str(file["name"]) if "name" in file.files else dataset.name)
    if embeddings_digest(dataset) != digest:
        raise InputError(f"the embeddings '{path}' are damaged. Start the study again with its data: they are replaced.")
    return dataset


def _trial_file(name: str) -> str:
    return f"trials/{name}.json"


def _claim(data: bytes) -> tuple[str, str] | None:
    """Key and trial of a claim; None if it is not complete."""
    try:
        claim = json.loads(data)
        return str(claim["key"]), str(claim["trial"])
    except (ValueError, KeyError, TypeError):
        return None


def _npz(arrays: Mapping[str, np.ndarray]) -> bytes:
    file = io.BytesIO()
    np.savez(file, **arrays)
    return file.getvalue()


def _same_versions(theirs: Mapping[str, str], ours: Mapping[str, str], what: str) -> None:
    found = differences(theirs, ours)
    if found:
        raise InputError(
            f"{what} with other versions: {'; '.join(found)}. Numbers of different versions do not belong in one study: install "
            f"those versions, or begin a new study in another directory."
        )
