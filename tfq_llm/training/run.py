"""The run directory: everything a run was made of and has left, written so that a killed run can go on."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import tensorflow as tf

import tfq_llm
from tfq_llm.cache import atomic_file, writable_directory, write_text
from tfq_llm.config import Config, load_config
from tfq_llm.data import Split
from tfq_llm.errors import InputError
from tfq_llm.locks import only_holder
from tfq_llm.metrics import HeadResult, results_table, verdict
from tfq_llm.model_paths import RUN_VERSIONS, exported_models_in, what_is_at
from tfq_llm.training.state import TrainingState
from tfq_llm.training.versions import versions
from tfq_llm.yaml_settings import dump_yaml

FOLDERS = ("history", "logs", "model", "state")
MODEL_FACTS = {"head", "class_names", "encoder", "seen"}
"""What model.json says."""


@dataclass(frozen=True)
class RunDirectory:
    """The files of one run.

    | file | what it holds |
    | --- | --- |
    | config.yaml, versions.json | the resolved settings; the versions of this package, its stack and Python |
    | splits.json | row indices of the parts |
    | history/ | metrics of every epoch, one file per phase |
    | results.json, table.md | one record per head; the same for people |
    | model/ | heads (.keras), the sentence encoder's weights if they were trained, model.json |
    | logs/ | for TensorBoard |
    | state/ | of the phases of an unfinished run |
    """

    path: Path

    @classmethod
    @contextmanager
    def opened(cls, path: Path, config: Config) -> Iterator[RunDirectory]:
        """Makes the directory or goes on with it, and keeps other processes out meanwhile.

        Raises:
            InputError: it cannot be written, is in use, or holds something else: other files, other settings, another version.
        """
        run = cls(writable_directory(path, "Choose another --run-dir."))
        with only_holder(path / ".lock", f"another process is working in '{path}': wait for it, or choose another --run-dir."):
            if (path / RUN_VERSIONS).exists():
                run.check_version()
                run._sweep()
                run._check_config(config)
            elif any(not _is_of_a_beginning_run(entry.name) for entry in path.iterdir()):
                raise InputError(f"'{path}' holds files that are not a run's: choose a new or empty --run-dir.")
            else:
                run._start(config)
            yield run

    def _start(self, config: Config) -> None:
        for folder in FOLDERS:
            (self.path / folder).mkdir(exist_ok=True)
        write_text(self.path / "config.yaml", dump_yaml(config))
        # Last, as it marks the directory as a run's.
        write_json(self.path / RUN_VERSIONS, versions())

    def _sweep(self) -> None:
        """Removes what a killed process was writing."""
        for folder in (self.path, *(self.path / name for name in FOLDERS)):
            for leftover in folder.glob(".*.*"):
                leftover.unlink()

    def check_version(self) -> None:
        """Raises InputError unless this is a run of this version of the package."""
        if not (self.path / RUN_VERSIONS).exists():
            raise _no_run(self.path)
        version = read_json(self.path / RUN_VERSIONS).get("tfq_llm")
        if version != tfq_llm.__version__:
            raise InputError(
                f"'{self.path}' was written by tfq_llm {version}, and this is {tfq_llm.__version__}: choose another run "
                f"directory, or install that version."
            )

    def _check_config(self, config: Config) -> None:
        old, new = _flat(self.config.model_dump()), _flat(config.model_dump())
        if old != new and not (self.path / "splits.json").exists():
            self._start(config)  # nothing was computed with the old settings: most often they were wrong
            return
        changed = [f"  {key}: {old[key]} there, {new[key]} now" for key in new if old[key] != new[key]]
        if changed:
            lines = "\n".join(changed)
            raise InputError(f"'{self.path}' holds a run with other settings:\n{lines}\nChoose another --run-dir, or delete it.")

    @property
    def config(self) -> Config:
        """The resolved settings."""
        return load_config(self.path / "config.yaml")

    def split(self, drawn: Split, digest: str) -> Split:
        """The split the run began with; `drawn` the first time.

        Args:
            drawn: a new split.
            digest: of the data. Row indices mean nothing without them, so a split is used with the same data only.

        Raises:
            InputError: the data have changed since the run began.
        """
        path = self.path / "splits.json"
        if not path.exists():
            write_json(path, {"data": digest} | drawn.to_dict())
        kept = read_json(path)
        if kept["data"] != digest:
            raise InputError(f"the data have changed since the run in '{self.path}' began: choose another --run-dir.")
        return Split.from_dict(kept)

    def state_file(self, phase: str) -> Path:
        """Where a phase keeps its state until the run is finished."""
        return self.path / "state" / f"{phase}.safetensors"

    def log_dir(self, phase: str) -> Path:
        """Where a phase writes for TensorBoard."""
        return self.path / "logs" / phase

    def _phase_file(self, phase: str) -> Path:
        return self.path / "history" / f"{phase}.json"

    def has_phase(self, phase: str) -> bool:
        """Whether a phase is finished."""
        return self._phase_file(phase).exists()

    def keep_phase(self, phase: str, state: TrainingState) -> None:
        """Writes the seconds and epochs of a finished phase; only then does it count as finished."""
        write_json(self._phase_file(phase), {"seconds": round(state.seconds, 1), "epochs": state.history})

    def phase_seconds(self, phase: str) -> float:
        """How long a finished phase trained."""
        return float(read_json(self._phase_file(phase))["seconds"])

    def head_file(self, state: str) -> Path:
        """The quantum head that was trained on embeddings of this state."""
        return self.path / "model" / f"head-{state}.keras"

    def encoder_file(self, state: str) -> Path:
        """The sentence encoder's weights of this state."""
        return self.path / "model" / f"encoder-{state}.safetensors"

    def save_head(self, head: tf.keras.Model, state: str) -> None:
        """Writes a trained head in one step."""
        with atomic_file(self.head_file(state)) as temporary:
            head.save(temporary, save_format="keras")

    def save_encoder(self, encoder: tf.keras.layers.Layer, state: str) -> None:
        """Writes the weights of a trained sentence encoder in one step."""
        encoder.save_weights_file(self.encoder_file(state))

    def results(self) -> list[HeadResult]:
        """The heads scored so far."""
        path = self.path / "results.json"
        return [HeadResult(**record) for record in read_json(path)] if path.exists() else []

    def finished_heads(self) -> set[tuple[str, str]]:
        """Their (state of the embeddings, name)."""
        return {(result.embeddings, result.head) for result in self.results()}

    def add_result(self, result: HeadResult) -> None:
        """Adds a scored head."""
        results = [*self.results(), result]
        write_json(self.path / "results.json", [each.as_dict() for each in results])

    @property
    def is_finished(self) -> bool:
        """Whether the model is complete."""
        return self._model_file.exists()

    @property
    def _model_file(self) -> Path:
        return self.path / "model" / "model.json"

    def model(self) -> dict[str, Any]:
        """What model.json says of the finished model.

        Raises:
            InputError: this is no run of this version, it is not finished, or the file is damaged.
        """
        self.check_version()
        if not self.is_finished:
            raise InputError(
                f"the run in '{self.path}' is not finished: run the 'tfq-llm train' command that began it again; it goes on."
            )
        facts = read_json(self._model_file)
        if not isinstance(facts, dict) or not set(facts) >= MODEL_FACTS:
            raise self.damaged(self._model_file)
        return facts

    def damaged(self, file: Path) -> InputError:
        """What to raise if a file of the finished model is not as it was written."""
        return InputError(
            f"the run in '{self.path}' is damaged: '{file.relative_to(self.path)}' is missing or not as it was written. Copy it "
            "anew, or train again with another --run-dir."
        )

    def finish(self, model: dict[str, Any]) -> None:
        """Writes the table, and model.json, which marks the run as finished."""
        results = self.results()
        write_text(self.path / "table.md", f"{results_table(results)}\n\n{verdict(results)}\n")
        write_json(self._model_file, model)

    def clean(self) -> None:
        """Drops what only an unfinished run needs."""
        needed = self.model()["encoder"]
        for weights in (self.path / "model").glob("encoder-*.safetensors"):
            if needed is None or weights.name != needed["weights"]:
                weights.unlink()
        shutil.rmtree(self.path / "state", ignore_errors=True)

    @property
    def table(self) -> str:
        """The finished run's table with its verdict."""
        return (self.path / "table.md").read_text(encoding="utf-8")


def _no_run(path: Path) -> InputError:
    found, models = what_is_at(path), exported_models_in(path)
    if found is not None:
        return InputError(
            f"'{path}' is {found}, not a run directory: give the run that it was made of, which 'tfq-llm train' made."
        )
    if models:
        return InputError(f"'{path}' is not a run directory; it holds exported models: {', '.join(map(str, models))}.")
    return InputError(f"'{path}' is not a run directory: it has no {RUN_VERSIONS}. 'tfq-llm train' makes one.")


def _is_of_a_beginning_run(name: str) -> bool:
    """Whether a file may be there before versions.json marks the directory as a run's."""
    return name in (".lock", "config.yaml", *FOLDERS) or name.startswith((".config.", ".versions."))


def write_json(path: Path, value: Any) -> None:
    """Writes JSON in one step."""
    write_text(path, json.dumps(value, indent=1, ensure_ascii=False) + "\n")


def read_json(path: Path) -> Any:
    """Reads JSON.

    Raises:
        InputError: the file is missing or damaged.
    """
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(
            f"cannot read '{path}' ({error.strerror or error}). Copy the run anew, or choose another one."
        ) from error
    except ValueError as error:
        raise InputError(f"'{path}' is damaged: {error}. Choose another run directory.") from error


def _flat(settings: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    """Nested settings as {"section.key": value}."""
    flat: dict[str, Any] = {}
    for key, value in settings.items():
        flat |= _flat(value, f"{prefix}{key}.") if isinstance(value, dict) else {prefix + key: value}
    return flat
