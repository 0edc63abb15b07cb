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

import json
from collections.abc import Iterable, Mapping
from pathlib import Path

import numpy as np
from pydantic import ValidationError

from tfq_llm.data.datasets import EmbeddingDataset
from tfq_llm.studies import arrays, rows
from tfq_llm.studies.claims import Claims
from tfq_llm.studies.places import Directory, place
from tfq_llm.studies.trial import Trial, TrialResult
from tfq_llm.studies.versions import check_same_versions, from_text, versions


class Store:
    """A study's files.

    Args:
        url: a directory, which is made if need be, or any URL that fsspec knows, such as "s3://bucket/study"; the package of its
            protocol must be installed.

    Attributes:
        url: the same; a directory as an absolute path.
        directory: of a local store; None elsewhere.
        claims: which trial may score which test rows.

    Raises:
        InputError: the directory cannot be written, or the protocol's package is missing.
    """

    def __init__(self, url: str | Path) -> None:
        self._place = place(str(url))
        self.directory = self._place.path if isinstance(self._place, Directory) else None
        self.url = str(self.directory or url)
        self._results: dict[str, TrialResult] = {}
        self.claims = Claims(self._place)
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

    # Arrays

    def keep_embeddings(self, dataset: EmbeddingDataset) -> str:
        """Writes embeddings unless they are there, and returns their digest, 16 hexadecimal digits.

        It is of embeddings, labels, class names and bound rows, not of the name.
        """
        return arrays.write_embeddings(self.url, dataset)

    def embeddings(self, digest: str) -> EmbeddingDataset:
        """Embeddings by their digest. Those of a remote store are kept in the cache directory, the last ones in memory.

        Raises:
            InputError: there are none, or they are damaged.
        """
        return arrays.read_embeddings(self.url, digest)

    def keep_digest(self, made_of: str, digest: str) -> None:
        """Remembers the digest of embeddings by a name for what they were made of."""
        self._place.write(f"prepared/{made_of}.txt", digest.encode())

    def digest_of(self, made_of: str) -> str | None:
        """That digest, if it is remembered."""
        data = self._place.read(f"prepared/{made_of}.txt")
        return None if data is None else data.decode(errors="replace")

    def keep_weights(self, trial: Trial, weights: list[np.ndarray]) -> None:
        """Writes the weights of a trained head, for all trials that score it."""
        arrays.write_weights(self._place, trial.training_name, weights)

    def weights(self, trial: Trial) -> list[np.ndarray] | None:
        """Weights of the head that the trial scores, in their order; None if they are not there."""
        return arrays.read_weights(self._place, trial.training_name)

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
        check_same_versions(theirs, ours, f"the study in {self.url} was begun")

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
            check_same_versions(from_text(made_with), versions(), "the rows were made")
        there = self.results()
        new = [result for result in results if result.trial.name not in there]
        for result in new:
            self.keep(result)
        return len(new)


def _trial_file(name: str) -> str:
    return f"trials/{name}.json"
